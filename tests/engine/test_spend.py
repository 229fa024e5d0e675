"""`attend` and `plan` under a budget: who runs, what the plan says of it, and a sketch kept from call to call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.focus_cases import HALF, POLICY, asked, call, inputs, normal
from torch import Tensor

import regard
from regard.engine import plan as planner
from regard.engine.calibration import DIRECTIONS, Calibration, Machine, Rates
from regard.kernels.policies import POLICIES, spend
from regard.kernels.sketch import Sketch
from regard.kernels.table import TABLE
from regard.spec import (
    Budget,
    Causal,
    Cosine,
    Dense,
    Focus,
    HeavyHitters,
    KernelError,
    ObservedWindow,
    Padding,
    PerfectBlocks,
    Prefix,
    ScaledDot,
    SinkLogits,
    SpecError,
    WindowSinks,
    request,
)

TENTH = Budget(fraction=0.1)
PEER = Budget(fraction=0.1, policy=WindowSinks())


def where(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """The planner sees a machine on which a call of each of these kernels takes so long, and of every other 9 s."""
    took = {row.name: 9.0 for row in TABLE} | {name.replace("_", "-"): each for name, each in seconds.items()}
    rates = {
        (name, "float32", direction): Rates(fixed=each, flop=0, cell=0, byte=0, step=0)
        for name, each in took.items()
        for direction in DIRECTIONS
    }
    known = Calibration(Machine(cpu="Abacus", cores=2, threads=2, torch="2.13", date="2026-11-21"), rates)
    monkeypatch.setattr(planner, "current", lambda: known)


def big(*shape: int, grad: bool = False) -> Tensor:
    """Nothing of this size is allocated."""
    return torch.zeros(1, requires_grad=grad).expand(shape)


def planned(keys: int = 8192, queries: int = 1, **more: Any) -> planner.Plan:
    grad = more.pop("grad", False)
    q, k = big(1, 8, queries, 64, grad=grad), big(1, 2, keys, 64, grad=grad)
    return regard.plan(q, k, k, **{"budget": TENTH} | more)


def others(plan: planner.Plan) -> dict[str, str]:
    """What the printed plan says of each row that was not chosen."""
    lines = [line for line in str(plan).splitlines() if line.startswith("not ")]
    return {line[4:].split(":")[0]: line.split(":", 1)[1].strip() for line in lines}


def test_where_it_pays_the_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    where(monkeypatch, focus=1.0, exact=2.0)
    plan = planned()
    lines = str(plan).splitlines()
    assert plan.kernel == "focus"
    assert lines[0].endswith("ScaledDot(scale=None, softcap=None), " + repr(TENTH))
    assert lines[1].startswith(
        "kernel      focus: under a budget: the best keys one by one, all others through a sketch"
    )
    assert others(plan)["exact"] == "dearer: about 2 s"
    assert others(plan)["policies"] == "does not spend by Focus"
    assert planner.choose(request(big(1, 8, 1, 64), *[big(1, 2, 8192, 64)] * 2, budget=TENTH)).name == "focus"


def test_where_it_does_not_pay_everything_is_read_and_the_plan_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    where(monkeypatch, focus=2.0, exact=1.0)
    plan = planned()
    assert plan.kernel == "exact"
    assert others(plan)["focus"] == "dearer: about 2 s"


def test_short_caches_are_read_whole_by_the_constants_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert planned(keys=256).kernel != "focus"
    where(monkeypatch, focus=1.0)
    assert others(planned(keys=127))["focus"] == "needs two blocks of 64 keys, got 127"


def test_prompts_are_worked_off_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    where(monkeypatch, focus=1.0, focus_tiles=1.0)
    assert planned(queries=16).kernel == "focus"
    assert others(planned(queries=16))["focus-tiles"] == "is made for more than 16 queries, got 16"
    assert planned(queries=17).kernel == "focus-tiles"
    assert others(planned(queries=17))["focus"] == "is made for at most 16 queries, got 17"
    assert others(planned(queries=17, budget=Budget(tolerance=0.1)))["focus-tiles"] == "keeps no tolerance"


@pytest.mark.parametrize("queries", [1, 40])
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"budget": None}, "needs a budget"),
        ({"score": Cosine(2.0)}, "does not know the score Cosine"),
        ({"score": ScaledDot(softcap=3.0)}, "has no softcap or activation inside the scores"),
        ({"bias": regard.ALiBi.for_heads(8)}, "takes no bias"),
        ({"dropout": 0.1}, "has no dropout in linear memory"),
        ({"mask": Dense(torch.ones(1, 8, 1, 1, dtype=torch.bool))}, "takes a mask that is the same for all heads"),
        ({"keys": 0, "queries": 0}, "takes no length of 0"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
def test_what_cannot_be_spent_on_is_computed_whole(
    more: dict[str, Any], reason: str, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    where(monkeypatch, focus=1.0, focus_tiles=1.0)
    plan = planned(**{"queries": queries} | more)
    assert not plan.kernel.startswith("focus")
    name = "focus" if queries == 1 or "keys" in more else "focus-tiles"
    assert others(plan)[name] == reason


def test_a_gradient_that_is_wanted_takes_tiles_however_few_the_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    where(monkeypatch, focus=1.0, focus_tiles=1.0)
    for queries in (1, 40):
        plan = planned(queries=queries, grad=True)
        assert plan.kernel == "focus-tiles"
        assert others(plan)["focus"] == "has no gradient"


def test_a_gradient_that_is_wanted_flows_through_exact_attention_where_that_is_cheaper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where(monkeypatch, focus=1.0)
    q, k, v = inputs()
    q.requires_grad_()
    got = regard.attend(q, k, v, budget=HALF)
    torch.testing.assert_close(got, regard.attend(q, k, v))
    got.sum().backward()
    assert q.grad is not None


@pytest.mark.parametrize("kind", POLICIES, ids=lambda kind: kind.__name__)
def test_a_policy_for_comparison_is_never_replaced_by_a_kernel_that_reads_more(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    where(monkeypatch, policies=100.0, exact=1.0, few=1.0, dense=1.0, streaming=1.0, focus=1.0)
    policy = kind(received=torch.ones(1, 2, 8192)) if kind in (HeavyHitters, ObservedWindow) else kind()
    plan = planned(budget=Budget(fraction=0.1, policy=policy))
    assert plan.kernel == "policies"
    assert all(f"does not spend by {kind.__name__}" in told for told in others(plan).values())


def test_a_policy_for_comparison_that_cannot_do_it_is_an_error() -> None:
    q, k, v = inputs()
    with pytest.raises(KernelError, match=r"no kernel can do this .*\n(.*\n)*  policies: has no gradient"):
        regard.attend(q.requires_grad_(), k, v, budget=PEER)
    with pytest.raises(KernelError, match=r"exact, .* do not spend by WindowSinks"):
        regard.attend(q, k, v, budget=PEER, dropout=0.5)


@pytest.mark.parametrize(
    ("gradient", "dropout", "why", "todo"),
    [
        (True, 0.0, "has no gradient", "call it under torch.no_grad(), or give no budget"),
        (False, 0.5, "has no dropout in linear memory", "leave dropout= out, or give no budget"),
        (True, 0.5, "has no dropout in linear memory; has no gradient", "call it under torch.no_grad() and leave"),
    ],
)
def test_the_row_that_spends_so_says_why_not_first_and_what_to_do_last(
    gradient: bool, dropout: float, why: str, todo: str
) -> None:
    q, k, v = inputs()
    with pytest.raises(KernelError) as told:
        regard.attend(q.requires_grad_(gradient), k, v, budget=PEER, dropout=dropout)
    first, second, third, last = str(told.value).splitlines()
    assert first.startswith("no kernel can do this (")
    assert second == f"  policies: {why}"
    assert third.startswith("  exact, blocks, ")
    assert third.endswith(" do not spend by WindowSinks")
    assert last.startswith(f"  {todo}")
    assert last.endswith("or give no budget")


def test_a_forced_kernel_spends_or_says_why_not() -> None:
    made = call(asked(Causal()))
    q, k, v = inputs()
    got = regard.attend(q, k, v, mask=Causal(), budget=HALF, sketch=made.sketch, kernel="focus")
    assert torch.equal(got, spend(made.request, HALF, made.sketch).output)
    whole = regard.attend(q, k, v, mask=Causal(), budget=HALF, kernel="exact")
    assert torch.equal(whole, regard.attend(q, k, v, mask=Causal(), kernel="exact"))
    for more, words in (
        ({}, "it needs a budget"),
        ({"budget": PEER}, "it does not spend by WindowSinks"),
        ({"budget": HALF, "mask": Dense(torch.ones(1, 6, 1, 157, dtype=torch.bool))}, "the same for all heads"),
    ):
        with pytest.raises(KernelError, match=f"kernel='focus' cannot do this .*{words}"):
            regard.attend(q, k, v, kernel="focus", **more)
    with pytest.raises(KernelError, match=r"kernel='policies' cannot do this .*it does not spend by Focus"):
        regard.attend(q, k, v, budget=HALF, kernel="policies")
    with pytest.raises(KernelError, match=r"kernel='exact' cannot do this .*it does not spend by WindowSinks"):
        regard.attend(q, k, v, budget=PEER, kernel="exact")


def test_peers_are_spent_by_without_being_asked_for() -> None:
    made = asked(Causal(), bias=SinkLogits(torch.zeros(6)))
    budget = Budget(fraction=0.3, policy=PerfectBlocks(8))
    q, k, v = inputs()
    got = regard.attend(q, k, v, mask=Causal(), bias=SinkLogits(torch.zeros(6)), budget=budget)
    torch.testing.assert_close(got, spend(made, budget).output)


def test_choices_of_one_budget_are_not_those_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of one size, one after the other: Focus, none, a peer, Focus that does not fit."""
    where(monkeypatch, focus=1.0, exact=2.0, policies=3.0)
    q, k, v = inputs()
    coarse = replace(HALF, policy=replace(POLICY, grain=100))
    budgets = (HALF, None, PEER, coarse, HALF)
    got = [regard.attend(q, k, v, budget=each) for each in budgets]
    plain = regard.attend(q, k, v, kernel="exact")
    assert torch.equal(got[0], got[4])
    assert torch.equal(got[1], plain)
    assert torch.equal(got[3], plain)
    assert torch.equal(got[0], spend(request(q, k, v), HALF).output)
    assert torch.equal(got[2], spend(request(q, k, v), PEER).output)


