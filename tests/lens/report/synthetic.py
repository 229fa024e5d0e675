"""Traces made up for tests of the report: small ones counted by hand, large ones shaped like a language model's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from regard.lens.trace import Layer, Trace
from regard.lens.units import Units

WORDS = (
    "Emma Woodhouse, handsome, clever, and rich, with a comfortable home and happy disposition, seemed to unite some "
    "of the best blessings of existence; and had lived nearly twenty-one years in the world with very little to "
    "distress or vex her.\n\nShe was the youngest of the two daughters of a most affectionate, indulgent father; and "
    "had, in consequence of her sister's marriage, been mistress of his house from a very early period."
)


def text_units(count: int) -> Units:
    """`count` tokens of a text: <bos>, then words with the space before them."""
    texts, spans, source = ["<bos>"], [(0, 0)], ""
    words = [w for line in WORDS.split("\n\n") for w in [*line.split(" "), "\n"]]
    place = 0
    while len(texts) < count:
        word = words[place % len(words)]
        piece = word if word == "\n" or not source or source.endswith("\n") else f" {word}"
        texts.append(piece)
        spans.append((len(source), len(source) + len(piece)))
        source += piece
        place += 1
    return Units(tuple(texts), "token", tuple(spans), source)


def causal_layer(name: str, weights: torch.Tensor, *, top: int = 4, bins: int | None = None) -> Layer:
    """A layer with exactly these weights (batch, heads, n, n): every figure follows from them."""
    batch, heads, n, keys = weights.shape
    logs = torch.where(weights > 0, weights.log(), torch.zeros(()))
    place = torch.arange(n)[:, None]
    best = weights.topk(min(top, keys), -1) if top else None
    edges = torch.linspace(0, n, bins + 1).long() if bins else None
    flow = None
    if edges is not None:
        sums = weights.cumsum(-1).cumsum(-2)
        padded = torch.nn.functional.pad(sums, (1, 0, 1, 0))
        corner = padded[..., edges, :][..., edges]
        flow = (corner[..., 1:, 1:] - corner[..., :-1, 1:] - corner[..., 1:, :-1] + corner[..., :-1, :-1]).float()
    return Layer(
        name=name,
        kind="self",
        mask="causal",
        heads=tuple(range(heads)),
        positions=torch.arange(n),
        population=n,
        lse=torch.zeros(batch, heads, n),
        entropy=-(weights * logs).sum(-1).float(),
        distance=(weights * (place - torch.arange(keys)).abs()).sum(-1).float(),
        received=weights.sum(-2).float(),
        queries_valid=torch.ones(batch, n, dtype=torch.bool),
        keys_valid=torch.ones(batch, keys, dtype=torch.bool),
        top_keys=None if best is None else torch.where(best.values > 0, best.indices, -1).int(),
        top_weights=None if best is None else best.values.float(),
        map=flow,
        row_edges=edges,
        col_edges=edges,
    )


def large_trace(
    tokens: int, layers: int, heads: int, *, top: int = 8, bins: int = 128, batch: int = 1, seed: int = 0
) -> Trace:
    """Figures with the look of a language model's, without its n x n weights: a sink, locals, wanderers."""
    rng = np.random.default_rng(seed)
    made = [_large_layer(f"model.layers.{i}.self_attn", tokens, heads, top, bins, batch, rng) for i in range(layers)]
    return Trace(
        model="synthetic decoder",
        layers=tuple(made),
        units=(text_units(tokens),) * batch,
        about={"torch": "2.13", "regard": "0.1.0"},
    )


