"""Figures that are trained: values and gradients against autograd through the whole matrix, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from regard import ActivatedDot, Additive, ALiBi, Causal, Cosine, General, ScaledDot, SinkLogits, Window
from regard.engine.trained import figures
from regard.spec import Padding, RelativeBias
from regard.spec.bias import TensorBias
from regard.spec.errors import ShapeError, SpecError
from regard.spec.measure import Distance, OffDiagonal, OnKeys
from regard.spec.request import Request, request


def _scores(asked: Request) -> tuple[Tensor, Tensor]:
    """(scores with biases (b, h, n, m), allowed) in plain operations that autograd follows."""
    key = asked.key.repeat_interleave(asked.groups, 1)
    if isinstance(asked.score, Additive):
        scores = (torch.tanh(asked.query[:, :, :, None] + key[:, :, None]) * asked.score.vector).sum(-1)
    else:
        made = asked.score.prepare(asked.query, key)
        scores = made.curve.apply(made.query @ made.key.mT * made.scale)
    place = asked.place
    allowed = torch.ones(scores.shape, dtype=torch.bool)
    if asked.mask is not None:
        allowed = allowed & asked.mask.tile(place.rows, place.cols, place)
    for bias in asked.biases:
        scores = scores + bias.tile(place.rows, place.cols, place)
    return scores, allowed


def _truth(asked: Request, measures: tuple[object, ...]) -> list[Tensor]:
    scores, allowed = _scores(asked)
    scores = scores.masked_fill(~allowed, -1e30)
    if asked.sink is not None:
        logit = asked.sink.per_head.to(scores)[:, None, None].expand(*scores.shape[:3], 1)
        scores = torch.cat((scores, logit), -1)
    empty = ~allowed.any(-1)
    logs = scores.log_softmax(-1)[..., : allowed.shape[-1]]
    weights = torch.where(allowed, logs.exp(), 0.0)
    entropy = -(weights * torch.where(allowed, logs, 0.0)).sum(-1)
    place = asked.place
    means = [(weights * m.tile(place.rows, place.cols, place).to(weights)).sum(-1) for m in measures]  # type: ignore[attr-defined]
    return [scores.logsumexp(-1).masked_fill(empty, 0.0), entropy, weights.sum(-2), *means]


def _case(name: str) -> tuple[tuple[Tensor, ...], dict[str, object]]:
    source = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=source).requires_grad_()

    q, k, v = draw(2, 6, 13, 5), draw(2, 3, 17, 5), draw(2, 3, 17, 2)
    made: dict[str, dict[str, object]] = {
        "plain": {},
        "causal": {"mask": Causal() & Window(6, 0)},
        "empty rows": {"mask": Padding(torch.tensor([0, 11]))},
        "softcap": {"score": ScaledDot(softcap=2.0)},
        "cosine": {"score": Cosine(draw(6))},
        "general": {"score": General(draw(6, 5, 5))},
        "activated": {"score": ActivatedDot(draw(5), bias=0.3)},
        "additive": {"score": Additive(draw(5))},
        "bias": {"bias": (TensorBias(draw(1, 6, 13, 17)), ALiBi.for_heads(6))},
        "relative": {"bias": RelativeBias(draw(6, 9))},
        "sink": {"bias": SinkLogits(draw(6)), "mask": Causal()},
        "sink and empty rows": {"bias": SinkLogits(draw(6)), "query_start": -4, "mask": Causal()},
    }
    return (q, k, v), made[name]


CASES = ["plain", "causal", "empty rows", "softcap", "cosine", "general", "activated"]
CASES += ["additive", "bias", "relative", "sink", "sink and empty rows"]


@pytest.mark.parametrize("name", CASES)
def test_figures_and_gradients_are_those_of_the_whole_matrix(name: str) -> None:
    (q, k, v), options = _case(name)
    asked = request(q, k, v, **options)  # type: ignore[arg-type]
    measures = (Distance(), OnKeys(torch.linspace(-1, 2, 17, dtype=torch.float64).sin()), OffDiagonal(0.3))
    found = figures(asked, *measures)
    got = [torch.where(torch.isneginf(found.lse), 0.0, found.lse), found.entropy, found.received, *found.means]
    expected = _truth(asked, measures)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    source = torch.Generator().manual_seed(5)
    turns = [torch.randn(t.shape, dtype=t.dtype, generator=source) for t in expected]
    leaves = [t for t in asked.tensors() if t.requires_grad and t is not v]
    ours = torch.autograd.grad(sum((a * b).sum() for a, b in zip(got, turns, strict=True)), leaves, allow_unused=True)  # type: ignore[arg-type]
    theirs = torch.autograd.grad(
        sum((a * b).sum() for a, b in zip(expected, turns, strict=True)),  # type: ignore[arg-type]
        leaves,
        allow_unused=True,
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one is not None
        assert other is not None
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_each_figure_alone_has_its_gradient() -> None:
    """A wrong sign in one figure could hide behind another's larger gradient."""
    for index in range(6):
        (q, k, v), options = _case("sink")
        asked = request(q, k, v, **options)  # type: ignore[arg-type]
        measures = (Distance(), OnKeys(torch.arange(17) < 5), OffDiagonal())
        found = figures(asked, *measures)
        got = [found.lse, found.entropy, found.received, *found.means][index]
        expected = _truth(asked, measures)[index]
        assert asked.sink is not None
        leaves = (q, k, asked.sink.per_head)
        for one, other in zip(
            torch.autograd.grad(got.square().sum(), leaves),
            torch.autograd.grad(expected.square().sum(), leaves),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_many_tiles_in_float32_and_grouped_heads() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(1, 2, 700, 8, requires_grad=True), torch.randn(1, 1, 2311, 8, requires_grad=True)
    asked = request(q, k, k, mask=Causal())
    got, expected = figures(asked, Distance()), _truth(asked, (Distance(),))
    torch.testing.assert_close(got.means[0], expected[3], rtol=2e-5, atol=1e-3)
    ours = torch.autograd.grad(got.entropy.sum() + got.means[0].mean(), (q, k))
    theirs = torch.autograd.grad(expected[1].sum() + expected[3].mean(), (q, k))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_measures_that_can_be_counted_by_hand() -> None:
    q, k = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 2)
    found = figures(request(q, k, k), Distance(), OnKeys(torch.tensor([True, False, False, True])), OffDiagonal(0.25))
    assert found.means[0].tolist() == [[[1.0, 1.5]]]  # from 2: 2 1 0 1; from 3: 3 2 1 0
    assert found.means[1].tolist() == [[[0.5, 0.5]]]
    first = 1 - torch.exp(torch.tensor([0.0, -0.5, -2.0, -4.5]))  # query 0 / 2 against keys 0, 1/4, 2/4, 3/4
    torch.testing.assert_close(found.means[2][0, 0, 0], first.mean())
    torch.testing.assert_close(found.entropy, torch.full((1, 1, 2), 4.0).log())
    assert found.received.tolist() == [[[0.5, 0.5, 0.5, 0.5]]]


def test_what_is_no_measure_is_refused() -> None:
    q = torch.zeros(1, 1, 3, 2)
    asked = request(q, q, q)
    with pytest.raises(SpecError, match=r"expected measures, such as Distance\(\)"):
        figures(asked, "distance")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"OnKeys\(values\) has shape \(4,\); expected \(3,\) or \(1, 3\) or"):
        figures(asked, OnKeys(torch.zeros(4)))
    with pytest.raises(SpecError, match=r"OffDiagonal\(width=0\): expected a finite number above 0"):
        OffDiagonal(0)
