"""`use` on a budget: what each policy gives to each head, how many bytes were read, and which calls ran exact."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.allocate.small import Looker, llama, numbers, text
from torch import Tensor, nn

import regard
from regard.allocate import Allocation
from regard.allocate import spending as module_spending
from regard.allocate import used as module_used
from regard.allocate.cut import at_heads
from regard.allocate.fingerprint import Fingerprint
from regard.allocate.spending import Spending
from regard.allocate.used import BUDGETED
from regard.kernels import dense
from regard.kernels.policies import spend
from regard.spec import ALiBi, Causal, Dense, Focus, KernelError, MinMaxBlocks, Request, SpecError, WindowSinks, request
from regard.spec.budget import Budget

TENTH = Budget(fraction=0.1, policy=WindowSinks())
HALF = Budget(fraction=0.5, policy=MinMaxBlocks(4))
ALL = Budget(fraction=1.0, policy=WindowSinks())
PATHS = ["model.layers.0.self_attn", "model.layers.1.self_attn"]


def asked(queries: int = 3, heads: int = 8, kv: int = 4, **more: Any) -> Request:
    source = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(2, count, length, 8, generator=source) for count, length in ((heads, queries), (kv, 40), (kv, 40))
    )
    return request(q, k, v, **{"mask": Causal(), **more})


def spending(*budgets: Budget) -> Spending:
    return Spending(Allocation(Fingerprint("m", 1, "", "", ""), {"a": budgets}))


def test_every_head_gets_its_own_budget() -> None:
    budgets = (TENTH, HALF, HALF, ALL)
    made = asked()
    found = spending(*budgets).answer("a", made)
    assert found is not None
    for head, budget in enumerate(budgets):
        part = at_heads(made, range(head, head + 1))
        alone = dense.run(part)[0] if budget is ALL else spend(part, budget).output
        torch.testing.assert_close(found[:, 2 * head : 2 * head + 2], alone, rtol=1e-5, atol=1e-6)


def test_heads_with_one_budget_run_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counted(made: Request, budget: Budget, sketch: Any) -> Any:
        seen.append((made.key.shape[1], budget))
        return spend(made, budget)

    monkeypatch.setattr(module_spending, "spend", counted)
    spending(TENTH, TENTH, HALF, TENTH).answer("a", asked())
    assert seen == [(2, TENTH), (1, HALF), (1, TENTH)]
    seen.clear()
    Spending(HALF).answer("anything", asked())
    assert seen == [(4, HALF)]


def test_a_call_that_fails_half_way_runs_exact_and_is_counted_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two runs of heads cannot be done."""

    def picky(made: Request, budget: Budget, sketch: Any = None) -> Any:
        if budget.fraction == 0.2:
            raise KernelError("no")
        return spend(made, budget)

    monkeypatch.setattr(module_spending, "spend", picky)
    spent = spending(TENTH, Budget(fraction=0.2, policy=WindowSinks()), TENTH, TENTH)
    assert spent.answer("a", asked(1)) is None
    assert spent.left == {"a": "no"}
    assert spent.share() == 1.0


def test_bytes_are_counted_by_hand() -> None:
    """One query on 40 keys of 8 + 8 numbers at 2 bytes: a tenth is 4 keys, 128 bytes, for 4 key heads and 2 items."""
    spent = Spending(TENTH)
    spent.answer("a", asked(1))
    assert (spent.read, spent.full) == ({"a": 4 * 32 * 8.0}, {"a": 40 * 32 * 8.0})
    spent.answer("a", asked(1))
    assert spent.read == {"a": 2 * 4 * 32 * 8.0}
    assert spent.share() == pytest.approx(0.1)
    assert spent.words() == "on a budget: 2.05 kB of 20.5 kB of keys and values read (10 %)"


def test_everything_is_read_exactly_and_counted_in_full() -> None:
    spent, made = Spending(ALL), asked(1)
    torch.testing.assert_close(spent.answer("a", made), dense.run(made)[0], rtol=1e-5, atol=1e-6)
    assert spent.share() == 1.0
    assert Spending(ALL).share() is None


@pytest.mark.parametrize(("count", "said"), [(3.0, "3 bytes"), (4e4, "40 kB"), (5e6, "5 MB"), (6.25e9, "6.25 GB")])
def test_bytes_in_words(count: float, said: str) -> None:
    assert module_spending._bytes(count) == said


def test_calls_of_many_queries_run_exact() -> None:
    spent = Spending(TENTH, at_most=2)
    assert spent.answer("a", asked(3)) is None
    assert spent.words() == "on a budget: no call of 2 queries or fewer came"
    assert spent.answer("a", asked(2)) is not None
    assert "1 calls of more than 2 queries ran exact" in spent.words()
    assert Spending(TENTH, at_most=None).answer("a", asked(40)) is not None
    assert Spending(TENTH).words() == "on a budget: no call came"


