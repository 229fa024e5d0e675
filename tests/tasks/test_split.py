"""Parting rows: exact sizes, proportions, no text in two parts, independent of order."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.spec.errors import DataError
from regard.tasks.split import fingerprint, split_rows
from regard.tasks.table import Row


def rows_of(**counts):
    names = [label for label, count in counts.items() for _ in range(count)]
    return [Row(number, f"text {number}", label) for number, label in enumerate(names, 1)]


def part(rows, **changes):
    return split_rows(rows, **({"test_rows": 0.2, "validation_rows": 0.1, "seed": 0} | changes))


def texts(rows):
    return {row.text for row in rows}


def test_sizes_and_proportions():
    split = part(rows_of(a=60, b=40))
    assert (len(split.train), len(split.validation), len(split.test)) == (70, 10, 20)
    assert Counter(row.label for row in split.test) == {"a": 12, "b": 8}
    assert Counter(row.label for row in split.validation) == {"a": 6, "b": 4}
    assert split.labels == ("a", "b")


def test_whole_numbers_are_rows():
    split = part(rows_of(a=50, b=50), test_rows=30, validation_rows=7)
    assert (len(split.test), len(split.validation), len(split.train)) == (30, 7, 63)


def test_no_text_is_in_two_parts_and_none_is_lost():
    rows = rows_of(a=37, b=23)
    split = part(rows)
    assert texts(split.train) | texts(split.validation) | texts(split.test) == texts(rows)
    assert len(split.train) + len(split.validation) + len(split.test) == 60


def test_the_order_of_the_file_does_not_matter_and_the_seed_does():
    rows = rows_of(a=30, b=30)
    assert texts(part(rows).test) == texts(part(rows[::-1]).test)
    assert texts(part(rows, seed=1).test) != texts(part(rows).test)


def test_the_split_is_the_same_in_every_version():
    # Published scores stand on this split: this test may only change with a new major version.
    assert sorted(row.number for row in part(rows_of(a=10, b=10)).test) == [3, 10, 13, 17]


def test_duplicates_are_removed_first_and_counted():
    rows = [*rows_of(a=20, b=20), Row(41, "TEXT  1", "a"), Row(42, "text 2", "a")]
    split = part(rows)
    assert split.duplicates == 2
    assert len(split.train) + len(split.validation) + len(split.test) == 40


def test_contradictory_texts_are_left_out_altogether():
    rows = [*rows_of(a=20, b=20), Row(41, "text 1", "b"), Row(42, "text 1", "a")]
    split = part(rows)
    assert (split.contradictions, split.duplicates) == (3, 0)
    assert "text 1" not in texts(split.train) | texts(split.validation) | texts(split.test)


def test_a_given_test_part_is_kept_and_its_texts_leave_training():
    given_test = [Row(1, "Text 1", "a"), Row(2, "new", "b"), Row(3, "new", "b")]
    split = part(rows_of(a=20, b=20), given_test=given_test)
    assert texts(split.test) == {"Text 1", "new"}
    assert (split.leaked, split.duplicates) == (1, 1)
    assert "text 1" not in texts(split.train) | texts(split.validation)
    assert len(split.validation) == 4  # a tenth of the 39 that are left


def test_train_rows_keeps_so_many_in_proportion():
    split = part(rows_of(a=60, b=40), train_rows=10)
    assert Counter(row.label for row in split.train) == {"a": 6, "b": 4}
    assert texts(split.test) == texts(part(rows_of(a=60, b=40)).test)


def test_a_rare_label_is_in_every_part():
    split = part(rows_of(common=97, rare=3))
    for rows in (split.train, split.validation, split.test):
        assert Counter(row.label for row in rows)["rare"] == 1


def test_a_label_seen_once_is_refused_with_its_row():
    with pytest.raises(DataError, match=r"label 'rare' occurs once \(row 11\), expected at least 3") as caught:
        part(rows_of(a=10, rare=1))
    assert "add rows with this label, or remove it" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test_rows": 20}, "data.test_rows asks for 20 rows of 20"),
        ({"validation_rows": 100}, "data.validation_rows asks for 100 rows of 16"),
        ({"test_rows": 2.5}, "expected a whole number of rows, or a share below 1"),
        ({"given_test": [Row(1, "x", "c")]}, "labels that no training row has: c"),
    ],
)
def test_parts_that_cannot_be_made(changes, said):
    with pytest.raises(DataError, match=said):
        part(rows_of(a=10, b=10), **changes)


def test_one_label_only_is_refused():
    with pytest.raises(DataError, match=r"too few labels \('a'\), expected at least 2"):
        part(rows_of(a=10))


@pytest.mark.parametrize(("left", "right"), [("A  b", "a B\n"), ("ﬁne", "fine"), ("Straße", "STRASSE")])
def test_fingerprints_ignore_case_spaces_and_form(left, right):
    assert fingerprint(left) == fingerprint(right)


def test_fingerprints_tell_other_texts_apart():
    assert len({fingerprint(text) for text in ("a b", "ab", "a c", "b a", "")}) == 5


@given(sizes=st.lists(st.integers(3, 40), min_size=2, max_size=5), share=st.floats(0.05, 0.45), seed=st.integers(0, 9))
def test_any_split_keeps_every_label_in_every_part(sizes, share, seed):
    rows = rows_of(**{f"label{index}": size for index, size in enumerate(sizes)})
    split = part(rows, test_rows=share, validation_rows=share, seed=seed)
    for rows_there in (split.train, split.validation, split.test):
        assert {row.label for row in rows_there} == {row.label for row in rows}
    assert len(texts(split.train) | texts(split.validation) | texts(split.test)) == len(rows)
