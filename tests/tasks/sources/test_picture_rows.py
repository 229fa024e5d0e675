"""Pictures in a parquet file: pixels come back as they went in, and a long file lies in row groups."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from regard.tasks.sources import picture_rows
from regard.tasks.sources.picture_rows import png, write_pictures


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3)])
def test_a_png_holds_the_pixels(shape):
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) * 14
    found = np.array(Image.open(io.BytesIO(png(pixels))))
    assert found.shape == shape
    assert (found == pixels).all()


def test_rows_come_back_in_their_order_in_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_rows, "ROWS_A_GROUP", 2)
    rows = [(bytes([number]), f"label {number}") for number in range(5)]
    write_pictures(tmp_path / "few.parquet", ("image", "label"), iter(rows))
    file = pq.ParquetFile(tmp_path / "few.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [2, 2, 1]
    assert [(row["image"], row["label"]) for row in file.read().to_pylist()] == rows


def test_a_row_with_another_number_of_values_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="argument"):
        write_pictures(tmp_path / "few.parquet", ("image", "label"), [(b"1", "one"), (b"2",)])
