"""The estimators on tables and texts: in pipelines and searches, what they refuse, what they say of their answers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from regard.sklearn import AttentionClassifier, AttentionRegressor
from regard.spec.errors import DataError, SpecError

SMALL: dict[str, Any] = {"dim": 8, "layers": 1, "heads": 1, "dropout": 0.0, "rate": 0.03, "random_state": 0}
WORDS = {"good": 1.0, "fine": 1.0, "bad": -1.0, "dull": -1.0}


@pytest.fixture(scope="module")
def table() -> tuple[Any, Any]:
    """Two features decide together; the third says nothing."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(160, 3))
    return X, np.where(X[:, 0] + X[:, 1] > 0, "up", "down")


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[str]]:
    draw = np.random.default_rng(0)
    words = draw.choice(list(WORDS), size=80)
    rows = [f"a {word} film of {draw.choice(['love', 'war', 'rain'])}" for word in words]
    return rows, ["pro" if WORDS[word] > 0 else "contra" for word in words]


def test_classes_of_a_table(table: tuple[Any, Any]) -> None:
    X, y = table
    model = AttentionClassifier(**SMALL, epochs=30).fit(X[:120], y[:120])
    assert model.score(X[120:], y[120:]) > 0.85
    assert (model.classes_.tolist(), model.n_features_in_) == (["down", "up"], 3)
    shares = model.predict_proba(X[120:])
    assert np.allclose(shares.sum(1), 1)
    assert (model.predict(X[120:]) == model.classes_[shares.argmax(1)]).all()
    weights = model.explain(X[120:])
    assert weights.shape == (40, 3)
    assert np.allclose(weights.sum(1), 1)
    assert 1 <= model.best_epoch_ <= model.epochs_ <= 30


def test_an_answer_does_not_depend_on_the_rows_beside_it(table: tuple[Any, Any]) -> None:
    X, y = table
    model = AttentionClassifier(**SMALL, epochs=2).fit(X, y)
    alone = np.concatenate([model.predict_proba(X[row : row + 1]) for row in range(8)])
    assert np.abs(alone - model.predict_proba(X)[:8]).max() < 1e-12


def test_the_same_seed_gives_the_same_model_and_leaves_randomness_alone(table: tuple[Any, Any]) -> None:
    X, y = table
    state, numpys = torch.get_rng_state(), np.random.mtrand._rand
    drawn = numpys.get_state()[1].copy()
    first, second = (AttentionClassifier(**SMALL, epochs=2).fit(X, y).predict_proba(X) for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(numpys.get_state()[1], drawn)
    other = AttentionClassifier(**{**SMALL, "random_state": 1}, epochs=2).fit(X, y).predict_proba(X)
    assert not np.allclose(first, other)


def test_numbers_of_a_table_come_in_their_own_unit(table: tuple[Any, Any]) -> None:
    X, _ = table
    y = 1000 + 50 * (X[:, 0] - X[:, 1])
    model = AttentionRegressor(**SMALL, epochs=60).fit(X[:120], y[:120])
    assert model.score(X[120:], y[120:]) > 0.8
    assert 800 < model.predict(X).mean() < 1200


def test_in_a_pipeline_and_a_search(table: tuple[Any, Any]) -> None:
    X, y = table
    pipeline = make_pipeline(StandardScaler(), AttentionClassifier(**SMALL, epochs=6))
    search = GridSearchCV(pipeline, {"attentionclassifier__dim": [4, 8]}, cv=2).fit(X, y)
    assert set(search.cv_results_["param_attentionclassifier__dim"].tolist()) == {4, 8}
    assert search.best_estimator_[-1].dim in (4, 8)
    assert clone(search.best_estimator_)[-1].get_params()["epochs"] == 6
    assert len(cross_val_score(AttentionRegressor(**SMALL, epochs=2), X, X[:, 0], cv=2)) == 2


def test_texts_and_the_words_that_an_answer_drew_on(texts: tuple[list[str], list[str]]) -> None:
    rows, labels = texts
    model = AttentionClassifier(**SMALL, epochs=20).fit(rows[:60], labels[:60])
    assert model.score(rows[60:], labels[60:]) > 0.9
    assert not hasattr(model, "n_features_in_")
    (first,) = model.explain(["A dull  film"])
    assert [word for word, _ in first] == ["A", "dull", "film"]
    assert sum(weight for _, weight in first) == pytest.approx(1)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(rows), model.predict_proba(rows))


def test_a_number_told_of_texts(texts: tuple[list[str], list[str]]) -> None:
    rows, labels = texts
    y = np.array([10.0 if label == "pro" else -10.0 for label in labels])
    model = AttentionRegressor(**SMALL, epochs=30).fit(rows, y)
    assert model.score(rows, y) > 0.8


