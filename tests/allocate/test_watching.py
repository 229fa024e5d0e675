"""Policies that go by earlier queries, in use: they are told what those queries gave, by hand and on a model."""

from __future__ import annotations

import pytest
import torch
from tests.allocate.small import llama, text
from torch import Tensor

import regard
from regard.allocate.spending import Spending
from regard.allocate.watching import Watching, watches
from regard.kernels.policies import spend
from regard.spec import (
    ALiBi,
    Causal,
    Focus,
    HeavyHitters,
    KernelError,
    ObservedWindow,
    Request,
    SinkLogits,
    WindowSinks,
    request,
)
from regard.spec.budget import Budget

HEADS, PROMPT = range(2), 24
HITTERS, WINDOW = HeavyHitters(), ObservedWindow(window=4, pool=3)
Q, K, V = (torch.randn(1, h, 40, 8, generator=torch.Generator().manual_seed(h)) * 1.5 for h in (4, 2, 3))
V = V[:, :2]


def asked(start: int, stop: int, **more: object) -> Request:
    """Queries `start` to `stop` of a text, over the keys up to the last of them."""
    return request(Q[:, :, start:stop], K[:, :, :stop], V[:, :, :stop], **{"mask": Causal(), **more})  # type: ignore[arg-type]


def weights(start: int, stop: int) -> Tensor:
    """(kv_heads, groups, queries, keys): exact, written out."""
    scores = (Q[0, :, start:stop].unflatten(0, (2, 2)) @ K[0, :, None, :stop].mT) / 8**0.5
    later = torch.arange(stop) > torch.arange(start, stop)[:, None]
    return scores.masked_fill(later, -torch.inf).softmax(-1)


def read(policy: HeavyHitters | ObservedWindow, mass: Tensor, step: Request, fraction: float = 0.3) -> Tensor:
    told = type(policy)(**{**vars(policy), "received": mass[None]})
    return spend(step, Budget(fraction=fraction, policy=told)).output


def test_who_wants_to_be_told() -> None:
    assert watches(HITTERS)
    assert watches(WINDOW)
    assert not watches(HeavyHitters(received=torch.ones(1, 1, 3)))
    assert not watches(Focus())


def test_the_window_votes_are_those_of_the_prompts_last_queries() -> None:
    watching = Watching()
    watching.prompt("a", HEADS, asked(0, PROMPT), WINDOW)
    found = watching.answer("a", HEADS, asked(PROMPT, PROMPT + 1), Budget(fraction=0.3, policy=WINDOW)).output
    votes = torch.cat((weights(PROMPT - 4, PROMPT).sum((1, 2)), torch.full((2, 1), 1e3)), -1)
    torch.testing.assert_close(found, read(WINDOW, votes, asked(PROMPT, PROMPT + 1)))


def test_later_keys_come_before_those_of_the_prompt() -> None:
    """Of 32 keys 10 are read: the 5 latest of the 8 that came since, and 5 of the prompt's 24."""
    watching, policy = Watching(), ObservedWindow(window=1, pool=1)
    watching.prompt("a", HEADS, asked(0, PROMPT), policy)
    found = watching.answer("a", HEADS, asked(31, 32), Budget(fraction=10 / 32, policy=policy)).output
    for head, votes in enumerate(weights(PROMPT - 1, PROMPT).sum((1, 2))):
        kept = torch.cat((votes.topk(5).indices, torch.arange(27, 32)))
        scores = Q[0, 2 * head : 2 * head + 2, 31] @ K[0, head, kept].T / 8**0.5
        torch.testing.assert_close(found[0, 2 * head : 2 * head + 2, 0], scores.softmax(-1) @ V[0, head, kept])


