import pytest

from regard.lens.units import Units, placed, plural
from regard.spec.errors import SpecError


def test_numbered():
    units = Units.numbered(3, "frame")
    assert (units.texts, units.kind, len(units)) == (("0", "1", "2"), "frame", 3)


def test_special_by_span_mark_or_place():
    spans = Units(("<s>", "a", "</s>"), "token", ((0, 0), (0, 1), (1, 1)), "a")
    assert [spans.is_special(place) for place in range(3)] == [True, False, True]
    marks = Units(("[CLS]", "a", "<b", "[SEP]", "<|im_end|>", "[a]", "<0x0A>"), "token")
    assert [marks.is_special(place) for place in range(7)] == [True, False, False, True, True, False, False]
    patches = Units(("0", "1", "2"), "patch", grid=(1, 2), special=1)
    assert [patches.is_special(place) for place in range(3)] == [True, False, False]


def test_a_mark_that_covers_text_is_text():
    shown = Units(("<b>", "x"), "token", ((0, 3), (3, 4)), "<b>x")
    assert not shown.is_special(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": ("a", 7), "kind": "token"}, "a unit's text is 7: expected str"),
        ({"texts": ("a", "b"), "kind": "token", "spans": ((0, 1),)}, "1 spans for 2 units"),
        (
            {"texts": ("a",), "kind": "token", "spans": ((0, 2),), "source": "a"},
            "characters 0 to 2: expected 0 <= start",
        ),
        ({"texts": ("a",), "kind": "token", "spans": ((1, 0),), "source": "a"}, "unit 0 has the characters 1 to 0"),
        ({"texts": ("a",), "kind": "token", "special": 2}, "special=2: expected 0 to 1"),
        ({"texts": ("a", "b"), "kind": "patch", "grid": (2, 2)}, "holds 4 patches, but there are 2 units, 0 of them"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        Units(**arguments)


def test_several_units_are_called():
    assert [plural(kind) for kind in ("word", "patch", "stretch", "pixel", "box")] == [
        "words",
        "patches",
        "stretches",
        "pixels",
        "boxes",
    ]


def test_texts_that_several_units_have_are_told_with_their_places():
    bases = Units(tuple("ACAGTTTTTTTTA"), "symbol")
    assert bases.placed[:4] == ("A (1st)", "C", "A (3rd)", "G")
    assert bases.placed[4:] == (*(f"T ({place}th)" for place in range(5, 11)), "T (11th)", "T (12th)", "A (13th)")
    assert placed(["x"] * 22)[-2:] == ("x (21st)", "x (22nd)")
