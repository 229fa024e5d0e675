"""Measurements of patients, a csv each: columns of numbers, and what is to be told from them.

The files come with scikit-learn, where they lie without their columns' names; the names are those that its
documentation gives.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.csv_rows import write_csv
from regard.tasks.sources.source import Source

_CELLS = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
_BLOOD = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def breast_cancer(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Thirty numbers of the cell nuclei in a sample, and a label: malignant (0 in the file) or benign (1)."""
    (_, _, *labels), *rows = csv.reader(io.StringIO(files[0].read_text(encoding="ascii")))
    kinds = ("mean {}", "{} error", "worst {}")
    columns = [kind.format(name) for kind in kinds for name in _CELLS]
    write_csv(target, [*columns, "label"], ((*numbers, labels[int(number)]) for *numbers, number in rows))


def diabetes(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Ten numbers of a patient as they were measured, and `target`: how far the illness went within a year (25 to 346).

    Raises:
        DataError: the two files, of measurements and of targets, have different numbers of rows.
    """
    measured, targets = (gzip.decompress(file.read_bytes()).decode("ascii").splitlines() for file in files)
    if len(measured) != len(targets):
        raise DataError(f"{files[0].name} has {len(measured)} rows, {files[1].name} has {len(targets)}")
    rows = ((*line.split(), int(float(number))) for line, number in zip(measured, targets, strict=True))
    write_csv(target, [*_BLOOD, "target"], rows)


def _comes_with_scikit_learn(file: str, sha256: str, size: int) -> Package:
    return Package(
        name="scikit-learn",
        version="1.9.1",
        file=file,
        sha256=sha256,
        size=size,
        registry="installed",
        folder="sklearn/datasets/data",
    )


_BREAST_CANCER = Source(
    name="breast-cancer",
    about="30 measurements of cell nuclei in breast tumours, 212 malignant and 357 benign (column label)",
    kind="tables",
    holds="569 rows",
    packages=(
        _comes_with_scikit_learn(
            "breast_cancer.csv", "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed", 119_913
        ),
    ),
    licence="The package: BSD-3-Clause; the measurements (Wolberg, Street and Mangasarian 1995): CC-BY-4.0, from the "
    "UCI repository.",
    licence_member=None,
    home="https://archive.ics.uci.edu/dataset/17",
    make=breast_cancer,
)
_DIABETES = Source(
    name="diabetes",
    about="10 measurements of patients with diabetes, and how far the illness went within a year (column target)",
    kind="tables",
    holds="442 rows",
    packages=(
        _comes_with_scikit_learn(
            "diabetes_data_raw.csv.gz", "7fc0ded571454b1982210d3bb43f0aca44eae01a0b8654a3b24022bdb6b38009", 7_073
        ),
        _comes_with_scikit_learn(
            "diabetes_target.csv.gz", "8e53f65eb811df43c206f3534bb3af0e5fed213bc37ed6ba36310157d6023803", 1_050
        ),
    ),
    licence="The package: BSD-3-Clause; the measurements were published with Efron, Hastie, Johnstone and Tibshirani "
    "(2004) without a licence of their own: cite them.",
    licence_member=None,
    home="https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
    make=diabetes,
)

SETS = (_BREAST_CANCER, _DIABETES)
