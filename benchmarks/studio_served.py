"""The studio's server as a process that is watched: which files it opens, and how much memory it takes.

    python -m benchmarks.studio_served FOLDER OPENED.txt     # prints the address, as `regard studio` does

Every file that Python opens in this process is written to OPENED.txt, once. Trainings are not run: a process that does
nothing stands in their place, so that a fuzzer may ask for them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Served:
    """A server that runs. address: without the fragment."""

    address: str
    token: str
    pid: int

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Regard-Token": self.token}

    def memory(self) -> int:
        """Bytes of its resident memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


@contextmanager
def served(folder: Path, opened: Path) -> Iterator[Served]:
    """A server on a folder, ended as Ctrl-C ends it."""
    command = [sys.executable, "-m", "benchmarks.studio_served", str(folder), str(opened)]
    with _running(command, os.environ | {"OMP_NUM_THREADS": "1"}) as made:
        yield made


@contextmanager
def commanded(folders: Sequence[Path]) -> Iterator[Served]:
    """`regard studio` on these folders, as a person starts it."""
    command = [sys.executable, "-m", "regard", "studio", "--no-browser", *map(str, folders)]
    with _running(command, dict(os.environ)) as made:
        yield made


@contextmanager
def _running(command: Sequence[str], environment: dict[str, str]) -> Iterator[Served]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as made:
        assert made.stdout is not None
        line = made.stdout.readline()
        found = re.fullmatch(r"regard studio: (http://127\.0\.0\.1:\d+)/#token=(\S+)\n", line)
        assert found is not None, line
        try:
            yield Served(found[1], found[2], made.pid)
        finally:
            made.send_signal(signal.SIGINT)
            made.wait(60)


def _listen(path: str) -> None:
    """Writes down each file that is opened, by its whole path, the first time."""
    seen: set[str] = set()
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(given[0], str | bytes | os.PathLike):
            return
        name = os.path.realpath(os.fsdecode(given[0]))
        if name not in seen:
            seen.add(name)
            os.write(out, f"{name}\n".encode("utf-8", "backslashreplace"))

    sys.addaudithook(heard)


def main(folder: str, opened: str) -> None:
    """Serves the folder on any port that is free."""
    from regard.app.studio import training
    from regard.app.studio.limits import Limits
    from regard.app.studio.server import address, listening, serve
    from regard.app.studio.studio import Studio

    training._begun = lambda asked, out: subprocess.Popen([sys.executable, "-c", "pass"], stdout=out, stderr=out)
    made = Studio.of([Path(folder)], limits=Limits(looks_bytes=20_000_000))
    taken = listening(0)
    where = address(made, taken.getsockname()[1])
    _listen(opened)
    serve(made, taken, ready=lambda: print(f"regard studio: {where}", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
