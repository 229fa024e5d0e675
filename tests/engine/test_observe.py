"""`observe`: the output is `attend`'s, bit for bit; every figure is the reference's, for every score, mask and bias."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from tests import cases
from tests.cases import TABLE
from tests.observed import figures, hold, hold_seen

import regard
from regard.engine.observation import Observation, Wanted
from regard.engine.observe import flow, observe, statistics
from regard.engine.plan import reasons
from regard.kernels import tallies
from regard.kernels.row import Row
from regard.spec import Causal, Dot, KernelError, Request, ShapeError, SinkLogits, SpecError, Window, request
from regard.spec.request import DTYPES

EVERYTHING = Wanted(top=3, bins=(3, 4))


def given(asked: Request) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    """The arguments a request was made of."""
    biases = asked.biases if asked.sink is None else (*asked.biases, asked.sink)
    more = {"score": asked.score, "mask": asked.mask, "bias": biases, "query_start": asked.place.query_start}
    return (asked.query, asked.key, asked.value), more


def test_weights_of_one_two_and_five_eighths() -> None:
    """q · k = ln 1, ln 2, ln 5; the query stands on the last of three keys."""
    q, k = torch.ones(1, 1, 1, 1), torch.tensor([1.0, 2.0, 5.0]).log().view(1, 1, 3, 1)
    v = torch.tensor([8.0, 16.0, 24.0]).view(1, 1, 3, 1)
    out, seen = observe(q, k, v, score=Dot(), top=2, bins=(1, 3))
    entropy = -(math.log(1 / 8) / 8 + 2 * math.log(2 / 8) / 8 + 5 * math.log(5 / 8) / 8)
    assert out.item() == pytest.approx(1 + 4 + 15)
    assert seen.lse.item() == pytest.approx(math.log(8))
    assert seen.entropy.item() == pytest.approx(entropy)
    assert seen.breadth.item() == pytest.approx(math.exp(entropy))
    assert seen.distance.item() == pytest.approx(2 * 1 / 8 + 1 * 2 / 8)
    assert seen.received.flatten().tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert seen.top_keys is not None
    assert seen.top_weights is not None
    assert seen.map is not None
    assert seen.row_edges is not None
    assert seen.col_edges is not None
    assert seen.top_keys.flatten().tolist() == [2, 1]
    assert seen.top_weights.flatten().tolist() == pytest.approx([5 / 8, 2 / 8])
    assert seen.map.flatten().tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert (seen.row_edges.tolist(), seen.col_edges.tolist()) == ([0, 1], [0, 1, 2, 3])
    assert (seen.heads, seen.queries.tolist(), seen.population) == ((0,), [0], 1)
    assert (seen.query_start, seen.key_len) == (2, 3)


def test_a_sink_of_the_same_weight_halves_them() -> None:
    """Entropy counts the real keys' terms alone: -(1/16 ln 1/16 + 2/16 ln 2/16 + 5/16 ln 5/16)."""
    q, k = torch.ones(1, 1, 1, 1), torch.tensor([1.0, 2.0, 5.0]).log().view(1, 1, 3, 1)
    _, seen = observe(q, k, k, score=Dot(), bias=SinkLogits(torch.tensor([math.log(8)])))
    assert seen.lse.item() == pytest.approx(math.log(16))
    assert seen.received.flatten().tolist() == pytest.approx([1 / 16, 2 / 16, 5 / 16])
    assert seen.entropy.item() == pytest.approx(-sum(n / 16 * math.log(n / 16) for n in (1, 2, 5)))
    assert seen.distance.item() == pytest.approx(2 / 16 + 2 / 16)


def test_the_map_of_four_queries_under_a_causal_mask() -> None:
    """Equal scores: query i gives 1 / (i + 1) to each of its keys. Rows {0, 1}, {2, 3}; columns {0}, {1, 2}, {3}."""
    q = torch.zeros(1, 1, 4, 2)
    _, seen = observe(q, q, q, mask=Causal(), bins=(2, 3))
    assert seen.map is not None
    assert seen.col_edges is not None
    assert seen.col_edges.tolist() == [0, 1, 2, 4]
    want = [[1 + 1 / 2, 1 / 2, 0.0], [1 / 3 + 1 / 4, 1 / 3 + 1 / 4, 1 / 3 + 2 / 4]]
    torch.testing.assert_close(seen.map[0, 0], torch.tensor(want))