def test_the_other_core_and_other_settings(texts: tuple[list[str], list[str]]) -> None:
    more = {"core.kind": "bilstm", "tokens.longest": 4, "tokens.keep": "first"}
    small = {name: value for name, value in SMALL.items() if name != "heads"}
    model = AttentionClassifier(**small, epochs=2, settings=more).fit(*texts)
    (found,) = model.explain(["a good film of love and rain"])
    assert [word for word, _ in found] == ["a", "good", "film", "of"]
    assert type(model.model_.encoder).__name__ == "BiLSTMEncoder"


def test_empty_cells_are_missing_not_zero() -> None:
    """Whether the second cell is there is all that tells the classes apart."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(120, 2))
    y = np.arange(120) % 2
    X[y == 1, 1] = np.nan
    model = AttentionClassifier(**SMALL, epochs=30).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.95


def test_weights_count_and_rows_of_weight_0_are_as_if_left_out(table: tuple[Any, Any]) -> None:
    X, _ = table
    y = np.arange(len(X)) % 2  # nothing to learn: the weights decide
    model = AttentionClassifier(**SMALL, epochs=10).fit(X, y, sample_weight=np.where(y == 1, 9.0, 1.0))
    plain = AttentionClassifier(**SMALL, epochs=10).fit(X, y)
    assert plain.predict_proba(X)[:, 1].mean() == pytest.approx(0.5, abs=0.1)
    assert model.predict_proba(X)[:, 1].mean() > 0.75
    half = np.arange(len(X)) < 80
    fewer = AttentionRegressor(**SMALL, epochs=2).fit(X[half], y[half])
    none = AttentionRegressor(**SMALL, epochs=2).fit(X, y, sample_weight=half.astype(float))
    assert np.allclose(fewer.predict(X), none.predict(X))


def test_training_stops_early_and_can_be_heard(table: tuple[Any, Any], capsys: pytest.CaptureFixture[str]) -> None:
    X, y = table
    quiet = AttentionClassifier(**SMALL, epochs=200, patience=2).fit(X, y)
    assert quiet.epochs_ < 200
    assert capsys.readouterr() == ("", "")
    AttentionClassifier(**SMALL, epochs=1, verbose=True).fit(X, y)
    assert capsys.readouterr().out.startswith("epoch 1 of 1: loss 0.")


def test_nothing_is_written(table: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    AttentionClassifier(**SMALL, epochs=1).fit(*table)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("X", "error", "told"),
    [
        (sparse.csr_matrix(np.eye(4)), TypeError, "Sparse data was passed"),
        ([[1.0, np.inf], [0.0, 1.0]] * 2, ValueError, "infinity"),
        (["good", " ", "bad", "x"], DataError, "1 of 4 texts cannot be used: text 1 is empty"),
        (["good", None, "bad", "x"], DataError, "text 1 is NoneType, no text"),
        (np.array([["good"], ["bad"]] * 2), ValueError, "could not convert string to float"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(X: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        AttentionClassifier(**SMALL, epochs=1).fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"settings": {"core.depth": 2}}, r"core\.depth is no setting"),
        ({"settings": {"data.path": "x.csv"}}, r"settings names data\.path, which say what files are read"),
        ({"settings": "big"}, "settings was 'big'"),
        ({"dim": 0}, r"core\.dim was 0"),
        ({"validation": 1.5}, "validation was 1.5"),
        ({"dim": 9, "heads": 2}, "must be a multiple of heads"),
    ],
)
def test_parameters_out_of_range_are_refused_when_fitted(more: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        AttentionClassifier(**{**SMALL, "epochs": 1, **more}).fit(np.eye(4), [0, 1, 0, 1])


def test_rows_of_the_other_kind_are_refused(table: tuple[Any, Any], texts: tuple[list[str], list[str]]) -> None:
    model = AttentionClassifier(**SMALL, epochs=1).fit(*table)
    with pytest.raises(DataError, match="was fitted on a table of 3 columns, and was given texts"):
        model.predict(texts[0])
    model.fit(*texts)
    with pytest.raises(DataError, match="was fitted on texts, and was given ndarray"):
        model.predict(table[0])


@pytest.mark.parametrize("weights", [[1.0, -1.0, 1.0, 1.0], [1.0, np.nan, 1.0, 1.0]])
def test_weights_that_make_no_sense_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="negative or not finite"):
        AttentionRegressor(**SMALL, epochs=1).fit(np.eye(4), [0.0, 1, 2, 3], sample_weight=weights)


def test_regard_alone_loads_no_scikit_learn() -> None:
    code = "import regard, sys; assert not any(name.partition('.')[0] == 'sklearn' for name in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
