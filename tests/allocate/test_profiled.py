"""Running means, and the profile that is made of them: its sums by hand, its file, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.allocate.small import FRACTIONS, MADE_FOR, POLICIES, layer, made_up

from regard.allocate.profiled import Layer, Profile, finite
from regard.allocate.running import Running
from regard.spec import DataError, SpecError, WindowSinks

CURVES = [[[4.0, 1.0], [9.0, 0.25]]]


def all_of(values: list[float]) -> Running:
    found = Running.of(torch.tensor(values[0]))
    for value in values[1:]:
        found = found.merged(Running.of(torch.tensor(value)))
    return found


def test_a_mean_and_its_standard_error_by_hand() -> None:
    """1, 3, 5: mean 3, variance 4, standard error sqrt(4 / 3)."""
    found = all_of([1.0, 3.0, 5.0])
    assert (found.count, float(found.mean), float(found.spread)) == (3, 3.0, 8.0)
    assert float(found.error) == pytest.approx(math.sqrt(4 / 3))
    assert math.isnan(float(all_of([1.0]).error))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=9), st.data())
def test_two_halves_make_the_whole(values: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    found, whole = all_of(values[:cut]).merged(all_of(values[cut:])), torch.tensor(values, dtype=torch.float64)
    assert found.count == len(values)
    assert float(found.mean) == pytest.approx(float(whole.mean()), abs=1e-6)
    assert float(found.spread) == pytest.approx(float(whole.var(correction=0) * len(values)), abs=1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "expected the entries count, mean, spread"),
        ({"count": 0, "mean": [1.0], "spread": [1.0]}, "the count is 0"),
        ({"count": True, "mean": [1.0], "spread": [1.0]}, "the count is True"),
        ({"count": 1, "mean": ["x"], "spread": [1.0]}, "expected lists of numbers"),
        ({"count": 1, "mean": [1.0], "spread": [[1.0]]}, r"shape \(1,\), expected \(1,\)"),
        ({"count": 1, "mean": [1.0, 2.0], "spread": [1.0, 2.0]}, r"shape \(2,\), expected \(1,\)"),
        ({"count": 1, "mean": [1e400], "spread": [1.0]}, "not all numbers are finite"),
    ],
)
def test_means_that_are_none(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Running.from_plain(given, (1,), "here")


def test_sizes_are_those_of_the_figures() -> None:
    made = layer(CURVES, weight=3.0)
    assert (made.heads, made.kv_heads) == (1, 1)
    profile = made_up(a=made, b=layer(CURVES, full=50.0))
    assert profile.full == 150.0
    assert profile.size == (2, 2)
    assert repr(profile) == "<profile of Made: 2 layers, 2 key heads, 2 policies, 1 samples>"
    assert Profile(MADE_FOR, POLICIES, FRACTIONS, 4).full == 0.0


def test_a_second_sample_is_averaged_in() -> None:
    first = made_up(a=layer(CURVES, weight=3.0))
    both = first.further("second", "nats a token", {"a": layer([[[2.0, 0.0], [1.0, 0.25]]], weight=1.0)}, {"b": "why"})
    assert both.layers is not None
    assert both.layers["a"]["square"].tolist() == [[[3.0, 0.5], [5.0, 0.25]]]
    assert float(both.layers["a"]["weight"]) == 2.0
    assert both.samples == ("first", "second")
    assert both.kept == {"b": "why"}
    assert first.samples == ("first",)
    with pytest.raises(SpecError, match="sample 2 ran other layers than those before it: a, c"):
        first.further("second", "", {"c": layer(CURVES)}, {})


def test_the_file_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    made = made_up(a=layer([[[1 / 3, 0.1], [0.7, 1e-17]]]), b=layer(CURVES * 2, heads=4)).further(
        *("second", "nats a token", {"a": layer(CURVES), "b": layer(CURVES * 2, heads=4)}, {"x": "no reason"})
    )
    made.save(tmp_path / "p.json")
    back = Profile.load(tmp_path / "p.json")
    for name in ("model", "policies", "fractions", "queries", "unit", "samples", "kept"):
        assert getattr(back, name) == getattr(made, name)
    assert made.layers is not None
    assert back.layers is not None
    assert list(back.layers) == ["a", "b"]
    for path, each in made.layers.items():
        for name, figure in each.figures.items():
            other = back.layers[path].figures[name]
            assert other.count == figure.count == 2
            assert torch.equal(other.mean, figure.mean)
            assert torch.equal(other.spread, figure.spread)


def test_a_profile_without_samples_comes_back(tmp_path: Path) -> None:
    Profile(MADE_FOR, POLICIES, FRACTIONS, 4).save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json").layers is None


def figure(laid: Any, name: str) -> Any:
    return laid["layers"]["a"][name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda laid: laid.update(format="regard profile 9"), 'expected "regard profile 2"'),
        (lambda laid: laid.update(extra=1), "expected the entries model"),
        (lambda laid: laid.update(policies=3), "expected a list under policies"),
        (lambda laid: laid.update(fractions="x"), "expected a list under fractions"),
        (lambda laid: laid.update(samples={}), "expected a list under samples"),
        (lambda laid: laid.update(samples=[3]), "expected texts under unit and samples"),
        (lambda laid: laid.update(layers=[]), "an object under layers"),
        (lambda laid: laid.update(kept=[]), "expected an object under kept"),
        (lambda laid: laid.update(queries=0), "queries=0"),
        (lambda laid: laid.update(fractions=[0.5, 0.1]), "expected ascending shares"),
        (lambda laid: laid["policies"].pop(), r"shape \(1, 2, 2\), expected \(1, 1, 2\)"),
        (lambda laid: laid["policies"][0].update(name="Best"), "policy 1: the policy 'Best'"),
        (lambda laid: laid["layers"]["a"].pop("share"), "a: expected the entries breadth"),
        (lambda laid: figure(laid, "breadth").update(mean=3), "a, breadth: expected a list of numbers"),
        (lambda laid: laid["layers"]["a"].update(full=[]), "a, full: expected a list of numbers"),
        (lambda laid: figure(laid, "square").update(mean=[[[1.0, -1.0], [1.0, 1.0]]]), "a: a figure is below 0"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    path = tmp_path / "p.json"
    made_up(a=layer(CURVES)).save(path)
    laid = json.loads(path.read_text())
    change(laid)
    path.write_text(json.dumps(laid))
    with pytest.raises(DataError, match=said):
        Profile.load(path)


def test_a_curve_with_nan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    made_up(a=layer(CURVES)).save(path)
    path.write_text(path.read_text().replace("0.25", "NaN", 1))
    with pytest.raises(DataError, match="holds NaN"):
        Profile.load(path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        made_up(a=layer([[[math.nan, 0.0], [0.0, 0.0]]])).save(path)


def test_finite_looks_at_every_figure() -> None:
    assert finite(layer(CURVES))
    broken: dict[str, Any] = dict(layer(CURVES).figures)
    broken["lse"] = Running.of(torch.tensor([math.inf]))
    assert not finite(Layer(broken))


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        (((), FRACTIONS, 4), "policies=.*expected at least one"),
        (((0.1,), FRACTIONS, 4), "policies=.*expected at least one"),
        (((WindowSinks(), WindowSinks()), FRACTIONS, 4), "one is there twice"),
        ((POLICIES, (), 4), "expected ascending shares"),
        ((POLICIES, (0.1, 0.1), 4), "expected ascending shares"),
        ((POLICIES, (0.1, 1.0), 4), "expected ascending shares"),
        ((POLICIES, (0.1, "x"), 4), "expected ascending shares"),
        ((POLICIES, FRACTIONS, 0), "queries=0"),
        ((POLICIES, FRACTIONS, True), "queries=True"),
    ],
)
def test_settings_out_of_range(settings_: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        Profile(MADE_FOR, *settings_)
