from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.lens.report import unpack
from tests.lens.report.synthetic import causal_layer, cross_trace, large_trace, text_units

from regard.lens.report import sections
from regard.lens.report.detail import RUNGS, Detail
from regard.lens.report.index import short_names
from regard.lens.report.payload import pack
from regard.lens.trace import Trace
from regard.lens.units import Units

# four tokens, two heads: the first reads itself, the second the first key with .75
WEIGHTS = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
WEIGHTS[0, 0] = torch.eye(4)
WEIGHTS[0, 1] = 0.25 * torch.eye(4)
WEIGHTS[0, 1, :, 0] += 0.75
HAND = Trace("by hand", (causal_layer("only", WEIGHTS, top=2, bins=2),), (Units(("a", "b", "c", "d"), "token"),))


def numbers(made, name, queries=None):
    return unpack.arrays(made.index, made.sections, name, queries)


def test_a_small_trace_is_told_whole():
    made = pack(HAND, title="t")
    heads = numbers(made, "heads.0.0")
    assert made.detail == RUNGS[0]
    assert heads["mass"] == pytest.approx(np.array([[1, 1, 1, 1], [3.25, 0.25, 0.25, 0.25]]), rel=1e-3)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert heads["entropy"] == pytest.approx(np.array([[0] * 4, [0, *[entropy] * 3]]), abs=0.01)
    assert heads["distance"] == pytest.approx(np.array([[0] * 4, [0, 0.75, 1.5, 2.25]]), rel=0.01)
    means = numbers(made, "means.0")
    assert means["mass0"] == pytest.approx([2.125, 0.625, 0.625, 0.625], rel=1e-3)
    assert means["breadth0"] == pytest.approx([1, *[(1 + np.exp(entropy)) / 2] * 3], rel=0.01)
    top = numbers(made, "top.0.0", [0, 1, 2, 3])
    assert top["keys"].tolist() == [[[0, 1, 2, 3], [0, 0, 0, 0]], [[-1] * 4, [-1, 1, 2, 3]]]
    assert top["weights"][0] == pytest.approx(np.array([[1] * 4, [1, 0.75, 0.75, 0.75]]), abs=0.004)
    flow = numbers(made, "map.0.0")["map"]
    assert flow == pytest.approx(np.array([[[2, 0], [0, 2]], [[2, 0], [1.5, 0.5]]]), rel=0.02)
    assert made.index["items"][0]["maps"] == [{"rows": [0, 2, 4], "cols": [0, 2, 4]}]
    assert unpack.texts(made.sections)[0]["texts"] == ["a", "b", "c", "d"]
    assert made.index["notes"] == []


def test_numbers_are_as_exact_as_the_page_says():
    trace = large_trace(200, 2, 3, bins=20)
    made = pack(trace, title="t")
    layer = trace.layers[1]
    heads, flow = numbers(made, "heads.0.1"), numbers(made, "map.0.1")["map"]
    headers = {h["name"]: h for name in ("heads.0.1", "map.0.1") for h in made.index["sections"][name]}
    step = {
        name: np.log(h["to"] / h["since"]) / (2 ** h["bits"] - 2) / 2
        for name, h in headers.items()
        if h["rule"] == "log"
    }
    assert heads["mass"] == pytest.approx(layer.received[0].numpy(), rel=step["mass"] * 1.01)
    assert flow == pytest.approx(layer.map[0].numpy(), rel=step["map"] * 1.02)
    assert step["mass"] < 2e-4
    spans = [h["to"] / h["since"] for name in ("map.0.0", "map.0.1") for h in made.index["sections"][name]]
    assert f"map ±{100 * np.expm1(np.log(max(spans)) / 254 / 2):.2g} %" in made.index["precision"]
    keys = numbers(made, "top.0.1", np.arange(200))["keys"]
    assert (keys == layer.top_keys[0].permute(2, 0, 1).numpy()).all()


