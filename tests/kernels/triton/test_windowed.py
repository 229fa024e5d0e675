"""The windowed Triton kernels, forward and backward, against the reference and the gradients of `dense`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests import cases
from tests.comparison import check, hold, truth
from tests.kernels.triton.on_device import DEVICE, ROW, ask, floats, run

from regard.engine.plan import reasons
from regard.kernels.triton import shapes, windowed
from regard.spec import (
    ActivatedDot,
    ALiBi,
    Causal,
    Cosine,
    Dot,
    General,
    KernelError,
    Mask,
    Request,
    ScaledDot,
    SinkLogits,
    Sinks,
    Window,
    request,
)

HALVES = (torch.bfloat16, torch.float16)
DTYPES = (torch.float32, *HALVES)
MASKS: list[Mask | None] = [None, Causal(), Window(6, 3), Window(40, 0) & Causal(), Window(0, 0)]


def compare(asked: Request) -> None:
    check(ROW, asked, truth(asked))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", MASKS, ids=repr)
def test_output_lse_and_gradients(mask: Mask | None, dtype: torch.dtype) -> None:
    compare(ask(mask=mask, dtype=dtype, gradient=True, groups=2, batch=2 if dtype == torch.float32 else 1))


@pytest.mark.parametrize("start", [-60, -9, 0, 3, 25, 70])
def test_positions_before_within_and_beyond_the_keys(start: int) -> None:
    """With empty rows: queries before the first key, and beyond the last key's window."""
    for mask in (Window(6, 3), Causal()):
        compare(ask(mask=mask, query_start=start, gradient=True))


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 67), (67, 1), (16, 32), (17, 33), (32, 16)])
def test_lengths_of_one_of_a_block_and_one_more(queries: int, keys: int) -> None:
    compare(ask(queries=queries, keys=keys, mask=Window(20, 1), gradient=True))


@pytest.mark.parametrize(("dim", "value_dim"), [(1, 17), (17, 1), (16, 16), (0, 3)])
def test_vectors_of_any_size(dim: int, value_dim: int) -> None:
    compare(ask(dim=dim, value_dim=value_dim, mask=Causal(), gradient=dim > 0))


@pytest.mark.parametrize(("kv_heads", "groups"), [(1, 3), (3, 1), (3, 2)])
def test_grouped_heads_read_their_own_key_head(kv_heads: int, groups: int) -> None:
    compare(ask(batch=2, kv_heads=kv_heads, groups=groups, queries=5, keys=7, mask=Causal(), gradient=True))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_score_that_changes_the_vectors_rounds_them(dtype: torch.dtype) -> None:
    weight = floats(5, 5)
    for score in (Cosine(3.0), General(weight)):
        asked = ask(score=score, mask=Window(6, 3), dtype=dtype)
        true = truth(asked, gradients=False)
        output, lse = run(asked)
        noise = torch.finfo(dtype).eps * (4 + true.largest_score)
        hold("output", output, true.output, noise)
        hold("lse", lse, true.lse, noise)


@pytest.mark.parametrize(
    "score", [Dot(), ScaledDot(-0.3), ScaledDot(softcap=1.5), ScaledDot(30.0, softcap=50.0), Cosine(4.0)], ids=repr
)
def test_scores(score: Any) -> None:
    compare(ask(score=score, mask=Window(20, 2), gradient=True))


def test_a_sink_takes_its_share() -> None:
    logits = torch.tensor([0.5, 3.0]).requires_grad_()
    compare(ask(groups=2, mask=Window(3, 0), bias=SinkLogits(logits), gradient=True))


def test_inputs_that_do_not_lie_in_order() -> None:
    q, k, v = floats(1, 19, 2, 5).transpose(1, 2), floats(1, 1, 5, 37).mT, floats(74, 1, 1, 4)[::2].permute(1, 2, 0, 3)
    assert not any(t.is_contiguous() for t in (q, k, v))
    compare(request(*(t.requires_grad_() for t in (q, k, v)), mask=Window(9, 9)))


@pytest.mark.parametrize("what", [torch.nan, torch.inf])
def test_what_nobody_may_see_leaves_no_trace(what: float) -> None:
    """Keys beyond the last window are broken; then some that queries 13 to 18 see."""
    clean = ask(mask=Window(4, 2), query_start=0)
    q, k, v = clean.query, clean.key.clone(), clean.value.clone()
    k[:, :, 21:], v[:, :, 21:] = what, what
    found, whole = run(request(q, k, v, mask=Window(4, 2), query_start=0)), run(clean)
    assert torch.equal(found[0], whole[0])
    assert torch.equal(found[1], whole[1])
    k[:, :, 15] = what
    output, lse = run(request(q, k, v, mask=Window(4, 2), query_start=0))
    assert output.isnan().any(-1)[0, 0].nonzero()[:, 0].tolist() == [13, 14, 15, 16, 17, 18]
    assert torch.equal(lse.isnan(), output.isnan().any(-1))


