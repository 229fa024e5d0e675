"""Splice sites: indicators turned back into bases, out of data as R saves them."""

import gzip
import json
import struct
from collections import Counter

import pytest
from tests.tasks.package_files import debian_package

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources.genes import bases, splice

NULL = struct.pack(">i", 254)
INDICATORS = {"A": (1, 0, 0), "C": (0, 1, 0), "G": (0, 0, 1), "T": (0, 0, 0)}


def text(words):
    return struct.pack(">2i", 0x40009, len(words)) + words.encode()


def texts(*words):
    return struct.pack(">2i", 16, len(words)) + b"".join(map(text, words))


def tagged(name, value):
    """One link of a pair list: its tag, a new symbol, and its value."""
    return struct.pack(">2i", 0x402, 1) + text(name) + value


def factor(levels, numbers):
    """Whole numbers with levels, as R writes a factor: an object (0x100) with attributes (0x200) of type 13."""
    values = struct.pack(f">{len(numbers) + 2}i", 0x30D, len(numbers), *numbers)
    return values + tagged("levels", texts(*levels)) + tagged("class", texts("factor")) + NULL


def frame(rows, labels):
    """What save() writes of a data frame `DNA` with a column an indicator and the column Class."""
    columns = [factor(("0", "1"), [value + 1 for value in column]) for column in zip(*rows, strict=True)]
    columns.append(factor(("ei", "ie", "n"), [("ei", "ie", "n").index(label) + 1 for label in labels]))
    names = texts(*(f"V{number}" for number in range(1, len(columns))), "Class")
    content = struct.pack(">2i", 0x313, len(columns)) + b"".join(columns)
    content += tagged("names", names) + tagged("class", texts("data.frame")) + NULL
    head = b"RDX2\nX\n" + struct.pack(">3i", 2, 0x020300, 0x020300)
    return gzip.compress(head + tagged("DNA", content) + NULL)


def packed(tmp_path, content):
    path = "./usr/lib/R/site-library/mlbench/data/DNA.rda"
    return [debian_package(tmp_path / "mlbench.deb", {path: content})]


def indicators(letters):
    return [value for letter in letters for value in INDICATORS[letter]]


def test_indicators_become_bases_again(tmp_path):
    rows = ["ACGT" * 15, "T" * 60, "GATTACA" * 8 + "GATC"]
    files = packed(tmp_path, frame([indicators(row) for row in rows], ["ei", "n", "ie"]))
    splice(files, tmp_path / "splice.jsonl", unheard)
    found = [json.loads(line) for line in (tmp_path / "splice.jsonl").read_text().splitlines()]
    assert found == [{"symbols": row, "label": label} for row, label in zip(rows, ["ei", "n", "ie"], strict=True)]


def test_two_bases_in_one_place_are_an_error():
    assert bases(["0", "0", "0", "0", "1", "0"], 7) == "TC"
    with pytest.raises(DataError, match=r"row 7: indicators 4 to 6 are \('1', '1', '0'\), expected at most one 1"):
        bases(["1", "0", "0", "1", "1", "0"], 7)


@pytest.mark.parametrize("content", [b"RDA2\nA\n2\n", gzip.compress(b"nothing", mtime=0)])
def test_what_r_did_not_save_in_its_binary_format_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="not what R's save"):
        splice(packed(tmp_path, content), tmp_path / "splice.jsonl", unheard)


def test_what_is_cut_short_is_refused(tmp_path):
    whole = frame([indicators("ACGT" * 15)], ["n"])
    with pytest.raises(DataError, match="R data cannot be read"):
        splice(packed(tmp_path, whole[: len(whole) // 2]), tmp_path / "splice.jsonl", unheard)


@pytest.mark.data
def test_the_real_sites_hold_what_the_documents_say(needed):
    """The letters are right if introns begin with GT and end with AG, as nearly all do: bases 31, 32 and 29, 30."""
    rows = [json.loads(line) for line in needed("splice").read_text().splitlines()]
    assert Counter(row["label"] for row in rows) == {"ei": 767, "ie": 765, "n": 1654}
    assert {len(row["symbols"]) for row in rows} == {60}
    begins = Counter(row["symbols"][30:32] for row in rows if row["label"] == "ei")
    ends = Counter(row["symbols"][28:30] for row in rows if row["label"] == "ie")
    assert begins["GT"] >= 750
    assert ends["AG"] >= 750
