"""A whole run, from settings to scores: begun, gone on with, or found done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from regard.spec.errors import RunError
from regard.tasks.catalogue import TASKS
from regard.tasks.event import Listener, Note, unheard
from regard.tasks.settings import Settings, plain
from regard.tasks.task import Prepared, Task, task_named
from regard.train.evaluation import answers
from regard.train.finish import finish
from regard.train.folder import RunFolder, Status, read_json
from regard.train.launch import accelerator_for
from regard.train.loop import Loop
from regard.train.result import Result, read_result
from regard.train.transfer import take_over


def train_run(
    settings: Settings, folder: str | Path, *, listen: Listener = unheard, tasks: Sequence[Task] | None = None
) -> Result:
    """Trains a run in a folder, or goes on with it after a kill; the test part is looked at once, at the end.

    Called again with the same settings and data it gives what stands in `metrics.json`, and trains nothing. `tasks`:
    those that the settings may name; by default regard's own.

    Raises:
        SpecError: the settings name no such task or data set, or hold what the task has no use for.
        DataError: the data cannot be read or parted.
        RunError: the folder holds another run, the disk is full, or too many losses are not finite.
        CheckpointError: a file of a begun run is cut short or altered.
    """
    began = time.monotonic()
    task = task_named(settings.task, TASKS if tasks is None else tasks)
    task.check(settings)
    accelerator = accelerator_for(settings.train.precision, partly=task.partly)
    main = accelerator.is_main_process
    if not main:
        listen = unheard
    run = RunFolder(Path(folder))
    # One process fetches and reads first, so that the others find the data in the cache.
    with run.locked() if main else contextlib.nullcontext(), kept_randomness(accelerator):
        with accelerator.main_process_first():
            digest = task.digest(settings, listen)
        status = run.status(settings, digest)
        accelerator.wait_for_everyone()  # no process writes before every one has looked
        if status == "done":
            listen(Note(f"{run.path} is done already: nothing is trained, these are its results"))
            return read_result(run, status)
        loop = _begun(task, settings, digest, run, status, accelerator, listen)
        loop.count_from(began)
        model = trained(loop)
        found = answers(task, loop.data.setup, model, loop.data.test, accelerator)
        if main:
            listen(Note("fitting the baselines"))
            finish(loop, found, run)
        accelerator.wait_for_everyone()
        return read_result(run, status)


def _begun(
    task: Task,
    settings: Settings,
    digest: str,
    run: RunFolder,
    status: Status,
    accelerator: Accelerator,
    listen: Listener,
) -> Loop:
    """The loop at its first step, or at that of the last checkpoint."""
    config = read_json(run.config) if status == "begun" else {}
    data = task.prepare(settings, run.kept_of(config) if config else None, listen)
    torch.manual_seed(settings.train.seed)
    model = task.build(data.setup)
    checkpoint = run.checkpoints.latest() if config else None
    init = config.get("init")
    if settings.train.init is not None and checkpoint is None:
        init = _initial(model, settings.train.init, data, init, listen)
    if not config and accelerator.is_main_process:
        run.begin(_config(settings, data, digest, init), data.setup.kept, torch.from_numpy(data.marks))
        run.record.rewind(-1)  # a log without a config.json is of a run that never began
        run.record.add("begin", 0, parameters=sum(one.numel() for one in model.parameters()))
    loop = Loop(task, data, model, run, accelerator, listen)
    if checkpoint is not None:
        loop.resume(checkpoint)
    if config and accelerator.is_main_process:
        listen(Note(f"going on in {run.path} at step {loop.state.step} of {loop.steps}"))
        run.record.rewind(loop.state.step)
        run.record.add("resume", loop.state.step)
    return loop


def _initial(model: nn.Module, folder: str, data: Prepared, before: Any, listen: Listener) -> dict[str, Any]:
    """Takes another run's weights over; `before` is what config.json says of it where the run was begun already."""
    taken = take_over(model, Path(folder), data.setup)
    if before is not None and before["digest"] != taken.digest:
        raise RunError(f"this run began with other weights than {folder} holds now; train in a new folder")
    listen(Note(taken.words()))
    return taken.plain()


def trained(loop: Loop) -> nn.Module:
    """Trains to the end, and gives the model with its best weights."""
    state = loop.run()
    loop.accelerator.wait_for_everyone()
    model: nn.Module = loop.accelerator.unwrap_model(loop.model)
    model.load_state_dict(loop.folder.best(state.best_epoch).tensors)
    return model


def _config(asked: Settings, data: Prepared, digest: str, init: Any) -> dict[str, Any]:
    found = {
        "regard": version("regard"),
        "torch": torch.__version__,
        "asked": plain(asked),
        "settings": plain(data.settings),
        "facts": dict(data.setup.facts),
        "kept": list(data.setup.kept),
        "data": {"digest": digest, **data.counts},
    }
    return found if init is None else found | {"init": init}


@contextlib.contextmanager
def kept_randomness(accelerator: Accelerator) -> Iterator[None]:
    """Puts torch's random state back afterwards: a run seeds it at every step."""
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
