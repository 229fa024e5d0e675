import json

import pytest


@pytest.fixture
def file(tmp_path):
    def write(name, *lines, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(b"".join(line if isinstance(line, bytes) else line.encode(encoding) + b"\n" for line in lines))
        return path

    return write


def test_a_file_that_can_be_used(examples, regard):
    code, out, err = regard("check", examples / "reviews.csv", "--text", "review", "--label", "verdict")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "reviews.csv: 120 rows can be used, 0 cannot"
    assert "good     60  50.0%" in lines
    assert "bad      60  50.0%" in lines
    assert lines[-1] == "A classifier can be trained on this file."


def test_refused_rows_are_named_with_their_reason(file, regard, one_line):
    path = file(
        "some.csv", "text,label", "fine,good", ",good", "dull,bad", b"br\xffken,bad\n", "fine,good", "dull,good"
    )
    code, out, err = regard("check", path)
    assert code == 1
    assert "some.csv: 4 rows can be used, 2 cannot" in out
    assert "  row 2 (line 3): empty text in column 'text'" in out
    assert "  row 4 (line 5): broken UTF-8 in column 'text': byte 0xff after 2 characters" in out
    assert "duplicates (training keeps the first of each): 1" in out
    assert (
        "one text with several labels (training leaves them out; 2 rows):\n  row 3, row 6\n" in out
    )  # dull: bad, and good
    line = one_line(err)
    assert line.startswith("error: some.csv cannot be trained on as it is: 2 refused rows (correct them, or")
    assert "label 'bad' occurs once" in line


def test_only_one_label(file, regard, one_line):
    code, _, err = regard("check", file("one.csv", "text,label", "a,good", "b,good"))
    assert code == 1
    assert "1 labels (expected at least 2; add rows)" in one_line(err)


def test_long_lists_are_cut_and_say_so(file, regard):
    rows = [json.dumps({"text": "" if i < 30 else f"text {i}", "label": str(i % 25)}) for i in range(100)]
    code, out, _ = regard("check", file("many.jsonl", *rows))
    assert code == 1
    refused, _, labels = out.partition("label  rows")
    assert len([line for line in refused.splitlines() if line.startswith("  row ")]) == 20
    assert "  and 10 more" in refused
    assert "  and 5 more" in labels


def test_a_test_file_that_shares_rows(file, regard):
    train = file("train.csv", "text,label", "one,a", "two,b", "three,a", "four,b", "<br />five,b")
    test = file("test.csv", "text,label", "ONE,a", "six,b")
    code, out, _ = regard("check", train, "--test", test)
    assert code == 0
    assert "rows whose text is also in the test file: 1" in out
    assert "rows with <br />, which is read as a space: 1" in out
    assert "warning: 1 rows have a text that is also in the test file" in out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "empty.csv is empty"),
        (
            "other.csv",
            b"a,b\nx,2\n",
            "has no column 'text'; the columns there are: 'a', 'b'; say which holds the texts",
        ),
        ("a.xlsx", b"x", "is of no known kind"),
        ("wide.csv", "text,label\n".encode("utf-16"), "is UTF-16, expected UTF-8"),
        ("quote.csv", b'text,label\n"open,a\n', "look for a quote that is not closed"),
    ],
)
def test_files_that_cannot_be_read(name, content, said, tmp_path, regard, one_line):
    (tmp_path / name).write_bytes(content)
    code, out, err = regard("check", tmp_path / name)
    assert (code, out) == (1, "")
    assert said in one_line(err)
