"""Pictures with classes: a folder, a csv of paths, parquet of bytes."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.images import read_images
from regard.tasks.readers.parts import part_rows
from regard.tasks.readers.picture import pixels
from regard.tasks.readers.picture_cells import contents


@pytest.fixture
def folder(tmp_path, png):
    files = {
        "cats/1.png": png(colour=(1, 0, 0)),
        "cats/2.png": png(colour=(2, 0, 0))[:40],
        "dogs/1.png": png("P"),
        "dogs/deep/3.png": png(colour=(3, 0, 0)),
        "dogs/notes.txt": b"not a picture",
        "loose.png": png(),
    }
    for name, content in files.items():
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "pets"


def test_a_folder_has_one_folder_a_class(folder, reasons):
    reading = read_images(folder)
    assert [(row.number, row.label) for row in reading.rows] == [(1, "cats"), (3, "dogs"), (4, "dogs")]
    refused = reasons(reading)
    assert refused[2].startswith("2.png is cut short or broken (")
    assert refused[5] == "notes.txt is no picture in a known format (such as PNG or JPEG)"
    assert refused[6] == "loose.png is in no folder of a class"
    assert reading.notes == ("1 pictures are coded as palette: they are converted",)
    assert reading.labels == ("cats", "dogs")


def test_pictures_without_classes(folder):
    assert [row.label for row in read_images(folder, label=None).rows] == ["", "", "", ""]


def test_a_csv_names_files_beside_it(folder, table, reasons):
    path = table("pets/rows.csv", "file,kind", "cats/1.png,cat", "none.png,cat", ",cat", "dogs/1.png,")
    reading = read_images(path, image="file", label="kind")
    assert [(row.number, row.label, row.place.path.name) for row in reading.rows] == [(1, "cat", "1.png")]
    assert reasons(reading) == {
        2: "there is no file none.png",
        3: "empty text in column 'file'",
        4: "no label in column 'kind'",
    }


@pytest.mark.parametrize("shape", [lambda one: one, lambda one: None if one is None else {"bytes": one, "path": "x"}])
def test_parquet_holds_the_bytes(tmp_path, png, reasons, shape):
    cells = [png("L", colour=shade) for shade in range(5)]
    cells[3] = None
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image": [shape(one) for one in cells], "label": list("abaab")}), path, row_group_size=2)
    reading = read_images(path)
    assert [row.number for row in reading.rows] == [1, 2, 3, 5]
    assert reasons(reading) == {4: "no picture in column 'image'"}
    places = [row.place for row in reading.rows][::-1]
    assert [int(pixels(one, mode="L")[0, 0, 0]) for one in contents(places)] == [4, 2, 1, 0]


def test_the_same_bytes_are_one_picture_wherever_they_lie(tmp_path, png):
    for name, shade in (
        ("a/1", 1),
        ("a/2", 1),
        ("b/3", 2),
        ("b/4", 3),
        ("a/5", 4),
        ("a/6", 5),
        ("a/7", 6),
        ("b/8", 6),
        ("b/9", 9),
    ):
        path = tmp_path / "all" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png("L", colour=shade))
    parts = part_rows(read_images(tmp_path / "all").rows, test_rows=2, validation_rows=1, seed=0)
    assert (parts.duplicates, parts.contradictions) == (1, 2)  # 2 is 1 again; 7 and 8 are one picture of two classes


def test_what_cannot_be_read(tmp_path, table):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is empty; it needs one folder a class"):
        read_images(tmp_path / "empty")
    with pytest.raises(DataError, match="no column 'image'"):
        read_images(table("rows.csv", "file,label", "a,b"))


def test_a_file_that_is_gone_is_named(folder):
    row = read_images(folder).rows[0]
    row.place.path.unlink()
    with pytest.raises(DataError, match=r"1.png: No such file or directory; put it back"):
        list(contents([row.place]))


def test_one_picture_to_be_answered_is_its_own_file(folder, reasons):
    first = read_images(folder).rows[0]
    file = next(path for path in sorted(folder.rglob("*.png")) if path.is_file())
    found = read_images(file, label=None)
    assert [(row.number, row.mark, row.label) for row in found.rows] == [(1, first.mark, "")]
    assert found.name == file.name
    file.write_bytes(file.read_bytes()[:40])
    (reason,) = reasons(read_images(file, label=None)).values()
    assert reason.startswith(file.name)
    with pytest.raises(DataError, match="is of no known kind"):
        read_images(file)
