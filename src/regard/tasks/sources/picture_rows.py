"""Pictures in a parquet file: the bytes of a PNG in column `image`, texts in the other columns, in row groups.

A row group is what a reader takes into memory at once, so that a file of any length can be read a little at a time.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regard.spec.extra import require

ROWS_A_GROUP = 1000


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture's PNG. pixels: (height, width) grey, or (height, width, 3) red, green, blue; 0 to 255.

    PNG loses nothing. The same pixels make the same bytes wherever Pillow and zlib are the same.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    require("PIL", what="a picture")
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format="PNG")
    return packed.getvalue()


def write_pictures(target: Path, columns: Sequence[str], rows: Iterable[Sequence[bytes | str]]) -> None:
    """Writes rows, one value a column, to a parquet file: bytes in column `image`, texts in every other.

    rows may be an iterator: one row group is held at a time.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    require("pyarrow", what="a file of pictures")
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.binary() if name == "image" else pa.string()) for name in columns])
    left = iter(rows)
    with pq.ParquetWriter(target, schema) as writer:
        while group := list(islice(left, ROWS_A_GROUP)):
            values = zip(*group, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
