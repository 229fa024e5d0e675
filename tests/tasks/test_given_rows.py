"""Rows in memory: which of them train, what each counts, and tables, texts and series as parts."""

import numpy as np
import pytest
import torch

from regard.spec.errors import DataError, SpecError
from regard.tasks.classes import judge_classes
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import unheard
from regard.tasks.forecast import FORECAST
from regard.tasks.given_rows import WeighedPart, parted_rows, weighed
from regard.tasks.given_series import GivenSeries, prepare_given_series, windows_ahead
from regard.tasks.given_tables import described_numbers, numbers_part, told_numbers
from regard.tasks.given_texts import checked_texts, text_setup, texts_part
from regard.tasks.settings import changed
from regard.tasks.task import Setup


def test_rows_are_parted_by_the_seed_with_classes_in_proportion():
    classes = np.repeat([0, 1], [80, 20])
    train, held = parted_rows(100, 0.2, seed=3, classes=classes)
    assert sorted([*train, *held]) == list(range(100))
    assert np.bincount(classes[held]).tolist() == [16, 4]
    again = parted_rows(100, 0.2, seed=3, classes=classes)
    assert np.array_equal(held, again[1])
    assert not np.array_equal(held, parted_rows(100, 0.2, seed=4, classes=classes)[1])


def test_every_class_trains_and_few_rows_do_both():
    classes = np.array([0] * 9 + [1])
    for seed in range(20):
        train, _ = parted_rows(10, 0.4, seed=seed, classes=classes)
        assert 9 in train
    assert [side.tolist() for side in parted_rows(2, 0.2, seed=0)] == [[0, 1], [0, 1]]
    assert [side.tolist() for side in parted_rows(3, 0.0, seed=0)] == [[0, 1, 2], [0, 1, 2]]
    with pytest.raises(SpecError, match="validation was 1"):
        parted_rows(10, 1, seed=0)


def test_a_weight_is_a_factor_of_the_rows_loss():
    """Two rows whose logits are 0: a loss of ln 2 each; they count 1 and 3."""
    part = numbers_part(np.zeros((3, 1), dtype=np.float32), np.array([0, 1, 0]))
    some = WeighedPart(part, np.array([2, 1]), np.array([1.0, 3.0], dtype=np.float32))
    batch = some.batch(np.array([0, 1])).to(torch.device("cpu"))
    setup = Setup(CLASSIFY.settings(), {"labels": ["a", "b"]})

    def model(numbers, categories, present):
        return torch.zeros(len(numbers), 2), None

    model.training = False
    found = weighed(judge_classes)(model, batch, setup)
    assert found.losses.tolist() == pytest.approx([np.log(2), 3 * np.log(2)])
    assert (found.units, len(batch), batch.tokens, batch.places) == (2, 2, 2, 2)
    assert (some.truths.tolist(), some.lengths.tolist()) == ([0, 1], [1, 1])


def test_columns_are_described_by_what_is_there():
    numbers = np.array([[1, 5, np.nan], [3, 5, np.nan]], dtype=np.float32)
    found = described_numbers(["a", "b", "c"], numbers)
    assert [(one["mean"], one["deviation"], one["missing"]) for one in found] == [
        (2.0, 1.0, False),
        (5.0, 1.0, False),
        (0.0, 1.0, True),
    ]
    tenth = np.full((7, 1), 0.1, dtype=np.float32)  # of equal numbers, rounding leaves a deviation that is not 0
    assert described_numbers(["a"], tenth)[0]["deviation"] == 1.0
    assert told_numbers(np.array([1.0, 3.0])) == {"level": 2.0, "spread": 1.0}
    assert told_numbers(np.array([0.1] * 7))["spread"] == 1.0


