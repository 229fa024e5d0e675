"""Layers, heads and queries as they are typed."""

import pytest

from regard.app.choosing import heads_from, layers_from, queries_from
from regard.spec.errors import SpecError


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("0", (0,)),
        ("0,2-4, 7", (0, 2, 3, 4, 7)),
        ("*.self_attn", ("*.self_attn",)),
        ("11,*.layers.3.*,encoder.layer.0.attention.self", (11, "*.layers.3.*", "encoder.layer.0.attention.self")),
        ("h.0-1", ("h.0-1",)),
    ],
)
def test_layers_are_places_and_patterns(typed, meant):
    assert layers_from(typed) == meant


def test_heads_are_numbers():
    assert heads_from("3, 0-1") == (3, 0, 1)


def test_queries_are_a_stretch():
    assert queries_from("100:200") == range(100, 200)
    assert queries_from(" 0:1 ") == range(1)


@pytest.mark.parametrize("typed", ["", "1,,2", "5-2", "0-99999", "-1", "a", "1.5", "²"])
def test_what_is_no_head_is_refused(typed):
    with pytest.raises(SpecError, match=r"^--heads"):
        heads_from(typed)


@pytest.mark.parametrize("typed", ["", "0,,1", "5-2"])
def test_what_is_no_layer_is_refused(typed):
    with pytest.raises(SpecError, match=r"^--layers"):
        layers_from(typed)


@pytest.mark.parametrize("typed", ["", "5", "5:5", "9:2", "-3:5", "a:b", "1:2:3"])
def test_what_is_no_stretch_is_refused(typed):
    with pytest.raises(SpecError, match=r"^--queries .*expected FIRST:END, such as 100:200"):
        queries_from(typed)
