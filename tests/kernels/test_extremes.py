"""Scores of ten thousand, inputs of every size, biases of minus infinity: no overflow, and still right."""

from __future__ import annotations

import pytest
import torch
from tests.cases import TABLE
from tests.comparison import check, hold, truth

from regard.kernels import tiles
from regard.kernels.row import Row
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Causal,
    Cosine,
    Dot,
    General,
    RelativeBias,
    Request,
    ScaledDot,
    Score,
    SinkLogits,
    request,
)
from regard.spec.request import DTYPES

HUGE: list[Score] = [
    Dot(),
    ScaledDot(1.0),
    ScaledDot(1.0, softcap=50.0),
    General(torch.eye(2)),
    ActivatedDot(torch.zeros(2), 0.0, "identity"),
    ActivatedDot(torch.zeros(2), 0.0, "sigmoid"),
    ActivatedDot(torch.zeros(2), 0.0, "relu"),
    Cosine(1e4),
    Additive(torch.tensor([5e3, 5e3])),
]


def able(row: Row, asked: Request) -> bool:
    curve = getattr(asked.score, "_curve", None)
    return type(asked.score) in row.scores and (row.curved or curve is None or curve.straight)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("score", HUGE, ids=repr)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_scores_of_ten_thousand(row: Row, score: Score, dtype: torch.dtype) -> None:
    """q · k is 10,000, 0 and -10,000: the first key takes all the weight, and the lse is its score."""
    q = torch.tensor([[[[100.0, 0.0], [-100.0, 0.0]]]], dtype=dtype, requires_grad=True)
    k = torch.tensor([[[[100.0, 0.0], [0.0, 1.0], [-100.0, 0.0]]]], dtype=dtype, requires_grad=True)
    v = torch.tensor([[[[1.0], [2.0], [3.0]]]], dtype=dtype, requires_grad=True)
    asked = request(q, k, v, score=score)
    if able(row, asked):
        output, lse = row.run(asked)
        true = truth(asked)
        hold("output", output, true.output, 1e-2 if dtype in (torch.bfloat16, torch.float16) else 1e-5)
        if row.gradients:
            found = torch.autograd.grad(output.float().sum(), (q, k, v))
            assert all(torch.isfinite(g).all() for g in found)
        if isinstance(score, Dot):
            assert output.flatten().tolist() == [1.0, 3.0]
            assert lse is None or lse.flatten().tolist() == pytest.approx(
                [10_000.0, 10_000.0], rel=min(1e-7, torch.finfo(lse.dtype).eps)
            )


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-3, 1.0, 30.0, 1e3])
def test_inputs_of_every_size(row: Row, scale: float) -> None:
    source = torch.Generator().manual_seed(0)
    shapes = ((1, 2, 5, 3), (1, 2, 7, 3), (1, 2, 7, 4))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64) for s in shapes)
    q, k, v = (scale * q).requires_grad_(), k.requires_grad_(), v.requires_grad_()
    for score in (ScaledDot(), Additive(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))):
        if type(score) in row.scores:
            asked = request(q, k, v, score=score, mask=Causal())
            check(row, asked, truth(asked))


@pytest.mark.parametrize("edge", [7.9, 8.1, 20.0, 400.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_additive_on_both_sides_of_its_limit(edge: float, dtype: torch.dtype) -> None:
    """Up to |q|, |k| = 8 the tanh comes from exponentials; beyond, exp(2q + 2k) would lose digits, then overflow."""
    q = torch.tensor([edge, -edge, 0.0, 0.1], dtype=dtype).view(1, 1, 4, 1).requires_grad_()
    k = torch.tensor([edge, -edge, 0.3, -0.1, 0.0], dtype=dtype).view(1, 1, 5, 1).requires_grad_()
    v = torch.arange(5, dtype=dtype).view(1, 1, 5, 1).requires_grad_()
    asked = request(q, k, v, score=Additive(torch.tensor([3.0], dtype=dtype).requires_grad_()))
    check(next(row for row in TABLE if row.name == "additive"), asked, truth(asked))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_biases_that_differ_by_less_than_their_own_rounding(row: Row, dtype: torch.dtype) -> None:
    """Queries far ahead of the keys: biases near -2,500 that differ by 0.5, which bfloat16 and float16 cannot tell
    apart. The softmax of float32 biases must."""
    source = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, n, 4, generator=source).to(dtype) for n in (3, 7, 7))
    score = ScaledDot() if ScaledDot in row.scores else Additive(torch.ones(4))
    asked = request(q, k, v, score=score, bias=ALiBi(torch.tensor([0.5])), query_start=5000)
    true = truth(asked)
    output, _ = row.run(asked)
    # float32 holds -2,500 to 2.4e-4
    hold("output", output, true.output, 5e-4 + 4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("logit", [-1e4, -50.0, 0.0, 50.0, 1e4])
@pytest.mark.parametrize("row", [row for row in TABLE if row.sink], ids=lambda row: row.name)
def test_sinks_of_every_size(row: Row, logit: float) -> None:
    source = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, n, 4, generator=source, dtype=torch.float64).requires_grad_() for n in (3, 7, 7))
    score = ScaledDot() if ScaledDot in row.scores else Additive(torch.ones(4, dtype=torch.float64))
    sink = SinkLogits(torch.tensor([logit, 0.0], dtype=torch.float64).requires_grad_())
    asked = request(q, k, v, score=score, bias=sink)
    check(row, asked, truth(asked))


@pytest.mark.parametrize("tile_scores", [1, tiles.TILE_SCORES])
@pytest.mark.parametrize("row", [row for row in TABLE if row.bias_gradients], ids=lambda row: row.name)
def test_a_shared_number_gathers_its_gradient_in_float32(
    row: Row, tile_scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 4,096 rows' lse rises by 1 when every score does: 4,096. In bfloat16, 1/8 + 1/8 + ... (8 keys, within a
    tile of 128 rows) stops growing at 32, and 8 + 8 + ... (tiles of 8 rows) at 2,048."""
    monkeypatch.setattr(tiles, "TILE_SCORES", tile_scores)
    table = torch.zeros(1, 1, dtype=torch.bfloat16, requires_grad=True)
    q, k = torch.zeros(1, 1, 4096, 2, dtype=torch.bfloat16), torch.zeros(1, 1, 8, 2, dtype=torch.bfloat16)
    score = ScaledDot() if ScaledDot in row.scores else Additive(torch.ones(2))
    _, lse = row.run(request(q, k, k, score=score, bias=RelativeBias(table)))
    assert lse is not None
    lse.sum().backward()
    assert table.grad is not None
    assert (table.grad.item(), table.grad.dtype) == (4096, torch.bfloat16)
