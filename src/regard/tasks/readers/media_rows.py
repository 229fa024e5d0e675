"""Pictures and sounds decoded once into the cache (`store.stored`), so that an epoch decodes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from regard.tasks.readers.images import Image
from regard.tasks.readers.picture import Mode, pixels
from regard.tasks.readers.picture_cells import contents
from regard.tasks.readers.speech import Speech
from regard.tasks.readers.store import Arrays, Encode
from regard.tasks.readers.wave_sound import samples_of


def pixel_rows(rows: Sequence[Image], *, mode: Mode, size: tuple[int, int]) -> Encode:
    """Of each picture one flat row of `height * width * channels` bytes, in the column "pixels" (uint8)."""

    def encode(start: int, stop: int) -> dict[str, Arrays]:
        places = [row.place for row in rows[start:stop]]
        return {"pixels": [pixels(content, mode=mode, size=size).ravel() for content in contents(places)]}

    return encode


def sample_rows(rows: Sequence[Speech], *, rate: int) -> Encode:
    """Of each recording its samples at `rate` a second, between -1 and 1, in the column "samples" (float32)."""

    def encode(start: int, stop: int) -> dict[str, Arrays]:
        return {"samples": [samples_of(row.path.read_bytes(), rate=rate) for row in rows[start:stop]]}

    return encode