@pytest.mark.parametrize("score", cases.scores(torch.float32))
def test_every_score_mask_and_bias(score: str) -> None:
    for mask in cases.masks():
        for bias in cases.biases(torch.float32):
            asked = cases.asked(score, mask, bias, torch.float32)
            hold_seen(asked, statistics(asked, EVERYTHING), EVERYTHING)


OTHERS = [(score, torch.float64) for score in cases.scores(torch.float64)]
OTHERS += [
    (score, half) for score in ("scaled", "softcap", "cosine", "general a head", "additive") for half in DTYPES[2:]
]


@pytest.mark.parametrize(("score", "dtype"), OTHERS, ids=str)
def test_scores_and_every_mask_in_other_dtypes(score: str, dtype: torch.dtype) -> None:
    """Each mask with one of the biases, in turn."""
    biases = list(cases.biases(dtype))
    turn = list(cases.scores(dtype)).index(score)
    for index, mask in enumerate(cases.masks()):
        asked = cases.asked(score, mask, biases[(index + turn) % len(biases)], dtype)
        hold_seen(asked, statistics(asked, EVERYTHING), EVERYTHING)


SOME = [
    Wanted(heads=(4,), top=2, bins=(2, 2)),
    Wanted(heads=(5, 0, 3), top=1),
    Wanted(queries=range(2, 5), bins=(2, 5)),
    Wanted(queries=torch.tensor([0, 3, 6]), top=13, bins=(4, 13)),
    Wanted(queries=range(6, 7), keys=range(3, 11), bins=(1, 3)),
    Wanted(heads=(1, 0), queries=torch.tensor([5]), keys=range(12, 13), bins=(9, 9), top=20),
    Wanted(heads=(), bins=(2, 2), top=1),
    Wanted(queries=range(4, 4), top=2),
    Wanted(top=40),
]


@pytest.mark.parametrize("wanted", SOME, ids=range(len(SOME)))
@pytest.mark.parametrize("mask", ["no mask", "sinks and window", "documents", "nothing"])
def test_a_part_is_the_same_part_of_the_whole(mask: str, wanted: Wanted) -> None:
    for score in ("scaled", "softcap", "additive a head"):
        asked = cases.asked(score, mask, "all at once")
        part, whole = statistics(asked, wanted), statistics(asked, Wanted(top=wanted.top))
        hold_seen(asked, part, wanted)
        for name in ("lse", "entropy", "distance", "top_weights"):
            if getattr(part, name) is not None:
                same = getattr(whole, name)[:, list(part.heads)][:, :, part.queries]
                torch.testing.assert_close(getattr(part, name), same, rtol=1e-13, atol=1e-13)
        if wanted.bins is not None:
            found = flow(asked, bins=wanted.bins, heads=wanted.heads, queries=wanted.queries, keys=wanted.keys)  # type: ignore[arg-type]
            for one, other in zip(found, (part.map, part.row_edges, part.col_edges), strict=True):
                torch.testing.assert_close(one, other)


