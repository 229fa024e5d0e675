"""Masks that torch refuses: also where outputs are answered, it is torch that says so; and what it takes, is taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.engine.attend import choose
from regard.engine.seam_mask import MaskReader
from regard.engine.seam_reach import Reached
from regard.engine.seams import reach
from regard.spec import MaskError

BATCH, HEADS, Q, K, DIM = 2, 4, 5, 7, 8
SAME: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}


def floats(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


class Attends(nn.Module):
    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return F.scaled_dot_product_attention(*args, **kwargs)


def answered(reached: Reached) -> Any:
    return (
        reached.compute()
        if reached.answer.kept
        else reached.give(choose(reached.request, None).run(reached.request)[0])
    )


def outcome(model: nn.Module, *args: Any, **kwargs: Any) -> Tensor | str:
    """The output, or the error, in one word and its own."""
    try:
        out = model(*args, **kwargs)
    except (AssertionError, RuntimeError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    return out if isinstance(out, Tensor) else out[0]


def compared(model: nn.Module, *args: Any, **kwargs: Any) -> tuple[bool, bool]:
    """(torch takes it, it was answered); raises where the model in use differs from the model by itself."""
    alone = outcome(model, *args, **kwargs)
    with reach(model, answered, answers=True) as reaching:
        in_use = outcome(model, *args, **kwargs)
    if isinstance(alone, str) or isinstance(in_use, str):
        assert alone == in_use
        return False, not reaching.unread
    torch.testing.assert_close(in_use, alone, **SAME)
    return True, not reaching.unread


def shapes(*sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every shape of no, one, two ... axes, of the last of these sizes."""
    for axes in range(len(sizes) + 1):
        yield from itertools.product(*sizes[len(sizes) - axes :])


CALLS: dict[str, tuple[tuple[Tensor, Tensor, Tensor], dict[str, Any], tuple[tuple[int, ...], ...]]] = {
    "four axes": (
        (floats(2, 4, Q, DIM), floats(2, 4, K, DIM), floats(2, 4, K, DIM)),
        {},
        ((1, 3), (1, 2, 3), (1, 4, 3), (1, Q, 3), (1, K, 3)),
    ),
    "grouped": (
        (floats(2, 4, Q, DIM), floats(2, 2, K, DIM), floats(2, 2, K, DIM)),
        {"enable_gqa": True},
        ((1, 2), (1, 4, 2), (1, Q), (1, K)),
    ),
    "three axes": (
        (floats(2, Q, DIM), floats(2, K, DIM), floats(2, K, DIM)),
        {},
        ((1, 2), (1, 2, 3), (1, Q, 3), (1, K, 3)),
    ),
    "two axes": ((floats(Q, DIM), floats(K, DIM), floats(K, DIM)), {}, ((1, 3), (1, Q, 3), (1, K, 3))),
    "two leading axes": (
        (floats(2, 3, 4, Q, DIM), floats(2, 3, 4, K, DIM), floats(2, 3, 4, K, DIM)),
        {},
        ((1, 2, 6), (1, 3), (1, 4), (1, Q), (1, K)),
    ),
    "one query for all items": (
        (floats(1, 4, Q, DIM), floats(2, 4, K, DIM), floats(2, 4, K, DIM)),
        {},
        ((1, 2, 3), (1, 4), (1, Q), (1, K)),
    ),
    "values of more items than scores": (
        (floats(1, 4, Q, DIM), floats(1, 4, K, DIM), floats(2, 4, K, DIM)),
        {},
        ((1, 2), (1, 4), (1, Q), (1, K)),
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_sdpa_takes_and_refuses_the_same_shapes(call: str) -> None:
    tensors, more, sizes = CALLS[call]
    found = set()
    for shape in shapes(*sizes):
        for mask in (torch.ones(shape, dtype=torch.bool), torch.zeros(shape), floats(*shape)):
            taken, answered_here = compared(Attends(), *tensors, attn_mask=mask, **more)
            assert answered_here == taken or len(shape) < 2, shape  # of one axis: torch's kernels differ
            found.add(taken)
    assert found == {True, False}


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.uint8])
def test_sdpa_takes_and_refuses_the_same_dtypes(dtype: torch.dtype) -> None:
    tensors = CALLS["four axes"][0]
    taken, answered_here = compared(Attends(), *tensors, attn_mask=torch.zeros(Q, K, dtype=dtype))
    assert taken == answered_here == (dtype == torch.float32)


