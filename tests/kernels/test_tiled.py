"""The fast way of `streaming`: many small tiles against the truth, forward and backward, and who takes which way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tests import cases, strips
from tests.comparison import check, gradients_of, hold, noise_of, truth
from tests.strips import BATCH, HEADS, KEYS, QUERIES, counted, small_strips

from regard.kernels import layout, tiled
from regard.kernels.table import row
from regard.spec import (
    ALiBi,
    Causal,
    Dense,
    Documents,
    Dot,
    Padding,
    Request,
    ScaledDot,
    SinkLogits,
    TensorBias,
    Window,
    request,
)
from regard.spec.request import DTYPES

ROW = row("streaming")
assert ROW is not None


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small_strips():
        yield


def hold_fast(asked: Request, *, gradients: bool = True, way: str | None = None) -> None:
    """The call against the truth, and that it was the fast way that was held."""
    assert ROW is not None
    with counted() as taken:
        check(ROW, asked, truth(asked), gradients=gradients)
    assert taken["forward"] == 1
    assert not taken["careful"]
    assert taken["backward"] == int(gradients and asked.wants_gradient())
    if way is not None:
        other = {"bounded": "shifted", "shifted": "bounded"}[way]
        assert taken[way] > 1
        assert not taken[other]


# --- every mask, bias, place and dtype


@pytest.mark.parametrize("start", strips.STARTS)
@pytest.mark.parametrize("mask", strips.masks())
def test_every_mask_anywhere(mask: str, start: int | None) -> None:
    assert ROW is not None
    asked, true = strips.call(mask, "no bias", torch.float64, start)
    with counted() as taken:
        check(ROW, asked, true)
    assert (taken["forward"], taken["backward"], taken["careful"], taken["shifted"]) == (1, 1, 0, 0)
    lanes = 1 if mask in ("padding", "documents of each item", "dense", "thin dense") else BATCH
    assert taken["bounded"] >= (0 if start is not None or mask == "nothing" else 2 * lanes)


@pytest.mark.parametrize("bias", [bias for bias in strips.biases(torch.float64) if bias != "no bias"])
@pytest.mark.parametrize("mask", ["no mask", "padding", "packed", "dense", "sinks and window"])
def test_every_bias(mask: str, bias: str) -> None:
    """Biases that learn nothing; a sink that does."""
    hold_fast(strips.call(mask, bias, torch.float64, None)[0], way="bounded" if bias == "sink" else "shifted")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", ["no mask", "causal", "documents of each item", "dense of a head", "holes"])
def test_every_dtype(mask: str, dtype: torch.dtype) -> None:
    for bias in ("no bias", "all at once"):
        hold_fast(strips.call(mask, bias, dtype, None)[0])


@pytest.mark.parametrize("score", ["dot", "scaled by -.3", "cosine a head", "general a head", "straight"])
def test_every_straight_score(score: str) -> None:
    for mask in ("causal but not near", "documents", "padded keys and queries"):
        hold_fast(cases.asked(score, mask, "sink"))


@pytest.mark.parametrize("score", ["softcap", "sigmoid", "tanh a head", "relu"])
def test_curved_scores_go_forward_only(score: str) -> None:
    for mask in ("causal but not near", "documents", "nothing"):
        for bias in ("no bias", "all at once"):
            asked = cases.asked(score, mask, bias)
            with torch.no_grad():
                hold_fast(asked, gradients=False)
            with counted() as taken:
                check(ROW, asked, truth(asked))  # type: ignore[arg-type]
            assert taken["careful"] == 1
            assert not taken["forward"]


@pytest.mark.parametrize("score", ["scaled", "softcap", "cosine a head"])
def test_the_grid_without_gradients(score: str) -> None:
    """Biases that would learn, if any gradient were wanted."""
    with torch.no_grad():
        for mask in cases.masks():
            for bias in ("tensor", "learned alibi", "relative", "all at once"):
                hold_fast(cases.asked(score, mask, bias, torch.float32), gradients=False)


@pytest.mark.parametrize("height", [1, 3, 64])
@pytest.mark.parametrize("width", [1, 13, 64])
def test_tiles_of_any_size(height: int, width: int) -> None:
    for mask in ("sinks and window", "packed", "dense"):
        asked = strips.asked(mask)
        with small_strips(height, grain=height, width=width):
            hold_fast(asked)


def test_what_lies_otherwise_in_memory() -> None:
    """Heads beside each other, as projections give them; every other number of a wider tensor."""
    q, k, v = strips.inputs(torch.float32)
    turned = tuple(t.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for t in (q, k, v))
    spread = tuple(t.detach().repeat_interleave(2, -1)[..., ::2].requires_grad_() for t in (q, k, v))
    for inputs in (turned, spread):
        for mask in (Causal(), Padding(torch.tensor([31, 47]))):
            asked = request(*inputs, mask=mask)
            assert not asked.query.is_contiguous()
            hold_fast(asked)


def test_an_upstream_gradient_that_is_one_number() -> None:
    """`output.sum()` sends back an expanded tensor of strides 0."""
    asked = strips.asked("window")
    output, lse = ROW.run(asked)  # type: ignore[union-attr]
    assert lse is not None
    found = torch.autograd.grad(output.sum() + lse.sum(), (asked.query, asked.key, asked.value))
    true = truth(asked)
    ones = replace(true, upstream=(torch.ones_like(true.output), torch.ones_like(true.lse)))
    again = gradients_of(asked, *ROW.run(asked), ones.upstream)  # type: ignore[union-attr]
    for got, want in zip(found, again, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("wanted", ["query", "key", "value", "sink"])
def test_a_gradient_for_one_tensor_alone(wanted: str) -> None:
    q, k, v = (t.detach() for t in strips.inputs(torch.float64))
    sink = torch.linspace(-1, 1, HEADS, dtype=torch.float64)
    {"query": q, "key": k, "value": v, "sink": sink}[wanted].requires_grad_()
    asked = request(q, k, v, mask=Window(5, 2), bias=SinkLogits(sink))
    assert ROW is not None
    with counted() as taken:
        check(ROW, asked, truth(asked))
    assert (taken["forward"], taken["careful"]) == (1, 0)


@pytest.mark.parametrize("mask", ["causal", "padding", "nothing", "dense"])
def test_the_output_is_the_same_whether_or_not_a_gradient_is_wanted(mask: str) -> None:
    for dtype in DTYPES:
        asked = strips.asked(mask, "sink", dtype)
        plain = replace(asked, **{name: getattr(asked, name).detach() for name in ("query", "key", "value")})
        for got, want in zip(ROW.run(asked), ROW.run(plain), strict=True):  # type: ignore[union-attr]
            assert torch.equal(got, want)  # type: ignore[arg-type]
        with torch.no_grad():
            assert torch.equal(ROW.run(asked)[0], ROW.run(plain)[0])  # type: ignore[union-attr]


def test_a_second_derivative_is_refused() -> None:
    q, k, v = strips.inputs(torch.float64)
    with counted() as taken:
        output, _ = ROW.run(request(q, k, v))  # type: ignore[union-attr]
        (first,) = torch.autograd.grad(output.square().sum(), q, create_graph=True)
    assert taken["backward"] == 1
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_under_autocast_the_tiles_are_not_made_smaller() -> None:
    asked = strips.asked("causal", dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hold_fast(asked)


# --- large scores


def sized(size: float, mask: str = "causal", dtype: torch.dtype = torch.float64, **more: object) -> Request:
    """A call of which the largest |query| * |key| * scale is `size` natural units."""
    q, k, _ = strips.inputs(torch.float64)
    longest = float((q.norm(dim=-1).amax() * k.norm(dim=-1).amax()).detach()) * q.shape[3] ** -0.5
    return strips.asked(mask, dtype=dtype, size=size / longest, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("size", "way"), [(1e-6, "bounded"), (5.0, "bounded"), (40.0, "bounded"), (43.0, "shifted"), (200.0, "shifted")]
)
def test_both_ways_on_both_sides_of_the_bound(size: float, way: str, dtype: torch.dtype) -> None:
    """60 in log2 is 41.6 in natural units."""
    for mask in ("no mask", "causal", "documents of each item", "holes"):
        hold_fast(sized(size, mask, dtype), way=way)


@pytest.mark.parametrize("mask", ["no mask", "causal", "packed", "the last key alone"])
def test_scores_of_ten_thousand(mask: str) -> None:
    hold_fast(sized(1e4, mask), way="shifted")
    hold_fast(sized(1e4, mask, torch.float32), way="shifted")


@pytest.mark.parametrize("level", [-1e4, -200.0, -40.0, 40.0, 200.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_row_whose_scores_are_all_at_one_level(level: float, dtype: torch.dtype) -> None:
    """Query 3 scores about `level` on every key, the others about 0: its weights must not vanish, nor overflow."""
    q, k, v = (t.detach() for t in strips.inputs(dtype))
    k[..., 0], q[..., 0] = 1.0, 0.0
    q[:, :, 3] = 0.01
    q[:, :, 3, 0] = level
    for mask in (None, Causal(), Padding(torch.tensor([31, 47]))):
        asked = request(q.requires_grad_(), k.requires_grad_(), v.requires_grad_(), score=Dot(), mask=mask)
        hold_fast(asked, way="shifted" if abs(level) > 60 else None)
        found = ROW.run(asked)[1]  # type: ignore[union-attr]
        assert found is not None
        assert bool(((found[:, :, 3] - level).abs() < 5).all())


@pytest.mark.parametrize("exponent", [-30, -20, 10, 20, 30])
def test_values_of_any_size(exponent: int) -> None:
    """Weights of 2^60 times values of 10^25 would overflow, 2^-60 times 10^-25 vanish."""
    for level in (-40.0, 40.0):
        q, k, v = (t.detach().float() for t in strips.inputs(torch.float64))
        q[..., 1:], k[..., 1:] = 0.01 * q[..., 1:], 0.01 * k[..., 1:]
        q[..., 0], k[..., 0] = level, 1.0
        value = (v * 10.0**exponent).clone()
        plain, large = (request(q, k, each, score=Dot(), mask=Causal()) for each in (v, value))
        with counted() as taken:
            got, want = ROW.run(large)[0], truth(plain, gradients=False).output  # type: ignore[union-attr]
        assert taken["forward"] == 1
        assert bool(taken["bounded"]) == (abs(exponent) < 12)
        hold("output", got.double() * 10.0**-exponent, want, noise_of(ROW, plain, 60.0))  # type: ignore[arg-type]


def test_a_bias_of_ten_thousand_on_some_keys() -> None:
    for level in (-1e4, 1e4):
        bias = torch.zeros(KEYS).index_fill(0, torch.arange(5, 20), level)[None]
        for mask in (None, Window(9, 0)):
            hold_fast(request(*strips.inputs(torch.float32), mask=mask, bias=bias), way="shifted")


@pytest.mark.parametrize("low", [-1e30, -3e38, torch.finfo(torch.float32).min])
def test_a_bias_that_is_low_but_finite_makes_no_empty_row(low: float) -> None:
    """Such numbers stand for "not allowed" in many programs; where a whole row has them, all its keys count alike."""
    bias = torch.zeros(QUERIES, KEYS)
    bias[:, 9:], bias[4] = low, low
    asked = request(*(t.detach() for t in strips.inputs(torch.float32)), bias=bias)
    true = truth(asked)
    hold("output", ROW.run(asked)[0], true.output, 1e-5)  # type: ignore[union-attr]
    assert bool((true.output[:, :, 4] != 0).all())


# --- who takes which way


def ways() -> dict[str, tuple[dict[str, object], bool]]:
    """What is changed about a plain call, and whether it takes the fast way, with gradients."""
    learned, fixed = torch.zeros(QUERIES, KEYS, requires_grad=True), torch.zeros(QUERIES, KEYS)
    return {
        "plain": ({}, True),
        "a mask": ({"mask": Dense(torch.rand(QUERIES, KEYS) > 0.5)}, True),
        "documents": ({"mask": Documents(torch.arange(QUERIES), torch.arange(KEYS))}, True),
        "a bias": ({"bias": fixed}, True),
        "a bias that learns": ({"bias": learned}, False),
        "one of two that learns": ({"bias": (ALiBi(torch.ones(HEADS)), TensorBias(learned))}, False),
        "a sink that learns": ({"bias": SinkLogits(torch.zeros(HEADS, requires_grad=True))}, True),
        "dropout": ({"dropout": 0.1}, False),
        "a softcap": ({"score": ScaledDot(softcap=2.0)}, False),
        "a bias of 1e30": ({"bias": fixed + 1e30}, False),
        "a bias of NaN": ({"bias": fixed * torch.nan}, False),
        "a bias of -inf": ({"bias": fixed.index_fill(1, torch.tensor([3]), -torch.inf)}, True),
    }


@pytest.mark.parametrize("change", ways())
def test_who_takes_the_fast_way(change: str) -> None:
    more, fast = ways()[change]
    asked = request(*strips.inputs(torch.float32), **more)  # type: ignore[arg-type]
    with counted() as taken:
        ROW.run(asked)  # type: ignore[union-attr]
    assert (taken["forward"], taken["careful"]) == ((1, 0) if fast else (0, 1))
    assert tiled.expected(asked) or not fast


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf, 1e30])
@pytest.mark.parametrize("where", ["query", "key", "value"])
def test_what_is_not_finite_or_nearly_so_takes_the_careful_way(where: str, what: float) -> None:
    """In a value 1e30 is as good as any number; an infinite one comes out as NaN."""
    q, k, v = (t.detach() for t in strips.inputs(torch.float32))
    {"query": q, "key": k, "value": v}[where][1, 1, 7, 1] = what
    asked = request(q, k, v, mask=Causal())
    true = truth(asked)
    odd = ~torch.isfinite(true.output)
    with counted() as taken:
        check(ROW, asked, replace(true, output=true.output.masked_fill(odd, torch.nan)))  # type: ignore[arg-type]
    assert taken["forward"] == int(where == "value" and what == 1e30)
    assert taken["forward"] + taken["careful"] == 1


def test_lengths_of_0_take_the_careful_way() -> None:
    for shape in ((0, 1, 3, 2), (1, 0, 3, 2), (1, 1, 0, 2), (1, 1, 3, 0)):
        q = torch.zeros(shape)
        with counted() as taken:
            ROW.run(request(q, q, q))  # type: ignore[union-attr]
        assert taken["careful"] + taken["forward"] == 1
        assert tiled.expected(request(q, q, q)) is False


# --- one item, one lane after the other


@pytest.mark.parametrize("mask", ["padding", "documents of each item", "dense", "thin dense"])
def test_items_apart_are_as_they_are_alone(mask: str) -> None:
    asked = strips.asked(mask)
    parts = layout.items(asked)
    assert len(parts) == BATCH
    together = ROW.run(asked)  # type: ignore[union-attr]
    for number, part in enumerate(parts):
        for got, all_ in zip(ROW.run(part), together, strict=True):  # type: ignore[union-attr]
            assert got is not None
            assert all_ is not None
            assert torch.equal(got[0], all_[number])


def test_a_key_that_no_query_sees_has_a_gradient_of_0() -> None:
    q, k, v = strips.inputs(torch.float64)
    output, _ = ROW.run(request(q, k, v, mask=Padding(torch.tensor([31, 0]))))  # type: ignore[union-attr]
    found = torch.autograd.grad(output.square().sum(), (q, k, v))
    assert not output[1].any()
    assert not any(t[1].any() for t in found)
    assert not found[1][0, :, 31:].any()
    assert found[1][0, :, :31].all()


def test_strips_are_of_the_height_that_is_asked_for() -> None:
    """Tall where queries see many keys; all heads that share a key head counted; lower for long vectors."""

    def height(mask: object, heads: int = 1, length: int = 4096, dim: int = 64) -> int:
        query, key = (torch.zeros(1).expand(1, h, length, dim) for h in (heads, 1))
        return tiled.height(request(query, key, key, mask=mask))  # type: ignore[arg-type]

    assert height(None) == height(Causal()) == tiled.TALL
    assert height(Window(255, 0)) == height(None, length=500) == tiled.MIDDLE
    assert height(None, heads=4) == tiled.TALL // 4
    assert height(Window(255, 0), dim=256) == tiled.MIDDLE // 2
    assert height(None, dim=256) == tiled.TALL
    assert height(None, heads=64) == tiled.LOW_STRIP
