"""Long texts: a folder, a file, a table; and one text cut into what is learned and what is tested."""

import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.documents import Document, cut_at_ends, read_documents


def test_a_folder_of_texts(tmp_path, reasons):
    for name, content in {"b.txt": b"two\n", "a/z.txt": b"one", "c.txt": b" \n", "d.txt": b"br\xffken", "e.md": b"x",
                          ".hidden.txt": b"x"}.items():  # fmt: skip
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    reading = read_documents(tmp_path / "texts")
    assert [(row.number, row.name, row.text) for row in reading.rows] == [(1, "a/z.txt", "one"), (2, "b.txt", "two\n")]
    assert reasons(reading) == {
        3: "c.txt: holds no text",
        4: "d.txt: broken UTF-8, byte 0xff after 2 characters",
    }
    assert reading.notes == ("1 files that do not end in .txt are not read",)


def test_one_file_and_a_table(table):
    assert read_documents(table("one.txt", "a text")).rows == (Document(1, "a text\n", "one.txt"),)
    assert read_documents(table("empty.txt", "")).rows == ()
    reading = read_documents(table("rows.csv", "body", "first", '""', "third"), text="body")
    assert [(row.number, row.text) for row in reading.rows] == [(1, "first"), (3, "third")]


def test_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"no such file; give a \.txt file"):
        read_documents(tmp_path / "none.txt")
    (tmp_path / "some.md").write_text("x")
    with pytest.raises(DataError, match=r"holds no .txt file \(1 others\)"):
        read_documents(tmp_path)


def test_a_text_is_cut_at_ends_of_lines():
    text = "".join(f"line {number}\n" for number in range(10))  # 7 characters each
    train, validation, test = cut_at_ends(Document(1, text), test_share=0.25, validation_share=0.25)
    assert train + validation + test == text
    assert all(part.endswith("\n") for part in (train, validation, test))
    assert [part.count("\n") for part in (train, validation, test)] == [5, 2, 3]  # cut before 35 and 52.5 of 70


def test_a_text_of_one_line_is_cut_all_the_same():
    assert cut_at_ends(Document(1, "x" * 10), test_share=0.2, validation_share=0.2) == ("x" * 6, "xx", "xx")
    with pytest.raises(DataError, match=r"text 1 \(3 characters\) is too short"):
        cut_at_ends(Document(1, "xxx"), test_share=0.1, validation_share=0.1)
