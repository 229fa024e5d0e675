"""A question about what is told of one row of a table: which of its cells that rests on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from regard.lens.answers import class_of, class_score
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question
from regard.lens.units import Units
from regard.nn.front_ends import FeatureFrontEnd
from regard.spec.errors import SpecError
from regard.tasks.classifier import Classifier
from regard.tasks.memory_part import TensorBatch
from regard.tasks.tabular_data import in_order
from regard.tasks.task import Setup

__all__ = ["table_question"]


def table_question(
    model: Classifier, setup: Setup, batch: TensorBatch, target: str | int | None, *, others: Sequence[TensorBatch] = ()
) -> Question:
    """batch, and each of `others`: one row. target: a label; of a run that tells a number there is none to choose.
    Units are the cells, numbers first, as the model reads them.

    A cell is taken away as a vector: as its column's mean (of a category: the mean of its categories' vectors); and,
    where training had empty cells, as an empty one. A number has no probability: what stands in its place says how near
    the answer stays to that of the whole row, exp(-|difference| / spread), the spread being that of the training part;
    gradients are those of the number itself.

    Raises `SpecError` for a label that the run has not, or a target of a number.
    """
    front = model.front
    assert isinstance(front, FeatureFrontEnd)

    def tokens(row: TensorBatch) -> Tensor:
        with torch.no_grad():
            made: Tensor = front(*(one[:1] for one in row.inputs)).tokens
        return made

    def told(leaf: Tensor) -> Tensor:
        found: Tensor = model.head(model.encoder(leaf), None)[0].float()
        return found

    leaf = tokens(batch)
    with torch.no_grad():
        whole = told(leaf)
    scores, name = _scores(setup, whole[0], target)
    fills = _fills(front, setup)
    if others:
        fills["other"] = ("told as another row has them", tokens(others[0]))
    return leaf_question(
        LeafInput(
            leaf=leaf,
            cells=torch.arange(leaf.shape[1])[:, None],
            units=Units(_cells(setup, batch), "cell"),
            target=name,
            score=lambda rows: scores["score"](told(rows)),
            gradient=None if "gradient" not in scores else lambda rows: scores["gradient"](told(rows)),
            fills=fills,
            attention=Attention(model, lambda: scores["score"](told(leaf)), torch.arange(leaf.shape[1])),
            of="the cells' vectors",
            name=f"the run's {setup.settings.core.kind}",
            quantity="probability" if "labels" in setup.facts else _NEAR,
        )
    )


_NEAR = "nearness to the answer from the whole row, exp(-|difference| / the training part's spread)"


def _scores(setup: Setup, whole: Tensor, target: str | int | None) -> tuple[dict[str, Any], str]:
    """What the model tells, (b, classes), or (b, 1) of a number in spreads, as scores; and the answer in words."""
    if "labels" in setup.facts:
        chosen, label = class_of(target, whole, setup.facts["labels"])
        return {"score": lambda found: class_score(found, chosen)}, label
    if target is not None:
        raise SpecError(f"target={target!r}: this run tells a number; leave the target out")
    value = float(whole[0].double() * setup.facts["spread"] + setup.facts["level"])
    number = {"score": lambda found: -(found[:, 0] - whole[0]).abs(), "gradient": lambda found: found[:, 0]}
    return number, f"{value:.4g}"


def _fills(front: FeatureFrontEnd, setup: Setup) -> dict[str, tuple[str, Tensor]]:
    """Vectors (1, features, dim) that stand for no cell, by way."""
    with torch.no_grad():
        numbers = torch.zeros(front.numbers, front.dim)  # a number's mean is 0 once it is standardised
        ends = itertools.accumulate(front.categories)
        categories = [front.table[end - size : end].mean(0) for end, size in zip(ends, front.categories, strict=True)]
        mean = front.offsets + torch.cat((numbers, *(one[None] for one in categories)))
        empty = front.offsets + front.missing
    found = {"mean": ("told as the column's mean", mean[None])}
    known = torch.tensor([bool(one["missing"]) for _, one in in_order(setup)])
    if bool(known.all()):
        found["mask"] = ("told as empty", empty[None])
    elif bool(known.any()):  # of the other columns the vector of an empty cell was never trained
        words = "told as empty where training had empty cells, and elsewhere as the column's mean"
        found["mask"] = (words, torch.where(known[:, None], empty, mean)[None])
    return found


def _cells(setup: Setup, batch: TensorBatch) -> tuple[str, ...]:
    """Each cell in words: "age = 4", "wood is missing"."""
    numbers, categories, present = (one[0].tolist() for one in batch.inputs)
    known = [one for _, one in in_order(setup)]
    values = [f"{one:g}" for one in numbers]
    values += [one["categories"][at] for one, at in zip(known[len(numbers) :], categories, strict=True)]
    return tuple(
        f"{one['name']} = {value}" if there else f"{one['name']} is missing"
        for one, value, there in zip(known, values, present, strict=True)
    )
