import pytest

from regard.app.sheet import numbers, shades, sheet


def test_words_to_the_left_numbers_to_the_right():
    assert sheet(("word", "n"), [("a", "1.5"), ("long word", "10.25")]) == [
        "word           n",
        "a            1.5",
        "long word  10.25",
    ]


def test_chinese_characters_are_two_columns_wide():
    assert sheet(("", "我", "苹果"), [("喜欢", "1", "2"), ("a", "10", "20")]) == [
        "      我  苹果",
        "喜欢   1     2",
        "a     10    20",
    ]


def test_a_wide_table_is_cut_with_its_first_column_repeated():
    rows = [("row", "11", "22", "33", "44")]
    whole = sheet(("", "a", "b", "c", "d"), rows)
    assert sheet(("", "a", "b", "c", "d"), rows, width=19) == whole
    assert sheet(("", "a", "b", "c", "d"), rows, width=12) == [
        "      a   b",
        "row  11  22",
        "",
        "      c   d",
        "row  33  44",
    ]
    narrow = sheet(("", "a", "b", "c", "d"), rows, width=1)  # one column at a time, never none
    assert len(narrow) == 11
    assert narrow[-1] == "row  44"


def test_a_table_without_rows_is_its_header():
    assert sheet(("a", "b"), []) == ["a  b"]


def test_numbers():
    assert numbers([0.5, -0.0004, 999.9994, 1234567.0]) == ["0.500", "0.000", "999.999", "1.235e+06"]


@pytest.mark.parametrize(("value", "shade"), [(0, " "), (0.1, "░"), (0.3, "▒"), (0.6, "▓"), (0.8, "█"), (1.0, "█")])
def test_shades_are_quarters_of_the_largest(value, shade):
    assert shades([[value, 1.0]], ["a"]) == [f"a  │{shade * 3}███│"]


def test_shades_of_nothing():
    assert shades([[0.0, 0.0]], ["我"]) == ["我  │      │"]
