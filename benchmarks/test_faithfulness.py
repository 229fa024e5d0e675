"""The faithfulness table: inputs that are done are not done again, and the summary has every method and baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.faithfulness import MEASURED, measured, summed_up
from benchmarks.faithfulness_agreement import _between
from benchmarks.faithfulness_models import Subject
from regard.lens.faithfulness import BASELINES
from regard.lens.question import Question, Way
from regard.lens.units import Units

SHARES = torch.tensor([0.0, 0.5, 0.0, 0.2, 0.1], dtype=torch.float64)


def asked(model: nn.Module) -> Question:
    """p = .1 + the shares of what is kept; nothing but occlusion is possible."""
    way = Way("gone", lambda keep: (0.1 + (keep * SHARES).sum(-1)).log())
    return Question(Units.numbered(5), "yes", 0.9, {"gone": way})


def test_an_interrupted_run_goes_on_and_a_finished_input_is_not_asked_again(tmp_path: Path) -> None:
    partial, asks = tmp_path / "some.partial", []

    def counted(model: nn.Module) -> Question:
        asks.append(model)
        return asked(model)

    subject = Subject("one", "numbers", nn.Identity(), (counted,))
    first = measured(subject, 1, partial)
    assert len(asks) == 1
    more = Subject("one", "numbers", nn.Identity(), (counted, counted))
    both = measured(more, 1, partial)
    assert len(asks) == 2
    assert json.loads(json.dumps(first)) == both[:1]
    other = measured(Subject("two", "numbers", nn.Identity(), (counted,)), 1, partial)
    assert [row["subject"] for row in other] == ["two"]
    assert len(measured(subject, 1, partial)) == 1  # of a run with more inputs, only those that were asked for


def test_the_summary_has_every_method_baseline_and_metric(tmp_path: Path) -> None:
    rows = measured(Subject("one", "numbers", nn.Identity(), (asked, asked)), 1, tmp_path / "some.partial")
    found = summed_up("one", rows)
    assert {(row["method"], row["metric"]) for row in found} == {
        (method, metric.name) for method in ("occlusion", *BASELINES) for metric in MEASURED
    }
    best = next(row for row in found if row["method"] == "occlusion" and row["metric"] == "comprehensiveness")
    # of five units the bins are 1, 1, 1, 1 and 3
    assert best["value"] == pytest.approx((4 * 0.5 + 0.8) / 5)
    assert best["inputs"] == 2
    assert best["best"]
    assert best["ahead_low"] > 0


def test_thresholds_that_keep_so_many() -> None:
    weights = torch.tensor([0.1, 0.5, 0.3, 0.2]).double().numpy()
    thresholds = _between(weights, [1, 3])
    assert [int((weights > one).sum()) for one in thresholds] == [1, 3]