def test_sequences_without_a_heads_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    where(monkeypatch, focus=1.0)
    q, k, v = (each[:, 0] for each in inputs())
    kept = Sketch.of(k[:, None], v[:, None], query=q[:, None], policy=POLICY)
    want = regard.attend(q[:, None], k[:, None], v[:, None], budget=HALF, sketch=kept)
    assert torch.equal(regard.attend(q, k, v, budget=HALF, sketch=kept), want[:, 0])
    assert torch.equal(regard.attend(q, k, v, budget=HALF), want[:, 0])
    assert regard.plan(q, k, v, budget=HALF, sketch=kept).kernel == "focus"
    first = Sketch.of(k[:1, None], v[:1, None], query=q[:1, None], policy=POLICY)
    assert regard.attend(q[0], k[0], v[0], budget=HALF, sketch=first).shape == (5, 23)


def test_a_sketch_is_kept_up_to_date_while_a_cache_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """70 tokens, one by one: the sketch holds the whole blocks there are, and each output is that of a sketch of the
    same basis made then."""
    where(monkeypatch, focus=1.0, exact=2.0)
    q, k, v = inputs(queries=157)
    budget = replace(HALF, fraction=0.8)
    kept = Sketch.of(k[:, :, :87], v[:, :, :87], query=q[:, :, :87], policy=POLICY)
    basis = kept.basis
    for length in range(88, 157):
        now = q[:, :, length - 1 : length], k[:, :, :length], v[:, :, :length]
        got = regard.attend(*now, mask=Causal(), budget=budget, sketch=kept)
        assert kept.length == length // 8 * 8
        fresh = Sketch(
            POLICY, basis, kept.shape, kept.codes[:, :, :0], *(t[:, :0] for t in (kept.keys, kept.values, kept.means))
        )
        assert torch.equal(got, spend(request(*now, mask=Causal()), budget, fresh).output)
    assert kept.basis is basis


