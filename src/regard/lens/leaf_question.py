"""A question about numbers (pixels, samples, steps, features): what stands in the place of those taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.lens.question import Attention, Gradients, Question, Way
from regard.lens.units import Units
from regard.spec.errors import ShapeError, SpecError

__all__ = ["LeafInput", "leaf_question"]


@dataclass(frozen=True, eq=False)
class LeafInput:
    """leaf: (1, ...) floats, what the model is given. cells: (...) int64, of the leaf's shape or one that broadcasts to
    it: the unit of each entry, -1 for one that always stays. score: (b, ...) -> (b,) the target's log-probability.
    fills: by way, (words, what stands there instead, (1, ...) as the leaf); the first is the default one, and the
    baseline of gradients. gradient: the score that gradients are taken of, where that is another one. attention: as in
    `Question`. of: the leaf in words.
    """

    leaf: Tensor
    cells: Tensor
    units: Units
    target: str
    score: Callable[[Tensor], Tensor]
    fills: Mapping[str, tuple[str, Tensor]]
    attention: Attention | None = None
    gradient: Callable[[Tensor], Tensor] | None = None
    of: str = "the pixels"
    name: str = "the model"
    quantity: str = "probability"
    notes: tuple[str, ...] = ()
    together: int = 32

    def __post_init__(self) -> None:
        if not self.fills:
            raise SpecError("fills={}: expected a way to take units away, with what stands there instead")
        shape = self.leaf.shape[1:]
        try:
            fits = torch.broadcast_shapes(self.cells.shape, shape) == shape  # type: ignore[no-untyped-call]
        except RuntimeError:
            fits = False
        if not fits or self.cells.dtype != torch.int64:
            raise ShapeError(f"cells {tuple(self.cells.shape)} {self.cells.dtype}: expected int64 for {tuple(shape)}")

    def kept(self, keep: Tensor) -> Tensor:
        """keep (rows, units) -> (rows, ...) bool, like a leaf: the entries that stay."""
        cells = self.cells.expand(self.leaf.shape[1:])
        return keep[:, cells.clamp(min=0)] | (cells < 0)


def leaf_question(given: LeafInput) -> Question:
    """The question."""
    with torch.no_grad():
        whole = given.score(given.leaf)
    ways = {name: Way(words, _filled(given, fill)) for name, (words, fill) in given.fills.items()}
    words, first = next(iter(given.fills.values()))
    stays = given.kept(torch.zeros(1, len(given.units), dtype=torch.bool))
    return Question(
        units=given.units,
        target=given.target,
        probability=min(1.0, float(whole.double().exp())),
        ways=ways,
        gradients=Gradients(
            given.leaf,
            torch.where(stays, given.leaf, first.to(given.leaf)),
            given.score if given.gradient is None else given.gradient,
            lambda leaf: _to_units(given, leaf),
            given.of,
            f"an input {words}",
            signed=given.gradient is None,
        ),
        attention=given.attention,
        model=given.name,
        quantity=given.quantity,
        notes=given.notes,
        together=given.together,
    )


def _filled(given: LeafInput, fill: Tensor) -> Callable[[Tensor], Tensor]:
    def score(keep: Tensor) -> Tensor:
        return given.score(torch.where(given.kept(keep), given.leaf, fill.to(given.leaf)))

    return score


def _to_units(given: LeafInput, leaf: Tensor) -> Tensor:
    cells = given.cells.expand(leaf.shape[1:]).flatten()
    real = cells >= 0
    found = torch.zeros(len(given.units), dtype=torch.float64)
    return found.index_add_(0, cells[real], leaf[0].double().flatten().cpu()[real])