def test_the_finest_rung_that_fits_is_taken_and_what_is_left_out_is_said():
    trace = large_trace(300, 2, 4, bins=100)
    sizes = [pack(trace, title="t", limit=limit) for limit in (10_000_000, 300_000, 200_000, 10_000)]
    assert sizes[0].detail == RUNGS[0]
    places = [RUNGS.index(made.detail) for made in sizes]
    assert places == sorted(places)
    assert len(set(places)) > 2
    assert sizes[-1].detail == RUNGS[-1]
    assert all(made.size + 120_000 <= limit for made, limit in zip(sizes, (10_000_000, 300_000, 200_000), strict=False))
    said = " ".join(sizes[2].index["notes"])
    assert "The file is kept under 5 MB: the trace itself holds everything." in said
    last = " ".join(sizes[-1].index["notes"])
    assert "Only the first 1 of 8 heads are told one by one" in last
    assert "Of the 8 top keys kept for each query, this file holds 0." in last
    assert "Maps have 100 bins a side" in last


def test_rungs_only_ever_give_less():
    def held(d: Detail):
        heads, readers = d.heads or 10**6, d.readers or 10**6
        assert readers <= heads
        return (heads, readers, d.mass_bits, d.each_query, d.side, d.top)

    for finer, coarser in pairwise(RUNGS):
        pairs = list(zip(held(finer), held(coarser), strict=True))
        assert all(a >= b for a, b in pairs)
        assert any(a > b for a, b in pairs) or finer.least < coarser.least


def test_light_keys_are_left_out_but_never_the_heaviest():
    found = sections.top(HAND.layers[0], 0, [1], Detail(least=0.9))
    keys = unpack.values(found[0].header(), found[0].codes.astype(int), [0, 1, 2, 3])
    assert keys.tolist() == [[[0, 0, 0, 0]], [[-1, -1, -1, -1]]]
    keys = sections.top(HAND.layers[0], 0, [1], Detail(least=0.2))[0].codes
    assert (keys[1] == 65535).tolist() == [[True, False, False, False]]  # .25 stays; the first query has one key only


def test_joined_bins_are_sums():
    made = pack(large_trace(300, 1, 2, bins=100), title="t", limit=10_000)
    edges = made.index["items"][0]["maps"][0]
    flow = numbers(made, "map.0.0")["map"]
    place = made.index["items"][0]["heads"][0][0]
    whole = large_trace(300, 1, 2, bins=100).layers[0].map[0, place].numpy()
    assert flow.shape == (1, 25, 25)
    assert flow[0, 3, 2] == pytest.approx(whole[12:16, 8:12].sum(), rel=0.06)
    assert edges["rows"][:3] == [0, 12, 24]
    assert edges["rows"][-1] == 300


def test_padding_is_left_out():
    valid = torch.tensor([[False, True, True, True]])
    layer = replace(HAND.layers[0], keys_valid=valid, queries_valid=valid)
    made = pack(replace(HAND, layers=(layer,)), title="t")
    assert numbers(made, "heads.0.0")["mass"][1].tolist()[0] == 0
    assert numbers(made, "heads.0.0")["entropy"].shape == (2, 3)
    assert made.index["items"][0]["observed"] == [{"since": 1, "count": 3}]
    assert unpack.texts(made.sections)[0]["padding"] == [0]


def test_some_queries_only():
    layer = HAND.layers[0]
    some = replace(
        layer,
        positions=torch.tensor([0, 3]),
        population=4,
        received_error=0.1 * layer.received,
        **{
            name: getattr(layer, name)[:, :, [0, 3]]
            for name in ("lse", "entropy", "distance", "top_keys", "top_weights")
        },
        queries_valid=torch.ones(1, 2, dtype=torch.bool),
    )
    made = pack(replace(HAND, layers=(some,)), title="t")
    assert made.index["items"][0]["observed"] == [None]
    assert numbers(made, "means.0")["places0"].tolist() == [0, 3]
    assert numbers(made, "top.0.0", [0, 3])["keys"][0].tolist() == [[0, 3], [0, 0]]
    assert numbers(made, "heads.0.0")["error"] == pytest.approx(0.1 * layer.received[0].numpy(), rel=0.02)
    assert any(
        note.startswith("Sampled: 2 of 4 queries were observed in 1 of 1 layers") for note in made.index["notes"]
    )


