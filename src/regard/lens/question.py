"""One input of one model and the answer to be explained: behind this, every model and every kind of input is alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from regard.lens.units import Units
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described

__all__ = ["Attention", "Gradients", "Question", "Way"]

_TOGETHER = 32  # rows that go through the model at once, if nothing else is said


@dataclass(frozen=True, eq=False)
class Way:
    """One way to take units away from an input.

    words: what becomes of them, to follow "taken away: " ("replaced by [MASK]"). score: keep (rows, units) bool, False
    for what is taken away -> (rows,) the log-probability of the target on each of the inputs that are left.
    """

    words: str
    score: Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Gradients:
    """What gradient methods need.

    leaf: (1, ...) float, the input at the place where gradients are taken (embeddings, pixels). baseline: of the same
    shape, what stands for nothing there. score: (b, ...) -> (b,), the target's log-probability (of a number that is
    forecast: itself), differentiable; torch's random state plays no part in it. to_units: what each entry of a leaf
    is worth (1, ...) -> (units,), its sum over each unit. of, from_: the leaf and the baseline in words. signed: False
    where more of the score is no more of the answer (a number that is forecast): then sizes are what counts.
    """

    leaf: Tensor
    baseline: Tensor
    score: Callable[[Tensor], Tensor]
    to_units: Callable[[Tensor], Tensor]
    of: str = "the embeddings"
    from_: str = "zeros"
    signed: bool = True

    def __post_init__(self) -> None:
        if self.leaf.dim() < 2 or self.leaf.shape[0] != 1 or not self.leaf.is_floating_point():
            raise ShapeError(f"Gradients(leaf={described(self.leaf)}): expected floats (1, ...), one input")
        if self.baseline.shape != self.leaf.shape:
            raise ShapeError(
                f"Gradients(baseline={described(self.baseline)}): expected the leaf's shape {tuple(self.leaf.shape)}"
            )


@dataclass(frozen=True, eq=False)
class Attention:
    """What attention methods need.

    model: whose attention is watched. run: one pass over the whole input, batch 1, giving the score (1,) that
    `Gradients` gives; with a graph where torch's gradients are enabled. tokens: (tokens,) int64, the unit that each
    place of the attended sequence belongs to, -1 for one that belongs to none (a class token, padding).
    readout: (tokens,) shares, 1 in all: from which places of its sequence the last layer's output is read; None where
    that is to be found by its gradient. Of an encoder-decoder `tokens` are the encoder's and `readout` the decoder's.
    """

    model: nn.Module
    run: Callable[[], Tensor]
    tokens: Tensor
    readout: Tensor | None = None

    def __post_init__(self) -> None:
        if self.tokens.dim() != 1 or self.tokens.dtype != torch.int64:
            raise ShapeError(f"Attention(tokens={described(self.tokens)}): expected (tokens,) int64, a unit or -1 each")
        shares = self.readout
        if shares is not None and (
            shares.dim() != 1 or bool((shares < 0).any()) or abs(float(shares.sum()) - 1) > 1e-4
        ):
            raise ShapeError(f"Attention(readout={described(shares)}): expected shares (tokens,) that are 1 in all")


@dataclass(frozen=True, eq=False)
class Question:
    """Why this answer to this input?

    units: what can be taken away of the input; special tokens are not among them. target: the answer in words.
    probability: the target's, on the whole input. ways: how units are taken away, by name ("mask", "zero", "mean",
    "delete", "other"); the first is what is meant where nothing is said. gradients, attention: None where the model
    has neither that can be reached. model: its name. quantity: what exp(score) is: "probability", or in words, of an
    answer that is a number, how near it stays (1 on the whole input). notes: what a reader must know (tokens that were
    not read). together: rows that go through the model at once. trained_on: whether the model was trained or validated
    on this very input; None where that is not known. learned: the part of the input that this is told of,
    where that is not all of it, as it stands before "this input": "some events of ".

    Raises:
        SpecError: no units, no ways, or a probability that is none.
        ShapeError: places of the attention that belong to units that are not there.
    """

    units: Units
    target: str
    probability: float
    ways: Mapping[str, Way]
    gradients: Gradients | None = None
    attention: Attention | None = None
    model: str = "the model"
    quantity: str = "probability"
    notes: tuple[str, ...] = field(default=())
    together: int = _TOGETHER
    trained_on: bool | None = None
    learned: str = ""

    def __post_init__(self) -> None:
        if not len(self.units):
            raise SpecError("a question about an input without units: there is nothing that could be taken away")
        if not self.ways:
            raise SpecError("a question needs a way to take units away, such as {'delete': Way(...)}")
        if not 0 <= self.probability <= 1 + 1e-6:
            raise SpecError(f"probability={self.probability!r}: expected a number from 0 to 1")
        if self.together < 1:
            raise SpecError(f"together={self.together}: expected 1 row at least")
        if self.attention is not None and bool((self.attention.tokens >= len(self.units)).any()):
            most = int(self.attention.tokens.max())
            raise ShapeError(f"the attention's tokens name the unit {most}, but there are {len(self.units)} units")

    @property
    def default(self) -> str:
        """The name of the way that is meant where nothing is said."""
        return next(iter(self.ways))

    def way(self, name: str | None = None) -> Way:
        """A way by its name, the default one for None. Raises `SpecError`, naming those there are."""
        found = self.ways.get(self.default if name is None else name)
        if found is None:
            raise SpecError(f"way={name!r}: this question has {', '.join(self.ways)}")
        return found

    def scores(self, keep: Tensor, way: str | None = None) -> Tensor:
        """keep (rows, units) bool, False for what is taken away -> (rows,) float64, the target's log-probability.

        Rows go through the model `together` at a time; nothing is differentiated.

        Raises:
            ShapeError: `keep` is no bool tensor (rows, units).
            SpecError: there is no such way.
        """
        if not isinstance(keep, Tensor) or keep.dtype != torch.bool or keep.dim() != 2:
            raise ShapeError(f"scores({described(keep)}): expected a bool tensor (rows, units), False = taken away")
        if keep.shape[1] != len(self.units):
            raise ShapeError(f"scores(keep of {keep.shape[1]} units): the question has {len(self.units)}")
        chosen = self.way(way)
        with torch.no_grad():
            parts = [chosen.score(part).double().cpu() for part in torch.split(keep, self.together)]
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64)


def _are_shares(given: Tensor) -> bool:
    return given.dim() == 1 and not bool((given < 0).any()) and abs(float(given.sum()) - 1) < 1e-4
