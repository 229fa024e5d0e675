"""Mean average precision of boxes, as COCO has it (Lin et al. 2014).

Own code of some eighty lines, held to pycocotools in the tests: its own evaluation cannot be resampled in reasonable
time, and an interval needs 2,000 evaluations of drawn pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.scores.interval import Floats, Members, Resampled
from regard.tasks.scores.measure import Measure, Scored, mean_of, paired

MOST_ANSWERS = 100  # best boxes of one class and picture that count, as in COCO
_RECALLS = np.linspace(0.0, 1.0, 101)  # where precision is read off


@dataclass(frozen=True)
class Boxes:
    """Boxes of one picture: places (boxes, 4) as left, top, right, bottom in pixels (right and bottom just outside),
    labels (boxes,) class indices, and for answers scores (boxes,), higher for surer."""

    places: Floats
    labels: NDArray[np.int64]
    scores: Floats | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        shapes = (self.places.shape, self.labels.shape, None if self.scores is None else self.scores.shape)
        if shapes[0] != (count, 4) or shapes[1] != (count,) or shapes[2] not in (None, (count,)):
            raise DataError(f"boxes: places, labels, scores were {shapes}, expected (n, 4), (n,) and (n,) or None")
        if not np.isfinite(self.places).all() or (self.places[:, 2:] < self.places[:, :2]).any():
            raise DataError("boxes: expected finite places with left <= right and top <= bottom")
        if self.scores is not None and np.isnan(self.scores).any():
            raise DataError("boxes: a score is NaN")


@dataclass(frozen=True)
class _Ranked:
    """One class's answered boxes over all pictures, best first. right: (thresholds, boxes)."""

    picture: NDArray[np.int64]  # (boxes,)
    right: NDArray[np.bool_]
    true: Floats  # true boxes a picture (pictures,)


def overlaps(answers: Floats, truths: Floats) -> Floats:
    """Intersection over union of each answered with each true box: (n, 4), (m, 4) -> (n, m); 0 for empty boxes."""
    corner = np.maximum(answers[:, None, :2], truths[None, :, :2])
    sides = np.minimum(answers[:, None, 2:], truths[None, :, 2:]) - corner
    shared = sides.clip(min=0).prod(-1)
    whole = _areas(answers)[:, None] + _areas(truths)[None, :] - shared
    share: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return share


def mean_average_precision(thresholds: Sequence[float] = (0.5,)) -> Measure:
    """mAP: for each class, precision at 101 recalls (the best at that recall or above), averaged; then the mean over
    classes that occur, and over thresholds of overlap. Answers and truths: one `Boxes` a row.

    Within a picture and class, answers take the true box they overlap most, surest answers first, each true box once;
    at most 100 answers count. Boxes of all sizes count alike, and there are no crowds.
    """
    ends = [f"{one:g}".removeprefix("0") for one in (min(thresholds), max(thresholds))]
    span = f"@{ends[0]}" if len(thresholds) == 1 else f"@[{':'.join(ends)}]"

    def weigh(answers: Sequence[Boxes], truths: Sequence[Boxes]) -> Scored:
        rows = paired("mAP", answers, truths)
        labels = sorted({int(label) for truth in truths for label in truth.labels})
        if not labels:
            raise DataError(f"mAP: none of {rows} pictures has a true box, expected 1 or more")
        ranked = [_ranked(answers, truths, label, np.asarray(thresholds)) for label in labels]

        def pooled(among: Members) -> Resampled:
            return lambda drawn: _mean_precision(ranked, drawn[:, among.of_row])

        return Scored(rows, pooled)

    said = f"overlap:{','.join(f'{one:g}' for one in thresholds)}|recalls:{len(_RECALLS)}|most:{MOST_ANSWERS}"
    return Measure(f"mAP{span}", weigh, said=said)


MAP_50_95 = tuple(np.arange(0.5, 0.96, 0.05).round(2).tolist())
"""COCO's ten thresholds, for mAP@[.5:.95]."""


def _true_overlap(answers: Sequence[Boxes], truths: Sequence[Boxes]) -> Scored:
    paired("box IoU", answers, truths)
    values = [_best_overlaps(answer, truth) for answer, truth in zip(answers, truths, strict=True)]
    kept = np.array([value.mean() if len(value) else np.nan for value in values])
    if np.isnan(kept).any():
        raise DataError(f"box IoU: picture {int(np.argmax(np.isnan(kept)))} (from 0) has no true box; leave it out")
    return mean_of(kept)


