"""Scores: the dot form against each score's own formula, entry by entry in float64, gradients included."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from regard.spec import ActivatedDot, Additive, Cosine, Dot, General, ScaledDot, Score, ShapeError, SpecError

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, DIM = 2, 6, 3, 5, 7, 11
Entry = Callable[[Tensor, Tensor, int], Tensor]  # (query vector, key vector, head) -> score


def floats(*shape: int, seed: int = 0) -> Tensor:
    made = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return made.requires_grad_()


VECTOR, PER_HEAD = floats(DIM, seed=1), floats(HEADS, DIM, seed=2)
OFFSETS, SCALES = floats(HEADS, seed=3), floats(HEADS, seed=4)
WEIGHT, WEIGHTS = floats(DIM, 4, seed=5), floats(HEADS, DIM, 4, seed=6)

CASES: list[tuple[Score, Entry]] = [
    (Dot(), lambda q, k, h: q @ k),
    (ScaledDot(), lambda q, k, h: q @ k / math.sqrt(11)),
    (ScaledDot(0.3), lambda q, k, h: 0.3 * (q @ k)),
    (ScaledDot(-2), lambda q, k, h: -2 * (q @ k)),
    (ScaledDot(softcap=1.5), lambda q, k, h: 1.5 * torch.tanh(q @ k / math.sqrt(11) / 1.5)),
    (ScaledDot(2.0, softcap=5), lambda q, k, h: 5 * torch.tanh(2 * (q @ k) / 5)),
    (Cosine(), lambda q, k, h: q @ k / (q @ q * (k @ k)).sqrt()),
    (Cosine(4), lambda q, k, h: 4 * (q @ k) / (q @ q * (k @ k)).sqrt()),
    (Cosine(SCALES), lambda q, k, h: SCALES[h] * (q @ k) / (q @ q * (k @ k)).sqrt()),
    (General(WEIGHT), lambda q, k, h: q @ (WEIGHT @ k)),
    (General(WEIGHTS), lambda q, k, h: q @ (WEIGHTS[h] @ k)),
    (ActivatedDot(VECTOR), lambda q, k, h: torch.sigmoid(q @ k + VECTOR @ k)),
    (ActivatedDot(VECTOR, 0.7, "tanh"), lambda q, k, h: torch.tanh(q @ k + VECTOR @ k + 0.7)),
    (ActivatedDot(PER_HEAD, OFFSETS, "relu"), lambda q, k, h: torch.relu(q @ k + PER_HEAD[h] @ k + OFFSETS[h])),
    (ActivatedDot(PER_HEAD, -1, "identity"), lambda q, k, h: q @ k + PER_HEAD[h] @ k - 1),
]
IDS = [repr(score) for score, _ in CASES]


def inputs(score: Score) -> tuple[Tensor, Tensor]:
    key_dim = 4 if isinstance(score, General) else DIM
    return floats(BATCH, HEADS, QUERIES, DIM, seed=7), floats(BATCH, KV_HEADS, KEYS, key_dim, seed=8)


def through_prepare(score: Score, query: Tensor, key: Tensor) -> Tensor:
    score.check(query, key)
    made = score.prepare(query, key)
    assert made.query.shape[:3] == query.shape[:3]
    assert made.key.shape[:3] == key.shape[:3]  # keys stay shared between the heads of a group
    return made.curve.apply(made.scale * made.query @ made.key.repeat_interleave(HEADS // KV_HEADS, 1).mT)


def literal(entry: Entry, query: Tensor, key: Tensor) -> Tensor:
    rows = [
        entry(query[b, h, i], key[b, h // (HEADS // KV_HEADS), j], h)
        for b in range(BATCH)
        for h in range(HEADS)
        for i in range(QUERIES)
        for j in range(KEYS)
    ]
    return torch.stack(rows).reshape(BATCH, HEADS, QUERIES, KEYS)


@pytest.mark.parametrize(("score", "entry"), CASES, ids=IDS)
def test_the_dot_form_is_the_formula(score: Score, entry: Entry) -> None:
    assert score.dot_family
    query, key = inputs(score)
    torch.testing.assert_close(through_prepare(score, query, key), literal(entry, query, key), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("score", "entry"), CASES, ids=IDS)
def test_gradients_flow_through_the_dot_form(score: Score, entry: Entry) -> None:
    query, key = inputs(score)
    wanted = (query, key, *score.tensors())
    pull = floats(BATCH, HEADS, QUERIES, KEYS, seed=9).detach()
    found = torch.autograd.grad(through_prepare(score, query, key), wanted, pull)
    expected = torch.autograd.grad(literal(entry, query, key), wanted, pull)
    for have, want in zip(found, expected, strict=True):
        torch.testing.assert_close(have, want, rtol=1e-11, atol=1e-11)


def test_the_published_example_with_one_hot_words() -> None:
    """One-hot words, u = 0 and b = 0: a word scores σ(1) with itself and σ(0) with the others, so it weighs .386."""
    words = torch.eye(3)[None, None]
    made = ActivatedDot(torch.zeros(3)).prepare(words, words)
    weights = made.curve.apply(made.query @ made.key.mT).softmax(-1)
    assert weights[0, 0, 0].tolist() == pytest.approx([0.386, 0.307, 0.307], abs=5e-4)


def test_scaled_dot_of_vectors_without_size() -> None:
    assert ScaledDot().factor(0) == 1.0
    assert ScaledDot().factor(64) == 0.125
    assert ScaledDot(3).factor(64) == 3.0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_zero_vector_scores_0_and_has_a_finite_gradient(dtype: torch.dtype) -> None:
    query = torch.zeros(1, 1, 1, 3, dtype=dtype, requires_grad=True)
    key = torch.tensor([[[[0.0, 0, 0], [1, 2, 2]]]], dtype=dtype)
    made = Cosine(5.0).prepare(query, key)
    assert (made.query @ made.key.mT * made.scale).flatten().tolist() == [0.0, 0.0]
    (gradient,) = torch.autograd.grad((made.query @ made.key.mT).sum(), query)
    assert gradient.abs().max() <= 1


def test_cosine_of_large_half_precision_vectors() -> None:
    vector = torch.full((1, 1, 1, 4), 4e4, dtype=torch.float16)  # its length, 8e4, is beyond float16
    made = Cosine().prepare(vector, -vector)
    assert made.query.dtype == torch.float16
    assert (made.query @ made.key.mT).item() == -1.0


def test_score_tensors_are_taken_in_the_queries_dtype() -> None:
    query, key = torch.ones(1, HEADS, 1, DIM, dtype=torch.bfloat16), torch.ones(1, 1, 1, DIM, dtype=torch.bfloat16)
    for score in (
        General(torch.ones(DIM, DIM)),
        Cosine(torch.ones(HEADS)),
        ActivatedDot(torch.ones(DIM), torch.ones(HEADS)),
    ):
        made = score.prepare(query, key)
        assert made.query.dtype == made.key.dtype == torch.bfloat16


def test_additive_is_not_of_the_dot_family() -> None:
    assert not Additive(VECTOR).dot_family
    with pytest.raises(NotImplementedError):
        Additive(VECTOR).prepare(*inputs(Dot()))
    Additive(VECTOR).check(*inputs(Dot()))
    Additive(PER_HEAD).check(*inputs(Dot()))


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), "1", True, torch.tensor(0.5)])
def test_a_scale_is_a_finite_number(scale: object) -> None:
    with pytest.raises(
        SpecError, match=r"ScaledDot\(scale=.*\): expected a finite number, or None for 1/sqrt\(dim\); .* Dot"
    ):
        ScaledDot(scale)  # type: ignore[arg-type]
    if not isinstance(scale, Tensor):
        with pytest.raises(
            SpecError, match=r"Cosine\(scale=.*\): expected a finite number or a \(heads,\) float tensor"
        ):
            Cosine(scale)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScaledDot(softcap=0), "softcap=0: expected a finite number above 0"),
        (lambda: Cosine(torch.tensor([1, 2])), r"Cosine\(scale=\.\.\.\) takes a float tensor, got an int64 tensor"),
        (lambda: General([1.0]), r"General\(weight=\.\.\.\) takes a float tensor, got \[1.0\]"),  # type: ignore[arg-type]
        (lambda: Additive(None), r"Additive\(vector=\.\.\.\) takes a float tensor, got None"),  # type: ignore[arg-type]
        (lambda: ActivatedDot(1.0), r"ActivatedDot\(key_vector=\.\.\.\)"),  # type: ignore[arg-type]
        (lambda: ActivatedDot(VECTOR, torch.tensor([1])), r"ActivatedDot\(bias=\.\.\.\) takes a float tensor"),
        (lambda: ActivatedDot(VECTOR, None), r"ActivatedDot\(bias=None\): expected a finite number"),  # type: ignore[arg-type]
        (lambda: ActivatedDot(VECTOR, 0.0, "softplus"), "activation='softplus': expected one of identity, sigmoid"),
    ],
)
def test_a_score_is_checked_where_it_is_made(make: Callable[[], Score], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


@pytest.mark.parametrize("score", [Dot(), ScaledDot(), Cosine(), Additive(VECTOR), ActivatedDot(VECTOR)])
def test_vectors_of_two_sizes_need_a_weight(score: Score) -> None:
    query, key = inputs(General(WEIGHT))
    name = type(score).__name__
    message = rf"{name} compares vectors of one size, got query dim 11 and key dim 4: project .* use General\(weight\)"
    with pytest.raises(ShapeError, match=message):
        score.check(query, key)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (General(VECTOR), r"General\(weight\) has shape \(11,\); expected \(11, 11\) or \(6, 11, 11\)"),
        (General(WEIGHTS[:5]), r"General\(weight\) has shape \(5, 11, 4\)"),
        (Cosine(floats(3)), r"Cosine\(scale\) has shape \(3,\); expected \(6,\)"),
        (Cosine(floats()), r"Cosine\(scale\) has shape \(\); expected \(6,\)"),
        (Additive(floats(6)), r"Additive\(vector\) has shape \(6,\); expected \(11,\) or \(6, 11\)"),
        (ActivatedDot(floats(3, 11)), r"ActivatedDot\(key_vector\) has shape \(3, 11\); expected \(11,\) or \(6, 11\)"),
        (ActivatedDot(VECTOR, floats(1)), r"ActivatedDot\(bias\) has shape \(1,\); expected \(6,\)"),
    ],
)
def test_score_tensors_must_fit(score: Score, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        score.check(*inputs(Dot()))


def test_the_base_has_no_dot_form() -> None:
    with pytest.raises(NotImplementedError):
        Score().prepare(*inputs(Dot()))
