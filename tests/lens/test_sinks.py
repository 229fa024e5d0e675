from dataclasses import replace

import pytest
import torch
from tests.lens.traces import causal, layer, trace

from regard.lens.sinks import Sink, axes, named, percent, shares, sinks
from regard.lens.trace import Trace, Units


def with_sink(length, key, weight, heads=4, batch=1):
    """Causal and even, but `weight` of every row goes to `key` (where it may be looked at)."""
    even = causal(torch.zeros(batch, heads, length, length))
    drawn = torch.zeros(length, length, dtype=torch.float64)
    drawn[key:, key] = 1.0
    drawn[:key] = even[0, 0, :key]
    return (1 - weight) * even + weight * drawn


@pytest.mark.parametrize("length", [2, 6, 10, 50, 400])
def test_even_causal_attention_has_no_sinks(length):
    assert sinks(trace(layer(causal(torch.zeros(1, 4, length, length))))) == ()


@pytest.mark.parametrize("length", [2, 6, 10, 50, 400])
def test_even_attention_in_both_directions_has_no_sinks(length):
    assert sinks(trace(layer(torch.full((1, 4, length, length), 1 / length)))) == ()


@pytest.mark.parametrize(("length", "weight"), [(16, 0.7), (50, 0.5), (400, 0.2)])
def test_a_first_key_that_draws_weight_is_one(length, weight):
    (found,) = sinks(trace(layer(with_sink(length, 0, weight)), texts=["<bos>"] + ["x"] * (length - 1)))
    even_first = float((1 / torch.arange(1, length + 1).double()).sum()) / length
    assert (found.key, found.text, found.item) == (0, "<bos>", 0)
    assert found.share == pytest.approx((1 - weight) * even_first + weight, rel=1e-5)
    assert (found.even, found.heads, found.of, found.layers) == (1 / length, 4, 4, ("a",))


def test_a_sink_further_on_is_found_and_the_heaviest_comes_first():
    weights = 0.3 * with_sink(60, 0, 0.5) + 0.7 * with_sink(60, 20, 0.8)
    assert [found.key for found in sinks(trace(layer(weights)))] == [20, 0]


def test_one_heads_favourite_key_is_no_sink():
    even = causal(torch.zeros(1, 40, 200, 200))
    even[:, :3] = with_sink(200, 20, 0.9, heads=1)
    mean = float(shares(layer(even), 0)[:, 20].mean())
    assert mean > 0.05 > 5 / 200
    assert sinks(trace(layer(even))) == ()  # 3 of 40 heads are less than a tenth
    even[:, 3] = even[:, 0]
    (found,) = sinks(trace(layer(even)))
    assert (found.key, found.heads, found.of) == (20, 4, 40)


def test_a_tenth_of_the_heads_is_not_enough_where_the_mean_is_small():
    even = causal(torch.zeros(1, 40, 200, 200))
    even[:, :5] = with_sink(200, 20, 0.04, heads=1)
    assert int((shares(layer(even), 0)[:, 20] > 0.025).sum()) == 5
    assert sinks(trace(layer(even))) == ()


@pytest.mark.parametrize(("share", "found"), [(0.1, False), (0.108, True)])
def test_a_first_key_must_draw_twice_what_it_would_get_anyway(share, found):
    """Of 100 keys: 2 / 100 x (1 + 1/2 + ... + 1/100) = .10375."""
    mass = torch.full((1, 1, 100), (1 - share) / 99)
    mass[0, 0, 0] = share
    one = replace(layer(torch.eye(100)), received=mass)
    assert bool(sinks(trace(one))) == found


def test_one_per_cent_is_the_least_in_a_long_text():
    mass = torch.ones(1, 1, 4000)
    mass[0, 0, 3000] = 35  # 35 times an even share, but .9 % of the whole
    one = layer(torch.eye(4000)[None, None])
    assert sinks(trace(replace(one, received=mass))) == ()
    mass[0, 0, 3000] = 45
    assert [found.key for found in sinks(trace(replace(one, received=mass)))] == [3000]


