"""Figures of attention that can be trained: entropy, means of measures, mass received; linear memory both ways.

With w = softmax(s), a mean T = Σ w f has dT/ds = w (f - T); the entropy H = -Σ w ln w is such a mean, f = -ln w, and
its derivative has the same form. So one pass over tiles turns the gradients of all figures into that of the scores,
and from there the way back is the one of the attention itself (`online`). A sink logit z takes part in the softmax
without a key: f is 0 there, and H leaves its term out, which adds the sink's weight to what is taken from f.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.kernels import online, row_sums, second_pass, tallies
from regard.kernels.tiles import row_tiles, tiles
from regard.spec.bias import SinkLogits
from regard.spec.measure import Measure, OnKeys
from regard.spec.request import Request


@dataclass(frozen=True, eq=False)
class Figures:
    """What a loss may be made of; differentiable once. An empty row has lse -inf and else 0."""

    lse: Tensor  # (batch, heads, query_len)
    entropy: Tensor  # (batch, heads, query_len) nats
    received: Tensor  # (batch, heads, key_len)
    means: tuple[Tensor, ...]  # (batch, heads, query_len) for each measure asked for


def figures(request: Request, measures: tuple[Measure, ...]) -> Figures:
    """The figures of every query of `request`; its dropout is left out."""
    ready = second_pass.made(request)
    sink = None if request.sink is None else request.sink.per_head
    biases = [t for bias in request.biases for t in bias.tensors()]
    call = _Call(request, measures, ready.scores, len(ready.learned))
    lse, entropy, received, *means = _Figures.apply(call, ready.query, ready.key, sink, *ready.learned, *biases)  # type: ignore[no-untyped-call]
    return Figures(lse, entropy, received, tuple(means))


@dataclass(frozen=True, eq=False)
class _Call:
    request: Request
    measures: tuple[Measure, ...]
    scores: online.TileScores
    learned: int

    def made(self, query: Tensor, key: Tensor, rest: tuple[Tensor, ...]) -> online.Made:
        return online.Made(query, key, rest[: self.learned], self.scores)

    def setting(self) -> online.Setting:
        return online.Setting(self.request.place, self.request.mask, self.request.biases, self.scores, 0.0, 0)

    def run(self, made: online.Made, lse: Tensor, listed: list[tallies.Tally]) -> None:
        place = self.request.place
        heads = tuple(range(place.heads))
        second_pass.run(
            self.request, made, lse, listed, queries=torch.arange(place.query_len), heads=heads, keys=place.cols
        )

    def mean(self, like: Tensor, measure: Measure) -> tallies.Mean:
        return tallies.Mean(like, self.request.place, measure, self.request.place.heads, self.request.place.query_len)


class _Figures(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: _Call, query: Tensor, key: Tensor, sink: Tensor | None, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        place, made = call.request.place, call.made(query, key, rest)
        held = None if sink is None else SinkLogits(sink.detach())
        every = (torch.arange(place.query_len), tuple(range(place.heads)))
        lse = row_sums.lse(replace(call.request, sink=held), made, *every)
        sizes = (query, place.batch, place.heads)
        entropy = tallies.Entropy(*sizes, place.query_len)
        received = tallies.Received(*sizes, place.key_len, squares=False)
        means = [call.mean(query, measure) for measure in call.measures]
        call.run(made, lse, [entropy, received, *means])
        ctx.call = call
        ctx.save_for_backward(query, key, sink, lse, entropy.total, *(m.total for m in means), *rest)
        return lse, entropy.total, received.total, *(m.total for m in means)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, sink, lse, entropy, *more = ctx.saved_tensors
        call: _Call = ctx.call
        count = len(call.measures)
        means, rest = more[:count], tuple(more[count:])
        made = call.made(query, key, rest)
        by_key = OnKeys(grads[2])  # the mass received weighs each key by its gradient: one more measure
        back_mean = call.mean(query, by_key)
        call.run(made, lse, [back_mean])
        back = _Back(
            measures=((by_key, None), *zip(call.measures, grads[3:], strict=True)),
            means=(back_mean.total, *means),
            to_lse=grads[0],
            to_entropy=grads[1],
            entropy=entropy,
            lse=lse,
            spare=_sink_weight(lse, sink),
        )
        sums = _sums(query, key, rest, call.learned)
        setting = call.setting()
        for rows in row_tiles(call.request.place):
            back.rows(setting, rows, made, sums)
        to_biases = (total.to(t.dtype) for total, t in zip(sums.biases, rest[call.learned :], strict=True))
        return (None, sums.query, sums.key, back.to_sink(sink), *sums.learned, *to_biases)


@dataclass(frozen=True, eq=False)
class _Back:
    """What the scores are to be told: gradients of the figures, and the figures."""

    measures: tuple[tuple[Measure, Tensor | None], ...]  # with the gradient of its mean; None stands for 1
    means: tuple[Tensor, ...]
    to_lse: Tensor
    to_entropy: Tensor
    entropy: Tensor
    lse: Tensor
    spare: Tensor  # the sink's weight in each row; 0 without one

    def rows(self, setting: online.Setting, rows: range, made: online.Made, sums: online.Sums) -> None:
        """Add to `sums` what one run of queries sends back."""
        part = slice(rows.start, rows.stop)
        lse = self.lse[:, :, part, None]
        floor = lse.masked_fill(torch.isneginf(lse), torch.inf)
        for tile in tiles(rows, setting.place, setting.mask):
            scores, raw, forbidden = online.tile_scores(
                setting, made.query, made.key, made.learned, tile, keep_raw=True
            )
            logs = scores.sub_(floor)
            weights = logs.exp()
            surprise = logs.clamp_(min=torch.finfo(logs.dtype).min).neg_()
            surprise.sub_((self.entropy + self.spare)[:, :, part, None])
            told = surprise.mul_(self.to_entropy[:, :, part, None]).add_(self.to_lse[:, :, part, None])
            for (measure, grad), mean in zip(self.measures, self.means, strict=True):
                apart = measure.tile(tile.rows, tile.cols, setting.place).to(told.dtype) - mean[:, :, part, None]
                told += apart if grad is None else apart * grad[:, :, part, None]
            told.mul_(weights).masked_fill_(weights == 0, 0.0)
            if forbidden is not None:
                told.masked_fill_(forbidden, 0.0)
            online.add_bias_gradients(setting, tile, told, sums.biases)
            setting.scores.backward(told, raw, made.query, made.key, made.learned, sums, tile)

    def to_sink(self, sink: Tensor | None) -> Tensor | None:
        """(heads,) the gradient of the sink logits."""
        if sink is None:
            return None
        told = self.to_lse + self.to_entropy * (1 - self.spare - self.entropy)
        for (_, grad), mean in zip(self.measures, self.means, strict=True):
            told = told - (mean if grad is None else mean * grad)
        return (told * self.spare).sum((0, 2)).to(sink.dtype)


def _sink_weight(lse: Tensor, sink: Tensor | None) -> Tensor:
    """(batch, heads, query_len) the sink's share of each row's softmax; 0 in an empty row."""
    if sink is None:
        return torch.zeros_like(lse)
    return torch.exp(sink.to(lse)[:, None] - lse.masked_fill(torch.isneginf(lse), torch.inf))


def _sums(query: Tensor, key: Tensor, rest: tuple[Tensor, ...], learned: int) -> online.Sums:
    """Zeros to gather gradients in; no value takes part."""
    zeros = [torch.zeros_like(t, memory_format=torch.contiguous_format) for t in (query, key, *rest[:learned])]
    wide = tuple(torch.zeros_like(t, dtype=torch.promote_types(t.dtype, query.dtype)) for t in rest[learned:])
    return online.Sums(zeros[0], zeros[1], query.new_zeros(0), tuple(zeros[2:]), wide)
