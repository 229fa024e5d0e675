"""PooledClasses and what it pools by: weights that can be counted, padding and holes unseen."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from regard.nn import AdditivePooling
from regard.nn.heads import FirstToken, LastToken, MeanPooling, PooledClasses
from regard.spec import ShapeError, SpecError

BATCH, LENGTH, DIM, CLASSES = 4, 7, 5, 3
LENGTHS = torch.tensor([7, 3, 1, 0])
POOLINGS = {
    "additive": lambda: AdditivePooling(DIM),
    "mean": MeanPooling,
    "first": FirstToken,
    "last": LastToken,
}
every = pytest.mark.parametrize("name", POOLINGS)


def test_three_tokens_by_hand() -> None:
    x, lengths = torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2])
    for pooling, pooled, weights in (
        (MeanPooling(), 2.0, [0.5, 0.5, 0.0]),
        (FirstToken(), 1.0, [1.0, 0.0, 0.0]),
        (LastToken(), 3.0, [0.0, 1.0, 0.0]),
    ):
        found = pooling(x, lengths)
        assert (found[0].item(), found[1][0].tolist()) == (pooled, weights)


def test_the_classes_are_linear_in_what_was_pooled() -> None:
    head, x = PooledClasses(2, 2, pooling=MeanPooling()), torch.tensor([[[1.0, 0.0], [3.0, 2.0]]])
    with torch.no_grad():
        head.classes.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 10.0]]))
        head.classes.bias.copy_(torch.tensor([0.5, 0.0]))
    logits, weights = head(x)
    assert logits.tolist() == [[2.5, 10.0]]
    assert weights.tolist() == [[0.5, 0.5]]


@every
@torch.no_grad()
def test_padding_and_holes_are_not_seen(name: str) -> None:
    head, x = PooledClasses(DIM, CLASSES, pooling=POOLINGS[name]()), torch.randn(BATCH, LENGTH, DIM)
    present = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1], [0] * 7]).bool()
    x[~present] = math.nan
    logits, weights = head(x, present)
    for item in range(BATCH):
        own = present[item]
        alone, shares = head(x[item : item + 1, own], torch.tensor([int(own.sum())]))
        torch.testing.assert_close(logits[item], alone[0])
        torch.testing.assert_close(weights[item, own], shares[0])
        assert weights[item, ~own].tolist() == [0.0] * int((~own).sum())
        assert weights[item].sum().item() == pytest.approx(float(own.any()))
    assert torch.equal(logits[3], head.classes.bias)
    by_lengths = torch.arange(LENGTH) < LENGTHS[:, None]
    x = x.nan_to_num(0.0)
    for one, other in zip(head(x, LENGTHS), head(x, by_lengths), strict=True):
        torch.testing.assert_close(one, other)


@every
def test_gradients_and_no_tokens(name: str) -> None:
    head = PooledClasses(DIM, CLASSES, pooling=POOLINGS[name]()).double()
    x = torch.randn(BATCH, LENGTH, DIM, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: head(x, LENGTHS), (x,), fast_mode=True)
    head(x, LENGTHS)[0].sum().backward()
    assert x.grad is not None
    assert not x.grad[3].any()
    logits, weights = head(x[:, :0])
    assert (logits.shape, weights.shape) == ((BATCH, CLASSES), (BATCH, 0))
    assert head(x[:0])[0].shape == (0, CLASSES)


@every
def test_bfloat16_dropout_and_state(name: str) -> None:
    first, other = (PooledClasses(DIM, CLASSES, pooling=POOLINGS[name](), dropout=0.5) for _ in range(2))
    x = torch.randn(1, 1000, DIM)
    assert not torch.equal(first(x)[0], first(x)[0])
    other.load_state_dict(first.state_dict())
    assert torch.equal(first.eval()(x)[0], other.eval()(x)[0])
    logits, weights = first.bfloat16()(x.bfloat16())
    assert (logits.dtype, weights.dtype) == (torch.bfloat16, torch.float32)
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-5)


def test_the_mean_of_many_half_precision_numbers_is_not_rounded_as_it_grows() -> None:
    pooled, _ = MeanPooling()(torch.full((1, 5000, 1), 0.1, dtype=torch.bfloat16), torch.tensor([5000]))
    assert pooled.item() == pytest.approx(0.1, rel=1e-2)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (torch.ones(BATCH, LENGTH + 1).bool(), r"present \(4, 8\) for tokens \(4, 7, 5\): expected \(4, 7\)"),
        (torch.ones(BATCH), "lengths is a float32 tensor"),
        (LENGTHS[:3], "3 lengths for a batch of 4"),
        (LENGTHS + 1, r"lengths\[0\] = 8, but there are 7 tokens"),
    ],
)
def test_bad_lengths(present: Tensor, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        PooledClasses(DIM, CLASSES)(torch.zeros(BATCH, LENGTH, DIM), present)


def test_bad_arguments() -> None:
    with pytest.raises(ShapeError, match=r"PooledClasses: .*expected \(batch, len, 5\)"):
        PooledClasses(DIM, CLASSES)(torch.zeros(BATCH, LENGTH, 6))
    with pytest.raises(SpecError, match="classes=0"):
        PooledClasses(DIM, 0)
    for wrong in ("mean", MeanPooling):
        with pytest.raises(SpecError, match=r"expected a module such as MeanPooling\(\)"):
            PooledClasses(DIM, CLASSES, pooling=wrong)  # type: ignore[arg-type]
    assert isinstance(PooledClasses(DIM, CLASSES, pooling=nn.Sequential()).pooling, nn.Module)
