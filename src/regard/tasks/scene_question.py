"""A question about one thing that was found in a scene, or about the outline of one class: which patches that is
from."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.leaf_question import leaf_question
from regard.lens.question import Question
from regard.lens.shares import percent
from regard.spec.errors import SpecError
from regard.tasks.picture_question import picture_input
from regard.tasks.scene_data import SceneBatch
from regard.tasks.scene_looks import LEAST
from regard.tasks.scene_model import Finder, Outliner
from regard.tasks.task import Setup

__all__ = ["found_question", "outlined_question"]

_LEAST = 1e-6  # below which a score's logarithm is not taken: boxes that do not meet have an overlap of 0


def found_question(
    model: Finder, setup: Setup, batch: SceneBatch, target: str | None, *, piece: int | None = None
) -> Question:
    """batch: one scene. target: a label, piece: which of its things, surest first, from 1; without a target, which of
    all that are found. By default the surest thing of all.

    Its score is that of the query that says it best: p(label) times the overlap (intersection over union) of its box
    with the one that was found in the whole picture. So Petsiuk et al. 2021 (D-RISE, arXiv 2006.03204, eq. 3), who
    compare all classes' probabilities where here the label's alone counts.

    Raises `SpecError` for a label or a thing that is not there.
    """
    pixels = batch.pictures[:1]
    with torch.no_grad():
        last = model(pixels.float() / 255).layers[-1]
    label, box = _thing(last.logits[0].float().softmax(-1)[:, :-1], last.boxes[0], setup, target, piece)

    def score(leaf: Tensor) -> Tensor:
        found = model(leaf).layers[-1]
        chances = found.logits.float().softmax(-1)[..., label]
        best: Tensor = (chances * overlap(found.boxes.float(), box)).amax(-1)
        return best.clamp(min=_LEAST).log()

    x, y = ((box[:2] + box[2:]) / 2).tolist()
    return leaf_question(
        picture_input(
            model,
            model.front,
            setup,
            pixels,
            target=f"{setup.facts['labels'][label]} at {x:.0%} across, {y:.0%} down",
            score=score,
            quantity="score (probability times the overlap of boxes)",
            together=16,
        )
    )


def outlined_question(model: Outliner, setup: Setup, batch: SceneBatch, target: str | None) -> Question:
    """batch: one scene. target: a label, by default the one that most pixels have (background aside). Its score is the
    mean log-probability of the label on the pixels that are told to be it.

    Raises `SpecError` for a label that no pixel has.
    """
    pixels, names = batch.pictures[:1], setup.facts["labels"]
    with torch.no_grad():
        told = model(pixels.float() / 255)[0].argmax(0)
    counts = torch.bincount(told.flatten(), minlength=len(names) + 1)[1:]
    there = [name for name, count in zip(names, counts.tolist(), strict=True) if count]
    if not there:
        raise SpecError("this run outlines nothing in this picture: there is no answer to explain")
    label = names[int(counts.argmax())] if target is None else target
    if label not in there:
        raise SpecError(f"target={label!r}: no pixel is told to be it; those there are: {', '.join(there)}")
    chosen = names.index(label) + 1
    where = told == chosen

    def score(leaf: Tensor) -> Tensor:
        logs: Tensor = model(leaf).float().log_softmax(1)[:, chosen]
        return logs[:, where].mean(-1)

    return leaf_question(
        picture_input(
            model,
            model.front,
            setup,
            pixels,
            target=f"{label} ({percent(float(where.float().mean()))} of the pixels)",
            score=score,
            quantity="probability a pixel, their geometric mean",
            together=16,
        )
    )


def overlap(boxes: Tensor, box: Tensor) -> Tensor:
    """boxes (..., 4), box (4,): (left, top, right, bottom) -> (...): intersection over union."""
    low, high = torch.maximum(boxes[..., :2], box[:2]), torch.minimum(boxes[..., 2:], box[2:])
    both = (high - low).clamp(min=0).prod(-1)
    found: Tensor = both / (_area(boxes) + _area(box) - both).clamp(min=1e-12)
    return found


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _thing(chances: Tensor, boxes: Tensor, setup: Setup, target: str | None, piece: int | None) -> tuple[int, Tensor]:
    """chances (queries, labels), boxes (queries, 4) -> (label, box (4,)) of the thing that is meant. Where none is
    asked for by number, the surest one is meant, however unsure."""
    names = setup.facts["labels"]
    if target is not None and target not in names:
        raise SpecError(f"target={target!r}: the run knows no such label; those it knows: {', '.join(names)}")
    best, labels = chances.max(-1)
    if target is not None:
        best, labels = chances[:, names.index(target)], torch.full_like(labels, names.index(target))
    order = best.argsort(descending=True, stable=True)
    there = int((best >= LEAST).sum())
    if piece is not None and not 1 <= piece <= there:
        kind = "thing" if target is None else target
        told = f"the {kind}s 1 to {there} were found" if there else f"no {kind} was found"
        raise SpecError(f"piece={piece}: {told} with a probability of {LEAST:g} or more")
    query = order[0 if piece is None else piece - 1]
    return int(labels[query]), boxes[query].float()
