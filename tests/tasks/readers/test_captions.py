"""Pictures with texts: both are there, or the row is refused."""

import pyarrow as pa
import pyarrow.parquet as pq

from regard.tasks.readers.captions import read_captions


def test_captions_out_of_parquet(tmp_path, png, reasons):
    path = tmp_path / "rows.parquet"
    images = [png("L", colour=1), png("L", colour=1), png("L", colour=2), b"", png("RGBA")]
    texts = ["a cat", "a grey cat", " ", "a dog", "a bird"]
    pq.write_table(pa.table({"image": images, "text": texts, "label": ["x", "x", "y", "y", None]}), path)
    reading = read_captions(path)
    assert [(row.number, row.text, row.label) for row in reading.rows] == [
        (1, "a cat", ""), (2, "a grey cat", ""), (5, "a bird", ""),
    ]  # fmt: skip
    assert reasons(reading) == {3: "empty text in column 'text'", 4: "no picture in column 'image'"}
    assert reading.notes == ("1 pictures are coded as colour with transparency: they are converted (over white)",)
    labelled = read_captions(path, label="label")
    assert [row.label for row in labelled.rows] == ["x", "x"]
    assert reasons(labelled)[5] == "no label in column 'label'"


def test_two_texts_of_one_picture_are_one_input(tmp_path, png, table):
    (tmp_path / "a.png").write_bytes(png())
    path = table("rows.csv", "image,text,group", "a.png,one,g", "a.png,two,g")
    first, second = (row.identity for row in read_captions(path).rows)
    assert first.given == second.given
    assert first.whole != second.whole
    assert first.group == "g"
