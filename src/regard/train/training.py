"""A whole run, from settings to scores: begun, gone on with, or found done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from regard.spec.errors import RunError
from regard.tasks.classify import TASKS
from regard.tasks.event import Listener, Note, unheard
from regard.tasks.metrics import Metric, gain, metric_from
from regard.tasks.settings import Settings
from regard.tasks.split import fingerprint
from regard.tasks.task import Prepared, Task, task_named
from regard.tasks.text_classifier import budget_words, processed_share
from regard.tasks.vocabulary import load_vocabulary
from regard.train.checkpoint import write_tensors
from regard.train.evaluation import Answers, answers
from regard.train.folder import RunFolder, Status, read_json
from regard.train.loop import Loop
from regard.train.state import State


@dataclass(frozen=True)
class BaselineResult:
    """A baseline's scores on the test part, and how much more accurate the model is."""

    name: str
    scores: tuple[Metric, ...]
    gain: Metric


@dataclass(frozen=True)
class Result:
    """What a run came to. `status`: "new" (trained now), "begun" (gone on with), "done" (it was done already).

    training: epochs, steps, best_epoch, non_finite_losses, ...; cost: seconds, tokens, ... of all its sittings.
    """

    folder: Path
    status: Status
    scores: tuple[Metric, ...]
    baselines: tuple[BaselineResult, ...]
    attention: dict[str, Any]  # on the test part: breadth, share of tokens processed; the focus it was trained towards
    training: dict[str, Any]
    cost: dict[str, Any]


def train_run(settings: Settings, folder: str | Path, *, listen: Listener = unheard) -> Result:
    """Trains a run in a folder, or goes on with it after a kill; the test part is looked at once, at the end.

    Called again with the same settings and data it gives what stands in `metrics.json`, and trains nothing.

    Raises:
        SpecError: the settings name no such task or data set.
        DataError: the data cannot be read or parted.
        RunError: the folder holds another run, the disk is full, or too many losses are not finite.
        CheckpointError: a file of a begun run is cut short or altered.
    """
    task = task_named(settings.task, TASKS)
    accelerator = Accelerator()
    _refuse_sharding(accelerator)
    main = accelerator.is_main_process
    if not main:
        listen = unheard
    run = RunFolder(Path(folder))
    # One process fetches and reads first, so that the others find the data in the cache.
    with run.locked() if main else contextlib.nullcontext(), _kept_randomness(accelerator):
        with accelerator.main_process_first():
            digest = task.digest(settings, listen)
        status = run.status(settings, digest)
        accelerator.wait_for_everyone()  # no process writes before every one has looked
        if status == "done":
            listen(Note(f"{run.path} is done already: nothing is trained, these are its results"))
            return read_result(run, status)
        data, state, model = _fitted(task, settings, digest, run, status, accelerator, listen)
        found = answers(task, model, data.test, accelerator)
        if main:
            listen(Note("fitting the baselines"))
            _finish(task, data, run, state, found, accelerator)
        accelerator.wait_for_everyone()
        return read_result(run, status)


def read_result(run: RunFolder, status: Status = "done") -> Result:
    """What stands in a run's `metrics.json`.

    Raises:
        CheckpointError: it is missing or cut short.
    """
    values = read_json(run.metrics)
    return Result(
        folder=run.path,
        status=status,
        scores=tuple(metric_from(score) for score in values["scores"]),
        baselines=tuple(
            BaselineResult(one["name"], tuple(map(metric_from, one["scores"])), metric_from(one["gain"]))
            for one in values["baselines"]
        ),
        attention=values["attention"],
        training=values["training"],
        cost=values["cost"],
    )


