"""Masks that are not there: what keeps the description, what brings the tensor, and what voids the description."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from regard.engine.seam_described import DescribedMask, Description, laid_out, read_description, rows_of
from regard.engine.seam_mask import MaskReader
from regard.spec import Causal, Dense, Mask, Place, Window, request
from regard.spec.errors import RegardError

SHAPE = (2, 1, 4, 6)


def made(
    mask: Mask | None = None, start: int = 2, dtype: torch.dtype = torch.bool
) -> tuple[DescribedMask, Counter[str]]:
    """A mask of four queries at `start` and six keys, and what asked for the tensor."""
    told: Counter[str] = Counter()

    def write() -> Tensor:
        place = Place(2, 1, 4, 6, start, torch.device("cpu"))
        allowed = torch.ones(SHAPE, dtype=torch.bool) if mask is None else mask.dense(place).expand(SHAPE).clone()
        return allowed if dtype == torch.bool else torch.where(allowed, 0.0, torch.finfo(dtype).min).to(dtype)

    def tell(asked_by: str) -> None:
        told[asked_by] += 1

    return DescribedMask.of(Description(mask, start, write, tell), SHAPE, dtype, torch.device("cpu")), told


def described(mask: Any) -> Description:
    assert isinstance(mask, DescribedMask)
    found = read_description(mask)
    assert found is not None
    return found


def test_it_looks_like_a_mask_and_takes_one_element() -> None:
    mask, told = made(Causal())
    assert isinstance(mask, Tensor)
    assert (mask.shape, mask.size(3), mask.dim(), mask.ndim, mask.numel()) == (SHAPE, 6, 4, 4, 48)
    assert (mask.dtype, mask.device.type, mask.requires_grad, mask.is_floating_point()) == (
        torch.bool,
        "cpu",
        False,
        False,
    )
    assert len(mask.shape) == 4
    assert not told
    with torch._C.DisableTorchFunctionSubclass():
        assert mask.untyped_storage().nbytes() == 1


@pytest.mark.parametrize(
    "cut",
    [
        lambda m: m[:, :, :, 1:5],
        lambda m: m[..., 1:5],
        lambda m: m[..., 1:-1],
        lambda m: m[..., torch.tensor(1) : 5],
        lambda m: m[:, :, :4, 1:5],
    ],
)
def test_keys_cut_off_move_the_queries(cut: Any) -> None:
    mask, told = made(Causal() & Dense(torch.arange(6)[None, None, None] != 3))
    part = cut(mask)
    assert described(part).query_start == 1
    assert not told
    assert torch.equal(rows_of(part, [0, 1, 2, 3]), cut(made(mask.described.mask)[0].described.write()))
    assert cut(mask) is part  # so that what is worked out for one layer serves the next
    assert torch.equal(part & part, cut(mask.described.write()))


@pytest.mark.parametrize(
    "same",
    [
        lambda m: m[:, :, :, :6],
        lambda m: m[..., :],
        lambda m: m.contiguous(),
        lambda m: m.detach(),
        lambda m: m.clone(),
        lambda m: m.to("cpu"),
        lambda m: m.to(torch.bool),
        lambda m: m.to(device="cpu", dtype=torch.bool),
    ],
)
def test_what_changes_nothing_gives_the_mask_itself(same: Any) -> None:
    mask, told = made(Window(1, 0))
    assert same(mask) is mask
    assert not told


OPERATIONS: list[Any] = [
    lambda m: m & True,
    lambda m: ~m,
    lambda m: m[:, :, 1:3],
    lambda m: m[0],
    lambda m: m[:, None],
    lambda m: m[..., ::2],
    lambda m: m[..., torch.tensor([0, 2])],
    lambda m: m[:, :, :, :, None],
    lambda m: m[..., :0],
    lambda m: m.to(torch.float32),
    lambda m: m.expand(2, 3, 4, 6),
    lambda m: torch.where(m, 0.0, -1.0),
    lambda m: torch.cat([m, m], 3),
    lambda m: m.sum(),
    lambda m: m.tolist(),
    lambda m: torch.nn.functional.scaled_dot_product_attention(
        torch.ones(2, 3, 4, 8), *[torch.ones(2, 3, 6, 8)] * 2, m
    ),
    lambda m: copy.deepcopy(m),
    lambda m: pickle.loads(pickle.dumps(m)),
    lambda m: m[..., -1],
    lambda m: m.to(torch.bool, copy=True),
    lambda m: m[:, :, :, 4:2],
    lambda m: {"inside": [m]}["inside"][0] | m,
]


@pytest.mark.parametrize("place", range(len(OPERATIONS)))
def test_any_other_operation_gets_the_true_tensor_once(place: int) -> None:
    operation = OPERATIONS[place]
    mask, told = made(Causal())
    out, expected = operation(mask), operation(mask.described.write())
    assert type(out) is type(expected)
    assert torch.equal(torch.as_tensor(out), torch.as_tensor(expected))
    operation(mask)
    assert sum(told.values()) == 1


def test_to_something_that_is_no_dtype_or_device() -> None:
    mask, _ = made(Causal())
    assert torch.equal(mask.to(torch.zeros(1)), mask.described.write().float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_floats_hold_the_lowest_number_where_nothing_may_attend(dtype: torch.dtype) -> None:
    mask, told = made(Causal(), dtype=dtype)
    assert torch.equal(rows_of(mask, [3, 0]), mask.described.write()[:, :, [3, 0]])
    assert not told
    assert torch.equal(mask + 0, mask.described.write())


def test_a_mask_that_forbids_nothing() -> None:
    assert torch.equal(rows_of(made(None)[0], [0]), torch.ones(2, 1, 1, 6, dtype=torch.bool))


@pytest.mark.parametrize("inference", [True, False])
def test_who_writes_into_it_voids_the_description(inference: bool) -> None:
    with torch.inference_mode(inference):
        mask, _ = made(Causal())
        part = mask[..., :3]
        mask[:, :, 0] = False
        assert read_description(mask) is None
        assert read_description(part) is None
        assert not rows_of(mask, [0]).any()
        assert not (part | False)[:, :, 0].any()
        assert not (mask.clone() | False)[:, :, 0].any()
        assert not mask[..., :2][:, :, 0].any()


def test_who_writes_into_a_part_writes_into_the_whole() -> None:
    mask, _ = made(None)
    mask[..., :3].logical_not_()
    assert read_description(mask) is None
    assert (mask | False)[0, 0].tolist() == [[False] * 3 + [True] * 3] * 4


def test_a_clone_of_what_was_laid_out_is_a_tensor_of_its_own() -> None:
    mask, _ = made(None)
    mask.sum()
    copied = mask.clone()
    copied.zero_()
    assert bool((mask | False).all())


def test_the_reader_takes_the_description_where_it_fits() -> None:
    reader = MaskReader()
    mask, told = made(Causal())
    found = reader.read(mask, (2, 3, 4, 6))
    assert (found.mask, found.query_start) == (Causal(), 2)
    assert not told
    mask[:, :, 0] = False
    read = reader.read(mask, (2, 3, 4, 6))
    assert isinstance(read.mask, Dense)


def test_laid_out_leaves_other_tensors_alone() -> None:
    tensor = torch.ones(2)
    assert laid_out(tensor) is tensor


def test_a_leak_shows() -> None:
    """Whoever gets round the description reads NaN, or sees nothing."""
    for dtype in (torch.float32, torch.bool):
        with torch._C.DisableTorchFunctionSubclass():
            leaked = made(Causal(), dtype=dtype)[0] + 0.0
        assert bool(leaked.isnan().all()) or not bool(leaked.any())


def test_it_is_no_mask_of_a_request() -> None:
    q = torch.ones(2, 1, 4, 8)
    with pytest.raises(RegardError):
        request(q, q[:, :, :1], q[:, :, :1], mask=made(Causal())[0])
