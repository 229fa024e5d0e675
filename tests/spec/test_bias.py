"""Biases: published slopes, tiles against literal formulas, gradients, and every refusal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from regard.spec import ALiBi, Bias, Causal, Place, RelativeBias, ShapeError, SinkLogits, SpecError, TensorBias
from regard.spec.bias import as_biases

BATCH, HEADS, QUERIES, KEYS = 2, 3, 5, 7


def place(start: int = 2) -> Place:
    return Place(BATCH, HEADS, QUERIES, KEYS, start, torch.device("cpu"))


def floats(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


SLOPES, TABLE = floats(HEADS), floats(HEADS, 5)
FULL, THIN = floats(BATCH, HEADS, QUERIES, KEYS), floats(1, HEADS, 1, KEYS)
CASES: list[tuple[Bias, Callable[[int, int, int, int, int], float]]] = [
    (ALiBi(SLOPES), lambda b, h, i, j, p: -SLOPES[h].item() * abs(p - j)),
    (RelativeBias(TABLE), lambda b, h, i, j, p: TABLE[h, min(max(j - p, -2), 2) + 2].item()),
    (RelativeBias(TABLE[:, :1]), lambda b, h, i, j, p: TABLE[h, 0].item()),
    (TensorBias(FULL), lambda b, h, i, j, p: FULL[b, h, i, j].item()),
    (TensorBias(THIN), lambda b, h, i, j, p: THIN[0, h, 0, j].item()),
    (TensorBias(FULL[0, 0]), lambda b, h, i, j, p: FULL[0, 0, i, j].item()),
    (TensorBias(FULL[0, 0, :, :1]), lambda b, h, i, j, p: FULL[0, 0, i, 0].item()),
]


@pytest.mark.parametrize("start", [-9, -1, 0, 2, 30])
@pytest.mark.parametrize(("bias", "entry"), CASES, ids=[repr(bias) for bias, _ in CASES])
def test_tiles_are_the_formula(bias: Bias, entry: Callable[..., float], start: int) -> None:
    here = place(start)
    bias.check(here)
    for rows, cols in ((here.rows, here.cols), (range(1, 4), range(4, 7)), (range(4, 5), range(1))):
        expected = [
            [[[entry(b, h, i, j, start + i) for j in cols] for i in rows] for h in range(HEADS)] for b in range(BATCH)
        ]
        found = bias.tile(rows, cols, here).expand(BATCH, HEADS, len(rows), len(cols))
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=1e-14)


def test_alibi_slopes_of_the_paper() -> None:
    assert ALiBi.for_heads(8).slopes.tolist() == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    assert ALiBi.for_heads(1).slopes.tolist() == [1 / 256]
    sixteen = ALiBi.for_heads(16).slopes
    torch.testing.assert_close(sixteen, 2.0 ** (-0.5 * torch.arange(1, 17)))


def test_alibi_slopes_of_the_released_code_between_powers_of_two() -> None:
    def released(n: int) -> list[float]:
        """get_slopes of ofirpress/attention_with_linear_biases, in its own terms."""

        def power_of_2(m: int) -> list[float]:
            start = 2 ** (-(2 ** -((m.bit_length() - 1) - 3)))
            return [start * start**i for i in range(m)]

        closest = 1 << (n.bit_length() - 1)
        return power_of_2(n) if closest == n else power_of_2(closest) + power_of_2(2 * closest)[0::2][: n - closest]

    for heads in (2, 3, 5, 12, 16, 40):
        assert ALiBi.for_heads(heads).slopes.tolist() == pytest.approx(released(heads), rel=1e-6)
    assert ALiBi.for_heads(12).slopes[8:].tolist() == pytest.approx([2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5])


def test_alibi_tells_far_distances_apart_in_half_precision() -> None:
    far = Place(1, 1, 1, 258, 257, torch.device("cpu"))
    tile = ALiBi(torch.ones(1, dtype=torch.bfloat16)).tile(range(1), range(2), far)
    assert tile.flatten().tolist() == [-257.0, -256.0]


@pytest.mark.parametrize("heads", [0, -2, 2.0, True, "8"])
def test_alibi_needs_a_number_of_heads(heads: object) -> None:
    with pytest.raises(SpecError, match=r"ALiBi.for_heads\(.*\): expected a whole number of heads, at least one"):
        ALiBi.for_heads(heads)  # type: ignore[arg-type]


@pytest.mark.parametrize("bias", [ALiBi(SLOPES), RelativeBias(TABLE), TensorBias(FULL), TensorBias(THIN)], ids=repr)
def test_with_tensors_differentiates_a_tile(bias: Bias) -> None:
    (own,) = bias.tensors()
    leaf = own.clone().requires_grad_()
    twin = bias.with_tensors((leaf,))
    assert type(twin) is type(bias)
    assert twin.tensors()[0] is leaf
    assert twin == bias
    here = place()
    torch.autograd.gradcheck(lambda t: bias.with_tensors((t,)).tile(range(1, 4), range(2, 6), here), (leaf,))


def test_with_tensors_takes_as_many_as_there_are() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        ALiBi(SLOPES).with_tensors((SLOPES, SLOPES))


def test_sink_logits_are_not_added() -> None:
    SinkLogits(SLOPES).check(place())
    with pytest.raises(NotImplementedError):
        SinkLogits(SLOPES).tile(range(1), range(1), place())
    Bias().check(place())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ALiBi([0.5]), r"ALiBi\(slopes=\.\.\.\) takes a float tensor, got \[0.5\]"),  # type: ignore[arg-type]
        (lambda: ALiBi(torch.tensor([1, 2])), r"ALiBi\(slopes=\.\.\.\) takes a float tensor, got an int64 tensor"),
        (lambda: SinkLogits(0.0), r"SinkLogits\(per_head=\.\.\.\) takes a float tensor, got 0.0"),  # type: ignore[arg-type]
        (lambda: RelativeBias(None), r"RelativeBias\(table=\.\.\.\) takes a float tensor, got None"),  # type: ignore[arg-type]
        (
            lambda: RelativeBias(floats(3, 4)),
            r"float64 tensor of shape \(3, 4\)\): expected \(heads, 2 \* reach \+ 1\), an odd",
        ),
        (lambda: RelativeBias(floats(5)), r"expected \(heads, 2 \* reach \+ 1\)"),
        (lambda: TensorBias(torch.ones(2, 2, dtype=torch.bool)), "bias=a bool tensor.* a bool tensor belongs in mask="),
        (
            lambda: TensorBias(torch.ones(2, 2, dtype=torch.int64)),
            r"bias=an int64 tensor of shape \(2, 2\): expected a float",
        ),
        (
            lambda: TensorBias(floats(2, 2, 2)),
            r"of shape \(query_len, key_len\) or \(batch, heads, query_len, key_len\)",
        ),
        (lambda: TensorBias(3.0), r"bias=3.0: expected a float tensor"),  # type: ignore[arg-type]
    ],
)
def test_a_bias_is_checked_where_it_is_made(make: Callable[[], Bias], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make()


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (ALiBi(floats(2)), r"ALiBi\(slopes\) has shape \(2,\); expected \(3,\), one number a head"),
        (SinkLogits(floats(3, 1)), r"SinkLogits\(per_head\) has shape \(3, 1\); expected \(3,\)"),
        (RelativeBias(floats(1, 5)), "table has 1 rows but there are 3 heads: pass one row a query head"),
        (
            TensorBias(floats(7, 5)),
            r"bias has shape \(7, 5\), which does not broadcast to \(5, 7\): .* 1 where it repeats",
        ),
        (TensorBias(floats(2, 2, 5, 7)), r"does not broadcast to \(2, 3, 5, 7\)"),
    ],
)
def test_a_bias_must_fit(bias: Bias, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        bias.check(place())


def test_what_may_stand_in_bias() -> None:
    alibi, sink = ALiBi(SLOPES), SinkLogits(SLOPES)
    assert as_biases(None) == ()
    assert as_biases(()) == ()
    assert as_biases(alibi) == (alibi,)
    assert as_biases(FULL) == (TensorBias(FULL),)
    assert as_biases([alibi, FULL, sink]) == (alibi, TensorBias(FULL), sink)


@pytest.mark.parametrize("given", [3.0, "alibi", ALiBi, (ALiBi(SLOPES), None), Causal()])
def test_what_may_not_stand_in_bias(given: object) -> None:
    with pytest.raises(SpecError, match=r"bias=.*: expected None, a float tensor, a bias such as ALiBi\(slopes\)"):
        as_biases(given)


def test_a_head_has_one_sink_logit() -> None:
    with pytest.raises(SpecError, match="bias holds two SinkLogits: a head has one sink logit; log-add them into one"):
        as_biases((SinkLogits(SLOPES), SinkLogits(SLOPES)))