def _fitted(
    task: Task,
    settings: Settings,
    digest: str,
    run: RunFolder,
    status: Status,
    accelerator: Accelerator,
    listen: Listener,
) -> tuple[Prepared, State, nn.Module]:
    """The data, where training ended, and the model with its best weights."""
    vocabulary = load_vocabulary(run.tokenizer, settings.tokens) if status == "begun" else None
    data = task.prepare(settings, vocabulary, listen)
    torch.manual_seed(settings.train.seed)
    model = task.build(data.settings, len(data.vocabulary), len(data.labels))
    if status == "new" and accelerator.is_main_process:
        run.begin(_config(settings, data, digest), data.vocabulary.tokenizer.to_str(), _marks(data))
        run.record.rewind(-1)  # a log without a config.json is of a run that never began
        run.record.add("begin", 0, parameters=sum(one.numel() for one in model.parameters()))
    loop = Loop(task, data, model, run, accelerator, listen)
    checkpoint = run.checkpoints.latest() if status == "begun" else None
    if checkpoint is not None:
        loop.resume(checkpoint)
    if status == "begun" and accelerator.is_main_process:
        listen(Note(f"going on in {run.path} at step {loop.state.step} of {loop.steps}"))
        run.record.rewind(loop.state.step)
        run.record.add("resume", loop.state.step)
    state = loop.run()
    accelerator.wait_for_everyone()
    plain: nn.Module = accelerator.unwrap_model(loop.model)
    plain.load_state_dict(run.best(state.best_epoch).tensors)
    return data, state, plain


def _finish(task: Task, data: Prepared, run: RunFolder, state: State, found: Answers, accelerator: Accelerator) -> None:
    """Scores the model and the baselines on the test part, and writes the results."""
    protocol = _protocol(data)
    count = len(data.labels)
    classes = found.classes
    scores = task.measure(classes, data.test.targets, count, protocol)
    baselines = []
    for baseline in task.baselines(data):
        measured = task.measure(baseline.answers, data.test.targets, count, protocol)
        more = gain(classes, baseline.answers, data.test.targets, protocol=protocol)
        baselines.append({"name": baseline.name, "scores": [one.plain() for one in measured], "gain": more.plain()})
    write_tensors(run.model, run.best(state.best_epoch).tensors, {})
    run.record.add("end", state.step, scores={one.name: one.value for one in scores})
    run.finish(
        {
            "task": task.name,
            "scores": [one.plain() for one in scores],
            "baselines": baselines,
            "attention": {
                "breadth": round(found.breadth, 4),
                "part": "test",
                "focus": data.settings.train.focus,
                "processed": round(processed_share(data.settings.core, torch.from_numpy(data.test.lengths)), 4),
            },
            "training": {
                "epochs": state.step // -(-len(data.train) // data.settings.train.batch),
                "steps": state.step,
                "best_epoch": state.best_epoch,
                "validation_accuracy": state.best,
                "stopped_early": state.stopped,
                "non_finite_losses": state.non_finite,
            },
            "cost": {
                "training_seconds": round(state.seconds, 2),
                "tokens": state.tokens,
                "device": accelerator.device.type,
                "processes": accelerator.num_processes,
                "precision": accelerator.mixed_precision,
                "threads": torch.get_num_threads(),
            },
        }
    )


def _config(asked: Settings, data: Prepared, digest: str) -> dict[str, Any]:
    split = data.split
    return {
        "regard": version("regard"),
        "torch": torch.__version__,
        "asked": asked.model_dump(),
        "settings": data.settings.model_dump(),
        "labels": list(data.labels),
        "vocabulary": len(data.vocabulary),
        "data": {
            "digest": digest,
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "duplicates": split.duplicates,
            "contradictions": split.contradictions,
            "leaked": split.leaked,
        },
    }


def _protocol(data: Prepared) -> str:
    asked = data.settings.data
    origin = "given" if asked.test_path is not None else f"held-out,seed:{asked.split_seed}"
    budget = budget_words(data.settings.core)
    return f"part:test({origin})|rows:{len(data.test)}|duplicates:removed|best-epoch:validation{budget}"


def _marks(data: Prepared) -> Tensor:
    """The fingerprints of all texts that training or validation sees, sorted, (rows,) int64."""
    rows = (*data.split.train, *data.split.validation)
    return torch.tensor(sorted(fingerprint(row.text) for row in rows), dtype=torch.int64)


def _refuse_sharding(accelerator: Accelerator) -> None:
    """Refuses launches whose optimizer state is spread over processes: a checkpoint would hold a part of it."""
    kind = str(accelerator.distributed_type).rpartition(".")[2]
    if kind not in ("NO", "MULTI_CPU", "MULTI_GPU", "MULTI_XPU", "MULTI_NPU"):
        raise RunError(
            f"launched as {kind}, expected one process or data parallel ones (DDP); launch it without {kind}"
        )


@contextlib.contextmanager
def _kept_randomness(accelerator: Accelerator) -> Iterator[None]:
    """Puts torch's random state back afterwards: a run seeds it at every step."""
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
