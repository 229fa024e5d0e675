"""The loss on a set of found objects: matched one to one with those that are there, then class, place and overlap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from regard.nn.heads.boxes import FoundBoxes, Objects
from regard.nn.heads.overlap import generalised_iou
from regard.spec.errors import ShapeError, SpecError
from regard.spec.extra import require
from regard.spec.value import is_number

Pairs = tuple[Tensor, Tensor]  # (queries, objects), int64, of one item: query queries[i] is to be object objects[i]


@dataclass(frozen=True, eq=False)
class SetLosses:
    """`total` is the sum of the three, weighed; the pairs of each item are for losses of one's own (masks)."""

    total: Tensor
    classes: Tensor
    corners: Tensor
    overlap: Tensor
    pairs: tuple[Pairs, ...]


@dataclass(frozen=True)
class SetLoss:
    """`classes` * cross-entropy + `corners` * L1 + `overlap` * (1 - generalised IoU), after Hungarian matching.

    Carion et al. 2020 (arXiv 2005.12872), eq. 1 and 2 and appendix A.2, with their weights. The matching costs are
    -p(class), L1 and -generalised IoU under the same weights; `none` is the weight of "no object" in the
    cross-entropy, for most queries are to say that. We depart in one thing: L1 is of corners, not of centre and size.
    """

    classes: float = 1.0
    corners: float = 5.0
    overlap: float = 2.0
    none: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not is_number(value) or value < 0:
                raise SpecError(f"SetLoss({name}={value!r}): expected a weight, 0 or more")

    def of(self, found: FoundBoxes, objects: list[Objects]) -> SetLosses:
        """The loss of a batch: corners and overlap are means over objects, classes a weighted mean over queries.

        Raises `ShapeError` when there are other items than found, `SpecError` for more objects than queries or a label
        that is no class, `MissingExtraError` without scipy.
        """
        pairs = self.match(found, objects)
        logits = found.logits.to(torch.promote_types(found.logits.dtype, torch.float32))
        none = logits.shape[-1] - 1
        wanted = torch.full(logits.shape[:2], none, device=logits.device)
        for item, (queries, which) in enumerate(pairs):
            wanted[item, queries] = objects[item].labels.to(logits.device)[which]
        weight = logits.new_ones(none + 1)
        weight[none] = self.none
        classes = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weight=weight, reduction="sum")
        classes = classes / weight[wanted].sum().clamp_min(torch.finfo(weight.dtype).tiny)
        none_yet = found.boxes.flatten(0, 1)[:0].to(logits.dtype)  # of a batch without items there is nothing to join
        ours = torch.cat([none_yet, *(found.boxes[item, queries] for item, (queries, _) in enumerate(pairs))])
        theirs = torch.cat([none_yet, *(objects[item].boxes[which].to(ours) for item, (_, which) in enumerate(pairs))])
        count = max(1, len(ours))
        corners = (ours - theirs).abs().sum() / count
        overlap = (1 - generalised_iou(ours, theirs)).sum() / count
        total = self.classes * classes + self.corners * corners + self.overlap * overlap
        return SetLosses(total, classes, corners, overlap, pairs)

    @torch.no_grad()
    def match(self, found: FoundBoxes, objects: list[Objects]) -> tuple[Pairs, ...]:
        """The pairing of each item's queries and objects that costs least. Raises as `of`."""
        if len(objects) != len(found.logits):
            raise ShapeError(f"SetLoss: objects of {len(objects)} items for a batch of {len(found.logits)}")
        return tuple(self._match_item(found, item, there) for item, there in enumerate(objects))

    def _match_item(self, found: FoundBoxes, item: int, there: Objects) -> Pairs:
        logits, boxes = found.logits[item].float(), found.boxes[item].float()
        _check_item(item, there, queries=len(boxes), classes=logits.shape[-1] - 1, corners=boxes.shape[-1])
        wanted = there.boxes.to(boxes)
        cost = self.classes * -logits.softmax(-1)[:, there.labels.to(logits.device)]
        cost += self.corners * (boxes[:, None] - wanted[None]).abs().sum(-1)
        cost += self.overlap * -generalised_iou(boxes[:, None], wanted[None])
        return cheapest(cost)


def cheapest(cost: Tensor) -> Pairs:
    """One row for each column of cost (rows, columns), rows >= columns, so that the sum is least: (rows, columns).

    The Hungarian method (Kuhn 1955), by `scipy.optimize.linear_sum_assignment`. Raises `SpecError` for a cost that is
    not finite, `MissingExtraError` without scipy.
    """
    require("scipy", what="matching learned queries")
    from scipy.optimize import linear_sum_assignment

    if not bool(cost.isfinite().all()):
        raise SpecError(
            "a cost of matching queries and objects is not finite: the head gave NaN or infinity; lower the learning "
            "rate, or clip gradients"
        )
    rows, columns = linear_sum_assignment(cost.detach().cpu().numpy())
    return torch.as_tensor(rows, device=cost.device), torch.as_tensor(columns, device=cost.device)


def _check_item(item: int, there: Objects, *, queries: int, classes: int, corners: int) -> None:
    if len(there.labels) > queries:
        raise SpecError(
            f"SetLoss: item {item} has {len(there.labels)} objects, but there are {queries} queries: build "
            "LearnedQueries with at least as many"
        )
    if there.boxes.shape[1] != corners:
        raise ShapeError(f"SetLoss: item {item} has boxes of {there.boxes.shape[1]} numbers, the head's have {corners}")
    if len(there.labels) and not 0 <= int(there.labels.min()) <= int(there.labels.max()) < classes:
        raise SpecError(f"SetLoss: labels {there.labels.tolist()} of item {item}: expected classes 0 to {classes - 1}")
