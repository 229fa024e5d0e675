"""A training, as the ordinary `regard train` in a process of its own: watched by its log, stopped as Ctrl-C stops it.

Nothing of a training lives in the studio: it can be gone on with from the command line, and a studio that is closed or
killed leaves a run that is as good as one that was stopped by hand.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from regard.app.asked import asked_settings
from regard.app.studio.bodies import TrainBody
from regard.app.studio.jobs import CancelledError, Job
from regard.app.studio.probing import Probe
from regard.app.studio.refusals import RefusedError
from regard.app.studio.subjects import identity
from regard.app.studio.typed import train_line
from regard.tasks.catalogue import TASKS
from regard.tasks.settings import Settings
from regard.tasks.task import task_named
from regard.train.folder import RunFolder, read_json
from regard.train.result import read_result

if TYPE_CHECKING:
    from regard.app.studio.studio import Studio

# What `python -m regard` does, but that Ctrl-C is heard also where the studio was started in the background, whose
# processes are born deaf to it.
_ENTRY = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from regard.app.cli import main; sys.exit(main())"
)
_LOOKED = 0.3  # seconds between two looks at the log
_PATIENCE = 60.0  # seconds that a stopped training may take to put its last checkpoint in order
_STEPS = re.compile(r"step (\d+)/(\d+)")
_PATHS = ("data.path", "data.test_path", "train.init")  # settings that name files
_TOLD = 2_000  # bytes of the end of its output that are read for a line


@dataclass(frozen=True)
class Asked:
    """What is to be trained. words: of the command, after `regard`. probe: a text that is read at each checkpoint."""

    words: tuple[str, ...]
    folder: Path
    probe: str | None

    @property
    def line(self) -> str:
        return shlex.join(["regard", *self.words])


def asked_for(studio: Studio, body: TrainBody) -> Asked:
    """Checked as far as can be before the process begins.

    Raises `RefusedError` for paths outside of the folders and for a run that is being trained already; `SpecError` for
    a task, preset or setting that there is not.
    """
    task = task_named(body.task, TASKS)
    folder = _folder(studio, body.folder)
    data = None if body.data is None else str(studio.folders.data(body.data, studio.limits.file_bytes))
    settings = {name: _inside(studio, name, value) for name, value in body.settings.items()}
    typed = {f"data.columns.{role}": name for role, name in body.columns.items()}
    checked: Settings = asked_settings(task, core=body.preset, path=data, typed=typed | settings)
    _check_sources(checked)
    if folder in studio.training:
        raise RefusedError(409, f"{folder.name} is being trained already", where="folder", do="watch that job")
    words = train_line(body.task, body.preset, data, body.columns, settings, folder)
    return Asked(tuple(words), folder, body.probe)


def _check_sources(settings: Settings) -> None:
    """Every data set by its name; a name is no way around the folders."""
    from regard.tasks.sources import source

    for data in (settings.members or {"": settings.data}).values():
        for name in (data.source, data.test_source):
            if name is not None:
                source(name)


def _folder(studio: Studio, given: str) -> Path:
    """Where the run lies: below the first of the folders where only a name is given."""
    path = Path(given)
    if not path.is_absolute():
        if not re.fullmatch(r"[\w.+-]{1,100}", given) or given.startswith("."):
            raise RefusedError(
                422, f"folder {given!r} is no name", where="folder", do="use letters, digits, - and _, or a whole path"
            )
        path = studio.folders.roots[0] / given
    found = studio.folders.inside(str(path), where="folder")
    if found in studio.folders.roots:
        raise RefusedError(422, "folder: a run needs a folder of its own", where="folder", do="name a new one")
    return found


def _inside(studio: Studio, name: str, value: Any) -> Any:
    """A setting; where it names a file, that must lie in the folders."""
    if (name in _PATHS or name.endswith("path")) and isinstance(value, str):
        return str(studio.folders.inside(value, where=f"settings.{name}"))
    return value


def train(job: Job, asked: Asked) -> dict[str, Any]:
    """Runs the command, and tells how far it is, until it ends or the job is stopped.

    Raises `RefusedError` with the command's own last line where it fails; `CancelledError` after a stop.
    """
    record = RunFolder(asked.folder).record
    probe = Probe(asked.folder, asked.probe)
    with tempfile.TemporaryFile() as out:
        process = _begun(asked, out)
        sent = 0
        try:
            while process.poll() is None:
                if job.stopping:
                    _stop(process)
                    break
                lines = record.lines() if record.path.is_file() else []
                sent = sent if len(lines) >= sent else 0  # going on, the log was cut back to its last checkpoint
                job.add([*lines[sent:], *probe.rows()])
                sent = len(lines)
                fraction, line = _progress(out, job)
                job.fraction, job.line = fraction, line
                job.version += 1
                _wait(process, _LOOKED)
        finally:
            if process.poll() is None:
                _stop(process)
        job.add(record.lines()[sent:])
        if job.stopping:
            raise CancelledError
        if process.returncode:
            raise RefusedError(422, _last(out).removeprefix("error: "), where="train", do="change it, and train again")
    return {**result(asked.folder), "points": list(job.points)}


def result(folder: Path) -> dict[str, Any]:
    """What stands in a run's metrics.json. Raises `CheckpointError` for one that is not whole."""
    read_result(RunFolder(folder))
    found = read_json(RunFolder(folder).metrics)
    return {
        "run": identity(folder),
        "scores": found["scores"],
        "baselines": found["baselines"],
        "training": found.get("training", {}),
        "cost": found.get("cost", {}),
    }


def _begun(asked: Asked, out: IO[bytes]) -> subprocess.Popen[bytes]:
    """The command in a session of its own, so that a Ctrl-C typed at the studio does not reach it twice."""
    return subprocess.Popen(
        [sys.executable, "-c", _ENTRY, *asked.words],
        stdout=out,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=_environment(os.environ),
        start_new_session=True,
    )


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    unwanted = ("FORCE_COLOR", "REGARD_TRACEBACK", "RANK", "WORLD_SIZE")
    return {name: value for name, value in given.items() if name not in unwanted} | {"PYTHONIOENCODING": "utf-8"}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does; the command writes what it has to, and ends."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _progress(out: IO[bytes], job: Job) -> tuple[float, str]:
    line = _last(out) or job.line
    found = _STEPS.search(line)
    return (int(found[1]) / max(int(found[2]), 1) if found else job.fraction), line


def _last(out: IO[bytes]) -> str:
    """The last whole line of what the command said; it writes at the same file's end."""
    size = os.fstat(out.fileno()).st_size
    text = os.pread(out.fileno(), _TOLD, max(0, size - _TOLD)).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
