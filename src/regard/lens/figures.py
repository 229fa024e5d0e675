"""What can be said of a head in a few numbers, with sink keys counted or left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.lens.sinks import Sink, shares
from regard.lens.trace import Layer, Trace

_REST = 1e-4  # a row with less than this outside the keys left out says nothing of the rest


@dataclass(frozen=True)
class Figures:
    """One head over all real queries of the batch that may attend to something.

    breadth: exp of the mean entropy, in keys. distance: mean, in units of the axis. first: the first real key's share
    of the mass. busiest: the largest share of a key that is neither the first nor left out; busiest_text: which.
    offset: how many keys back most weight lies (negative: ahead, 0: on itself), and its share of the weight, from
    the kept top keys (a lower bound); None where no keys are kept, or queries and keys lie on different axes.
    rows: how many queries were counted; 0 when all of them look at nothing but what was left out.
    """

    layer: str
    head: int
    breadth: float
    distance: float
    first: float
    busiest: float
    busiest_text: str
    offset: int | None
    offset_share: float | None
    rows: int


def figures(trace: Trace, leave_out: Sequence[Sink] = ()) -> list[Figures]:
    """The figures of every head, layer by layer.

    With `leave_out`, each row's weights on those keys are taken away and the rest is scaled to the sum it had. With s
    the weight left out of a row of sum m: entropy H' = (H + sum_out w log w) m / (m - s) + m log((m - s) / m), the
    same for distance (of "self" layers); exact where a sink is among the query's kept top keys, else the row keeps it.
    """
    found = []
    for layer in trace.layers:
        out = _left_out(layer, leave_out)
        entropy, distance = _rows(layer, out)
        found += [_head(trace, layer, place, out, (entropy, distance)) for place in range(len(layer.heads))]
    return found


def covered(trace: Trace, sinks: Sequence[Sink]) -> float:
    """The part of the sinks' mass that lies among the kept top keys, 0 to 1; 1 when they have none."""
    kept = total = 0.0
    for layer in trace.layers:
        out = _left_out(layer, sinks)
        total += float((layer.received * out[:, None]).sum()) * len(layer.positions) / max(layer.population, 1)
        kept += float((_sink_weights(layer, out) * layer.queries_valid[:, None, :, None]).sum())
    return min(kept / total, 1.0) if total > 0 else 1.0


def _left_out(layer: Layer, sinks: Sequence[Sink]) -> Tensor:
    """bool (batch, keys)"""
    out = torch.zeros(layer.keys_valid.shape, dtype=torch.bool)
    for sink in sinks:
        if layer.name in sink.layers:
            out[sink.item, sink.key] = True
    return out


def _sink_weights(layer: Layer, out: Tensor) -> Tensor:
    """(batch, heads, n, top) float64: the kept weights that lie on keys left out, 0 elsewhere."""
    if layer.top_keys is None or layer.top_weights is None:
        return torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    rows = out[:, None, None, :].expand(*layer.top_keys.shape[:3], -1)
    on_sink = rows.gather(3, layer.top_keys.long().clamp(min=0))
    return torch.where(on_sink, layer.top_weights.double(), 0.0)  # beside a key -1 the weight is 0


