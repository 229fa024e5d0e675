"""Dilated masks by residue classes: against the truth, gradients included, and what each class is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.comparison import check, truth
from torch import Tensor

from regard.kernels import blocks, dilated, exact, streaming
from regard.kernels.table_few import FEW_ROWS, dilated_cost
from regard.spec import (
    ALiBi,
    Causal,
    Cosine,
    Dilated,
    Dot,
    Mask,
    Padding,
    Request,
    ScaledDot,
    SinkLogits,
    Window,
    request,
)
from regard.spec.request import DTYPES

ROW = next(row for row in FEW_ROWS if row.name == "dilated")
MASKS: dict[str, Mask] = {
    "both ways": Dilated(3, 12, 6),
    "reach is no multiple": Dilated(4, 11, 5),
    "causal": Dilated(3, 12, 12) & Causal(),
    "window": Window(7, 3) & Dilated(2, 12, 6),
    "all three": (Causal() & Window(9, 9)) & Dilated(4, 12, 6),
    "self alone": Dilated(5, 4, 4),
    "every key": Dilated(1, 3, 2),
    "step beyond the keys": Dilated(40, 80, 80),
}


def inputs(queries: int, keys: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """2 items, 4 heads on 2 key heads, dims 5 and 3."""
    source = torch.Generator().manual_seed(1)
    shapes = ((2, 4, queries, 5), (2, 2, keys, 5), (2, 2, keys, 3))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes)
    return q, k, v


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("queries", "keys", "start"), [(24, 24, None), (17, 29, None), (5, 31, 3), (31, 5, -9), (1, 9, 40)]
)
def test_masks_and_places(mask: str, queries: int, keys: int, start: int | None) -> None:
    for dtype in (torch.float64, torch.bfloat16):
        sink = SinkLogits(torch.linspace(-1, 1, 4, dtype=dtype).requires_grad_())
        for score, bias in ((ScaledDot(), ()), (ScaledDot(softcap=2.0), sink), (Cosine(3.0), ())):
            asked = request(*inputs(queries, keys, dtype), score=score, bias=bias, mask=MASKS[mask], query_start=start)
            assert dilated.fits(asked) is None
            check(ROW, asked, truth(asked))


@settings(max_examples=100)
@given(data=st.data())
def test_any_dilation(data: st.DataObject) -> None:
    count = st.integers(0, 20)
    mask: Mask = Dilated(data.draw(st.integers(1, 9)), data.draw(count), data.draw(count))
    mask = mask & Causal() if data.draw(st.booleans()) else mask
    mask = Window(data.draw(count), data.draw(count)) & mask if data.draw(st.booleans()) else mask
    tensors = inputs(data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20)), data.draw(st.sampled_from(DTYPES)))
    asked = request(*tensors, score=Dot(), mask=mask, query_start=data.draw(st.none() | st.integers(-20, 30)))
    check(ROW, asked, truth(asked))


@pytest.mark.parametrize("kernel", [streaming.run, exact.run, blocks.run])
def test_any_kernel_does_the_classes(kernel: dilated.Kernel) -> None:
    asked = request(*inputs(17, 29), mask=MASKS["causal"])
    row = replace(ROW, lse=kernel is streaming.run, run=lambda asked: dilated.run(asked, kernel))
    check(row, asked, truth(asked))


def test_each_class_is_a_window_over_views() -> None:
    """Step 2 over 4 queries at positions 3..6 and 6 keys: odd positions are rows 0 and 2, even ones rows 1 and 3."""
    q, k, v = torch.arange(4.0), torch.arange(6.0), 10 + torch.arange(6.0)
    asked = request(*(t.view(1, 1, -1, 1) for t in (q, k, v)), mask=Dilated(2, 5, 3), query_start=3)
    odd, even = dilated.classes(asked)
    assert (odd[1], even[1]) == (slice(0, None, 2), slice(1, None, 2))
    assert [t.flatten().tolist() for t in (odd[0].query, odd[0].key)] == [[0, 2], [1, 3, 5]]
    assert [t.flatten().tolist() for t in (even[0].query, even[0].value)] == [[1, 3], [10, 12, 14]]
    assert (odd[0].mask, even[0].mask) == (Window(2, 1), Window(2, 1))
    # position 3 is the second odd one, position 4 the third even one
    assert (odd[0].place.query_start, even[0].place.query_start) == (1, 2)
    assert odd[0].key.untyped_storage().data_ptr() == asked.key.untyped_storage().data_ptr()


def test_classes_without_a_key_are_left_out() -> None:
    """Positions 0..4, keys 0 and 1, step 3: position 2 has no key of its class."""
    asked = request(*(torch.ones(1, 1, n, 1) for n in (5, 2, 2)), mask=Dilated(3, 9), query_start=0)
    assert [rows.start for _, rows in dilated.classes(asked)] == [0, 1]
    output, lse = dilated.run(asked)
    assert lse is not None
    assert output.flatten().tolist() == [1, 1, 0, 1, 1]
    assert torch.isneginf(lse.flatten()).tolist() == [False, False, True, False, False]


def test_what_nobody_may_look_at_leaves_no_trace() -> None:
    """Only even positions ask: odd keys may hold anything."""
    q, k, v = inputs(1, 29, torch.float32)
    asked = request(q, k, v, mask=Dilated(2, 28))
    broken = replace(asked, key=k.detach().clone(), value=v.detach().clone())
    broken.key[:, :, 1::2], broken.value[:, :, 1::2] = torch.nan, torch.inf
    torch.testing.assert_close(dilated.run(broken), dilated.run(asked), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("mask", "bias"),
    [
        (None, ()),
        (Causal(), ()),
        (Dilated(2, 3) | Causal(), ()),
        (~Dilated(2, 3), ()),
        (Dilated(2, 3) & Dilated(3, 3), ()),
        (Dilated(2, 3) & Padding(torch.tensor([5, 5])), ()),
        (Dilated(2, 3), ALiBi.for_heads(4)),
    ],
)
def test_other_masks_and_biases_are_refused(mask: Mask | None, bias: ALiBi | tuple[()]) -> None:
    asked = request(*inputs(9, 9), mask=mask, bias=bias)
    reason = dilated.fits(asked)
    assert reason is not None
    assert ("Dilated" in reason) == (not bias)
    assert dilated_cost(asked).cells > 0  # the plan lists it, with its reason


def test_it_costs_what_its_windows_cost() -> None:
    """4,096 positions in 4 classes with windows of 64 keys, self included: a strip of queries shares its keys."""
    q = torch.zeros(1, 1, 4096, 4)
    asked: Request = request(q, q, q, mask=Dilated(4, 255))
    assert 4096 * 64 < dilated_cost(asked).cells < 4096 * 64 * 6
    assert dilated_cost(asked).square_bytes == 0
