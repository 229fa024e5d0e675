import json
from dataclasses import replace

import pytest
import torch
from tests.lens.report.synthetic import causal_layer, cross_trace, large_trace

from regard.lens.report import as_json
from regard.lens.trace import Trace
from regard.lens.units import Units

WEIGHTS = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
WEIGHTS[0, 0] = torch.eye(4)
WEIGHTS[0, 1] = 0.25 * torch.eye(4)
WEIGHTS[0, 1, :, 0] += 0.75
HAND = Trace(
    "by hand",
    (causal_layer("only", WEIGHTS, top=2),),
    (Units(("a", "b", "c", "d"), "token"),),
    unseen=(("other", "compiled"),),
    about={"torch": "2"},
)


def test_figures_by_hand():
    told = as_json(HAND)
    assert (told["format"], told["version"], told["model"]) == ("regard report", 1, "by hand")
    assert told["unseen"] == [{"module": "other", "why": "compiled"}]
    sequence = told["inputs"][0]["sequences"][0]
    assert sequence["mass"] == pytest.approx([4.25 / 8, 1.25 / 8, 1.25 / 8, 1.25 / 8])
    assert sequence["heaviest"][0] == {"key": 0, "text": "a", "share": pytest.approx(4.25 / 8)}
    assert (sequence["kind"], sequence["units"], sequence["layers"]) == ("token", 4, ["only"])
    head = next(head for head in told["heads"] if head["head"] == 1)
    assert head["distance"] == pytest.approx((0 + 0.75 + 1.5 + 2.25) / 4)
    assert head["first"] == pytest.approx(3.25 / 4)
    assert head["heaviest"][0][0] == {"key": 0, "text": "a", "share": pytest.approx(3.25 / 4)}
    assert [head["rank"] for head in told["heads"]] == [1, 2]
    layer = told["layers"][0]
    assert layer["distance"] == pytest.approx(1.125 / 2)
    assert (layer["queries"], layer["population"], layer["sampled"]) == (4, 4, False)


def test_it_is_json_for_every_kind_of_trace():
    for trace in (HAND, cross_trace(), large_trace(60, 2, 3, batch=2), Trace("m", (), (Units(("x",), "token"),))):
        told = json.loads(json.dumps(as_json(trace), allow_nan=False))
        assert len(told["inputs"]) == len(trace.units)
        assert len(told["heads"]) == sum(len(layer.heads) for layer in trace.layers)


def test_a_crossing_layer_reads_the_other_sequence():
    source, target = as_json(cross_trace(queries=3, keys=5))["inputs"][0]["sequences"]
    assert (source["units"], source["layers"]) == (5, ["encoder.0.self", "decoder.0.cross"])
    assert (target["units"], target["layers"]) == (3, ["decoder.0.self"])
    assert sum(source["mass"]) == pytest.approx(1)


def test_an_empty_row_and_sinks():
    empty = causal_layer("only", torch.zeros(1, 1, 3, 3, dtype=torch.float64))
    told = as_json(Trace("m", (empty,), (Units(("a", "b", "c"), "token"),)))
    assert told["inputs"][0]["sequences"][0]["mass"] == [0, 0, 0]
    assert told["inputs"][0]["sequences"][0]["heaviest"] == []
    trace = large_trace(400, 2, 4)
    assert [sink["key"] for sink in as_json(trace)["sinks"]] == [sink.key for sink in trace.sinks()]


def test_every_head_counts_the_same_and_padding_counts_nothing():
    """Two heads that read key 0 alone, and in another layer one that reads key 1: 2/3 and 1/3, unless 0 is padding."""
    first = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    first[..., 0] = 1
    second = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    second[..., 1] = 1
    layers = (causal_layer("a", first), causal_layer("b", second))
    units = (Units(("x", "y", "z"), "token"),)
    assert as_json(Trace("m", layers, units))["inputs"][0]["sequences"][0]["mass"] == pytest.approx([2 / 3, 1 / 3, 0])
    valid = torch.tensor([[False, True, True]])
    layers = tuple(replace(layer, keys_valid=valid) for layer in layers)
    assert as_json(Trace("m", layers, units))["inputs"][0]["sequences"][0]["mass"] == [0, 1, 0]
