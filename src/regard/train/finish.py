"""The end of a run: the test part is answered once, scored beside the baselines, and the results are written."""

from __future__ import annotations

from typing import Any

import torch

from regard.tasks.scores.measure import Measure
from regard.tasks.task import Prepared, Task
from regard.train.checkpoint import write_tensors
from regard.train.evaluation import Answers
from regard.train.folder import RunFolder
from regard.train.loop import Loop


def finish(loop: Loop, found: Answers, run: RunFolder) -> None:
    """Scores the model's answers and the baselines', and writes `model.safetensors` and `metrics.json`."""
    task, data, state = loop.task, loop.data, loop.state
    protocol = protocol_of(task, data)
    measures = task.measures(data.setup)
    scores = [_scored(one, data, found.answers, protocol) for one in measures]
    baselines = []
    for name, theirs in task.baselines(data).items():
        gain = measures[0].gain(found.answers, theirs, data.test.truths, protocol=protocol, groups=data.groups)
        measured = [_scored(one, data, theirs, protocol) for one in measures]
        baselines.append({"name": name, "scores": measured, "gain": gain.plain()})
    write_tensors(run.model, run.best(state.best_epoch).tensors, {})
    run.record.add("end", state.step, scores={one["name"]: one["value"] for one in scores})
    run.finish(
        {
            "task": task.name,
            "scores": scores,
            "baselines": baselines,
            "attention": _attention(task, data, found),
            "training": _training(loop, measures[0].name),
            "cost": _cost(loop),
        }
    )


def protocol_of(task: Task, data: Prepared) -> str:
    """How the scores on the test part came about."""
    by = "validation" if task.chosen_by == "metric" else "validation-loss"
    added = "" if task.protocol is None else task.protocol(data.settings)
    return f"{data.protocol}|best-epoch:{by}{added}"


def _scored(measure: Measure, data: Prepared, answers: Any, protocol: str) -> dict[str, Any]:
    return measure(answers, data.test.truths, protocol=protocol, groups=data.groups).plain()


def _attention(task: Task, data: Prepared, found: Answers) -> dict[str, Any]:
    spent = 1.0 if task.spent is None else task.spent(data.setup, data.test.lengths)
    return {
        "breadth": None if found.breadth is None else round(found.breadth, 4),
        "part": "test",
        "focus": data.settings.train.focus,
        "processed": round(spent, 4),
    }


def _training(loop: Loop, metric: str) -> dict[str, Any]:
    state = loop.state
    by = metric.replace(" ", "_") if loop.task.chosen_by == "metric" else "loss"
    return {
        "epochs": loop.epochs.done(state.step),
        "steps": state.step,
        "best_epoch": state.best_epoch,
        f"validation_{by}": state.best,
        "stopped_early": state.stopped,
        "non_finite_losses": state.non_finite,
    }


def _cost(loop: Loop) -> dict[str, Any]:
    state, accelerator = loop.state, loop.accelerator
    return {
        "training_seconds": round(state.seconds, 2),
        "minutes": round(loop.wall / 60, 3),  # by the clock, data, validation and baselines included
        "tokens": state.tokens,
        "padding": round(1 - state.tokens / state.places, 4) if state.places else 0.0,  # share of what is computed
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "threads": torch.get_num_threads(),
    }
