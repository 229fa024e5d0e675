"""Parting rows of any kind: no group, and no input, in two parts."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.spec.errors import DataError
from regard.tasks.readers.identity import Identity, exact_mark, fingerprint, joined_mark
from regard.tasks.readers.parts import part_rows


@dataclass(frozen=True)
class Said:
    number: int
    given: str
    answer: str = ""
    group: str | None = None
    label: str = ""

    @property
    def identity(self):
        given = fingerprint(self.given)
        return Identity(joined_mark(given, self.answer, self.label), given, self.group, self.label)


def part(rows, **changes):
    return part_rows(rows, **({"test_rows": 0.2, "validation_rows": 0.1, "seed": 0} | changes))


def plain(count):
    return [Said(number, f"text {number}") for number in range(count)]


def givens(rows):
    return {row.given for row in rows}


def test_counts_are_met_exactly_where_rows_stand_alone():
    parts = part(plain(100))
    assert [len(one) for one in (parts.train, parts.validation, parts.test)] == [70, 10, 20]
    assert [len(one) for one in (part(plain(50), test_rows=7, validation_rows=3).test,)] == [7]
    assert len(part(plain(100), train_rows=5).train) == 5


def test_fewer_rows_to_train_keep_the_labels_proportions():
    """A file with one label after the other, its test part given: 10 of 60 and 40 are 6 and 4, not the first label."""
    rows = [Said(number, f"text {number}", label="a" if number < 66 else "b") for number in range(110)]
    parts = part(rows, validation_rows=10, given_test=[Said(900, "other", label="a")], train_rows=10)
    assert [row.label for row in parts.train] == ["a"] * 6 + ["b"] * 4
    assert len(part(rows, train_rows=500).train) == len(part(rows).train)


def test_the_order_does_not_matter_and_the_seed_does():
    rows = plain(60)
    assert givens(part(rows).test) == givens(part(rows[::-1]).test) != givens(part(rows, seed=1).test)


def test_a_group_is_in_one_part():
    rows = [Said(number, f"text {number}", group=f"file {number % 13}") for number in range(130)]
    parts = part(rows)
    there = [{row.group for row in one} for one in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, there)) == 13
    assert len(parts.test) == 30  # two groups are 20 of 130, three are 30: 26 were asked for
    assert len(parts.validation) == 10


def test_duplicates_are_removed_and_other_answers_stay_together():
    rows = [*plain(30), Said(31, "TEXT  3"), Said(32, "text 4", "another")]
    parts = part(rows)
    assert parts.duplicates == 1
    where = [name for name in ("train", "validation", "test") if "text 4" in givens(getattr(parts, name))]
    assert len(where) == 1
    assert sum(row.given == "text 4" for row in getattr(parts, where[0])) == 2


def test_an_input_of_two_groups_is_left_out_of_what_is_trained():
    rows = [Said(number, f"text {number}", group=f"g{number}") for number in range(20)]
    rows += [Said(50 + number, f"text {number}", "again", group=f"h{number}") for number in range(20)]
    parts = part(rows, test_rows=0.3, validation_rows=0.2)
    there = [givens(one) for one in (parts.train, parts.validation, parts.test)]
    assert not there[0] & there[1]
    assert not there[0] & there[2]
    assert not there[1] & there[2]
    assert parts.leaked == 40 - sum(map(len, (parts.train, parts.validation, parts.test))) > 0


def test_labels_keep_their_proportions_and_contradictions_go():
    rows = [Said(number, f"text {number}", label="ab"[number % 4 == 0]) for number in range(80)]
    rows += [Said(90, "text 1", label="b")]
    parts = part(rows)
    assert parts.contradictions == 2
    assert sum(row.label == "b" for row in parts.test) == 4  # 20 of 79, of 16
    assert "text 1" not in givens(parts.train) | givens(parts.test) | givens(parts.validation)


def test_a_given_test_part_is_kept_and_what_it_shares_is_not_trained_on():
    parts = part(plain(20), given_test=[Said(1, "TEXT 3"), Said(2, "other"), Said(3, "Other")])
    assert givens(parts.test) == {"TEXT 3", "other"}
    assert "text 3" not in givens(parts.train)
    assert parts.duplicates == 1
    assert parts.leaked == ("text 3" not in givens(parts.validation))


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        (plain(10), {"test_rows": 10}, "the test part asks for 10 rows of 10"),
        (plain(10), {"validation_rows": 9}, "the validation part asks for 9 rows of 8"),
        (plain(10), {"test_rows": 2.5}, "expected a whole number of rows"),
        (plain(2), {}, "the rows have one unit of rows"),
        ([Said(n, f"t{n}", group="one") for n in range(9)], {}, "the rows have one unit of rows that stay together"),
        ([Said(n, f"t{n}", label="ab"[n == 0]) for n in range(9)], {}, "label 'b' has one unit"),
    ],
)
def test_parts_that_cannot_be_made(rows, changes, said):
    with pytest.raises(DataError, match=said):
        part(rows, **changes)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 5)), min_size=25, max_size=60))
def test_no_input_and_no_group_is_in_two_parts(rows):
    made = [Said(n, f"text {g}", str(a), f"group {group}") for n, (g, a, group) in enumerate(rows)]
    try:
        parts = part(made, test_rows=0.3, validation_rows=0.2)
    except DataError:
        return
    kept = [parts.train, parts.validation, parts.test]
    for one in range(3):
        for other in range(one):
            assert not givens(kept[one]) & givens(kept[other])
            assert not {row.group for row in kept[one]} & {row.group for row in kept[other]}
    assert len(made) == sum(map(len, kept)) + parts.duplicates + parts.leaked


def test_marks_of_bytes_tell_where_each_ends():
    assert exact_mark(b"ab", b"c") != exact_mark(b"a", b"bc")
    assert exact_mark(b"ab") != exact_mark(b"ab", b"")
