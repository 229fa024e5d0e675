"""Several tasks on one core: their front ends and their core are one wherever the sizes fit, and each has its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regard.spec.errors import SpecError
from regard.tasks.event import Listener, Note
from regard.tasks.scores.measure import Measure
from regard.tasks.settings import Settings
from regard.tasks.several_part import SeveralBatch, SeveralPart
from regard.tasks.several_scores import measures_of_several
from regard.tasks.task import Given, Outcome, Prepared, Setup, Task


class Several(nn.Module):
    """The models of several tasks, by name. inputs: task -> what its model is called with; gives task -> its output.

    Whatever is no head of its task, and has the same tensors as in the model before it, is that model's: one module
    under several names.
    """

    def __init__(self, models: Mapping[str, nn.Module], heads: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.models = nn.ModuleDict(models)
        first = next(iter(models.values()))
        for task, model in models.items():
            for name, child in list(model.named_children()):
                other = getattr(first, name, None)
                if name not in heads[task] and other is not None and _shape(child) == _shape(other) and _shape(child):
                    setattr(model, name, other)

    def forward(self, inputs: Mapping[str, Sequence[Tensor]]) -> dict[str, Any]:
        return {name: self.models[name](*given) for name, given in inputs.items()}


class _Answered(nn.Module):
    """Stands for a task's model whose output is there already, so that all models run in one call."""

    def __init__(self, output: Any, *, training: bool) -> None:
        super().__init__()
        self.output = output
        self.training = training

    def forward(self, *inputs: Any) -> Any:
        return self.output


