from dataclasses import replace

import pytest
import torch
from tests.lens.traces import layer, random, trace

from regard.lens.trace import Layer, Trace, Units
from regard.spec.errors import ShapeError, SpecError

WEIGHTS = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]


def test_breadth_is_exp_of_entropy():
    found = layer(WEIGHTS).breadth[0, 0]
    assert found.tolist() == pytest.approx([1.0, 2.0, 2**1.5])


def test_sizes():
    one = layer(random(batch=2, heads=3, length=5), top=4)
    assert (one.batch, one.keys, one.top, one.sampled) == (2, 5, 4, False)
    assert layer(WEIGHTS).top == 0
    assert layer(WEIGHTS, population=9).sampled
    assert replace(one, received_error=torch.zeros(2, 3, 5)).sampled


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "both"}, "expected 'self' or 'cross'"),
        ({"lse": torch.zeros(1, 1, 4)}, r"lse is \(1, 1, 4\), expected \(batch, heads, queries\) = \(1, 1, 3\)"),
        ({"distance": torch.zeros(1, 2, 3)}, "distance is"),
        ({"entropy": torch.zeros(3)}, "entropy is"),
        ({"heads": (0, 1)}, r"received is \(1, 1, 3\), expected \(batch, heads, keys\) = \(1, 2, 3\)"),
        ({"received_error": torch.zeros(1, 1, 2)}, "received_error is"),
        ({"queries_valid": torch.ones(1, 2, dtype=torch.bool)}, r"queries_valid is \(1, 2\)"),
        ({"keys_valid": torch.ones(2, 3, dtype=torch.bool)}, r"keys_valid is \(2, 3\)"),
        ({"top_keys": torch.zeros(1, 1, 3, 2, dtype=torch.int32)}, "top_keys and top_weights go together"),
        ({"top_keys": torch.zeros(1, 1, 3, 2), "top_weights": torch.zeros(1, 1, 3, 1)}, "top_weights is"),
        ({"top_keys": torch.zeros(1, 3, 2), "top_weights": torch.zeros(1, 3, 2)}, "top_keys is"),
        ({"map": torch.zeros(1, 1, 2, 2)}, "map, row_edges and col_edges go together"),
        (
            {"map": torch.zeros(1, 1, 2, 2), "row_edges": torch.tensor([0, 3]), "col_edges": torch.tensor([0, 1, 3])},
            r"map is \(1, 1, 2, 2\), expected \(batch, heads, rows, cols\) = \(1, 1, 1, 2\)",
        ),
    ],
)
def test_a_layer_whose_parts_do_not_fit_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        replace(layer(WEIGHTS), **change)


@pytest.mark.parametrize(("key", "message"), [(3, "name the key 3"), (-2, "name the key -2")])
def test_a_top_key_that_is_not_there_is_refused(key, message):
    one = layer(WEIGHTS, top=1)
    with pytest.raises(SpecError, match=message):
        replace(one, top_keys=torch.full_like(one.top_keys, key))


def test_a_layer_may_have_no_queries():
    nothing = layer(torch.zeros(1, 2, 0, 3), top=2)
    assert (nothing.top, nothing.lse.shape) == (2, (1, 2, 0))
    assert trace(nothing).heads()[0].reasons == ("looks at nothing that is counted",)


def test_units_of_a_layer():
    tokens, frames, prompt = (Units.numbered(3, kind) for kind in ("token", "frame", "prompt"))
    layers = [
        layer(WEIGHTS, name="encoder"),
        layer(WEIGHTS, name="decoder"),
        layer(WEIGHTS, name="cross", kind="cross"),
    ]
    found = Trace("m", tuple(layers), (tokens,), key_units={"cross": (frames,)}, query_units={"encoder": (frames,)})
    assert found.units_of_queries(layers[0]) == found.units_of_keys(layers[0]) == (frames,)
    assert found.units_of_queries(layers[1]) == found.units_of_keys(layers[1]) == (tokens,)
    assert (found.units_of_queries(layers[2]), found.units_of_keys(layers[2])) == ((tokens,), (frames,))
    other = found.with_units([prompt])
    assert other.units_of_keys(layers[1]) == (prompt,)
    assert other.units_of_keys(layers[2]) == (frames,)
    assert found.with_units([prompt], key_units={}).units_of_keys(layers[2]) == (prompt,)
    assert found.with_units([prompt], query_units={"encoder": [tokens]}).units_of_keys(layers[0]) == (tokens,)


def test_a_layer_by_name():
    found = trace(layer(WEIGHTS, name="a"), layer(WEIGHTS, name="b"))
    assert found.layer("b") is found.layers[1]
    with pytest.raises(SpecError, match="no layer 'c': this trace has a, b"):
        found.layer("c")


def test_units_must_fit():
    one = layer(WEIGHTS)
    with pytest.raises(ShapeError, match="saw a batch of 1, but there are query units for 2"):
        Trace("m", (one,), (Units.numbered(3),) * 2)
    with pytest.raises(ShapeError, match="item 0: query 2 is real, but there are 2 units"):
        Trace("m", (one,), (Units.numbered(2),))
    with pytest.raises(ShapeError, match="item 0: key 2 is real, but there are 2 units"):
        Trace("m", (one,), (Units.numbered(3),), key_units={"a": (Units.numbered(2),)})
    with pytest.raises(SpecError, match="units are given for 'b', but the layers are a"):
        Trace("m", (one,), (Units.numbered(3),), key_units={"b": (Units.numbered(3),)})
    with pytest.raises(SpecError, match="two layers are named 'a'"):
        Trace("m", (one, one), (Units.numbered(3),))


def test_padding_needs_no_units_and_a_unit_need_not_be_asked_about():
    padded = layer(WEIGHTS, queries=[[True, True, False]], keys=[[True, True, False]])
    assert Trace("m", (padded,), (Units.numbered(2),)).units
    assert Trace("m", (padded,), (Units.numbered(9),)).units


def test_a_trace_of_no_layers_can_say_what_was_not_seen():
    found = Trace("m", (), (Units.numbered(2),), unseen=(("block.attn", "it computes its own softmax"),))
    assert found.sinks() == ()
    assert len(found.heads()) == 0


def test_layers_are_data_and_do_not_change():
    one = layer(WEIGHTS)
    assert isinstance(one, Layer)
    with pytest.raises(AttributeError):
        one.name = "b"
