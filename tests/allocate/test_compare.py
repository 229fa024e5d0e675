"""`compare`: the loss of decoding on a budget against the model's own, by hand where it can be, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.allocate.small import Looker, llama, numbers, text
from torch import Tensor, nn

import regard
from regard.allocate import Allocation, allocate, compare, profile
from regard.allocate import spending as module_spending
from regard.allocate.comparison import Comparison, Ran
from regard.allocate.fingerprint import Fingerprint
from regard.spec import MinMaxBlocks, SpecError, WindowSinks
from regard.spec.budget import Budget

ALL = Budget(fraction=1.0, policy=WindowSinks())
THIRD = Budget(fraction=0.3, policy=WindowSinks())


def nats(model: Any, ids: Tensor, start: int) -> float:
    """The mean loss of the tokens after `start`, from one pass."""
    with torch.no_grad():
        said = model(ids).logits[0, start:-1].double().log_softmax(-1)
    return -float(said.gather(-1, ids[0, start + 1 :, None]).mean())


def test_the_loss_of_an_exact_run_is_the_models_own() -> None:
    model, texts = llama(), [text(70), text(50, seed=1)]
    made = compare(model, {"all": ALL, "third": THIRD}, texts)
    own = (nats(model, texts[0], 35) * 34 + nats(model, texts[1], 25) * 24) / 58
    assert made.exact.loss == pytest.approx(own, rel=1e-5)
    assert (made.samples, made.tokens, made.model) == (2, 58, "LlamaForCausalLM")
    assert made["all"].increase == pytest.approx(0, abs=1e-5)
    assert made["all"].share == 1.0
    assert made["all"].errors == pytest.approx(dict.fromkeys(made["all"].errors, 0.0), abs=1e-5)
    third = made["third"]
    assert third.share == pytest.approx(0.3, abs=0.02)
    assert third.loss == pytest.approx(made.exact.loss + third.increase)
    assert third.increase_error is not None
    assert list(third.errors) == ["model.layers.0.self_attn", "model.layers.1.self_attn"]
    assert all(0 < error < 2 for error in third.errors.values())
    assert third.seconds is not None
    assert third.seconds > 0


def test_what_is_spent_once_is_no_part_of_time_or_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that the model's calls turn: the first one after a prompt takes 99 s and 200 MB, the third 50 s, as
    compiling does; any other .16 s for its 16 tokens."""
    model, now, calls = llama(), [0.0], [0]

    def turn(module: nn.Module, args: Any, named: Any) -> None:
        calls[0] = 0 if args[0].shape[1] == 17 else calls[0] + 1
        now[0] += {1: 99.0, 3: 50.0}.get(calls[0], 0.16)
        torch.ones(50_000_000 if calls[0] == 1 else 1)

    model.register_forward_pre_hook(turn, with_kwargs=True)
    monkeypatch.setattr(sys.modules["regard.allocate.compare"], "time", SimpleNamespace(perf_counter=lambda: now[0]))
    made = compare(model, THIRD, [text(97)], prompt=17)
    for ran in (made.exact, made["budget"]):
        assert ran.seconds == pytest.approx(0.01)
        assert ran.extra_bytes is None or ran.extra_bytes < 100_000_000


def test_a_text_of_one_stretch_has_neither() -> None:
    made = compare(llama(), THIRD, [text(20)])
    assert [(ran.seconds, ran.extra_bytes) for ran in (made.exact, made["budget"])] == [(None, None)] * 2


def test_decoding_in_stretches_is_decoding_token_by_token() -> None:
    """The loss on a budget, against one token after the other."""
    model, ids = llama(), text(60)
    made = compare(model, THIRD, [ids], prompt=20)
    losses = []
    with torch.no_grad():
        cache = model(ids[:, :20], use_cache=True).past_key_values
        with regard.use(model, THIRD):
            for place in range(20, 59):
                out = model(ids[:, place : place + 1], past_key_values=cache, use_cache=True)
                losses.append(-float(out.logits[0, 0].double().log_softmax(-1)[ids[0, place + 1]]))
    assert made["budget"].loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert made.tokens == len(losses)


