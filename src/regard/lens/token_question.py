"""A question about a sequence of token ids, of any model that embeds them: the ways to take tokens away, and the way in
for gradients and attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.lens.put import Embedding
from regard.lens.question import Attention, Gradients, Question, Way
from regard.lens.units import Units
from regard.spec.errors import ShapeError

__all__ = ["TokenInput", "token_question"]

Scored = Callable[[Tensor, Tensor], Tensor]
_CELLS = 1 << 15  # tokens that go through the model at once, about
_MOST = 64  # rows at once


@dataclass(frozen=True, eq=False)
class TokenInput:
    """ids: (1, tokens) int64, what the model reads. units, tokens: what can be taken away, and the unit of each place
    (tokens,) int64, -1 for a place that always stays. score: ids (b, tokens), present (b, tokens) bool (False on
    padding, which is at the end) -> (b,) the target's log-probability; calls `model`.

    replacement: (id, name) of a token that stands for no word, or None. padding: the id of padding. moves: False where
    places mean something to the target, so that nothing can be left out. others: (any,) ids of other inputs to draw
    from, or None. mean: (dim,) the vocabulary's mean vector, or None. readout: as in `Attention`. attended: the
    unit of each place that attention has, where these are not the ids' own (several ids make one).
    """

    ids: Tensor
    units: Units
    tokens: Tensor
    target: str
    score: Scored
    model: nn.Module
    embedding: Embedding
    replacement: tuple[int, str] | None = None
    padding: int = 0
    moves: bool = True
    others: Tensor | None = None
    mean: Tensor | None = None
    readout: Tensor | None = None
    attended: Tensor | None = None
    name: str = "the model"
    quantity: str = "probability"
    notes: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.ids.dim() != 2 or self.ids.shape[0] != 1 or self.ids.is_floating_point():
            raise ShapeError(f"ids {tuple(self.ids.shape)} {self.ids.dtype}: expected (1, tokens) of int64, one input")
        if self.tokens.shape != self.ids.shape[1:]:
            raise ShapeError(f"units of {tuple(self.tokens.shape)} places, but there are {self.ids.shape[1]} ids")

    def scored(self, ids: Tensor) -> Tensor:
        """The score of ids of the input's own length."""
        return self.score(ids, torch.ones_like(ids, dtype=torch.bool))

    def kept(self, keep: Tensor) -> Tensor:
        """keep (rows, units) -> (rows, tokens) bool: the places that stay."""
        return keep.to(self.tokens.device)[:, self.tokens.clamp(min=0)] | (self.tokens < 0)


def token_question(given: TokenInput) -> Question:
    """The question. Raises `SpecError` where the embedding is not the one that the model uses, or nothing can be taken
    away."""
    with torch.no_grad(), given.embedding.caught(given.ids) as found:
        whole = given.scored(given.ids)
    vectors = _Vectors(given, found[0])
    ways: dict[str, Way] = {}
    if given.replacement is not None:
        ways["mask"] = Way(
            f"replaced by {given.replacement[1]}", _Put(given, given.ids.new_full((1,), given.replacement[0]))
        )
    if given.moves:
        ways["delete"] = Way("left out", _Delete(given))
    ways["zero"] = Way("embedded as zeros", vectors.way(torch.zeros_like(found[0])))
    if given.mean is not None:
        ways["mean"] = Way("embedded as the vocabulary's mean", vectors.way(given.mean.expand_as(found[0])))
    if given.others is not None and len(given.others):
        source = torch.Generator().manual_seed(given.seed)
        drawn = given.others[torch.randint(len(given.others), (given.ids.shape[1],), generator=source)]
        ways["other"] = Way("replaced by tokens drawn from other inputs", _Put(given, drawn))
    return Question(
        units=given.units,
        target=given.target,
        probability=min(1.0, float(whole.exp())),
        ways=ways,
        gradients=vectors.gradients(),
        attention=Attention(
            given.model,
            lambda: given.scored(given.ids),
            given.tokens if given.attended is None else given.attended,
            given.readout,
        ),
        model=given.name,
        quantity=given.quantity,
        notes=given.notes,
        together=max(1, min(_MOST, _CELLS // given.ids.shape[1])),
    )


@dataclass(frozen=True, eq=False)
class _Put:
    """Other ids in the place of those taken away. ids: one for all places (1,), or one each (tokens,)."""

    given: TokenInput
    ids: Tensor

    def __call__(self, keep: Tensor) -> Tensor:
        return self.given.scored(torch.where(self.given.kept(keep), self.given.ids, self.ids))


@dataclass(frozen=True, eq=False)
class _Delete:
    """Shorter inputs, side by side with padding at the end. Where nothing is left, one token that stands for no word
    (or padding) is."""

    given: TokenInput

    def __call__(self, keep: Tensor) -> Tensor:
        kept = self.given.kept(keep)
        lengths = kept.sum(-1).clamp(min=1)
        longest = int(lengths.max())
        alone = self.given.padding if self.given.replacement is None else self.given.replacement[0]
        ids = self.given.ids.new_full((len(kept), longest), self.given.padding)
        for row, stays in enumerate(kept):
            own = self.given.ids[0, stays]
            ids[row, : len(own)] = own
            if not len(own):
                ids[row, 0] = alone
        present = torch.arange(longest, device=ids.device) < lengths[:, None]
        return self.given.score(ids, present)


@dataclass(frozen=True, eq=False)
class _Vectors:
    """The input as vectors (1, tokens, dim), which can be changed."""

    given: TokenInput
    own: Tensor

    def way(self, instead: Tensor) -> Callable[[Tensor], Tensor]:
        """Rows whose taken-away tokens have the vectors `instead` (1, tokens, dim)."""

        def score(keep: Tensor) -> Tensor:
            return self.score(torch.where(self.given.kept(keep)[..., None], self.own, instead.to(self.own)))

        return score

    def score(self, vectors: Tensor) -> Tensor:
        """(b, tokens, dim) -> (b,)"""
        ids = self.given.ids.expand(len(vectors), -1).contiguous()
        with self.given.embedding.replaced(ids, vectors):
            return self.given.scored(ids)

    def gradients(self) -> Gradients:
        baseline, words = self._baseline()
        return Gradients(self.own, baseline, self.score, self._to_units, "the embeddings", words)

    def _baseline(self) -> tuple[Tensor, str]:
        """The embeddings with every unit as the replacement, or as the vocabulary's mean, or as zeros; what always
        stays stays. Zeros last: where each vector is normalised by its size, all that changes along the way from 0
        changes at its very beginning."""
        given = self.given
        stays = (given.tokens < 0)[None, :, None]
        if given.replacement is None:
            mean = given.mean is not None
            instead = given.mean.to(self.own).expand_as(self.own) if given.mean is not None else 0.0
            return torch.where(stays, self.own, instead), "the vocabulary's mean" if mean else "zeros"
        ids = torch.where(given.tokens[None] < 0, given.ids, given.replacement[0])
        with torch.no_grad():
            return given.embedding.vectors(ids), f"{given.replacement[1]} in the place of every unit"

    def _to_units(self, leaf: Tensor) -> Tensor:
        sums = leaf.double().sum(-1)[0].cpu()
        found = torch.zeros(len(self.given.units), dtype=torch.float64)
        real = self.given.tokens.cpu() >= 0
        return found.index_add_(0, self.given.tokens.cpu()[real], sums[real])