def test_nothing_kept_says_how_to_get_it():
    bare = replace(HAND.layers[0], top_keys=None, top_weights=None, map=None, row_edges=None, col_edges=None)
    made = pack(replace(HAND, layers=(bare,)), title="t")
    assert made.index["notes"] == [
        "No top keys were kept. To get them: watch(model, top=8), or regard observe --top 8."
    ]
    assert "top.0.0" not in made.sections
    assert made.index["items"][0]["maps"] == [None]


def test_every_input_of_a_batch_has_its_own_figures():
    trace = large_trace(50, 1, 2, batch=2)
    made = pack(trace, title="t")
    found = [numbers(made, f"heads.{item}.0")["mass"] for item in (0, 1)]
    for item in (0, 1):
        assert found[item] == pytest.approx(trace.layers[0].received[item].numpy(), rel=1e-3)
    assert not np.allclose(*found)


def test_sinks_are_places_on_the_sequence_that_their_layers_read():
    trace = large_trace(400, 2, 4)
    row = pack(trace, title="t").index["items"][0]["streams"][0]
    assert row["sinks"] == sorted({sink.key for sink in trace.sinks()})
    assert 0 in row["sinks"]
    assert pack(cross_trace(), title="t").index["items"][0]["streams"][0]["sinks"] == []


def test_each_input_has_its_own_sinks():
    weights = torch.zeros(2, 1, 40, 40, dtype=torch.float64)
    weights[0, :, :, 3] = weights[1, :, :, 7] = 1
    trace = Trace("m", (causal_layer("only", weights),), (text_units(40),) * 2)
    shapes = pack(trace, title="t").index["items"]
    assert [shape["streams"][0]["sinks"] for shape in shapes] == [[3], [7]]


def test_the_order_of_heads_is_the_traces_own():
    trace = large_trace(100, 2, 4)
    index = pack(trace, title="t").index
    ranking = trace.heads()
    assert [(row["layer"], row["head"]) for row in index["order"]["heads"]] == [
        (int(each.layer.split(".")[2]), each.head) for each in ranking.heads
    ]
    assert [row["reasons"] for row in index["order"]["heads"]] == [each.reasons for each in ranking.heads]
    assert index["order"]["note"] == ranking.note
    assert index["without"]["note"] == trace.heads(sinks=False).note


def test_without_top_keys_the_order_without_sinks_says_why_there_is_none():
    trace = large_trace(400, 1, 4)
    bare = replace(trace.layers[0], top_keys=None, top_weights=None)
    assert "needs the top keys" in pack(replace(trace, layers=(bare,)), title="t").index["without"]
    assert pack(cross_trace(), title="t").index["without"] is None


def test_short_names():
    assert short_names(["model.layers.0.attn", "model.layers.11.attn"]) == ["0", "11"]
    assert short_names(["enc.0.self", "dec.0.cross"]) == ["enc.self", "dec.cross"]
    assert short_names(["a.b"]) == ["b"]
    assert short_names(["m.a", "m.b.c"]) == ["a", "b.c"]
    assert short_names([]) == []


def test_a_long_text_is_under_the_limit():
    """8,192 tokens x 18 layers x 4 heads, figures as random as can be."""
    trace = large_trace(8192, 18, 4)
    assert pack(trace, title="t").size < 4_900_000


def test_text_units_of_these_tests():
    units = text_units(60)
    assert len(units) == 60
    assert units.texts[:3] == ("<bos>", "Emma", " Woodhouse,")
