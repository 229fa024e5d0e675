from dataclasses import replace

import torch
from tests.lens.report.synthetic import causal_layer, cross_trace

from regard.lens.report.streams import items, shown, unread
from regard.lens.trace import Trace
from regard.lens.units import Units


def test_a_text_comes_back_whole():
    source = "A  fine\nday"
    units = Units(
        ("<s>", "A", "  fine", "\n", "day", "</s>"),
        "token",
        ((0, 0), (0, 1), (1, 7), (7, 8), (8, 11), (11, 11)),
        source,
    )
    texts, gaps, special = shown(units)
    assert texts == ["<s>", "A", "fine", "\n", "day", "</s>"]
    assert gaps == {2: "  "}
    assert special == [0, 5]
    told = "".join(gaps.get(i, "") + ("" if i in special else text) for i, text in enumerate(texts))
    assert told == source


def test_what_no_unit_covers_is_kept():
    texts, gaps, _ = shown(Units(("b", "d"), "word", ((1, 2), (3, 4)), "abcde"))
    assert texts == ["b", "d"]
    assert gaps == {0: "a", 1: "c"}


def test_what_comes_after_the_last_unit_is_counted():
    assert unread(Units(("b", "d"), "word", ((1, 2), (3, 4)), "abcd ef \n")) == 2
    assert unread(Units(("ab",), "word", ((0, 2),), "ab\n")) == 0
    assert unread(Units(("ab",), "word")) == 0


def test_two_tokens_on_one_character():
    texts, gaps, special = shown(Units(("ã", "Ģ", "x"), "token", ((0, 1), (0, 1), (1, 2)), "あx"))
    assert texts == ["あ", "Ģ", "x"]
    assert special == [1]
    assert gaps == {}


def test_units_without_places_in_a_text():
    assert shown(Units(("▁The", "▁end", "s"), "token")) == (["The", "end", "s"], {0: " ", 1: " "}, [])
    assert shown(Units(("The", " end"), "token")) == (["The", " end"], {}, [])
    assert shown(Units(("one", "two"), "line")) == (["one", "two"], {1: "\n"}, [])
    assert shown(Units.numbered(3)) == (["0", "1", "2"], {1: " ", 2: " "}, [])
    assert shown(Units(("[CLS]", "a"), "token"))[2] == [0]


def test_layers_of_one_text_share_a_sequence_and_a_crossing_layer_has_two():
    item = items(cross_trace(queries=4, keys=6))[0]
    assert [len(stream.units) for stream in item.streams] == [6, 4]
    assert item.queries == (0, 1, 1)
    assert item.keys == (0, 1, 0)
    assert [stream.layers for stream in item.streams] == [(0, 2), (1,)]


def test_equal_texts_are_one_sequence():
    layer = causal_layer("a", torch.eye(2, dtype=torch.float64)[None, None])
    trace = Trace(
        "m", (layer, replace(layer, name="b")), (Units(("x", "y"), "token"),),
        query_units={"b": (Units(("x", "y"), "token"),)},
    )  # fmt: skip
    assert len(items(trace)[0].streams) == 1


def test_padding_is_marked():
    layer = causal_layer("a", torch.eye(3, dtype=torch.float64)[None, None])
    valid = torch.tensor([[False, True, True]])
    trace = Trace("m", (replace(layer, keys_valid=valid, queries_valid=valid),), (Units(("<pad>", "x", "y"), "token"),))
    assert items(trace)[0].streams[0].valid.tolist() == [False, True, True]


def test_no_layers_leave_the_text():
    item = items(Trace("m", (), (Units(("x",), "token"),)))[0]
    assert item.streams[0].valid.tolist() == [True]
    assert item.queries == ()
