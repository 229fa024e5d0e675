"""Tiles are the exact weights, at every zoom, whichever way they are come by."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from regard.app.studio import tiles
from regard.app.studio.look import Look
from regard.app.studio.refusals import RefusedError
from regard.app.studio.tiles import KEPT, SIDE, Tiles, deepest, numbers, tile
from regard.lens.units import Units
from regard.lens.watch import watch


class Attends(nn.Module):
    """One causal layer of two heads that share their keys."""

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def weights_of(q, k):
    """(heads, n, n) by the formula, float64."""
    n = q.shape[2]
    scores = q[0].double() @ k[0].double().mT / q.shape[-1] ** 0.5
    return scores.masked_fill(~torch.ones(n, n).tril().bool(), -torch.inf).softmax(-1).numpy()


def looked(n, *, sink=False):
    """(look, its weights)"""
    q, k = torch.randn(1, 2, n, 8), torch.randn(1, 1, n, 8)
    if sink:
        k[0, 0, 0] = 2.0
        q = q + 0.9  # the score of the first key is 5.7 and more, that of others about 0
    model = Attends()
    with watch(model, top=4, bins=(KEPT, KEPT), keep=True) as seen, torch.inference_mode():
        model(q, k, k)
    trace = seen.trace([Units.numbered(n)])
    return Look(subject="s", title="t", trace=trace, calls=dict(seen.calls)), weights_of(q, k)


def binned(weights, span, other, bins):
    """The mean over queries of the sums over keys, bin by bin."""
    rows = [span[0] + (span[1] - span[0]) * i // bins[0] for i in range(bins[0] + 1)]
    cols = [other[0] + (other[1] - other[0]) * i // bins[1] for i in range(bins[1] + 1)]
    return np.array([[weights[a:b, c:d].sum() / (b - a) for c, d in pairwise(cols)] for a, b in pairwise(rows)])


def shown(found):
    """The tile's means again, out of its bytes."""
    pixels = np.frombuffer(found.pixels, dtype=np.uint8).reshape(SIDE, SIDE) / 255.0
    rows, cols = (np.unique(np.arange(SIDE) * count // SIDE, return_index=True)[1] for count in found.bins)
    return pixels[rows][:, cols] ** 2 * found.top


def off(found, true):
    """Half a step of 255 on a square root, at most."""
    return np.abs(np.sqrt(shown(found) / found.top) - np.sqrt(np.maximum(true, 0) / found.top)).max()


@pytest.mark.parametrize("n", [5, 256, 300, 512, 700, 1030])
def test_every_tile_is_the_weights(n):
    look, weights = looked(n)
    (layer,) = look.trace.layers
    for zoom in range(deepest(layer) + 1):
        for row in range(1 << zoom):
            for col in (0, row):
                found = tile(look, layer, 1, (zoom, row, col), sinks=True)
                span, other = ((n * at >> zoom, n * (at + 1) >> zoom) for at in (row, col))
                assert (found.queries, found.keys) == (range(*span), range(*other))
                if zoom == 1 and n > KEPT and n % 2:  # cut where the map is: even, but for one unit
                    continue
                true = binned(weights[1], span, other, found.bins)
                assert found.top == pytest.approx(true.max(), rel=1e-5)
                assert off(found, true) < 0.51 / 255 + 1e-5


def test_the_smallest_map_by_hand():
    """Two units: the first looks at itself, the second at both alike."""
    q, k = torch.zeros(1, 1, 2, 4), torch.ones(1, 1, 2, 4)
    model = Attends()
    with watch(model, bins=(KEPT, KEPT), keep=True) as seen:
        model(q, k, k)
    look = Look(subject="s", title="t", trace=seen.trace([Units.numbered(2)]), calls=dict(seen.calls))
    found = tile(look, look.trace.layers[0], 0, (0, 0, 0), sinks=True)
    pixels = np.frombuffer(found.pixels, dtype=np.uint8).reshape(SIDE, SIDE)
    assert (found.top, found.bins) == (1.0, (2, 2))
    half = round(255 * 0.5**0.5)
    assert pixels[0, 0] == pixels[127, 127] == 255
    assert pixels[0, 128] == pixels[127, 255] == 0
    assert (pixels[128:] == half).all()


def test_above_the_diagonal_there_is_nothing():
    look, _ = looked(1030)
    found = tile(look, look.trace.layers[0], 0, (1, 0, 1), sinks=True)
    assert (found.top, set(found.pixels)) == (0.0, {0})


def test_how_deep_a_map_is():
    for n, zooms in ((1, 0), (256, 0), (257, 1), (512, 1), (513, 2), (1024, 2)):
        look, _ = looked(n)
        assert deepest(look.trace.layers[0]) == zooms


@pytest.mark.parametrize("zoom", [0, 1, 2])
def test_sinks_are_taken_out(zoom):
    n = 1024
    look, weights = looked(n, sink=True)
    (layer,) = look.trace.layers
    hidden = look.sink_keys(layer)
    assert 0 in hidden
    found = tile(look, layer, 0, (zoom, 0, 0), sinks=False)
    without = weights[0].copy()
    without[:, hidden] = 0
    true = binned(without, (0, n >> zoom), (0, n >> zoom), found.bins)
    assert found.top == pytest.approx(true.max(), rel=1e-4)
    assert off(found, true) < 0.6 / 255
    assert found.top < 0.5
    assert tile(look, layer, 0, (zoom, 0, 0), sinks=True).top > found.top


@pytest.mark.parametrize("place", [(3, 0, 0), (-1, 0, 0), (1, 2, 0), (1, 0, -1)])
def test_a_tile_that_is_not_there(place):
    look, _ = looked(1024)
    with pytest.raises(RefusedError) as told:
        tile(look, look.trace.layers[0], 0, place, sinks=True)
    assert told.value.status == 422


def test_single_weights():
    look, weights = looked(40)
    (layer,) = look.trace.layers
    np.testing.assert_allclose(numbers(look, layer, 1, 7, reads=True), weights[1][7], atol=1e-6)
    np.testing.assert_allclose(numbers(look, layer, 1, 7, reads=False), weights[1][:, 7], atol=1e-6)


def test_a_tile_is_drawn_once(monkeypatch):
    look, _ = looked(300)
    kept, drawn = Tiles(), []
    monkeypatch.setattr(tiles, "tile", lambda *given, **more: drawn.append(given) or tile(*given, **more))
    layer = look.trace.layers[0]
    for _ in range(3):
        kept.get(look, layer, 0, (0, 0, 0), sinks=True)
    kept.get(look, layer, 0, (1, 0, 0), sinks=True)
    assert len(drawn) == 2


def test_a_wrong_tile_would_be_seen():
    """The comparison above is red for weights that are off by a thousandth of the largest."""
    look, weights = looked(300)
    found = tile(look, look.trace.layers[0], 1, (0, 0, 0), sinks=True)
    true = binned(weights[1], (0, 300), (0, 300), found.bins)
    assert off(found, true) < 0.51 / 255 + 1e-5
    assert off(found, true + 1e-3 * true.max()) > 0.51 / 255 + 1e-5
