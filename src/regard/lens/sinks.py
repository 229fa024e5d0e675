"""Sinks: keys that take far more than an even share of the weight, whatever is asked. They hide everything else.

Attention sinks were named by Xiao et al. 2023 (arXiv 2309.17453) and counted over heads by Gu et al. 2024 (arXiv
2410.10781), who ask for a weight above .3. Here the threshold moves with the number of keys, because in a long text a
few per cent of everything is much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.lens.trace import Layer, Trace

LEAST = 0.01  # of the mass of a head: nothing below is a sink, however long the text
TIMES = 5  # times an even share among all keys
ABOVE_CAUSAL = 2  # times what the key would get if every query looked evenly at all keys up to itself
HEADS = 0.1  # of the heads must agree, so that one head's favourite word is no sink


@dataclass(frozen=True)
class Sink:
    """A key that draws weight in many heads.

    item: of the batch. key: its place on the key axis. share: of the mass in the heads of `layers`, on average.
    even: the share of a key when all get the same. heads, of: in how many heads of how many it takes more than the
    threshold. layers: names of the layers whose keys these are.
    """

    item: int
    key: int
    text: str
    share: float
    even: float
    heads: int
    of: int
    layers: tuple[str, ...]

    def words(self) -> str:
        """`'<bos>' (key 0): 61 % of the mass, an even share is 0.1 %; in 70 of 72 heads`."""
        return (
            f"{self.text!r} (key {self.key}): {percent(self.share)} of the mass, an even share is "
            f"{percent(self.even)}; in {self.heads} of {self.of} heads"
        )


def sinks(trace: Trace) -> tuple[Sink, ...]:
    """The sinks of every batch item, heaviest first.

    With n real keys, a key is a sink of a head when it takes at least the largest of 1 % of the head's mass, 5 / n,
    and 2 x the share it would get if each query spread its weight evenly over the keys up to its own place, (1 / n)
    sum_{i >= place} 1 / (i + 1): a first key gets that much without drawing anything. It is a sink of the trace when
    its mean share over heads is as much, and at least a tenth of the heads agree. Layers that share one key axis are
    counted together.
    """
    found: list[Sink] = []
    for layers in axes(trace):
        for item in range(layers[0].batch):
            found += _of_item(trace, layers, item)
    return tuple(sorted(found, key=lambda sink: (sink.item, -sink.share, sink.key)))


def axes(trace: Trace) -> list[list[Layer]]:
    """The layers in groups that look at the same keys: an encoder's with those that cross to it, a decoder's.

    Keys are the same when their units are, by content; but the trace's own units are never those of another side, for
    where nothing is known both are numbers.
    """
    groups: dict[object, list[Layer]] = {}
    for layer in trace.layers:
        units = trace.units_of_keys(layer)
        content = tuple((one.kind, one.texts) for one in units)
        groups.setdefault((layer.keys, units is trace.units, content), []).append(layer)
    return list(groups.values())


def shares(layer: Layer, item: int) -> Tensor:
    """Each real key's share of each head's mass, (heads, keys) float64; 0 for padding and for a head without mass."""
    mass = layer.received[item].double() * layer.keys_valid[item]
    total = mass.sum(-1, keepdim=True)
    return torch.where(total > 0, mass / total.clamp(min=1e-30), 0.0)


def percent(share: float) -> str:
    """`61 %`, `0.1 %`, `less than 0.1 %`; `99.6 %`, and `100 %` from 99.95 % on."""
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    tenths = 0 < share < 0.1 or 0.995 <= share < 0.9995
    return (f"{share:.1%}" if tenths else f"{share:.0%}").replace("%", " %")


def named(sinks: Sequence[Sink], most: int = 3) -> str:
    """Sinks in one line, those of one text together: `'<bos>' (61 % of the mass), ',' (at 3 keys, 5.0 %)`.

    The mass of a text is the sum over its keys; over several batch items or key axes, the mean.
    """
    texts: dict[str, list[Sink]] = {}
    for sink in sinks:
        texts.setdefault(sink.text, []).append(sink)
    parts: list[str] = []
    for text, own in list(texts.items())[:most]:
        places = {sink.key for sink in own}
        where = f"at {len(places)} keys, " if len(places) > 1 else ""
        mass = sum(sink.share for sink in own) / len({(sink.item, sink.layers) for sink in own})
        parts.append(f"{text!r} ({where}{percent(mass)}{'' if parts else ' of the mass'})")
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(parts) + more


def _of_item(trace: Trace, layers: Sequence[Layer], item: int) -> list[Sink]:
    valid = torch.stack([layer.keys_valid[item] for layer in layers]).any(0)
    count = int(valid.sum())
    if count < 2:
        return []
    every = torch.cat([shares(layer, item) for layer in layers])  # (all heads, keys)
    least = _threshold(valid)
    mean, agree = every.mean(0), (every >= least).sum(0)
    needed = max(1, math.ceil(HEADS * len(every)))
    units = trace.units_of_keys(layers[0])[item]
    return [
        Sink(
            item=item,
            key=key,
            text=units.texts[key],
            share=float(mean[key]),
            even=1 / count,
            heads=int(agree[key]),
            of=len(every),
            layers=tuple(layer.name for layer in layers),
        )
        for key in torch.nonzero((mean >= least) & (agree >= needed)).flatten().tolist()
    ]


def _threshold(valid: Tensor) -> Tensor:
    """(keys,) float64; above 1, which no share reaches, where there are too few keys to tell. Infinite for padding."""
    count = int(valid.sum())
    tails = torch.flip(torch.cumsum(torch.flip(1 / torch.arange(1, count + 1, dtype=torch.float64), (0,)), 0), (0,))
    least = torch.full(valid.shape, math.inf, dtype=torch.float64)
    least[valid] = torch.clamp(ABOVE_CAUSAL * tails / count, min=max(LEAST, TIMES / count))
    return least