def test_the_edges_of_bins_are_even_and_lie_within_what_is_asked_about() -> None:
    q = torch.zeros(1, 1, 20, 1)
    seen = statistics(request(q, q, q), Wanted(queries=range(3, 10), keys=range(5, 16), bins=(3, 4)))
    assert seen.row_edges is not None
    assert seen.col_edges is not None
    assert seen.row_edges.tolist() == [3, 5, 7, 10]
    assert seen.col_edges.tolist() == [5, 7, 10, 13, 16]
    some = statistics(request(q, q, q), Wanted(queries=torch.tensor([2, 3, 11]), bins=(2, 99)))
    assert some.row_edges is not None
    assert some.map is not None
    assert some.row_edges.tolist() == [2, 7, 12]
    assert some.map.shape == (1, 1, 2, 20)
    torch.testing.assert_close(some.map.sum(-1)[0, 0], torch.tensor([2.0, 1.0]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_output_is_attends_bit_for_bit_on_every_kernel(row: Row, dtype: torch.dtype) -> None:
    scores = ("scaled", "cosine a head", "softcap", "additive a head", "straight")
    masks = ("no mask", "causal from 0", "padded keys")
    with torch.set_grad_enabled(row.gradients):
        held = [
            hold_bits(row, cases.asked(score, mask, bias, dtype))
            for score, mask, bias in product(scores, masks, ("no bias", "sink", "all at once"))
        ]
    assert sum(held) >= 9


def hold_bits(row: Row, asked: Request) -> bool:
    """Hold `observe` to `attend`'s output and the reference's figures; False where both must refuse."""
    tensors, more = given(asked)
    if reasons(row, asked):
        with pytest.raises(KernelError):
            observe(*tensors, **more, kernel=row.name)
        return False
    plain = regard.attend(*tensors, **more, kernel=row.name)
    out, seen = regard.observe(*tensors, **more, kernel=row.name, top=2, bins=(2, 2))
    assert torch.equal(out, plain)
    assert out.dtype == asked.query.dtype
    assert out.requires_grad == plain.requires_grad
    assert not any(t.requires_grad for t in vars(seen).values() if isinstance(t, torch.Tensor))
    hold_seen(asked, seen, Wanted(top=2, bins=(2, 2)))
    return True


@pytest.mark.parametrize("kernel", [None, "exact"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_the_output_at_sizes_that_torch_cuts_up(kernel: str | None, dtype: torch.dtype, causal: bool) -> None:
    """Grouped heads, a value size of its own, more than one of torch's blocks."""
    source = torch.Generator().manual_seed(1)
    shapes = ((1, 6, 701, 24), (1, 2, 701, 24), (1, 2, 701, 40))
    q, k, v = (torch.randn(s, generator=source).to(dtype) for s in shapes)
    mask = Causal() if causal else None
    out, seen = observe(q, k, v, mask=mask, kernel=kernel)
    assert torch.equal(out, regard.attend(q, k, v, mask=mask, kernel=kernel))
    hold_seen(request(q, k, v, mask=mask), seen)


def test_the_gradient_of_the_output_is_attends() -> None:
    for kernel in ("exact", "streaming", "dense"):
        tensors, more = given(cases.asked("scaled", "causal", "no bias", torch.float32))
        outputs = regard.attend(*tensors, **more, kernel=kernel), observe(*tensors, **more, kernel=kernel)[0]
        grads = [torch.autograd.grad(out.square().sum(), tensors) for out in outputs]
        assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_inputs_are_left_as_they_were() -> None:
    tensors, more = given(cases.asked("scaled", "causal", "all at once", torch.float32))
    before = [t.detach().clone() for t in tensors]
    observe(*tensors, **more, top=3, bins=(3, 3))
    assert all(torch.equal(t, b) for t, b in zip(tensors, before, strict=True))


def test_inputs_that_do_not_lie_in_one_piece() -> None:
    source = torch.Generator().manual_seed(1)
    q = torch.randn(2, 7, 6, 10, generator=source).transpose(1, 2)[..., ::2]
    k, v = (torch.randn(2, 26, 3, 5, generator=source)[:, ::2].transpose(1, 2) for _ in range(2))
    assert not any(t.is_contiguous() for t in (q, k, v))
    for more in ({}, {"kernel": "streaming"}, {"mask": Window(3, 2)}):
        out, seen = observe(q, k, v, **more, top=3, bins=(3, 4))  # type: ignore[arg-type]
        assert torch.equal(out, regard.attend(q, k, v, **more))  # type: ignore[arg-type]
        hold_seen(request(q, k, v, mask=more.get("mask")), seen, EVERYTHING)  # type: ignore[arg-type]


def test_an_lse_that_is_known_saves_a_pass_and_changes_nothing() -> None:
    asked = cases.asked("softcap", "documents", "sink")
    known = figures(asked).lse
    with_it, without = statistics(asked, EVERYTHING, lse=known), statistics(asked, EVERYTHING)
    for name, value in vars(with_it).items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, getattr(without, name), rtol=1e-12, atol=1e-12)
    found = flow(asked, bins=(3, 4), lse=known)[0]
    assert with_it.map is not None
    torch.testing.assert_close(found, with_it.map)


@pytest.mark.parametrize("kernel", ["exact", "streaming", "dense"])
def test_under_autocast_the_output_is_attends_and_the_figures_are_not_rounded(kernel: str) -> None:
    source = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(1, 2, 33, 16, generator=source) for _ in range(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = regard.attend(q, k, v, kernel=kernel)
        out, seen = observe(q, k, v, kernel=kernel, bins=(3, 4), top=3)
        region = flow(request(q, k, v), bins=(3, 4))[0]
    assert torch.equal(out, plain)
    hold_seen(request(q, k, v), seen, EVERYTHING)
    assert seen.map is not None
    torch.testing.assert_close(region, seen.map)


def test_in_inference_mode() -> None:
    with torch.inference_mode():
        asked = cases.asked("scaled", "causal", "all at once")
        hold_seen(asked, statistics(asked, EVERYTHING), EVERYTHING)


def refused(error: type[Exception], words: str, **more: Any) -> None:
    q = torch.zeros(1, 2, 5, 3)
    with pytest.raises(error, match=words):
        observe(q, q, q, **more)


def test_what_is_refused_is_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regard.engine.observe.choose", lambda *_: pytest.fail("computed"))
    refused(SpecError, r"heads=\(2,\): expected different numbers from 0 to 1", heads=(2,))
    refused(ShapeError, r"queries=range\(0, 6\): expected a range or an ascending", queries=range(6))
    refused(ShapeError, r"keys=range\(0, 6\): expected a range within 0\.\.5", keys=range(6))
    refused(SpecError, r"top=-1: expected a whole number", top=-1)
    refused(TypeError, "lowest", lowest=3)
    q = torch.zeros(5, 3)
    with pytest.raises(ShapeError, match=r"expected 4 dimensions each"):
        observe(q, q, q)


def test_a_map_of_nothing() -> None:
    words = r"^bins=\(2, 2\): a map needs at least one query and one key; there are none"
    refused(ShapeError, words, bins=(2, 2), queries=range(0))
    refused(ShapeError, words, bins=(2, 2), keys=range(3, 3))
    refused(KernelError, "softmax|kernel", kernel="softmax")


def test_the_comparator_sees_a_figure_that_is_off() -> None:
    asked = cases.asked("scaled", "causal", "all at once", torch.float32)
    seen = statistics(asked, EVERYTHING)
    for name in ("lse", "entropy", "distance", "received", "top_weights", "map"):
        off = Observation(**(vars(seen) | {name: getattr(seen, name) * (1 + 5e-5)}))
        with pytest.raises(AssertionError):
            hold_seen(asked, off, EVERYTHING)
    assert seen.top_keys is not None
    with pytest.raises(AssertionError):
        hold_seen(asked, Observation(**(vars(seen) | {"top_keys": seen.top_keys.roll(1, -1)})), EVERYTHING)
    with pytest.raises(AssertionError):
        hold("lse", seen.lse.double(), figures(asked).lse, 1e-5, 1e-5, torch.float32)


def test_more_top_keys_than_keys_cost_no_more_and_are_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, made = [], tallies.Top.__init__
    monkeypatch.setattr(tallies.Top, "__init__", lambda self, *a: (counts.append(a[-1]), made(self, *a))[1])
    q, k = torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 5, 3)
    seen = observe(q, k, k, top=1000)[1]
    assert counts == [5]
    assert seen.top_keys is not None
    assert seen.top_weights is not None
    assert seen.top_keys.shape == seen.top_weights.shape == (1, 1, 2, 1000)
    assert sorted(seen.top_keys[0, 0, 0, :5].tolist()) == [0, 1, 2, 3, 4]
    assert (seen.top_keys[..., 5:] == -1).all()
    assert seen.top_weights.sum().item() == pytest.approx(2.0)
