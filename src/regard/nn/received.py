"""Mass received by every token of a padded batch, before an attention runs: what token pruning chooses by."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.nn.attention import MultiHeadAttention
from regard.nn.checks import check_sequence, check_sizes, real_tokens
from regard.spec.drawn import is_drawn
from regard.spec.errors import SpecError
from regard.spec.score import Prepared

_CELLS = 1 << 19  # scores held at once: about what a core keeps close by, so that memory stays linear in the length


def mass_received(attention: MultiHeadAttention, x: Tensor, lengths: Tensor, *, queries: int | None = None) -> Tensor:
    """x (batch, len, dim), lengths (batch,) -> (batch, len): the share of all weight that each token would receive.

    That is the mean, over heads and the item's real queries, of the weight on each token, were x to attend to itself in
    `attention`; 1 in all for each item that has a token, exactly 0 on padding. With `queries`, the mean is over so many
    queries of each item, spread evenly over its length (all of them where there are no more): an estimate, at a price
    that grows with the length, not with its square. In float32 at least; no gradient; no watcher is told.

    Raises `ShapeError` for sizes that do not fit, `SpecError` for an attention that is not plain (`check_plain`).
    """
    check_sequence("mass_received: x", x, attention.dim)
    real = real_tokens("mass_received", lengths, x)
    check_plain(attention)
    if queries is not None:
        check_sizes("mass_received", queries=queries)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        x = x.to(attention.key.weight.dtype).masked_fill(~real[..., None], 0.0)  # 0 times NaN is NaN
        asking, counted = (x, real) if queries is None else _spread(x, lengths.to(x.device), queries)
        shares = counted / counted.sum(-1, keepdim=True).clamp(min=1)  # of each query in the mean
        return _summed(_prepared(attention, asking, x), shares, real)


def check_plain(attention: MultiHeadAttention) -> None:
    """Raise `SpecError` unless weights depend on the tokens alone, not on where they stand: then some may be missing.

    Rotary positions and biases are of places, which are others once tokens are gone; additive scores are not made here.
    """
    score = attention.score.value()
    odd = [] if attention.rotary is None else ["rotary positions"]
    odd += ["a bias"] if len(attention.biases) else []
    odd += [] if score.dot_family else [f"the score {type(score).__name__}"]
    if odd:
        raise SpecError(
            f"tokens cannot be pruned by an attention with {' and '.join(odd)}: expected a score of the dot family, no "
            "bias, and positions that are added to the tokens, as Learned() and Sinusoidal() are"
        )


def _prepared(attention: MultiHeadAttention, asking: Tensor, x: Tensor) -> Prepared:
    """The dot form of the scores of `asking` against x, in float32 at least."""
    query = attention.query(asking).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
    key = attention.key(x).unflatten(-1, (attention.kv_heads, -1)).transpose(1, 2)
    working = torch.promote_types(query.dtype, torch.float32)
    return attention.score.value().prepare(query.to(working), key.to(working))


def _summed(form: Prepared, shares: Tensor, real: Tensor) -> Tensor:
    """(batch, len) Σ over queries of share * weight, the mean over heads; a few queries of all items at a time."""
    (batch, heads, count, _), (kv_heads, length) = form.query.shape, form.key.shape[1:3]
    total = form.key.new_zeros(batch, kv_heads, length)
    low = torch.finfo(total.dtype).min  # not -inf: an item without a token has no NaN to be rid of
    hidden = torch.zeros_like(total[:, 0]).masked_fill_(~real, low)[:, None, None]
    keys = form.key.mT
    step = count if is_drawn() else max(1, _CELLS // max(1, batch * heads * length))
    for first in (0,) if is_drawn() else range(0, count, step):
        rows = form.query[:, :, first : first + step] * form.scale
        scores = rows.reshape(batch, kv_heads, -1, rows.shape[-1]) @ keys  # heads that share keys lie end to end
        scores = form.curve.apply_(scores).add_(hidden)
        part = shares[:, None, None, first : first + step].to(scores.dtype)
        part = part.expand(-1, kv_heads, heads // kv_heads, -1).reshape(batch, kv_heads, 1, -1)
        total += (part @ scores.softmax(-1))[:, :, 0]
    return (total.sum(1) / heads).masked_fill_(~real, 0.0)


def _spread(x: Tensor, lengths: Tensor, queries: int) -> tuple[Tensor, Tensor]:
    """(batch, queries, dim) tokens of x spread evenly over each item's own length, and which of them count."""
    counts = lengths.clamp(max=queries)[:, None]
    steps = torch.arange(torch.sym_min(queries, x.shape[1]), device=x.device)  # type: ignore[no-untyped-call]
    counted = steps < counts
    places = ((2 * steps + 1) * lengths[:, None]) // (2 * counts).clamp(min=1)
    places = places.masked_fill(~counted, 0)
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[-1])), counted