def test_padding_is_neither_counted_nor_a_sink():
    weights = with_sink(20, 0, 0.7)
    shifted = torch.zeros(1, 4, 30, 30, dtype=torch.float64)
    shifted[:, :, 10:, 10:] = weights
    real = [[False] * 10 + [True] * 20]
    (plain,) = sinks(trace(layer(weights)))
    (left,) = sinks(trace(layer(shifted, queries=real, keys=real)))
    assert (left.key, left.even) == (10, plain.even)
    assert left.share == pytest.approx(plain.share)


def test_a_single_key_is_no_sink():
    assert sinks(trace(layer(torch.ones(1, 4, 5, 1)))) == ()


def test_items_of_a_batch_have_their_own():
    weights = torch.cat((with_sink(30, 0, 0.6), with_sink(30, 7, 0.8)))
    assert [(found.item, found.key) for found in sinks(trace(layer(weights)))] == [(0, 0), (1, 7)]


def test_layers_that_share_keys_are_counted_together():
    frames, tokens = Units.numbered(30, "frame"), Units.numbered(30)
    layers = [layer(with_sink(30, key, 0.8), name=name) for key, name in ((3, "e1"), (3, "e2"), (5, "d"), (7, "x"))]
    layers[3] = replace(layers[3], kind="cross")
    found = Trace(
        "m", tuple(layers), (tokens,), key_units={"x": (frames,)}, query_units={"e1": (frames,), "e2": (frames,)}
    )
    assert [[one.name for one in group] for group in axes(found)] == [["e1", "e2", "x"], ["d"]]
    assert {(sink.key, sink.layers, sink.of) for sink in sinks(found)} == {
        (3, ("e1", "e2", "x"), 12),
        (7, ("e1", "e2", "x"), 12),
        (5, ("d",), 4),
    }


def test_numbers_of_two_sides_are_two_axes():
    own, made, again = Units.numbered(3), Units.numbered(3), Units.numbered(3)
    names = ("encoder", "decoder", "cross")
    layers = tuple(layer(torch.eye(3), name=name, kind="cross" if name == "cross" else "self") for name in names)
    found = Trace("m", layers, (own,), key_units={"cross": (again,)}, query_units={"encoder": (made,)})
    assert [[one.name for one in group] for group in axes(found)] == [["encoder", "cross"], ["decoder"]]


def test_shares_are_of_the_real_keys():
    one = layer([[0.5, 0.25, 0.25]], keys=[[False, True, True]])
    assert shares(one, 0).tolist() == [[0.0, 0.5, 0.5]]


def test_shares_of_a_head_without_mass_are_zero():
    assert shares(layer([[0.0, 0.0], [0.0, 0.0]]), 0).tolist() == [[0.0, 0.0]]


def test_words():
    sink = Sink(0, 0, "<bos>", 0.614, 0.001, 70, 72, ("a",))
    assert sink.words() == "'<bos>' (key 0): 61 % of the mass, an even share is 0.1 %; in 70 of 72 heads"


def test_sinks_of_one_text_are_named_together():
    def sink(text, key, share, item=0, layers=("a",)):
        return Sink(item, key, text, share, 0.001, 1, 1, layers)

    many = [sink("<s>", 0, 0.5), sink(",", 4, 0.06), sink(".", 9, 0.05), sink(",", 7, 0.04), sink("x", 8, 0.03)]
    assert named(many) == "'<s>' (50 % of the mass), ',' (at 2 keys, 10 %), '.' (5.0 %) and 1 more"
    assert named([sink("<s>", 0, 0.5), sink("<s>", 0, 0.7, item=1)]) == "'<s>' (60 % of the mass)"
    assert named([sink("<s>", 0, 0.5), sink("<s>", 0, 0.7, layers=("b",))]) == "'<s>' (60 % of the mass)"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0001, "less than 0.1 %"), (0.0123, "1.2 %"), (0.0996, "10.0 %"), (0.614, "61 %"), (1, "100 %")],
)
def test_percent(share, text):
    assert percent(share) == text
