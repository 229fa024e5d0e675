"""Attention as it changes while a model trains: one text, read with the weights of each new checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from regard.lens.figures import figures
from regard.lens.sinks import shares
from regard.lens.trace import Trace
from regard.lens.watch import watch
from regard.spec.errors import RegardError
from regard.train.folder import RunFolder

_LONGEST = 200  # units whose mass is told


class Probe:
    """A text, and the steps at which it was read. A task that reads no typed text gives no rows."""

    def __init__(self, folder: Path, text: str | None) -> None:
        self.folder, self.text = RunFolder(folder), text
        self._step = -1
        self._seen: tuple[int, int] | None = None

    def rows(self) -> list[dict[str, Any]]:
        """One row where there is a checkpoint that was not read yet; none where it is being written just now."""
        if self.text is None or not self.folder.config.is_file() or not self._is_new():
            return []
        try:
            return self._read()
        except (RegardError, OSError, KeyError, ValueError, RuntimeError):
            return []  # a probe is beside the point of a training, and never stops one

    def _is_new(self) -> bool:
        """Whether anything in the folder of checkpoints has changed; a checkpoint itself is large to read."""
        try:
            found = [one.stat() for one in (self.folder.path / "checkpoint").iterdir()]
        except OSError:
            return False
        seen = (len(found), max((one.st_mtime_ns for one in found), default=0))
        changed, self._seen = seen != self._seen, seen
        return changed and bool(found)

    def _read(self) -> list[dict[str, Any]]:
        checkpoint = self.folder.checkpoints.latest()
        step = -1 if checkpoint is None else int(checkpoint.values["state"]["step"])
        if checkpoint is None or step <= self._step:
            return []
        weights = {name[6:]: tensor for name, tensor in checkpoint.tensors.items() if name.startswith("model.")}
        found = self._looked(weights)
        self._step = step
        return [] if found is None else [{"event": "attention", "step": step, **found}]

    def _looked(self, weights: dict[str, torch.Tensor]) -> dict[str, Any] | None:
        from regard.tasks.catalogue import TASKS
        from regard.tasks.settings import settings_from
        from regard.tasks.task import Setup, task_named
        from regard.train.run import Run

        config = self.folder.told("settings", "facts")
        settings = settings_from(config["settings"], where=str(self.folder.config))
        task = task_named(settings.task, TASKS)
        if task.typed is None or task.explain is None:
            return None
        setup = Setup(settings, config["facts"], self.folder.kept_of(config))
        model = task.build(setup)
        model.load_state_dict(weights)
        run = Run(self.folder.path, task, setup, model.eval())
        given = run.typed([str(self.text)])
        with watch(model) as seen:
            explained = run.explain(given, 0)
        trace = seen.trace(run=seen.runs - 1 if seen.runs > 1 else None)
        return {"units": [unit.name for unit in explained.units][:_LONGEST], **_told(trace)}


def _told(trace: Trace) -> dict[str, Any]:
    """Of each head its breadth and distance, and the mean share of the mass that each unit received."""
    longest = max(layer.keys for layer in trace.layers)
    total = torch.zeros(longest, dtype=torch.float64)
    for layer in trace.layers:
        total[: layer.keys] += shares(layer, 0).sum(0)
    heads = sum(len(layer.heads) for layer in trace.layers)
    rows = [
        {"layer": one.layer, "head": one.head, "breadth": one.breadth, "distance": one.distance}
        for one in figures(trace)
    ]
    return {"heads": rows, "received": (total / heads).tolist()[:_LONGEST]}
