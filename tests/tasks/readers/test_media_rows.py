"""Pictures and sounds decoded once into the cache, then read without decoding."""

import numpy as np
import pytest

from regard.tasks.event import unheard
from regard.tasks.readers import store as store_of
from regard.tasks.readers.images import read_images
from regard.tasks.readers.media_rows import pixel_rows, sample_rows
from regard.tasks.readers.speech import read_speech
from regard.tasks.readers.store import stored


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store_of, "_ROWS", 1)  # rows encoded at a time


def test_pixels(tmp_path, png):
    for number in range(3):
        (tmp_path / "all" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / "a" / f"{number}.png").write_bytes(png("L", (6, 4), 10 * number))
    rows = read_images(tmp_path / "all").rows
    store = stored("pixels", {"pixels": "uint8"}, 3, pixel_rows(rows, mode="RGB", size=(2, 3)), unheard)
    for row in rows:
        row.place.path.unlink()  # nothing is decoded again
    found = np.stack(store.read(0, 3)["pixels"]).reshape(3, 2, 3, 3)
    assert found.dtype == np.uint8
    assert [np.unique(one).tolist() for one in found] == [[0], [10], [20]]


def test_samples(tmp_path, wav, table):
    (tmp_path / "a.wav").write_bytes(wav([16384, -16384, 0]))
    (tmp_path / "b.wav").write_bytes(wav([8192] * 4 + [-8192] * 4, rate=8000))
    rows = read_speech(table("rows.csv", "path,text", "a.wav,x", "b.wav,y")).rows
    store = stored("samples", {"samples": "float32"}, 2, sample_rows(rows, rate=8000), unheard)
    first, second = store.read(0, 2)["samples"]
    assert first.tolist() == [0.5, -0.5, 0]
    assert second.tolist() == [0.25] * 4 + [-0.25] * 4
