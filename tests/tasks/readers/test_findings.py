"""Sentences and small tables of a report, by hand."""

from dataclasses import dataclass

from regard.tasks.readers.findings import NUMBERS, Sheet, class_faults, counted, few_fault, repeats, spread
from regard.tasks.readers.identity import Identity


@dataclass(frozen=True)
class Known:
    number: int
    identity: Identity


def rows(*marks):
    return [Known(number, Identity(*mark)) for number, mark in enumerate(marks, 1)]


def test_how_values_lie():
    assert spread([5, 1, 9, 2], "signs") == "signs: shortest 1, median 2, nine of ten at most 9, longest 9"
    assert spread([0.25, 0.5], "share", form=".0%", ends=NUMBERS) == (
        "share: least 25%, median 25%, nine of ten at most 50%, most 50%"
    )
    assert "nine of ten at most 9," in spread(range(1, 11), "x")


def test_names_are_counted_most_frequent_first():
    header = ("label", "rows", "share")
    assert counted("abb", header) == Sheet(header, (("b", "2", "66.7%"), ("a", "1", "33.3%")))
    many = counted([str(n) for n in range(25)], header)
    assert (len(many.rows), many.more) == (20, 5)


def test_what_is_too_little_to_train_on():
    assert few_fault(3, "rows") == ()
    assert few_fault(2, "rows") == ("2 rows (expected at least 3, one for each part; add some)",)
    assert class_faults("aab") == ("label 'b' occurs once (add rows or remove it)",)
    assert class_faults("aa") == ("1 labels (expected at least 2; add rows)",)


def test_rows_that_occur_again():
    facts, warnings = repeats(rows((1, 1), (1, 1), (2, 2, "g"), (3, 2, "h")), None, "text")
    assert facts == ("duplicates (training keeps the first of each): 1", "groups (rows of one group go to one part): 2")
    assert warnings == ()
    facts, warnings = repeats(rows((1, 1, None, "x"), (2, 1, None, "y"), (3, 3)), rows((9, 3)), "text")
    assert facts[1:] == (
        "one text with several labels (training leaves them out): 2 rows (1, 2)",
        "rows whose text is also in the test file: 1",
    )
    assert warnings == ("1 rows have a text that is also in the test file: training leaves them out",)