@pytest.mark.parametrize("given", [0.1, "focus", Focus(), WindowSinks])
def test_a_budget_of_the_wrong_type(given: Any) -> None:
    for ask in (regard.attend, regard.plan):
        with pytest.raises(SpecError, match=r"budget=.*: expected a budget such as Budget\(fraction=0.1\)"):
            ask(*inputs(), budget=given)


@pytest.mark.parametrize("given", [1, True, "sketch", Sketch, torch.zeros(2)], ids=str)
def test_a_sketch_of_the_wrong_type(given: Any) -> None:
    q, k, v = inputs()
    for tensors in ((q, k, v), (q[:, 0], k[:, 0], v[:, 0])):
        for ask in (regard.attend, regard.plan):
            with pytest.raises(SpecError, match=r"sketch=.*: expected a sketch of the keys and values, Sketch.of\(k"):
                ask(*tensors, budget=HALF, sketch=given)


def test_a_tolerance_below_rounding_is_refused_by_plan_and_attend_alike() -> None:
    q, k, v = (each.bfloat16() for each in inputs())
    for ask in (regard.attend, regard.plan):
        with pytest.raises(SpecError, match="below the error of bfloat16 itself"):
            ask(q, k, v, budget=Budget(tolerance=0.001))


def test_what_a_mask_leaves_too_little_of_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan looks at sizes; how many keys a mask leaves to each query is found when it runs."""
    where(monkeypatch, focus=1.0)
    q, k, v = inputs()
    with pytest.raises(KernelError, match="is less than the sketch of 9 keys takes"):
        regard.attend(q, k, v, mask=Prefix(9), budget=HALF)
    assert regard.attend(q, k, v, mask=Padding(torch.tensor([157, 150])), budget=HALF).isfinite().all()


def test_a_measured_plan_runs_it_with_the_sketch_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    where(monkeypatch, focus=1e-3, exact=2e-3)
    k, v = normal(1, 1, 300, 8, seed=1).float(), normal(1, 1, 300, 8, seed=2).float()
    kept = Sketch.of(k[:, :, :150], v[:, :, :150], policy=POLICY)
    plan = regard.plan(k[:, :, -1:], k, v, budget=HALF, sketch=kept, measure=True)
    assert plan.kernel == "focus"
    assert plan.chosen.measured is not None
    assert kept.length == 296


def test_a_budget_that_the_sketch_alone_would_spend_is_left_to_an_exact_kernel() -> None:
    """4,096 keys of 64 + 64 numbers are 1,048,576 bytes. 8 codes and a 64th of a block's means are 8 bytes a key; the
    basis is 1,024, the steps 256, 32 keys as they are 8,192, 17 rounded ones 2,176: 44,416 in all."""
    q, k = torch.randn(1, 2, 1, 64), torch.randn(1, 2, 4096, 64)
    plan = regard.plan(q, k, k, budget=regard.Budget(fraction=0.02))
    told = {other.row.name: other.reasons for other in plan.others}
    assert told["focus"] == ("needs 0.042 of the bytes of 4096 keys, for their sketch and a few of them beside it",)
    assert torch.equal(regard.attend(q, k, k, budget=regard.Budget(fraction=0.02)), regard.attend(q, k, k))