def test_heavy_hitters_add_up_what_was_given_to_the_keys_that_were_read() -> None:
    """The prompt's mass is exact; of the queries after it only what they read counts."""
    watching, budget = Watching(), Budget(fraction=0.5, policy=HITTERS)
    watching.prompt("a", HEADS, asked(0, PROMPT), HITTERS)
    mass = weights(0, PROMPT).sum((1, 2))
    for at in range(PROMPT, PROMPT + 4):
        mass = torch.cat((mass, torch.zeros(2, 1)), -1)
        step = asked(at, at + 1)
        found = watching.answer("a", HEADS, step, budget).output
        torch.testing.assert_close(found, read(HITTERS, mass, step, 0.5))
        count = (at + 1) // 2
        kept = torch.zeros_like(mass, dtype=torch.bool)
        kept[:, at + 1 - count // 2 :] = True
        rest = mass.masked_fill(kept, -1).topk(count - count // 2, -1).indices
        kept.scatter_(-1, rest, True)
        scores = (Q[0, :, at].unflatten(0, (2, 2)) @ K[0, :, : at + 1].mT) / 8**0.5
        mass = mass + scores.masked_fill(~kept[:, None], -torch.inf).softmax(-1).sum(1)
        (held,) = watching._held.values()
        torch.testing.assert_close(held.received[0], mass)


def test_a_sink_takes_its_part_of_the_mass() -> None:
    """One of no weight leaves all of it to the keys, 1 a query; one above all keys leaves them nothing."""
    sink, heavy = (SinkLogits(torch.full((4,), each)) for each in (-1e4, 1e4))
    given = []
    for each in (sink, heavy):
        watching = Watching()
        watching.prompt("a", HEADS, asked(0, PROMPT, bias=each), HITTERS)
        before = watching._held[next(iter(watching._held))].received.sum()
        watching.answer("a", HEADS, asked(PROMPT, PROMPT + 1, bias=each), Budget(fraction=0.5, policy=HITTERS))
        given.append((float(before), float(watching._held[next(iter(watching._held))].received.sum() - before)))
    assert given[0] == pytest.approx((4 * PROMPT, 4), rel=1e-4)
    assert given[1] == pytest.approx((0, 0), abs=1e-3)


def test_a_prompt_in_parts() -> None:
    watching = Watching()
    for start, stop in ((0, 10), (10, PROMPT)):
        watching.prompt("a", HEADS, asked(start, stop), HITTERS)
    watching.prompt("b", HEADS, asked(3, PROMPT), HITTERS)  # of another cache: it counts alone
    whole, last = (watching._held[each] for each in watching._held)
    torch.testing.assert_close(whole.received[0], weights(0, PROMPT).sum((1, 2)))
    torch.testing.assert_close(last.received[0], weights(3, PROMPT).sum((1, 2)))


@pytest.mark.parametrize("policy", [HITTERS, WINDOW], ids=["hitters", "window"])
def test_what_was_not_seen_is_refused_with_the_reason(policy: HeavyHitters | ObservedWindow) -> None:
    watching, budget = Watching(), Budget(fraction=0.3, policy=policy)
    with pytest.raises(KernelError, match=r"no prompt of this cache was read exactly: let one be read in the block"):
        watching.answer("a", HEADS, asked(PROMPT, PROMPT + 1), budget)
    watching.prompt("a", HEADS, asked(0, PROMPT), policy)
    other = request(Q[:, :, :1], K.flip(2), V)
    with pytest.raises(KernelError, match="no prompt of this cache"):
        watching.answer("a", HEADS, other, budget)
    slopes = ALiBi(torch.ones(4))
    watching.prompt("a", HEADS, asked(0, PROMPT, bias=slopes), policy)
    with pytest.raises(KernelError, match="not watched where scores have biases"):
        watching.answer("a", HEADS, asked(PROMPT, PROMPT + 1, bias=slopes), budget)


def test_a_short_prompt_is_watched_though_it_is_on_the_budget() -> None:
    watching, budget = Watching(), Budget(fraction=0.5, policy=HITTERS)
    with pytest.raises(KernelError, match="no prompt"):
        watching.answer("a", HEADS, asked(0, 10), budget)
    assert watching.answer("a", HEADS, asked(10, 11), budget).output.shape == (1, 4, 1, 8)


def test_windows_and_policies_are_kept_apart() -> None:
    watching = Watching()
    for policy in (WINDOW, ObservedWindow(window=2), HITTERS):
        watching.prompt("a", HEADS, asked(0, PROMPT), policy)
    sums = [float(held.received.sum()) for held in watching._held.values()]
    assert sums == pytest.approx([16, 8, 4 * PROMPT])


def test_a_layer_with_a_window_votes_over_the_keys_in_reach() -> None:
    watching = Watching()
    watching.prompt("a", HEADS, asked(0, PROMPT, mask=regard.Window(7, 0)), WINDOW)
    received = watching._held[next(iter(watching._held))].received
    assert received.shape == (1, 2, PROMPT)
    assert float(received[..., : PROMPT - 11].abs().max()) == 0
    assert float(received.sum()) == pytest.approx(16)


@pytest.mark.parametrize("policy", [HeavyHitters(), ObservedWindow(window=8)], ids=["hitters", "window"])
def test_a_model_generates_on_them(policy: HeavyHitters | ObservedWindow) -> None:
    model, ids = llama(), text(60)
    with torch.no_grad(), regard.use(model, Budget(fraction=0.3, policy=policy)) as used:
        model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=0)
    assert used.spending is not None
    assert used.spending.share() == pytest.approx(0.3, abs=0.02)
    assert not used.spending.plain
    assert not used.spending.left
    with torch.no_grad(), regard.use(model, Budget(fraction=0.3, policy=policy), at_most=None) as used:
        model(ids)
    assert "no prompt of this cache was read exactly" in next(iter(used.spending.plain.values()))  # type: ignore[union-attr]


def test_everything_is_read_where_the_budget_is_everything() -> None:
    spent = Spending(Budget(fraction=1.0, policy=HITTERS))
    assert spent.answer("a", asked(0, PROMPT)) is None
    assert spent.watching._held == {}
    found = spent.answer("a", asked(PROMPT, PROMPT + 1))
    plain = spend(asked(PROMPT, PROMPT + 1), Budget(fraction=1.0, policy=WindowSinks())).output
    torch.testing.assert_close(found, plain)