def _rows(layer: Layer, out: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy and distance, (batch, heads, n) float64, of what is not left out."""
    entropy, distance = layer.entropy.double(), layer.distance.double()
    if not bool(out.any()) or layer.top_keys is None:
        return entropy, distance
    weights = _sink_weights(layer, out)
    gone = weights.sum(-1)
    sums = torch.maximum(_row_sum(layer)[..., None].expand_as(gone), gone)
    rest = sums - gone
    alive = rest > _REST
    scale = sums / rest.clamp(min=_REST)
    logs = torch.log(weights.clamp(min=1e-300))  # 0 log 0 is 0
    entropy = ((entropy + (weights * logs).sum(-1)) * scale - sums * torch.log(scale)).clamp(min=0)
    if layer.kind == "self":  # across two axes a distance is no place minus a place of ours
        lengths = (layer.positions[None, None, :, None] - layer.top_keys).abs().double()
        distance = ((distance - (weights * lengths).sum(-1)) * scale).clamp(min=0)
    return torch.where(alive, entropy, torch.nan), torch.where(alive, distance, torch.nan)


def _head(trace: Trace, layer: Layer, place: int, out: Tensor, rows: tuple[Tensor, Tensor]) -> Figures:
    """`rows`: entropy and distance as `_rows` gives them."""
    counted = _real_rows(layer)[:, place] & ~rows[0][:, place].isnan()
    entropy, distance = (_mean(each[:, place][counted]) for each in rows)
    first, busiest, text = _received(trace, layer, place, out)
    offset, offset_share = _offset(layer, place, out)
    return Figures(
        layer=layer.name,
        head=layer.heads[place],
        breadth=math.exp(entropy),
        distance=distance,
        first=first,
        busiest=busiest,
        busiest_text=text,
        offset=offset,
        offset_share=offset_share,
        rows=int(counted.sum()),
    )


def _mean(values: Tensor) -> float:
    return float(values.mean()) if values.numel() else 0.0


def _received(trace: Trace, layer: Layer, place: int, out: Tensor) -> tuple[float, float, str]:
    """Mean over the batch of the first key's share and of the busiest other key's, and a text of the busiest."""
    first: list[float] = []
    most: list[tuple[float, str]] = []
    for item, units in enumerate(trace.units_of_keys(layer)):
        share = shares(layer, item)[place]
        share = torch.where(out[item], 0.0, share)
        share = share / share.sum() if bool(share.sum() > 0) else share
        real = torch.nonzero(layer.keys_valid[item]).flatten()
        if not len(real):
            continue
        first.append(float(share[real[0]]))
        share[real[0]] = 0.0
        key = int(share.argmax())
        most.append((float(share[key]), units.texts[key]))
    if not first:
        return 0.0, 0.0, ""
    return sum(first) / len(first), sum(share for share, _ in most) / len(most), max(most)[1]


def _offset(layer: Layer, place: int, out: Tensor) -> tuple[int | None, float | None]:
    """The distance back at which most kept weight lies, and its part of the rows' weight; ties go to the nearest."""
    if layer.top_keys is None or layer.top_weights is None or layer.kind != "self":
        return None, None
    keys, weights = layer.top_keys[:, place].long(), layer.top_weights[:, place].double()
    gone = torch.stack([row[at.clamp(min=0)] for row, at in zip(out, keys, strict=True)])
    counted = layer.queries_valid[..., None] & (keys >= 0) & ~gone
    back = (layer.positions[None, :, None] - keys)[counted]
    if not back.numel():
        return None, None
    offsets, which = torch.unique(back, return_inverse=True)
    mass = torch.zeros(len(offsets), dtype=torch.float64).scatter_add_(0, which, weights[counted])
    best = min(offsets[mass == mass.max()].tolist(), key=abs)
    weight = _weight(layer, place, out)
    return best, float(mass.max()) / weight if weight > 0 else 0.0


def _row_sum(layer: Layer) -> Tensor:
    """(batch, heads) the mean sum of a row's weights: 1, and less where a sink logit takes a part of every row."""
    rows = _real_rows(layer).sum(-1) * (layer.population / max(len(layer.positions), 1))
    return (layer.received.double().sum(-1) / rows.clamp(min=1)).clamp(max=1.0)


def _real_rows(layer: Layer) -> Tensor:
    """bool (batch, heads, n): queries that are no padding and may attend to something."""
    return layer.queries_valid[:, None] & (layer.lse > -math.inf)


def _weight(layer: Layer, place: int, out: Tensor) -> float:
    """The weight of all observed rows of a head on keys that are not left out."""
    mass = layer.received[:, place].double() * layer.keys_valid
    kept = (mass * ~out).sum(-1) / mass.sum(-1).clamp(min=1e-30)
    return float((kept * _row_sum(layer)[:, place] * _real_rows(layer)[:, place].sum(-1)).sum())
