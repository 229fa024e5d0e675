import math
from dataclasses import replace

import pytest
import torch
from tests.lens.traces import causal, layer, random, trace

from regard.lens.figures import Figures
from regard.lens.heads import UNUSUAL, keys, rank
from regard.spec.errors import SpecError

LENGTH = 60


def plain(place, **other):
    """A head like many: figures that differ a little from head to head."""
    wave = 0.02 * ((place * 7) % 5 - 2)
    usual = {
        "layer": "a",
        "head": place,
        "breadth": 20 * math.exp(wave),
        "distance": 30 + wave,
        "first": 0.3 + wave / 10,
        "busiest": 0.1,
        "busiest_text": "the",
        "offset": 3,
        "offset_share": 0.1,
        "rows": 100,
    }
    return Figures(**{**usual, **other})


def odd(**other):
    """The first of a ranking in which one head of ten differs."""
    return rank([*(plain(place) for place in range(9)), plain(9, **other)], "")[0]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"breadth": 800.4}, "reads broadly: 800 keys at once (median 20 keys)"),
        ({"breadth": 1.25}, "reads narrowly: 1.2 keys at once (median 19.8 keys)"),
        ({"distance": 1500.0}, "looks far: 1,500 keys away on average (median 30 keys)"),
        ({"distance": 1.0}, "looks near: 1 key away on average (median 30 keys)"),
        ({"first": 0.93}, "93 % on the first key (median 30 %)"),
        ({"first": 0.02}, "only 2.0 % on the first key (median 30 %)"),
        ({"busiest": 0.6, "busiest_text": "Elinor"}, "60 % on one key, 'Elinor' (median 10 %)"),
        ({"busiest": 0.001}, "no key of its own: at most 0.1 % on one (median 10 %)"),
        ({"offset": 1, "offset_share": 0.7}, "looks 1 key back: 70 % of its weight (median 10 %)"),
        ({"offset": -2, "offset_share": 0.7}, "looks 2 keys ahead: 70 % of its weight (median 10 %)"),
        ({"offset": 0, "offset_share": 0.7}, "looks at itself: 70 % of its weight (median 10 %)"),
        ({"offset_share": 0.01}, "no favourite place: at most 1.0 % at one distance back (median 10 %)"),
    ],
)
def test_what_is_unusual_comes_first_and_is_said_in_words(other, reason):
    head = odd(**other)
    assert head.head == 9
    assert head.reasons == (reason,)
    assert head.unusual >= UNUSUAL


def test_several_reasons_the_strongest_first():
    head = odd(breadth=2.0, first=0.95, offset_share=0.18)
    assert [reason.split(":")[0] for reason in head.reasons] == [
        "95 % on the first key (median 30 %)",
        "reads narrowly",
        "looks 3 keys back",
    ]


def test_nothing_stands_out_among_equals():
    ranking = rank([plain(0, head=place) for place in range(5)], "a note")
    assert [head.head for head in ranking] == [0, 1, 2, 3, 4]
    assert {head.unusual for head in ranking} == {0.0}
    assert ranking[0].reasons == ("nothing stands out: 19.2 keys wide, 30 keys away",)
    assert ranking.note == "a note"


def test_a_robust_score_by_hand():
    """log breadths 0, 1, 2, 3, 4 -> median 2, median absolute deviation 1; the last is 2 / 1.4826 away."""
    ranking = rank([plain(0, head=place, breadth=math.exp(place)) for place in range(5)], "")
    assert {head.head: head.unusual for head in ranking} == pytest.approx(
        {place: abs(place - 2) / 1.4826 for place in range(5)}
    )