@pytest.mark.parametrize(
    ("made", "path", "said"),
    [
        (asked(dropout=0.5), "a", "drops weights at random"),
        (asked(), "b", "the allocation has no budget for it"),
        (asked(heads=2, kv=2), "a", "it has 2 key heads, and the allocation 4"),
        (asked(bias=ALiBi(torch.ones(8))), "a", "learned or have biases, and its heads have budgets of their own"),
        (asked(score=regard.Cosine(torch.ones(8))), "a", "learned or have biases"),
    ],
)
def test_what_has_no_budget_is_told(made: Request, path: str, said: str) -> None:
    spent = spending(TENTH, HALF, TENTH, HALF)
    assert spent.answer(path, made) is None
    assert said in spent.left[path]
    assert spent.share() == 1.0


def test_what_a_policy_cannot_do_is_told() -> None:
    spent = Spending(TENTH)
    assert spent.answer("a", asked(score=regard.Additive(torch.ones(8)))) is None
    assert "dot products" in spent.left["a"]


def test_a_policy_that_cannot_do_it_leaves_its_budget_to_window_and_sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its budget is kept to, and it is told; window + sinks themselves have nobody to leave it to."""

    def picky(made: Request, budget: Budget, sketch: Any = None) -> Any:
        if isinstance(budget.policy, MinMaxBlocks):
            raise KernelError("it is less than\n the sketch takes")
        return spend(made, budget)

    monkeypatch.setattr(module_spending, "spend", picky)
    spent, made = spending(HALF, TENTH, TENTH, TENTH), asked(1)
    found = spent.answer("a", made)
    assert found is not None
    plain = spend(at_heads(made, range(1)), Budget(fraction=0.5, policy=WindowSinks()))
    assert torch.equal(found[:, :2], plain.output)
    assert spent.share() == pytest.approx((0.5 + 3 * 0.1) / 4)
    assert spent.plain == {"a": "it is less than the sketch takes"}
    assert not spent.left
    by_keys = Spending(Budget(keys=4, policy=MinMaxBlocks(4)))
    assert by_keys.answer("a", made) is not None
    assert by_keys.share() == pytest.approx(0.1)
    used = module_used.Used("M", spent)
    assert "spent   a: window + sinks in place of its policy: it is less than the sketch takes" in str(used)


def test_a_tolerance_is_not_left_to_a_policy_that_cannot_tell_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(made: Request, budget: Budget, sketch: Any = None) -> Any:
        raise KernelError("no")

    monkeypatch.setattr(module_spending, "spend", none)
    spent = Spending(Budget(tolerance=0.1, policy=Focus(grain=8)))
    assert spent.answer("a", asked()) is None
    assert spent.left == {"a": "no"}


def test_a_gradient_that_is_wanted_is_not_lost() -> None:
    """A policy gives none: the call runs exact, and the gradient is that of the model itself."""
    x = numbers(12).requires_grad_()
    model = Looker()
    model(x).square().sum().backward()
    alone, x.grad = x.grad, None
    with regard.use(model, TENTH) as used:
        model(x).square().sum().backward()
    torch.testing.assert_close(x.grad, alone, rtol=1e-4, atol=1e-5)
    assert used.spending is not None
    assert "no gradient" in used.spending.left["Looker"]


def test_no_queries_and_no_keys() -> None:
    empty = request(torch.ones(1, 2, 0, 4), torch.ones(1, 2, 3, 4), torch.ones(1, 2, 3, 4))
    spent = Spending(TENTH)
    assert spent.answer("a", empty) is None
    assert (spent.left, spent.full) == ({}, {})


def test_a_witness_sees_each_answer() -> None:
    seen: list[Any] = []
    spent = Spending(TENTH, witness=lambda *told: seen.append(told))
    made = asked()
    out = spent.answer("a", made)
    assert len(seen) == 1
    assert seen[0][0] == "a"
    assert seen[0][1] is made
    assert seen[0][2] is out


def test_a_decoder_reads_its_prompt_whole_and_decodes_on_the_budget() -> None:
    model = llama()
    with torch.no_grad(), regard.use(model, Budget(fraction=0.3, policy=WindowSinks())) as used:
        model.generate(text(30), max_new_tokens=5, do_sample=False)
    assert {path: counts[BUDGETED] for path, counts in used.calls.items()} == dict.fromkeys(PATHS, 4)
    assert used.spending is not None
    assert used.spending.share() == pytest.approx(0.3, abs=0.03)
    told = str(used)
    assert "on a budget: " in told
    assert "(2" in told
    assert "2 calls of more than 16 queries ran exact" in told
    assert "10 of 10 attention calls taken over" in told


def test_on_everything_a_model_is_itself() -> None:
    model, ids = llama(), text(24)
    with torch.no_grad():
        alone = model(ids).logits
        with regard.use(model, ALL, at_most=None):
            torch.testing.assert_close(model(ids).logits, alone, rtol=1e-4, atol=1e-4)
        with regard.use(model, TENTH, at_most=None):
            assert not torch.allclose(model(ids).logits, alone, atol=1e-2)


def test_an_allocation_is_for_its_model() -> None:
    model = llama()
    layers = dict.fromkeys(PATHS, (TENTH, HALF))
    made = Allocation(Fingerprint.of(model), layers)
    with torch.no_grad(), regard.use(model, made, at_most=None) as used:
        model(text(20))
    assert all(counts[BUDGETED] == 1 for counts in used.calls.values())
    with pytest.raises(SpecError, match="this allocation was made for"), regard.use(llama(seed=1), made):
        pass


def test_layers_that_are_left_out_run_exact_and_are_told() -> None:
    model = llama()
    made = Allocation(Fingerprint.of(model), {PATHS[0]: (TENTH, TENTH)})
    with torch.no_grad(), regard.use(model, made, at_most=None) as used:
        model(text(20))
    assert used.calls[PATHS[0]][BUDGETED] == 1
    assert BUDGETED not in used.calls[PATHS[1]]
    assert "exact   model.layers.*.self_attn: the allocation has no budget for it" in str(used)


@pytest.mark.parametrize(
    ("budget", "more", "said"),
    [
        (0.1, {}, r"use\(model, 0.1\): expected an Allocation, a Budget, or nothing"),
        (TENTH, {"at_most": 0}, r"use\(at_most=0\)"),
        (TENTH, {"at_most": True}, r"use\(at_most=True\)"),
        (TENTH, {"at_most": 1.5}, r"use\(at_most=1.5\)"),
    ],
)
def test_what_is_no_budget(budget: Any, more: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said), regard.use(Looker(), budget, **more):
        pass


def test_padding_and_autocast() -> None:
    """Queries of a padded batch get what their own keys give: item 0 has 6 keys of 10."""

    class Padded(nn.Module):
        def forward(self, q: Tensor, mask: Tensor) -> Tensor:
            return torch.nn.functional.scaled_dot_product_attention(q, q, q, mask)

    q = torch.randn(2, 2, 10, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 1, 10, 10, dtype=torch.bool).tril()
    mask[0, ..., 6:] = False
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), regard.use(Padded(), HALF) as used:
        out = used  # the model is another one: nothing is reached
    assert out.spending is not None
    model = Padded()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), regard.use(model, HALF) as used:
        made = model(q, mask)
    alone = spend(request(q, q, q, mask=Dense(mask)), HALF).output
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), alone, rtol=5e-2, atol=5e-2)


def test_a_sketch_is_kept_from_the_prompt_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt of 40 queries is read exactly and sketched once; the steps after it follow that sketch."""
    made: list[Any] = []

    def spied(request: Request, budget: Budget, sketch: Any = None) -> Any:
        made.append(sketch)
        return spend(request, budget, sketch)

    monkeypatch.setattr(module_spending, "spend", spied)
    spent = Spending(Budget(fraction=0.9, policy=Focus(grain=4, sketch=1.0, exact=2, first=1)))
    drawn = torch.randn(3, 1, 2, 48, 8)
    prompt = request(drawn[0, :, :, :40], drawn[1, :, :, :40], drawn[2, :, :, :40], mask=Causal())
    assert spent.answer("a", prompt) is None
    for length in (41, 42, 48):
        step = request(drawn[0, :, :, :1], drawn[1, :, :, :length], drawn[2, :, :, :length])
        assert spent.answer("a", step) is not None
    assert not spent.plain
    assert len({id(sketch) for sketch in made}) == 1
    assert made[0].length == 48


