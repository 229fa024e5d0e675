"""Statistics from the observing Triton kernel, against their definitions in float64."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch
from tests.comparison import hold
from tests.kernels.triton.on_device import DEVICE, ask, floats, observe, run
from torch import Tensor

import regard
from regard.kernels import reference
from regard.kernels.triton import observed, shapes
from regard.spec import Causal, KernelError, Mask, Request, ScaledDot, SinkLogits, Window, request

MASKS: list[Mask | None] = [None, Causal(), Window(6, 3), Window(40, 0) & Causal()]


def truth(asked: Request) -> dict[str, Tensor]:
    """Each figure from the reference's weights, by its definition."""
    steps = reference.steps(asked)
    place = asked.place
    far = place.offsets(place.rows, place.cols).abs().double()
    return {
        "output": torch.from_numpy(steps.output),
        "lse": torch.from_numpy(steps.lse),
        "entropy": torch.from_numpy(steps.entropy),
        "distance": (torch.from_numpy(steps.weights) * far).sum(-1),
        "received": torch.from_numpy(steps.received),
    }


def compare(asked: Request) -> None:
    found, true = observe(asked), truth(asked)
    for field in fields(found):
        noise = torch.finfo(asked.query.dtype).eps * (4 if field.name == "output" else 1)
        hold(field.name, getattr(found, field.name), true[field.name], noise + 3e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("mask", MASKS, ids=repr)
def test_every_figure(mask: Mask | None, dtype: torch.dtype) -> None:
    compare(ask(mask=mask, dtype=dtype, batch=2, groups=2))


@pytest.mark.parametrize("start", [-60, -9, 25, 70])
def test_empty_rows_count_as_nothing(start: int) -> None:
    asked = ask(mask=Window(6, 3), query_start=start)
    compare(asked)
    found = observe(asked)
    empty = torch.isneginf(found.lse)
    assert empty.any()
    for figure in (found.output.sum(-1), found.entropy, found.distance):
        assert not figure[empty].any()
    torch.testing.assert_close(found.received.sum(-1), (~empty).sum(-1).float())


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 67), (67, 1), (17, 33), (32, 16)])
def test_lengths(queries: int, keys: int) -> None:
    compare(ask(queries=queries, keys=keys, score=ScaledDot(softcap=2.0)))


def test_by_hand() -> None:
    """Two keys of equal score: half the weight each, ln 2 nats; the query sits on the second."""
    q, k = torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 2, 2)
    found = observe(request(q, k, torch.tensor([[[[1.0], [3.0]]]])))
    torch.testing.assert_close(found.output, torch.tensor([[[[2.0]]]]))
    torch.testing.assert_close(found.entropy, torch.tensor([[[2.0]]]).log())
    torch.testing.assert_close(found.distance, torch.tensor([[[0.5]]]))
    torch.testing.assert_close(found.received, torch.tensor([[[0.5, 0.5]]]))


def test_the_output_is_what_it_is_without_statistics() -> None:
    """Bit for bit."""
    for dtype in (torch.float32, torch.bfloat16):
        asked = ask(mask=Causal(), groups=2, dtype=dtype)
        found, plain = observe(asked), run(asked)
        assert torch.equal(found.output, plain[0])
        assert torch.equal(found.lse, plain[1])


def test_it_agrees_with_what_observe_says() -> None:
    asked = ask(mask=Window(9, 1), batch=2, kv_heads=3)
    found = observe(asked)
    _, seen = regard.observe(asked.query, asked.key, asked.value, mask=asked.mask)
    for name in ("entropy", "distance", "received", "lse"):
        torch.testing.assert_close(getattr(found, name), getattr(seen, name), rtol=1e-5, atol=1e-5)


def test_a_broken_key_spoils_the_figures_of_those_that_may_see_it() -> None:
    asked = ask(mask=Window(4, 2), query_start=0)
    whole = observe(asked)
    key, value = asked.key.clone(), asked.value.clone()
    key[:, :, 15] = torch.nan
    found = observe(request(asked.query, key, value, mask=Window(4, 2), query_start=0))
    seen = [13, 14, 15, 16, 17, 18]
    for name in ("lse", "entropy", "distance"):
        figure = getattr(found, name)
        assert figure.isnan()[0, 0].nonzero()[:, 0].tolist() == seen
        assert torch.equal(figure[..., :13], getattr(whole, name)[..., :13])
    assert found.received.isnan().all()
    value[:, :, 30:] = torch.inf  # out of reach of all
    hidden = observe(request(asked.query, asked.key, value, mask=Window(4, 2), query_start=0))
    assert torch.equal(hidden.output, whole.output)
    assert torch.equal(hidden.received, whole.received)


def test_as_a_row_of_the_table_it_gives_output_and_lse() -> None:
    if DEVICE.type == "cuda":
        pytest.skip("the same as the tests above, but for the device")
    asked = ask(mask=Causal())
    output, lse = observed.run(asked)
    assert torch.equal(output, run(asked)[0])
    assert torch.equal(lse, run(asked)[1])
    assert not output.requires_grad


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(KernelError, match="has no sink logits"):
        observe(ask(bias=SinkLogits(torch.ones(1))))
    with pytest.raises(KernelError, match="has no biases"):
        observe(ask(bias=floats(19, 37)))


# --- planted faults


def received_not_begun_at_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "new_zeros", lambda self, size, **more: torch.full(size, 0.125, **more))


def second_round(**by: int) -> Any:
    """A fault in the second round over the tiles alone."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        from regard.kernels.triton import forward

        if DEVICE.type == "cuda":
            pytest.skip("planted in the interpreter alone")
        for name, step in by.items():
            original = getattr(forward, name).fn
            monkeypatch.setattr(forward, name, lambda *args, f=original, s=step: _plus(f(*args), s))

    return patch


def _plus(found: Any, step: int) -> Any:
    return (found[0] + step, found[1]) if isinstance(found, tuple) else found + step


FAULTS = {
    "received not begun at 0": received_not_begun_at_0,
    "distances one off": second_round(offsets_of=1),
    "scores one off": second_round(scores_of=1),
    "the first block in reach left out": second_round(keys_in_reach=32),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(mask=Causal(), groups=2)
    compare(asked)
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        compare(asked)


def test_nothing_is_left_unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory that the kernels fill is NaN before (see conftest): a row that none fills shows."""
    original = shapes.call
    monkeypatch.setattr(shapes, "call", lambda *args: original(*args)._replace(query_len=18))
    found = observe(ask(mask=Causal()))
    assert found.output[..., 18, :].isnan().all()
    assert found.entropy[..., 18].isnan().all()