def test_a_small_spread_makes_no_head_unusual():
    heads = [plain(0, head=place, first=0.3) for place in range(9)]
    assert rank([*heads, plain(0, head=9, first=0.33)], "")[0].reasons[0].startswith("nothing stands out")
    assert rank([*heads, plain(0, head=9, first=0.36)], "")[0].reasons[0].startswith("36 % on the first key")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_heads_cannot_be_unusual(count):
    ranking = rank([plain(place, breadth=10.0**place) for place in range(count)], "")
    assert len(ranking) == count
    assert all(head.unusual == 0 for head in ranking)


def test_a_figure_that_is_not_known_is_no_reason_and_does_not_count():
    heads = [plain(place, offset=None, offset_share=None) for place in range(6)]
    assert rank([*heads, plain(6, first=0.9)], "")[0].reasons == ("90 % on the first key (median 30 %)",)


def test_a_head_with_nothing_left_is_last_and_does_not_move_the_median():
    heads = [*(plain(place) for place in range(4)), *(plain(9, rows=0, breadth=1.0, first=0.0) for _ in range(6))]
    ranking = rank(heads, "")
    assert ranking[len(ranking) - 1].reasons == ("looks at nothing that is counted",)
    assert all(head.unusual < 2 for head in ranking)


def sunk():
    """Six heads with .8 on the first key; the last one looks one back with what is left."""
    weights = 0.2 * random(5, heads=6, length=LENGTH)
    back = torch.diag_embed(torch.full((LENGTH - 1,), 0.2, dtype=torch.float64), -1)
    weights[:, 5] = back
    weights[:, 5, 0, 0] = 0.2
    weights[..., 0] += 0.8
    return weights


def test_sinks_hide_what_leaving_them_out_shows():
    found = trace(layer(sunk(), top=8), texts=["<s>"] + ["x"] * (LENGTH - 1))
    counted, left_out = found.heads(), found.heads(sinks=False)
    assert counted.note == "Sinks are counted: '<s>' (81 % of the mass)."
    assert left_out[0].head == 5
    assert any(reason.startswith("looks 1 key back: 100 % of its weight") for reason in left_out[0].reasons)
    assert left_out[0].breadth == pytest.approx(1.0, abs=1e-3)
    assert next(head for head in counted if head.head == 5).breadth > 1.5
    assert left_out.note.startswith("Sinks are left out: '<s>' (81 % of the mass). What remains is scaled up")
    assert "100 % of the sinks' mass lies among the kept top keys" in left_out.note


def test_without_sinks_there_is_nothing_to_leave_out():
    found = trace(layer(causal(torch.zeros(1, 3, 20, 20))))
    assert found.heads(sinks=False).note == found.heads().note == "No key is a sink."


def test_more_sinks_than_are_named_are_counted():
    weights = causal(torch.zeros(1, 4, 200, 200)) * 0.2
    for key in (1, 2, 3, 4):
        weights[..., key] += 0.2
    found = trace(layer(weights, top=8))
    assert found.heads(sinks=False).note.split(". What remains")[0].endswith("and 1 more")


def test_leaving_sinks_out_needs_kept_keys_and_tokens():
    with pytest.raises(SpecError, match=r"needs the top keys of every layer, but a has none: record with top=8"):
        trace(layer(sunk())).heads(sinks=False)
    words = trace(layer(sunk(), top=8), texts=["<s>"] + ["▁x"] * (LENGTH - 1)).merged("word")
    with pytest.raises(SpecError, match="ask the trace of tokens"):
        words.heads(sinks=False)
    assert len(words.heads()) == 6


def test_a_head_has_its_own_index_and_layer():
    found = trace(layer(random(heads=3), heads=(1, 4, 9)), replace(layer(random(1, heads=3)), name="b"))
    assert {(head.layer, head.head) for head in found.heads()} == {
        ("a", 1), ("a", 4), ("a", 9), ("b", 0), ("b", 1), ("b", 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 key"), (1.04, "1 key"), (0, "0 keys"), (3.21, "3.2 keys"), (99.94, "99.9 keys"), (8123.4, "8,123 keys")],
)
def test_keys(count, text):
    assert keys(count) == text
