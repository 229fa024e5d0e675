"""Measurements that come with scikit-learn: named columns, and the same numbers that its own loaders give."""

import csv
import gzip
from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources import cached, source
from regard.tasks.sources.tabular import breast_cancer, diabetes


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    return columns, rows


def test_numbers_become_labels(tmp_path):
    numbers = ",".join(str(number) for number in range(30))
    (tmp_path / "cells.csv").write_text(f"2,30,malignant,benign\n{numbers},0\n{numbers},1\n")
    breast_cancer([tmp_path / "cells.csv"], tmp_path / "out.csv", unheard)
    columns, rows = read(tmp_path / "out.csv")
    assert columns[0] == "mean radius"
    assert columns[19] == "fractal dimension error"
    assert columns[20:22] == ["worst radius", "worst texture"]
    assert [row[-1] for row in rows] == ["malignant", "benign"]
    assert rows[0][:30] == [str(number) for number in range(30)]


def test_measurements_and_targets_meet(tmp_path):
    files = [tmp_path / "data.gz", tmp_path / "target.gz"]
    files[0].write_bytes(gzip.compress(b"59 2 32.1 101.0 157 93.2 38.0 4.0 4.8598 87\n"))
    files[1].write_bytes(gzip.compress(b"1.510000000000000000e+02\n"))
    diabetes(files, tmp_path / "out.csv", unheard)
    columns, rows = read(tmp_path / "out.csv")
    assert columns == ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "target"]
    assert rows == [["59", "2", "32.1", "101.0", "157", "93.2", "38.0", "4.0", "4.8598", "87", "151"]]
    files[1].write_bytes(gzip.compress(b"151\n75\n"))
    with pytest.raises(DataError, match=r"data.gz has 1 rows, target.gz has 2"):
        diabetes(files, tmp_path / "out.csv", unheard)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """name -> the csv, made from what scikit-learn brings: nothing is fetched."""
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    return lambda name: read(cached(source(name)))


def test_the_tumours_are_those_that_scikit_learn_loads(made):
    columns, rows = made("breast-cancer")
    theirs = load_breast_cancer()
    assert columns[:-1] == list(theirs.feature_names)
    assert np.array_equal(np.array([row[:-1] for row in rows], dtype=np.float64), theirs.data)
    assert [row[-1] for row in rows] == [theirs.target_names[number] for number in theirs.target]
    assert Counter(row[-1] for row in rows) == {"malignant": 212, "benign": 357}


def test_the_patients_are_those_that_scikit_learn_loads(made):
    columns, rows = made("diabetes")
    theirs = load_diabetes(scaled=False)
    assert columns[:-1] == list(theirs.feature_names)
    assert np.array_equal(np.array(rows, dtype=np.float64), np.column_stack([theirs.data, theirs.target]))
    assert len(rows) == 442
