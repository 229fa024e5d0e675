"""The float64 truth of long inputs: some queries at a time, over those keys alone that one of them may attend to.

Each strip is worked out by `truth.attention`, so that an array of query x key never lies there whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks import truth
from benchmarks.harness import Results

STEP = 512  # queries of a strip
Strip = Callable[[range], Tensor]  # rows -> (len(rows), keys), or with (batch or 1, heads or 1) in front


@dataclass(frozen=True, kw_only=True)
class Formula:
    """What attends to what: `allowed` (bool; None: all) and `bias` (added to the scores; None: none) of some queries.

    The heads of the query are a multiple of those of key and value.
    """

    allowed: Strip | None = None
    bias: Strip | None = None

    def output(self, query: Tensor, key: Tensor, value: Tensor) -> Results:
        """(output,) in float64."""
        with torch.no_grad():
            return (self._worked(query, key, value, None)[0],)

    def gradients(self, query: Tensor, key: Tensor, value: Tensor, pull: Tensor) -> Results:
        """(output, gradients of sum(output * pull) to query, key and value), in float64."""
        return self._worked(query, key, value, pull)

    def _worked(self, query: Tensor, key: Tensor, value: Tensor, pull: Tensor | None) -> Results:
        made = [torch.zeros(*query.shape[:3], value.shape[3], dtype=torch.float64, device="cpu")]
        made += [] if pull is None else [torch.zeros(t.shape, dtype=torch.float64) for t in (query, key, value)]
        for item in range(query.shape[0]):
            for start in range(0, query.shape[2], STEP):
                rows = range(start, min(start + STEP, query.shape[2]))
                self._strip(made, (query, key, value), pull, item, rows)
        return tuple(made)

    def _strip(
        self, made: list[Tensor], given: tuple[Tensor, ...], pull: Tensor | None, item: int, rows: range
    ) -> None:
        """Add one strip of one batch item to what is made."""
        lines = slice(rows.start, rows.stop)
        allowed, bias = _of(self.allowed, item, rows), _of(self.bias, item, rows)
        keys = torch.arange(given[1].shape[2])
        if allowed is not None:
            keys = allowed.flatten(0, -2).any(0).nonzero()[:, 0]
            allowed = allowed[..., keys]
        bias = None if bias is None else bias[..., keys].double()
        query, key, value = truth.wide(given[0][item, :, lines], given[1][item, :, keys], given[2][item, :, keys])
        more = query.shape[0] // key.shape[0]
        shared = (t.repeat_interleave(more, 0)[None] for t in (key, value))
        output = truth.attention(query[None], *shared, allowed=allowed, bias=bias)[0]
        made[0][item, :, lines] = output.detach()
        if pull is not None:
            back = torch.autograd.grad(output, (query, key, value), pull[item, :, lines].double())
            made[1][item, :, lines] = back[0]
            for whole, part in zip(made[2:], back[1:], strict=True):
                whole[item].index_add_(1, keys, part)


def _of(strip: Strip | None, item: int, rows: range) -> Tensor | None:
    """(1, heads or 1, len(rows), keys) of one batch item."""
    if strip is None:
        return None
    made = strip(rows)
    made = made.reshape((1,) * (4 - made.dim()) + tuple(made.shape))
    return made[item : item + 1] if made.shape[0] > 1 else made