box_iou = Measure("box IoU", _true_overlap, said="answers:as-many-as-true")
"""Mean over pictures of how far each true box is overlapped by an answer of its class. Only as many answers count as
there are true boxes of the class, the surest ones, so that many guesses do not help."""


def _best_overlaps(answer: Boxes, truth: Boxes) -> Floats:
    best = np.zeros(len(truth.labels))
    scores = _sureness(answer)
    for label in np.unique(truth.labels):
        there = truth.labels == label
        order = np.argsort(-scores[answer.labels == label], kind="stable")[: there.sum()]
        if len(order):
            found = answer.places[answer.labels == label][order]
            best[there] = overlaps(found, truth.places[there]).max(0)
    return best


def _ranked(answers: Sequence[Boxes], truths: Sequence[Boxes], label: int, thresholds: Floats) -> _Ranked:
    pictures, scores, right, true = [], [], [], np.zeros(len(truths))
    for picture, (answer, truth) in enumerate(zip(answers, truths, strict=True)):
        places = truth.places[truth.labels == label]
        true[picture] = len(places)
        mine = answer.labels == label
        sure = _sureness(answer)[mine]
        order = np.argsort(-sure, kind="stable")[:MOST_ANSWERS]
        pictures.append(np.full(len(order), picture))
        scores.append(sure[order])
        shared = overlaps(answer.places[mine][order], places)
        right.append(np.stack([_matched(shared, threshold) for threshold in thresholds]))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return _Ranked(np.concatenate(pictures)[order], np.concatenate(right, axis=1)[:, order], true)


def _matched(shared: Floats, threshold: float) -> NDArray[np.bool_]:
    """Which answers (n,) find a true box of their own: overlaps (n, m), answers in order of sureness."""
    right = np.zeros(len(shared), dtype=bool)
    free = np.ones(shared.shape[1], dtype=bool)
    for answer, row in enumerate(shared):
        open_to = np.where(free, row, -1.0)
        if len(open_to) and open_to.max() >= threshold:
            # of several as near, the last: so does COCO
            free[len(open_to) - 1 - int(np.argmax(open_to[::-1]))] = False
            right[answer] = True
    return right


def _mean_precision(ranked: Sequence[_Ranked], drawn: Floats) -> Floats:
    """mAP of drawn pictures (draws, pictures) -> (draws,); classes that a draw has no true box of are left out."""
    values = np.stack([_precision(one, drawn) for one in ranked])  # (classes, draws)
    there = ~np.isnan(values)
    kept = there.sum(0)
    total, nothing = np.where(there, values, 0).sum(0), np.full(len(drawn), np.nan)
    mean: Floats = np.divide(total, kept, out=nothing, where=kept > 0)
    return mean


def _precision(one: _Ranked, drawn: Floats) -> Floats:
    """Average precision of a class, the mean over thresholds (draws,); NaN where no true box was drawn."""
    true = drawn @ one.true
    values = np.where(true > 0, 0.0, np.nan)
    if not len(one.picture):
        return values
    times = drawn[:, one.picture]  # a picture drawn twice counts each of its boxes twice
    asked = times.cumsum(1)
    for right in one.right:  # precision and recall rise at right answers alone: the others need no column
        found = times[:, right].cumsum(1)
        precision = np.divide(found, asked[:, right], out=np.zeros_like(found), where=found > 0)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = np.divide(found, true[:, None], out=np.zeros_like(found), where=true[:, None] > 0)
        reached = np.searchsorted(_RECALLS, recall, side="right")  # how many of the 101 recalls are reached by then
        fresh = np.diff(reached, axis=1, prepend=0)
        values += (fresh * best).sum(1) / len(_RECALLS) / len(one.right)
    return values


def _areas(places: Floats) -> Floats:
    sides = places[:, 2:] - places[:, :2]
    return np.asarray(sides[:, 0] * sides[:, 1])


def _sureness(answer: Boxes) -> Floats:
    if answer.scores is None:
        raise DataError("an answer has boxes without scores, expected one score a box")
    return answer.scores
