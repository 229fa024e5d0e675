"""What is said of a cell that cannot be used."""

import math

import pytest

from regard.tasks.readers.faults import bad_byte, label_fault, number_of, text_fault


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x", ""),
        (None, "no text in column 'c'"),
        (3, "column 'c' holds a int, expected text"),
        (" \n", "empty text in column 'c'"),
        ("a\udcff", "broken UTF-8 in column 'c': byte 0xff after 1 characters"),
    ],
)
def test_texts(value, said):
    assert text_fault(value, "c") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x", ""),
        (0, ""),
        (None, "no user in column 'c'"),
        ("", "no user in column 'c'"),
        (" ", "empty user in column 'c'"),
        (0.5, "column 'c' holds a float, expected text or a whole number as user"),
    ],
)
def test_names(value, said):
    assert label_fault(value, "c", "user") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no number in column 'c'"),
        (" ", "no number in column 'c'"),
        (True, "column 'c' holds True, expected a number"),
        ("1,5", "column 'c' holds '1,5', expected a number"),
        ([1], "column 'c' holds '[1]', expected a number"),
        ("inf", "column 'c' holds inf, which is no number"),
        (math.nan, "column 'c' holds nan, which is no number"),
    ],
)
def test_cells_that_are_no_numbers(value, said):
    number, fault = number_of(value, "c")
    assert math.isnan(number)
    assert fault == said


def test_numbers():
    assert number_of(" 1.5e3 ", "c") == (1500, "")
    assert number_of(-2, "c") == (-2, "")


def test_places_of_bad_bytes():
    assert bad_byte("fine") == ""
    assert bad_byte("\ud800") == "\\ud800 after 0 characters"