def test_the_increase_and_its_error_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of 16, 16 and 7 tokens whose losses are 1, 2 and 3 nats above: 6 / 39, and sqrt(3 * 1) / 39."""
    module = sys.modules["regard.allocate.compare"]
    monkeypatch.setattr(module, "logits_of", lambda output: torch.zeros(1, 16, 2))
    real = module._count_loss  # type: ignore[attr-defined]

    def counted(tally: Any, output: Any, targets: Tensor) -> None:
        real(tally, output, torch.zeros_like(targets))
        tally.losses[-1] += len(tally.losses) * bool(tally.full_before)

    monkeypatch.setattr(module, "_count_loss", counted)
    monkeypatch.setattr(module._Tally, "full_before", False, raising=False)  # type: ignore[attr-defined]
    real_rest = module._rest  # type: ignore[attr-defined]

    def rest(model: Any, ids: Any, start: Any, cache: Any, budget: Any, tally: Any) -> Iterator[None]:
        tally.full_before = budget is not None
        yield from real_rest(model, ids, start, cache, budget, tally)

    monkeypatch.setattr(module, "_rest", rest)
    made = compare(llama(), THIRD, [text(60)], prompt=20)
    assert made["budget"].increase == pytest.approx(6 / 39)
    assert made["budget"].increase_error == pytest.approx(3**0.5 / 39)


def test_an_allocation_beside_an_even_budget() -> None:
    """Profiled on one text, compared on another, with the bytes that were asked for."""
    model = llama()
    found = profile(model, [text(100)], policies=(WindowSinks(), MinMaxBlocks(4)), fractions=(0.1, 0.3, 0.6), queries=8)
    made = allocate(found, Budget(fraction=0.3))
    seen = compare(model, {"allocated": made, "even": THIRD}, [text(100, seed=1)])
    assert seen["allocated"].share == pytest.approx(0.3, abs=0.06)
    assert seen["even"].share == pytest.approx(0.3, abs=0.02)
    assert not seen["allocated"].left


def test_another_input_is_run_whole_on_the_budget() -> None:
    model, x = Looker(), numbers(40)
    made = compare(model, {"all": ALL, "third": THIRD}, [x])
    assert made.exact.off == 0.0
    assert made["all"].off == pytest.approx(0, abs=1e-6)
    third = made["third"]
    with torch.no_grad():
        exact = model(x)
        with regard.use(model, THIRD, at_most=None):
            off = float((model(x) - exact).norm() / exact.norm())
    assert third.off == pytest.approx(off, rel=1e-5)
    assert third.share == pytest.approx(0.3, abs=0.03)
    assert (third.loss, third.increase, third.seconds, third.extra_bytes) == (None, None, None, None)


def test_a_model_that_gives_its_loss() -> None:
    model, ids = llama(), text(40)
    made = compare(model, THIRD, [{"input_ids": ids, "labels": ids}])
    with torch.no_grad():
        assert made.exact.loss == pytest.approx(float(model(input_ids=ids, labels=ids).loss), rel=1e-5)
    assert made["budget"].increase is not None
    assert made["budget"].increase_error is None


def test_a_metric_is_asked_in_use() -> None:
    model, ids = llama(), text(40)
    seen = []

    def metric(given: nn.Module) -> float:
        with regard.engine.seams.torch.no_grad():
            out = given(ids[:, :12]).logits
        seen.append(out)
        return float(out[0, -1, 0])

    made = compare(model, Budget(fraction=0.2, policy=WindowSinks()), [ids], metric=metric)
    with torch.no_grad():
        assert made.exact.metric == pytest.approx(float(model(ids[:, :12]).logits[0, -1, 0]), rel=1e-4)
    assert made["budget"].metric == float(seen[1][0, -1, 0])
    assert made["budget"].metric != pytest.approx(made.exact.metric, rel=1e-3)


def test_progress_counts_the_tokens_of_every_run() -> None:
    told: list[int] = []
    compare(llama(), {"a": THIRD, "b": ALL}, [text(40), text(30, seed=1)], prompt=10, listen=told.append)
    assert told == [30, 60, 90, 110, 130, 150]


def test_what_cannot_be_compared() -> None:
    model = llama()
    with pytest.raises(SpecError, match="there are no samples"):
        compare(model, THIRD, [])
    with pytest.raises(SpecError, match="in training mode"):
        compare(Looker().train(), THIRD, [numbers(9)])
    for budget in ({}, {"exact": THIRD}):
        with pytest.raises(SpecError, match="at least one budget"):
            compare(model, budget, [text(9)])
    with pytest.raises(SpecError, match=r"'budget' is 0.1: expected an Allocation or a Budget"):
        compare(model, 0.1, [text(9)])  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="this allocation was made for"):
        compare(model, Allocation(Fingerprint.of(Looker()), {"a": (THIRD,)}), [text(9)])
    for prompt in (0, 8, 20):
        with pytest.raises(SpecError, match=f"prompt={prompt}: a sample has 9 tokens"):
            compare(model, THIRD, [text(9)], prompt=prompt)
    with pytest.raises(SpecError, match="the model gives no logits"):
        compare(model.model, THIRD, [text(9)])


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that gives zeros is found out by loss and error alike."""
    real = module_spending.spend

    def nothing(made: Any, budget: Any, sketch: Any = None) -> Any:
        from dataclasses import replace

        spent = real(made, budget)
        return replace(spent, output=torch.zeros_like(spent.output))

    monkeypatch.setattr(module_spending, "spend", nothing)
    made = compare(llama(), THIRD, [text(60)])
    assert made["budget"].errors == pytest.approx(dict.fromkeys(made["budget"].errors, 1.0))
    assert abs(made["budget"].increase or 0) > 1e-3


MADE = Comparison(
    *("M", 1, 20, Ran("exact", loss=2.0, seconds=0.01, extra_bytes=3_000_000)),
    (Ran("x", 0.1, 2.5, 0.5, 0.01, None, {"a": 0.2, "b": 0.4}, 0.02, 4_000_000),),
)


def test_the_table_by_hand() -> None:
    assert str(MADE).splitlines() == [
        "M on 1 samples, 20 tokens on the budget",
        "       bytes read  nats a token              more  attention off  ms a token  peak memory",
        "exact     100.0 %        2.0000                                        10.00         3 MB",
        "x          10.0 %        2.5000  +0.5000 ± 0.0100          0.300       20.00         4 MB",
    ]


def test_figures_by_name_and_as_json() -> None:
    assert MADE["x"].loss == 2.5
    assert MADE["exact"] is MADE.exact
    with pytest.raises(KeyError, match="the runs are exact, x"):
        MADE["y"]
    assert json.loads(json.dumps(MADE.plain()))["runs"][0]["errors"] == {"a": 0.2, "b": 0.4}