def _large_layer(name: str, n: int, heads: int, top: int, bins: int, batch: int, rng: np.random.Generator) -> Layer:
    place = np.arange(n)
    sink = rng.beta(1, 1, (batch, heads, 1)) * np.ones((1, 1, n))
    reach = np.exp(rng.uniform(0, np.log(n / 4), (batch, heads, 1)))
    offsets = np.floor(rng.exponential(1, (batch, heads, n, top)) * reach[..., None]).astype(np.int64)
    offsets = np.sort(offsets) + np.arange(top)  # no key twice
    keys = place[None, None, :, None] - offsets
    keys[..., 1:] = np.where(keys[..., 1:] < 1, -1, keys[..., 1:])
    keys[..., 0] = np.where(sink > 0.3, 0, keys[..., 0])
    share = rng.dirichlet(np.full(top + 4, 0.4), (batch, heads, n))[..., :top]
    order = np.argsort(-share, axis=-1)
    weights = np.take_along_axis(share, order, -1)
    keys = np.take_along_axis(keys, order, -1)
    weights = np.where(keys < 0, 0, weights).astype(np.float32)
    keys = np.where(keys < 0, -1, keys).astype(np.int32)
    received = np.exp(rng.normal(-1, 1.5, (batch, heads, n)))
    received[..., 0] = sink[..., 0] * n
    received *= n / received.sum(-1, keepdims=True)
    edges = np.linspace(0, n, min(bins, n) + 1).astype(np.int64)
    side = len(edges) - 1
    gap = np.arange(side)[:, None] - np.arange(side)[None, :]
    fall = np.exp(-np.maximum(gap, 0) / np.maximum(reach[..., None] * side / n, 0.3)) * (gap >= 0)
    flow = fall * (0.3 + rng.random((batch, heads, side, side)))
    flow[..., 0] += sink[..., :side] * flow.sum(-1)
    flow *= np.diff(edges)[:, None] / flow.sum(-1, keepdims=True)
    breadth = np.clip(reach * np.exp(rng.normal(0, 0.4, (batch, heads, n))), 1, place + 1)
    as_tensor = lambda x: torch.from_numpy(np.ascontiguousarray(x)).float()  # noqa: E731
    return Layer(
        name=name,
        kind="self",
        mask="causal",
        heads=tuple(range(heads)),
        positions=torch.arange(n),
        population=n,
        lse=torch.zeros(batch, heads, n),
        entropy=as_tensor(np.log(breadth)),
        distance=as_tensor(np.minimum(reach * np.exp(rng.normal(0, 0.5, (batch, heads, n))), place)),
        received=as_tensor(received),
        queries_valid=torch.ones(batch, n, dtype=torch.bool),
        keys_valid=torch.ones(batch, n, dtype=torch.bool),
        top_keys=torch.from_numpy(keys),
        top_weights=torch.from_numpy(weights),
        map=as_tensor(flow),
        row_edges=torch.from_numpy(edges),
        col_edges=torch.from_numpy(edges),
    )


def patch_trace(rows: int = 14, cols: int = 14, *, layers: int = 3, heads: int = 4) -> Trace:
    """A vision model's look: a class token before a grid of patches, each head drawn to one place of the picture."""
    n = rows * cols + 1
    y, x = np.divmod(np.arange(rows * cols), cols)
    made = []
    for layer in range(layers):
        pulls = []
        for head in range(heads):
            away = (y - rows * (head + 0.5) / heads) ** 2 + (x - cols * (layer + 0.5) / layers) ** 2
            pull = np.concatenate([[0.5], np.exp(-away / 12) + 0.02])
            own = np.eye(n) * (1 + head)
            weights = own + pull[None] * np.ones((n, 1))
            pulls.append(weights / weights.sum(1, keepdims=True))
        made.append(causal_layer(f"encoder.{layer}", torch.tensor(np.stack(pulls))[None], top=8, bins=n))
    texts = ("CLS", *(f"row {r} column {c}" for r in range(rows) for c in range(cols)))
    return Trace("synthetic vision", tuple(made), (Units(texts, "patch", grid=(rows, cols), special=1),))


def cross_trace(queries: int = 9, keys: int = 14) -> Trace:
    """An encoder layer, a decoder layer, and one that crosses: query i reads key i most."""
    source = Units(tuple(f"Wort{i}" for i in range(keys)), "token")
    target = Units(tuple(f"word{i}" for i in range(queries)), "token")
    even = torch.full((1, 2, keys, keys), 1 / keys, dtype=torch.float64)
    ones = torch.ones(queries, queries, dtype=torch.float64).tril()
    causal = (ones / ones.sum(-1, keepdim=True)).expand(1, 2, -1, -1)
    diagonal = 0.9 * torch.eye(queries, keys, dtype=torch.float64) + 0.1 / keys
    layers = (
        causal_layer("encoder.0.self", even, bins=keys),
        causal_layer("decoder.0.self", causal, bins=queries),
        replace(causal_layer("decoder.0.cross", diagonal.expand(1, 2, -1, -1)), kind="cross"),
    )
    return Trace(
        "synthetic translator",
        layers,
        (target,),
        key_units={"decoder.0.cross": (source,)},
        query_units={"encoder.0.self": (source,)},
    )