@dataclass(frozen=True)
class _Members:
    """The tasks on one core, by the names of their data in `Settings.members`; its methods are those of the one task
    that they make up, in `Task`'s order."""

    tasks: Mapping[str, Task]

    def setups(self, setup: Setup) -> dict[str, Setup]:
        """Each task's own."""
        facts = setup.facts.get("members", {})
        return {
            one: Setup(_settings(setup.settings, one, task), facts.get(one, {}), setup.kept)
            for one, task in self.tasks.items()
        }

    def digest(self, settings: Settings, listen: Listener) -> str:
        return " ".join(task.digest(_settings(settings, one, task), listen) for one, task in self.tasks.items())

    def prepare(self, settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
        found = self._each(settings, kept, listen)
        joint = next(iter(self.tasks.values())).joint
        if kept is None and joint is not None:
            listen(Note("what all tasks read with is made of the training parts of all"))
            kept = joint(list(found.values()))
            found = self._each(settings, kept, listen)
        return _together(settings, found, kept or {})

    def _each(self, settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> dict[str, Prepared]:
        return {one: task.prepare(_settings(settings, one, task), kept, listen) for one, task in self.tasks.items()}

    def build(self, setup: Setup) -> nn.Module:
        models = {one: self.tasks[one].build(own) for one, own in self.setups(setup).items()}
        return Several(models, {one: task.heads for one, task in self.tasks.items()})

    def _outcomes(self, model: nn.Module, batch: SeveralBatch, setup: Setup) -> dict[str, Outcome]:
        own, outputs = self.setups(setup), model(batch.inputs)
        return {
            one: self.tasks[one].judge(_Answered(outputs[one], training=model.training), inner, own[one])
            for one, inner in batch.batches.items()
        }

    def judge(self, model: nn.Module, batch: SeveralBatch, setup: Setup) -> Outcome:
        found = list(self._outcomes(model, batch, setup).values())
        hits = [one.hits for one in found if one.hits is not None]
        breadths = [one.breadths for one in found if one.breadths is not None]
        return Outcome(
            torch.cat([one.losses.flatten() for one in found]),
            sum(one.units for one in found),
            torch.stack(hits).sum() if len(hits) == len(found) else None,
            torch.cat(breadths) if len(breadths) == len(found) else None,
        )

    def answer(self, model: nn.Module, batch: SeveralBatch, setup: Setup) -> Sequence[Any]:
        placed: dict[int, tuple[str, Any]] = {}
        for one, outcome in self._outcomes(model, batch, setup).items():
            assert outcome.answers is not None
            for place, said in zip(batch.rows_of[one].tolist(), outcome.answers.cpu().numpy(), strict=True):
                placed[place] = (one, said)
        return [placed[place] for place in range(len(batch))]

    def measures(self, setup: Setup) -> tuple[Measure, ...]:
        own = {one: self.tasks[one].measures(each) for one, each in self.setups(setup).items()}
        return measures_of_several(own, {one: task.answer is None for one, task in self.tasks.items()})

    def baselines(self, data: Prepared) -> Mapping[str, Any]:
        """The first of each task together, the second of each, ..."""
        own = {one: list(task.baselines(data.rows[one]).items()) for one, task in self.tasks.items()}
        return {
            "; ".join(f"{one}: {named}" for one, (named, _) in zip(own, row, strict=True)): [
                (one, said) for one, (_, answers) in zip(own, row, strict=True) for said in answers
            ]
            for row in zip(*own.values(), strict=False)
        }

    def tell(self, model: nn.Module, batch: Any, setup: Setup) -> Sequence[Mapping[str, Any]]:
        assert isinstance(model, Several)
        said = [
            task.tell(model.models[one], batch, self.setups(setup)[one])
            for one, task in self.tasks.items()
            if task.tell is not None
        ]
        return [dict(zip(self.tasks, row, strict=True)) for row in zip(*said, strict=True)]

    def typed(self, texts: Sequence[str], setup: Setup) -> Given:
        one, task = next(iter(self.tasks.items()))
        assert task.typed is not None
        return task.typed(texts, self.setups(setup)[one])


def several(
    tasks: Mapping[str, Task], presets: Mapping[str, Settings], *, name: str, about: str, example: str, takes: str
) -> Task:
    """One task out of several, by the names of their data in `Settings.members`.

    Raises:
        SpecError: one of them decodes its answers (it writes them, or looks for boxes): their models run in one call
            here, and such a task needs more passes than that.
    """
    decoding = [one for one, task in tasks.items() if task.answer is not None]
    if decoding:
        raise SpecError(
            f"{name}: {', '.join(decoding)} decodes its answers in passes of its own, which several tasks on one core "
            "do not; join tasks that answer in one pass (classify, images, symbols, tabular), or train this one from "
            "the others' weights with --init"
        )
    members = _Members(tasks)
    readable = all(task.typed is not None and task.tell is not None for task in tasks.values())
    return Task(
        name=name,
        about=about,
        example=example,
        beside="; ".join(f"{one}: {task.beside}" for one, task in tasks.items()),
        takes=takes,
        files="none but its own: its settings name the data of each task (members)",
        presets=presets,
        digest=members.digest,
        prepare=members.prepare,
        build=members.build,
        judge=members.judge,
        answer=members.answer,
        measures=members.measures,
        baselines=members.baselines,
        protocol=next(iter(tasks.values())).protocol,
        typed=members.typed if readable else None,
        tell=members.tell if readable else None,
        partly=True,
    )


def _settings(settings: Settings, name: str, task: Task) -> Settings:
    """The settings of one of the tasks."""
    members = settings.members or {}
    return settings.model_copy(update={"task": task.name, "data": members[name], "members": None})


def _together(settings: Settings, found: Mapping[str, Prepared], kept: Mapping[str, str]) -> Prepared:
    parts = {
        part: SeveralPart({name: getattr(one, part) for name, one in found.items()})
        for part in ("train", "validation", "test")
    }
    facts = {"members": {name: dict(one.setup.facts) for name, one in found.items()}}
    return Prepared(
        setup=Setup(settings, facts, kept),
        **parts,  # type: ignore[arg-type]
        protocol=" & ".join(f"{name}:{one.protocol}" for name, one in found.items()),
        counts={f"{name}: {what}": count for name, one in found.items() for what, count in one.counts.items()},
        marks=np.sort(np.concatenate([one.marks for one in found.values()])),
        rows=found,
    )


def _shape(module: nn.Module) -> tuple[Any, ...]:
    return tuple((name, tuple(tensor.shape)) for name, tensor in module.state_dict().items())
