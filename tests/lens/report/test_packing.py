import base64
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lens.report import unpack

from regard.lens.report.packing import deflated, linear, logarithmic, near, section, square, whole
from regard.spec.errors import SpecError

RULES = {
    "linear": lambda x, bits: linear("x", x, bits=bits),
    "square": lambda x, bits: square("x", x, bits=bits, to=float(x.max(initial=0)) or 1.0),
    "log": lambda x, bits: logarithmic("x", x, bits=bits),
}


def back(coded, queries=None):
    return unpack.values(coded.header(), coded.codes.astype(np.int64), queries)


def test_codes_by_hand():
    assert linear("x", np.array([0.0, 1.0, 2.0]), bits=8).codes.tolist() == [0, 128, 255]
    assert square("x", np.array([0.0, 0.25, 1.0]), bits=8).codes.tolist() == [0, 128, 255]
    assert logarithmic("x", np.array([0.0, 1.0, 10.0, 100.0]), bits=8).codes.tolist() == [0, 1, 128, 255]
    assert whole("x", np.array([0, 5, 65534])).codes.tolist() == [0, 5, 65534]


def test_a_near_key_is_told_by_its_distance_and_a_first_one_by_its_place():
    coded = near("x", np.array([[3, 90, 63, -1]]), np.array([100, 100, 100, 100]))
    assert coded.codes.tolist() == [[3, 64 + 10, 63, 65535]]
    assert back(coded, [100] * 4).tolist() == [[3, 90, 63, -1]]


def test_keys_ahead_are_told_too():
    keys, queries = np.array([[70, 80, 75, 0, -1]]), np.array([75, 75, 75, 75, 75])
    coded = near("x", keys, queries)
    assert coded.codes.tolist() == [[64 + 10, 64 + 9, 64, 0, 65535]]
    assert back(coded, queries).tolist() == keys.tolist()


@given(st.lists(st.tuples(st.integers(-1, 30_000), st.integers(0, 30_000)), min_size=1, max_size=50))
def test_keys_come_back(pairs):
    keys, queries = np.array(pairs).T
    assert back(near("x", keys[None], queries), queries).tolist() == [keys.tolist()]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("rule", RULES)
@given(values=st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=40))
def test_no_number_is_farther_off_than_said(rule, bits, values):
    values = np.array(values)
    coded = RULES[rule](values, bits)
    off = np.abs(back(coded) - values)
    if rule == "log":
        told = values >= values.max() / 1e9  # lighter than that counts as none
        assert (off[told] <= values[told] * (coded.error + 1e-6)).all()
        assert (back(coded)[~told] == 0).all()
    else:
        assert (off <= coded.error * 1.001 + 1e-9).all()


def test_the_stated_error_is_reached():
    """A bound that is far above what happens would say nothing."""
    values = np.geomspace(1, 1000, 5000)
    coded = logarithmic("x", values, bits=8)
    worst = (np.abs(back(coded) - values) / values).max()
    assert 0.9 * coded.error < worst <= coded.error
    values = np.linspace(0, 1, 5000)
    for coded in (linear("x", values, bits=8), square("x", values, bits=8)):
        assert 0.9 * coded.error < np.abs(back(coded) - values).max() <= coded.error


def test_one_value_and_none():
    assert logarithmic("x", np.array([7.0, 7.0]), bits=8).codes.tolist() == [255, 255]
    assert back(logarithmic("x", np.array([7.0, 0.0]), bits=16)).tolist() == [7.0, 0.0]
    for rule in RULES.values():
        assert back(rule(np.zeros(3), 8)).tolist() == [0, 0, 0]
        assert back(rule(np.zeros(0), 8)).tolist() == []


def test_what_is_no_number_counts_as_none():
    values = np.array([np.nan, -np.inf, np.inf, -1.0, 4.0])
    assert back(linear("x", values, bits=8)).tolist() == [0, 0, 0, 0, 4]
    assert back(logarithmic("x", values, bits=8)).tolist() == [0, 0, 0, 0, 4]
    assert back(square("x", values, bits=8, to=4.0)).tolist() == [0, 0, 0, 0, 4]


def test_too_long_an_axis_is_refused():
    with pytest.raises(SpecError, match="x holds place 65,535"):
        whole("x", np.array([65535]))
    with pytest.raises(SpecError, match="a key lies 40,000 places away; a report holds at most 32,000"):
        near("x", np.array([[100, 40_000]]), np.array([40_100, 0]))


def test_a_section_holds_high_bytes_then_low_bytes_and_is_the_same_on_any_day():
    text = section([whole("x", np.array([1, 256, 513])), linear("y", np.array([0.0, 1.0]), bits=8)])
    assert gzip.decompress(base64.b64decode(text)) == bytes([0, 1, 2, 1, 0, 1, 0, 255])
    assert base64.b64decode(text)[4:8] == bytes(4)  # no time of writing
    assert deflated(b"same") == deflated(b"same")