def test_scores_that_overflow_are_no_empty_row() -> None:
    asked = ask(mask=Causal())
    output, lse = run(request(asked.query * 1e20, asked.key * 1e20, asked.value, mask=Causal()))
    assert not torch.isneginf(lse).any()
    assert output.isnan().any()


def test_keys_out_of_reach_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """256 queries of a window of 3 are 16 blocks, each reading one or two of 8 blocks of keys. Products are counted."""
    from triton.runtime import interpreter

    if DEVICE.type == "cuda":
        pytest.skip("counted in the interpreter alone")
    products: list[int] = []
    original = interpreter.InterpreterBuilder.create_dot
    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", lambda *a: (products.append(1), original(*a))[1])
    run(ask(queries=256, keys=256, mask=Window(3, 0)))
    assert len(products) == 2 * (16 + 7)  # scores and values; every second block begins where a block of keys does


def test_what_it_cannot_do_is_refused_in_words() -> None:
    for more, words in (
        ({"mask": Window(3, 0) | Sinks(1)}, "takes windows and causal masks alone, not window of 3 before"),
        ({"bias": ALiBi(torch.ones(1))}, "has no biases"),
        ({"score": ActivatedDot(torch.ones(5))}, "has no activation sigmoid"),
    ):
        asked = ask(**more)  # type: ignore[arg-type]
        assert words in str(windowed.fits(asked))
        with pytest.raises(KernelError, match=f"cannot do this: it {words}"):
            windowed.run(asked)
    assert windowed.fits(ask(mask=Causal(), score=ScaledDot(softcap=2.0))) is None


def test_on_a_cpu_the_plan_says_so() -> None:
    q, k, v = (t.detach().cpu() for t in cases.inputs(torch.float32))
    assert reasons(ROW, request(q, k, v, mask=Causal())) == ("does not run on cpu",)


# --- planted faults


def shifted(**by: int) -> Any:
    """A fault: the kernels get other numbers."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = shapes.call

        def call(*args: Any) -> shapes.Call:
            made = original(*args)
            return made._replace(**{name: getattr(made, name) + step for name, step in by.items()})

        monkeypatch.setattr(shapes, "call", call)

    return patch


def short_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last block of keys in reach is not read."""
    from regard.kernels.triton import tile

    if DEVICE.type == "cuda":
        pytest.skip("planted in the interpreter alone")
    original = tile.keys_in_reach.fn

    def cut(call: Any, first: Any, rows: Any, cols: Any) -> Any:
        low, high = original(call, first, rows, cols)
        return low, high - cols

    monkeypatch.setattr(tile, "keys_in_reach", cut)


def no_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    original = windowed.backward
    monkeypatch.setattr(
        windowed,
        "backward",
        lambda q, k, v, g, known, fixed: original(
            q, k, v, g, known._replace(delta=torch.zeros_like(known.delta)), fixed
        ),
    )


def one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of a key from the first of its heads alone."""
    original = windowed.backward

    def backward(q: Any, k: Any, v: Any, grad: Any, *rest: Any) -> Any:
        own = grad.clone()
        own[:, 1::2] = 0
        to_query, _, _ = original(q, k, v, grad, *rest)
        return to_query, *original(q, k, v, own, *rest)[1:]

    monkeypatch.setattr(windowed, "backward", backward)


FAULTS = {
    "positions one off": shifted(start=1),
    "a window one short": shifted(before=-1),
    "one key too many ahead": shifted(after=1),
    "scale off": shifted(scale=1),
    "softcap off": shifted(cap=1),
    "the last query left out": shifted(query_len=-1),
    "the last key left out": shifted(key_len=-1),
    "the last of a vector's numbers left out": shifted(dim=-1),
    "the last of a value's numbers left out": shifted(value_dim=-1),
    "the last block in reach left out": short_reach,
    "the softmax's row term forgotten": no_delta,
    "one head's share of a key's gradient": one_group,
}


def battery() -> None:
    compare(ask(groups=2, score=ScaledDot(softcap=1.5), mask=Window(6, 3), gradient=True))


def test_without_a_fault_the_battery_passes() -> None:
    battery()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        battery()
