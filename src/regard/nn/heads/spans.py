"""Where an answer begins and ends: two pointers into a sequence, and the best pair of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.nn.checks import check_sequence, check_sizes
from regard.nn.heads.present import real
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described


class DotPointer(nn.Module):
    """Token j scores w · x_j (Devlin et al. 2018, arXiv 1810.04805, §4.2), or (W a) · x_j / sqrt(dim) where a vector a
    asks."""

    def __init__(self, dim: int, asking_dim: int | None = None) -> None:
        super().__init__()
        check_sizes("DotPointer", dim=dim, asking_dim=dim if asking_dim is None else asking_dim)
        self.dim, self.asking_dim = dim, asking_dim
        self.query = nn.Linear(dim if asking_dim is None else asking_dim, 1 if asking_dim is None else dim, bias=False)

    def forward(self, x: Tensor, asking: Tensor | None = None) -> Tensor:
        """x (batch, len, dim), asking (batch, asking_dim) if built for it -> scores (batch, len)."""
        _check("DotPointer", x, self.dim, asking, self.asking_dim)
        if asking is None:
            scores: Tensor = self.query(x)[..., 0]
            return scores
        asked: Tensor = self.query(asking) * self.dim**-0.5
        return torch.bmm(x, asked[..., None])[..., 0]


class AdditivePointer(nn.Module):
    """Token j scores v · tanh(W x_j + b), or v · tanh(W x_j + U a + b) where a vector a asks.

    The pointer of Vinyals et al. 2015 (arXiv 1506.03134, eq. 3), with Bahdanau's score. `hidden` is the size of v.
    """

    def __init__(self, dim: int, asking_dim: int | None = None, *, hidden: int | None = None) -> None:
        super().__init__()
        hidden = dim if hidden is None else hidden
        check_sizes("AdditivePointer", dim=dim, hidden=hidden, asking_dim=dim if asking_dim is None else asking_dim)
        self.dim, self.asking_dim = dim, asking_dim
        self.key = nn.Linear(dim, hidden)
        self.query = None if asking_dim is None else nn.Linear(asking_dim, hidden, bias=False)
        self.vector = nn.Parameter(torch.empty(hidden))
        nn.init.uniform_(self.vector, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: Tensor, asking: Tensor | None = None) -> Tensor:
        """x (batch, len, dim), asking (batch, asking_dim) if built for it -> scores (batch, len)."""
        _check("AdditivePointer", x, self.dim, asking, self.asking_dim)
        keys = self.key(x)
        if self.query is not None:
            keys = keys + self.query(asking)[:, None]
        return torch.tanh(keys) @ self.vector


@dataclass(frozen=True, eq=False)
class SpanScores:
    """ln p of every token as the start, and as the end, of the answer: (batch, len), -inf where none may be."""

    start: Tensor
    end: Tensor


@dataclass(frozen=True, eq=False)
class FoundSpans:
    """The best spans of each item, best first; both ends included. Where there are fewer: -1, -1 and -inf."""

    starts: Tensor  # (batch, most) int64
    ends: Tensor  # (batch, most) int64
    scores: Tensor  # (batch, most) ln p(start) + ln p(end)


class Spans(nn.Module):
    """A pointer to the start and one to the end; `DotPointer(dim)` each, unless others are given."""

    def __init__(self, dim: int, *, start: nn.Module | None = None, end: nn.Module | None = None) -> None:
        super().__init__()
        check_sizes("Spans", dim=dim)
        self.start = DotPointer(dim) if start is None else start
        self.end = DotPointer(dim) if end is None else end

    def forward(self, x: Tensor, present: Tensor | None = None, *, asking: Tensor | None = None) -> SpanScores:
        """x (batch, len, dim) -> log-probabilities (batch, len) of starts and ends, in float32 at least.

        `present`: where an answer may begin and end (the text, not the question or padding): None for all, (batch,)
        int64 lengths, or (batch, len) bool. `asking` (batch, size) goes to pointers that were built for it.
        Raises `ShapeError` for sizes that do not fit.
        """
        there = real("Spans", x, present)
        x = x.masked_fill(~there[..., None], 0.0)
        return SpanScores(_logs(self.start(x, asking), there), _logs(self.end(x, asking), there))


def best_spans(scores: SpanScores, *, longest: int, most: int = 1) -> FoundSpans:
    """The `most` spans of at most `longest` tokens with the largest p(start) p(end), over all pairs at once.

    Looks at len * longest pairs. Raises `SpecError` for counts below 1, `ShapeError` for scores that differ in shape.
    """
    check_sizes("best_spans", longest=longest, most=most)
    start, end = scores.start.detach(), scores.end.detach()
    if start.dim() != 2 or start.shape != end.shape:
        raise ShapeError(
            f"best_spans: starts {tuple(start.shape)}, ends {tuple(end.shape)}: expected (batch, len) twice"
        )
    length = start.shape[1]
    widths = range(min(longest, length))
    # row w: spans of w + 1 tokens, by their start; those that would end beyond the sequence are -inf
    pairs = [nn.functional.pad(start[:, : length - w] + end[:, w:], (0, w), value=-torch.inf) for w in widths]
    flat = torch.cat(pairs, 1) if pairs else start
    count = min(most, flat.shape[1])
    best, where = flat.topk(count, -1)
    none = torch.isneginf(best)
    starts, spare = where % max(1, length), (0, most - count)
    ends = starts + where // max(1, length)
    return FoundSpans(
        nn.functional.pad(starts.masked_fill(none, -1), spare, value=-1),
        nn.functional.pad(ends.masked_fill(none, -1), spare, value=-1),
        nn.functional.pad(best, spare, value=-torch.inf),
    )


def span_loss(scores: SpanScores, starts: Tensor, ends: Tensor) -> Tensor:
    """The mean over items of -(ln p(start) + ln p(end)) / 2, nats; starts and ends (batch,) int64, both included.

    Raises `ShapeError` for other shapes, `SpecError`, naming the item, for an answer where none may be.
    """
    batch, length = scores.start.shape
    given = torch.stack((starts, ends)) if starts.shape == ends.shape == (batch,) else None
    if given is None or given.dtype != torch.int64:
        raise ShapeError(
            f"span_loss: starts {described(starts)}, ends {described(ends)}: expected ({batch},) int64 each"
        )
    if not batch:
        return scores.start.sum()
    outside = ((given < 0) | (given >= length)).any(0)
    if not bool(outside.any()):
        at_start, at_end = (
            s.gather(1, w[:, None])[:, 0] for s, w in zip((scores.start, scores.end), given, strict=True)
        )
        outside = torch.isneginf(at_start + at_end) | (starts > ends)
        if not bool(outside.any()):
            return -(at_start + at_end).mean() / 2
    item = int(outside.nonzero()[0, 0])
    raise SpecError(
        f"span_loss: the answer of item {item}, tokens {int(starts[item])} to {int(ends[item])}, lies where no answer "
        "may be: outside the text, in padding, or its end before its start"
    )


def _logs(scores: Tensor, there: Tensor) -> Tensor:
    """Log-softmax over what is there, in float32 at least; -inf elsewhere, without a NaN in the backward pass."""
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    low = torch.finfo(scores.dtype).min
    return scores.masked_fill(~there, low).log_softmax(-1).masked_fill(~there, -torch.inf)


def _check(where: str, x: Tensor, dim: int, asking: Tensor | None, asking_dim: int | None) -> None:
    check_sequence(where, x, dim)
    if (asking is None) != (asking_dim is None):
        raise SpecError(
            f"{where} was built {'without' if asking_dim is None else f'with asking_dim={asking_dim},'} "
            f"{'asking_dim=: it takes no asking vector' if asking_dim is None else 'and needs asking='}"
        )
    if asking is not None and tuple(asking.shape) != (x.shape[0], asking_dim):
        raise ShapeError(f"{where}: asking {tuple(asking.shape)}, expected {(x.shape[0], asking_dim)}")
