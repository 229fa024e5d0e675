"""Captures, choices and the table of `spending`, without a model: what is counted, what is chosen, what is stopped."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import captured, spend_tables, spending, spending_job
from benchmarks.captured import Captured, load
from benchmarks.contenders import CHOICES, SETTINGS, TITLES
from benchmarks.harness import GateError
from benchmarks.spending import done, every, gathered, parted, picked
from benchmarks.spending_job import Job, code, error, exact, joined, measured, places
from benchmarks.spending_table import Found, best, chosen, errors_of, goals, needed, rows
from benchmarks.watched import ObservedEarlier, Watched
from regard import Causal, ScaledDot
from regard.kernels.policies import POLICIES
from regard.spec.budget import Budget
from regard.spec.policy import Focus, HeavyHitters, ObservedWindow, PerfectKeys, Policy, WindowSinks
from regard.spec.request import request

HEADS, KV_HEADS, LENGTH, DIM, VALUE_DIM, SCALE = 6, 2, 37, 5, 3, 0.7


@pytest.fixture
def layer() -> Captured:
    made = torch.Generator().manual_seed(3)
    query = torch.randn(HEADS, LENGTH, DIM, generator=made)
    key, value = (torch.randn(KV_HEADS, LENGTH, size, generator=made) for size in (DIM, VALUE_DIM))
    return Captured("some-model", "some-text", 4, query, key, value, SCALE)


def weights(layer: Captured) -> Tensor:
    """(heads, query, key) float64, causal, the plain way."""
    key = layer.key.double().repeat_interleave(layer.groups, 0)
    scores = layer.query.double() @ key.mT * layer.scale
    return scores.masked_fill(torch.ones(LENGTH, LENGTH).triu(1).bool(), -math.inf).softmax(-1)


def test_a_query_is_measured_over_the_keys_up_to_its_own(layer: Captured) -> None:
    value = layer.value.double().repeat_interleave(layer.groups, 0)
    for position in (0, 20, LENGTH - 1):
        expected = (weights(layer) @ value)[:, position]
        assert torch.allclose(exact(layer.at(position)), expected, atol=1e-6)


def test_what_earlier_queries_gave_is_summed_over_the_heads_of_a_group(layer: Captured) -> None:
    given = weights(layer).unflatten(0, (KV_HEADS, -1)).sum(1)  # (kv_heads, query, key)
    positions = [0, 11, 30]
    for position, received in zip(positions, layer.received(positions), strict=True):
        assert received.shape == (KV_HEADS, position + 1)
        expected = given[:, :position].sum(1)[:, : position + 1]
        assert torch.allclose(received.double(), expected, atol=1e-5)
        assert received[:, -1].eq(0).all()  # no query before this one could see its own key


def test_a_policy_is_told_what_it_asks_to_know(layer: Captured) -> None:
    given = weights(layer).unflatten(0, (KV_HEADS, -1)).sum(1)
    (everything,) = layer.received([30])
    watched = Watched(layer, 30, everything)
    told = watched.told(ObservedWindow(window=4))
    assert isinstance(told, ObservedWindow)
    assert told.received is not None
    assert torch.allclose(told.received[0].double(), given[:, 26:30].sum(1)[:, :31], atol=1e-5)
    told = watched.told(HeavyHitters(latest=0.5))
    assert isinstance(told, HeavyHitters)
    assert told.received is not None
    assert torch.equal(told.received[0], everything)
    told = watched.told(ObservedEarlier(window=4, ago=10))
    assert isinstance(told, ObservedWindow)
    assert told.received is not None
    assert torch.allclose(told.received[0, :, :20].double(), given[:, 16:20].sum(1)[:, :20], atol=1e-5)
    assert told.received[0, :, 20:].min() > told.received[0, :, :20].max()  # what was written since is kept
    assert watched.told(WindowSinks(3)) == WindowSinks(3)
    assert Watched(layer, 0, everything[:, :1]).latest(4, 0).tolist() == [[0.0]] * KV_HEADS


def test_places_lie_evenly_in_the_second_half() -> None:
    assert places(16, 2) == [10, 14]
    assert places(8192, 24)[:2] == [4181, 4352]
    assert places(8192, 24)[-1] == 8106


def test_a_capture_serves_shorter_lengths_and_an_absent_one_is_named(
    layer: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    folder = captured._folder("gemma3-270m", "emma") / str(LENGTH)
    folder.mkdir(parents=True)
    asked = request(layer.query[None], layer.key[None], layer.value[None], score=ScaledDot(SCALE), mask=Causal())
    captured._keep(asked, captured._file(folder, 4), LENGTH)
    found = load("gemma3-270m", "emma", 4, length=10)
    assert (found.length, found.scale, found.groups) == (10, SCALE, HEADS // KV_HEADS)
    assert torch.equal(found.query, layer.query[:, :10])
    assert torch.equal(found.value, layer.value[:, :10])
    for number, length in ((4, LENGTH + 1), (5, 10)):
        with pytest.raises(SystemExit, match=rf"layer {number} of gemma3-270m on emma is not captured; type: python"):
            load("gemma3-270m", "emma", number, length=length)
    with pytest.raises(SystemExit, match="attends otherwise"):
        captured._keep(replace(asked, score=ScaledDot(SCALE, softcap=30.0)), captured._file(folder, 5), LENGTH)


def job(*policies: Policy) -> Job:
    return Job("some-model", LENGTH, 4, "some-text", 3, {0.5: policies}, own=False)


def test_all_settings_are_measured_and_all_keys_leave_no_error(layer: Captured) -> None:
    found = measured(layer, replace(job(), settings={1.0: (PerfectKeys(),), 0.2: (PerfectKeys(), WindowSinks(1))}))
    assert found["errors"]["1.0"]["PerfectKeys()"] == pytest.approx([0.0] * KV_HEADS, abs=1e-5)
    for head in range(KV_HEADS):
        assert 0 < found["errors"]["0.2"]["PerfectKeys()"][head] < found["errors"]["0.2"]["WindowSinks(first=1)"][head]
    assert all(0.1 < share <= 0.2 for share in found["bytes"]["0.2"].values())


def test_the_prompts_sketch_grows_with_the_text(layer: Captured) -> None:
    policy = Focus(sketch=4, grain=4, bits=8, exact=0, first=0)
    settings: dict[float, tuple[Policy, ...]] = {0.9: (policy,), 0.001: (policy,)}
    found = measured(layer, replace(job(), settings=settings, own=True))
    assert all(0 < error < 0.2 for error in found["errors"]["0.9"][str(policy)])
    assert found["errors"]["0.001"][str(policy)] == [math.inf] * KV_HEADS  # not even the sketch can be read


def test_who_reads_more_than_the_budget_or_no_numbers_is_stopped(
    layer: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = spending_job.spend
    asked, budget = layer.at(30), Budget(fraction=0.5, policy=WindowSinks(1))
    truth = exact(asked)
    error(asked, budget, truth)
    monkeypatch.setattr(spending_job, "spend", lambda *given: replace(own(*given), bytes=own(*given).bytes * 1.2))
    with pytest.raises(GateError, match=r"WindowSinks\(first=1\) read 2\d\d bytes of a cache of 31 keys, of 248"):
        error(asked, budget, truth)
    monkeypatch.setattr(
        spending_job, "spend", lambda *given: replace(own(*given), output=own(*given).output * math.nan)
    )
    with pytest.raises(GateError, match="not finite"):
        error(asked, budget, truth)


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    assert done() == {}
    window, other = WindowSinks(), WindowSinks(1)
    found: Found = {"errors": {"0.5": {str(window): [1.0]}}, "bytes": {"0.5": {str(window): 0.5}}}
    spending.notes().parent.mkdir()
    spending.notes().write_text(json.dumps({"key": job().key, "found": found}) + "\n")
    assert gathered([job(window)], workers=1) == [found]
    assert job(window, other).without(done()[job().key]).settings == {0.5: (other,)}
    more = {"errors": {"0.5": {str(other): [2.0]}}, "bytes": {"0.5": {str(other): 0.4}}}
    with spending.notes().open("a") as file:
        file.write(json.dumps({"key": job().key, "found": more}) + "\n")
    assert gathered([job(other), job(window)], workers=1) == [more, found]
    key = job().key
    monkeypatch.setattr(spending_job, "code", lambda own: "other code")
    assert job().key != key


def test_regards_own_settings_are_measured_apart() -> None:
    settings = {0.5: (WindowSinks(), Focus()), 0.2: (WindowSinks(),)}
    assert parted(settings, own=True) == {0.5: (Focus(),), 0.2: ()}
    assert parted(settings, own=False) == {0.5: (WindowSinks(),), 0.2: (WindowSinks(),)}
    left: Found = {"errors": {"0.5": {"a": [1.0]}}, "bytes": {"0.5": {"a": 0.5}}}
    right: Found = {
        "errors": {"0.5": {"b": [2.0]}, "0.2": {"c": [3.0]}},
        "bytes": {"0.5": {"b": 0.4}, "0.2": {"c": 0.2}},
    }
    assert joined(left, right)["errors"] == {"0.5": {"a": [1.0], "b": [2.0]}, "0.2": {"c": [3.0]}}
    assert code(own=True) != code(own=False)


def test_every_policy_has_settings_and_a_title() -> None:
    assert set(SETTINGS) >= {kind.__name__ for kind in POLICIES}
    assert set(TITLES) == {*SETTINGS, *CHOICES}
    for share, many in every(64).items():
        assert len({str(policy) for policy in many}) == len(many)
        kept = picked({share: many}, {str(share): {str(many[0])}})
        assert kept == {share: (many[0],)}


def layers(*errors: dict[str, list[float]]) -> list[Found]:
    return [{"errors": {"0.1": each}, "bytes": {"0.1": dict.fromkeys(each, 0.09)}} for each in errors]


# the second layer's first key head would rather have 4 first keys, all others 1
TUNED = layers(
    {"WindowSinks(first=1)": [0.2, 0.2], "WindowSinks(first=4)": [0.3, 0.9], "Focus(a)": [0.1, 0.5]},
    {"WindowSinks(first=1)": [0.4, 0.2], "WindowSinks(first=4)": [0.3, 0.9], "Focus(a)": [0.1, 0.5]},
)
SEEN = layers(
    {"WindowSinks(first=1)": [0.5, 0.7], "WindowSinks(first=4)": [0.0, 0.0], "Focus(a)": [0.1, 0.1]},
    {"WindowSinks(first=1)": [0.5, 0.7], "WindowSinks(first=4)": [0.1, math.inf], "Focus(a)": [0.1, 0.1]},
)


def test_settings_are_chosen_by_one_text_and_told_of_the_other() -> None:
    assert chosen(TUNED[1]["errors"]["0.1"], ["WindowSinks(first=1)", "WindowSinks(first=4)"]) == [
        "WindowSinks(first=4)",
        "WindowSinks(first=1)",
    ]
    assert best([layer["errors"]["0.1"] for layer in TUNED], list(TUNED[0]["errors"]["0.1"])) == "WindowSinks(first=1)"
    window, focus, both, wider = rows(TUNED, SEEN)
    assert (window["policy"], focus["policy"], both["policy"]) == ("WindowSinks", "Focus", "regard")
    assert window["errors"] == pytest.approx([0.6, 0.4])
    assert window["fixed_errors"] == pytest.approx([0.6, 0.6])
    assert (wider["policy"], wider["errors"]) == ("regard, or observed", both["errors"])  # there is no other here
    assert both["settings"][0] == ["Focus(a)", "WindowSinks(first=1)"]
    assert both["errors"] == pytest.approx([0.4, 0.4])
    assert both["bytes"] == pytest.approx([0.09, 0.09])
    assert needed(TUNED, 0) == {"0.1": {"WindowSinks(first=1)", "Focus(a)"}}
    assert needed(TUNED, 1) == {"0.1": {"WindowSinks(first=1)", "WindowSinks(first=4)", "Focus(a)"}}


def test_a_setting_that_cannot_be_had_is_no_number() -> None:
    tuned = layers({"MeanBlocks(size=1)": [math.inf, math.inf]})
    (row,) = rows(tuned, tuned)
    assert row["errors"] == [None]
    assert errors_of([row], "MeanBlocks", 0.1) == [math.inf]
    assert math.isnan(errors_of([row], "MinMaxBlocks", 0.1)[0])
    json.dumps(row, allow_nan=False)


def row(policy: str, share: float, *errors: float) -> dict[str, object]:
    return {"policy": policy, "share": share, "errors": list(errors)}


def test_goals_are_of_the_hardest_layer() -> None:
    table = [
        row("WindowSinks", 0.1, 0.3, 0.6),
        row("MinMaxBlocks", 0.1, 0.4, 0.5),
        row("ObservedWindow", 0.1, 0.4, 0.4),
        row("PerfectBlocks", 0.1, 0.2, 0.3),
        row("LowBits", 0.22, 0.15, 0.15),
        row("regard", 0.1, 0.1, 0.2),
        row("regard, or observed", 0.1, 0.1, 0.1),
    ]
    named, later, perfect, bits = goals("gemma", 8192, table, bits_share=0.22)
    assert named.measured == pytest.approx(0.2 / 0.4)
    assert later.measured == pytest.approx(0.2 / 0.5)
    assert not named.as_json()["met"]
    assert perfect.measured == pytest.approx(0.2 / 0.3)
    assert bits.measured == pytest.approx(0.2 / 0.15)
    worst, mean, wider = goals("qwen", 8192, table, bits_share=0.22)[3:6]
    assert (worst.measured, worst.limit) == (pytest.approx(0.5), 1.0)
    assert wider.measured == pytest.approx(1 / 3)
    assert (mean.measured, mean.limit) == (pytest.approx((1 / 3 + 0.5) / 2), 0.75)
    without = goals("gemma", 8192, [each for each in table if each["policy"] != "LowBits"], bits_share=0.22)[3]
    assert not without.as_json()["met"]  # a row that is not there meets nothing


def test_the_table_tells_few_layers_one_by_one_and_many_by_their_mean() -> None:
    table = [{"model": "m", "length": 8192, "layers": [0, 1]} | row for row in rows(TUNED, SEEN)]
    about = {"reported": "emma", "chosen_on": "another", "rows": table}
    text = "\n".join(line for lines in spend_tables.spending({"spending": about}) for line in lines)
    assert "m, 8,192 tokens of emma, layers 0 / 1; settings of another:" in text
    assert "| at equal bytes | 10% | one setting for all, 10% |" in text
    assert "| first and latest keys (StreamingLLM) | 0.600 / 0.400 | 0.600 / 0.600, `WindowSinks(first=1)` |" in text
    assert spend_tables._layers([0.1, 0.2, 0.3, 0.4, 1.0]) == "0.400 (1.000)"
    assert spend_tables._layers([0.1, None]) == "not to be had"


def test_a_capture_of_the_wrong_length_is_refused(layer: Captured, tmp_path: Path) -> None:
    asked = request(layer.query[None], layer.key[None], layer.value[None], score=ScaledDot(SCALE), mask=Causal())
    with pytest.raises(SystemExit, match="attends otherwise"):
        captured._keep(asked, tmp_path / "layer-04.safetensors", LENGTH + 1)
    assert list(tmp_path.iterdir()) == []
