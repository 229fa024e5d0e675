"""Peak memory of one call, in a process of its own.

The child makes the inputs of a small twin of the case, gates and runs it (libraries, thread pools and allocators are
then awake), makes the real inputs, resets the kernel's high-water mark of resident memory (`5` into
/proc/self/clear_refs), makes the one call, and reads the mark (VmHWM in /proc/self/status). What the call returns is
subtracted: the figure is what was needed beyond inputs and results. Where there is no /proc the growth of getrusage's
ru_maxrss stands in, which cannot see a peak below an earlier one.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import Case, GateError, Results, relative_error

MIB = 1 << 20
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(module: str, builder: str, small: dict[str, Any], real: dict[str, Any], peer: str) -> dict[str, Any]:
    """Peak extra bytes of `peer` in `module.builder(**real)`, after its twin `module.builder(**small)` was gated.

    `module` is a file of this folder, `builder` a function in it that returns a `Case`.
    """
    order = json.dumps({"module": module, "builder": builder, "small": small, "real": real, "peer": peer})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", order], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
        return {"peer": peer, "failed": last[:300]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"peer": peer, **found}


def job(report: list[dict[str, Any]], name: str, module: str, builder: str, **options: Any) -> None:
    """Measure every peer in `options["peers"]` and put the rows, under `name`, into `report`."""
    for peer in options["peers"]:
        row = {"name": name, **measure(module, builder, options["small"], options["real"], peer)}
        shown = f"{row['extra_bytes'] / MIB:10.1f} MiB" if "extra_bytes" in row else f"FAILED {row['failed']}"
        print(f"  {name}: {peer:40} {shown}", flush=True)
        report.append(row)


def extra(call: Callable[[], Results]) -> tuple[int, int, str]:
    """(peak bytes beyond what was resident before, bytes of the results, how it was read)."""
    gc.collect()
    try:
        _CLEAR.write_text("5")
        read, how = _high_water, "VmHWM after clear_refs"
        before = _status("VmRSS")
    except OSError:
        read, how = _max_rss, "ru_maxrss growth"
        before = _max_rss()
    results = call()
    peak = read() - before
    return peak, sum(t.numel() * t.element_size() for t in results), how


def _status(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def _high_water() -> int:
    return _status("VmHWM")


def _max_rss() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _keep_off_the_last_memory() -> None:
    """Let a peer that needs too much fail by itself, before the machine starts killing processes."""
    try:
        free = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    except OSError:
        return
    most = int(int(free.split()[1]) * 1024 * 0.85)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _child(order: dict[str, Any]) -> dict[str, Any]:
    build: Callable[..., Case] = getattr(importlib.import_module(f"benchmarks.{order['module']}"), order["builder"])
    twin = build(**order["small"])
    error = relative_error(twin.seen(order["peer"]), twin.truth())
    if error > twin.tolerance:
        raise GateError(f"{twin.name}: {order['peer']} is off by {error:.1e}, more than {twin.tolerance:.0e}")
    case = build(**order["real"])
    peak, results, how = extra(case.peers[order["peer"]])
    return {"peak_bytes": peak, "result_bytes": results, "extra_bytes": max(0, peak - results), "method": how}


if __name__ == "__main__":
    _keep_off_the_last_memory()
    print(json.dumps(_child(json.loads(sys.argv[1]))))