def test_a_prompt_that_drops_weights_teaches_nothing() -> None:
    spent = Spending(Budget(fraction=0.5, policy=Focus(grain=4)), at_most=2)
    assert spent.answer("a", asked(3, dropout=0.5)) is None
    assert not spent.sketches._held
    assert spent.answer("a", asked(3)) is None
    assert spent.sketches._held


def test_without_a_sketch_focus_leaves_its_budget_to_window_and_sinks() -> None:
    """Too few keys for one; and keys that begin otherwise at each call, as those of a window that moves do."""
    spent, drawn = Spending(Budget(fraction=0.9, policy=Focus(grain=4, sketch=1.0, exact=2, first=1))), asked()

    def step(start: int, stop: int) -> Request:
        return request(drawn.query[:, :, :1], drawn.key[:, :, start:stop], drawn.value[:, :, start:stop])

    assert spent.answer("short", step(0, 3)) is not None
    assert spent.plain["short"] == "3 keys are no whole block of 4: attend exactly until there are more"
    for start in range(3):
        assert "moving" not in spent.plain
        found = spent.answer("moving", step(start, start + 24))
    assert spent.plain["moving"] == "its keys begin otherwise at each call, so that no sketch can follow them"
    plain = spend(step(2, 26), Budget(fraction=0.9, policy=WindowSinks())).output
    assert torch.equal(found, plain)
