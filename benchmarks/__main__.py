"""Run every benchmark, one after the other, each in its own process: `python -m benchmarks [--smoke] [--rounds N]`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

RUNS = (
    ("overhead", ""),
    ("additive", "torch"),
    ("additive", "tensorflow"),
    ("streaming", ""),
    ("observe", ""),
    ("windowed", ""),
    ("packed", ""),
    ("decoding", ""),
    ("focus", ""),
    ("grid", ""),
    ("gemma", ""),
    ("prefill", ""),
    ("pages", ""),
    ("training_step", ""),
    ("rows", ""),
)


def main() -> int:
    failed = []
    for module, backend in RUNS:
        name = f"{module} ({backend})" if backend else module
        print(f"{name}", flush=True)
        if backend == "tensorflow" and importlib.util.find_spec(backend) is None:
            print("  left out: tensorflow is not installed (benchmarks/requirements.txt)", flush=True)
            continue
        env = os.environ | ({"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"} if backend else {})
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *sys.argv[1:]], env=env, check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