def test_empty_cells_are_told_as_not_present():
    batch = numbers_part(np.array([[1, np.nan]], dtype=np.float32), np.array([0.5])).batch(np.array([0]))
    numbers, categories, present = batch.inputs
    assert (numbers.tolist(), categories.shape, present.tolist()) == ([[1.0, 0.0]], (1, 0), [[True, False]])
    assert batch.targets.tolist() == [0.5]


def test_texts_that_cannot_be_used_are_named_by_their_places():
    with pytest.raises(
        DataError, match="3 of 4 texts cannot be used: text 1 is empty; text 2 is float, no text; text 3"
    ):
        checked_texts(["good", " ", 1.5, None])


def test_texts_become_tokens_of_the_vocabulary_of_those_that_train():
    settings = changed(CLASSIFY.settings("transformer"), {"tokens.least": 1})
    setup = text_setup(settings, ["a good film", "a bad film"], unheard)
    batch = texts_part(["good good", "never seen"], np.array([0.5, 1.5]), setup).batch(np.array([0, 1]))
    assert batch.ids[0, 0] == batch.ids[0, 1] > 1
    assert batch.ids[1].tolist() == [1, 1]  # unknown
    assert (batch.targets.tolist(), setup.facts["vocabulary"]) == ([0.5, 1.5], 6)


def given(values, known=0):
    values = np.asarray(values, dtype=np.float64)
    return GivenSeries(values, np.empty((*values.shape, 0)), np.zeros((*values.shape, known)))


def steps(**more):
    asked = {f"series.{name}": value for name, value in more.items()}
    return changed(FORECAST.settings(), {"series.known": (), "series.zone": None, "series.stride": 1, **asked})


def test_the_last_times_choose_and_those_before_train():
    data = prepare_given_series(
        given(np.arange(40.0).reshape(2, 20)), steps(horizon=2, context=3, season=1), share=0.2, seed=0, listen=unheard
    )
    first = data.train.batch(np.array([0]))
    assert first.values[0, :, 0].tolist() == [0, 1, 2]
    assert first.targets[0].tolist() == [3, 4]
    assert float(data.train.futures().max()) == 35  # the second series: 20 to 35 train, 36 to 39 choose
    assert sorted(data.validation.futures().ravel().tolist()) == [16, 17, 18, 19, 36, 37, 38, 39]


def test_of_short_series_some_choose():
    values = np.arange(30.0).reshape(10, 3)
    data = prepare_given_series(given(values), steps(horizon=2, season=1), share=0.2, seed=0, listen=unheard)
    seen = [set(part.laid.series_at(part.origins).tolist()) for part in (data.train, data.validation)]
    assert (len(seen[0]), len(seen[1]), seen[0] & seen[1]) == (8, 2, set())


def test_a_forecast_begins_where_the_values_end():
    values = np.arange(24.0).reshape(2, 12)
    data = prepare_given_series(given(values), steps(horizon=2, context=4, season=1), share=0.2, seed=0, listen=unheard)
    part = windows_ahead(GivenSeries(values, np.empty((2, 12, 0)), np.empty((2, 14, 0))), data.setup)
    assert part.batch(np.array([1])).values[0, :, 0].tolist() == [20, 21, 22, 23]
    values[0, -3:] = np.nan
    with pytest.raises(DataError, match="1 of 2 series have too few values among their last 4 steps: series 0 has 1"):
        windows_ahead(GivenSeries(values, np.empty((2, 12, 0)), np.empty((2, 14, 0))), data.setup)
    with pytest.raises(DataError, match="the series have 3 steps, and 4 are read"):
        windows_ahead(GivenSeries(values[:, :3], np.empty((2, 3, 0)), np.empty((2, 5, 0))), data.setup)


def test_series_without_a_whole_future_are_refused():
    values = np.where(np.arange(12) % 2 == 0, 1.0, np.nan)[None].repeat(2, 0)
    with pytest.raises(DataError, match="no series has 2 steps without a gap"):
        prepare_given_series(given(values), steps(horizon=2, context=3, season=1), share=0.0, seed=0, listen=unheard)