def test_sdpa_of_tensors_with_different_numbers_of_axes_is_left_to_torch() -> None:
    assert compared(Attends(), floats(4, Q, DIM), floats(4, 4, K, DIM), floats(4, 4, K, DIM)) == (True, False)


def test_under_autocast_a_mask_may_be_in_half_precision() -> None:
    q, mask = floats(1, 2, Q, DIM), torch.zeros(Q, Q, dtype=torch.bfloat16)
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        reach(model := Attends(), lambda each: each.compute()) as reaching,
    ):
        model(q, q, q, mask)
    assert not reaching.unseen


LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "length first": {"batch_first": False},
    "extra key": {"add_bias_kv": True},
    "zero key": {"add_zero_attn": True},
}
PADDING = [(K,), (BATCH, K), (1, K), (5, K), (BATCH, 4), (BATCH, 1), (1,), (1, BATCH, K), (BATCH, K, 1), ()]
WHERE = [(Q, K), (1, K), (Q, 1), (3, 3), (K,), (BATCH * HEADS, Q, K), (HEADS, Q, K), (BATCH, Q, K), (1, Q, K)]
WHERE += [(1, 1, Q, K), (BATCH, HEADS, Q, K), (BATCH * HEADS, 1, K), (K, Q), ()]


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("layer", LAYERS)
def test_multihead_attention_takes_and_refuses_the_same_masks(layer: str, batched: bool) -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(DIM, HEADS, **{"batch_first": True, **LAYERS[layer]}).eval()
    x, other = (floats(BATCH, Q, DIM), floats(BATCH, K, DIM)) if batched else (floats(Q, DIM), floats(K, DIM))
    if batched and not module.batch_first:
        x, other = x.transpose(0, 1), other.transpose(0, 1)
    found = []
    for name, wanted in (("key_padding_mask", PADDING), ("attn_mask", WHERE)):
        for shape in wanted:
            masks = [torch.zeros(shape, dtype=kind) for kind in (torch.bool, torch.float32, torch.float64, torch.uint8)]
            for mask in (*masks, floats(*shape)):
                taken, answered_here = compared(module, x, other, other, need_weights=False, **{name: mask})
                assert taken == answered_here, (name, shape, mask.dtype)
                found += [(name, shape)] * taken
    expected = [("key_padding_mask", (BATCH, K)), ("attn_mask", (Q, K)), ("attn_mask", (BATCH * HEADS, Q, K))]
    alone = [("key_padding_mask", (K,)), ("attn_mask", (Q, K)), ("attn_mask", (HEADS, Q, K))]
    assert dict.fromkeys(found) == dict.fromkeys(expected if batched else alone)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(DIM, HEADS)

    def forward(self, x: Tensor, **more: Any) -> Any:
        own = self.layer
        return F.multi_head_attention_forward(
            *(x, x, x, DIM, HEADS, own.in_proj_weight, own.in_proj_bias, None, None, False, 0.0),
            *(own.out_proj.weight, own.out_proj.bias, False, None, False),
            **more,
        )


def test_the_functional_form_is_left_what_regard_would_read_otherwise() -> None:
    torch.manual_seed(0)
    model, x = Functional(), floats(Q, BATCH, DIM)
    assert compared(model, x) == (True, True)
    assert compared(model, x, attn_mask=torch.ones(1, Q, dtype=torch.bool)) == (False, False)
    assert compared(model, x, is_causal=True) == (False, False)
    keys = floats(BATCH * HEADS, K, DIM // HEADS)
    assert compared(model, x, static_k=keys, static_v=keys) == (True, False)


@pytest.mark.parametrize("shape", [(2, 4), (1, 9), (5, 9)])
def test_what_torchs_fast_path_refuses_is_refused_in_use_too(shape: tuple[int, int]) -> None:
    module, x = nn.MultiheadAttention(DIM, 2, batch_first=True).eval(), floats(2, 9, DIM)
    padding = torch.zeros(shape, dtype=torch.bool)
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="mask shape should be"):  # its fast path, in other words
            module(x, x, x, key_padding_mask=padding, need_weights=False)
        with reach(module, answered, answers=True), pytest.raises(AssertionError, match="key_padded_mask"):
            module(x, x, x, key_padding_mask=padding, need_weights=False)


def test_a_mask_that_does_not_broadcast_is_not_read() -> None:
    with pytest.raises(MaskError, match=r"a bool tensor of shape \(1, 1, 3, 3\) as a mask.*\(2, 4, 5, 7\)"):
        MaskReader().read(torch.ones(1, 1, 3, 3, dtype=torch.bool), (2, 4, 5, 7))
