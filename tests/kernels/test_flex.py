"""FlexAttention against the reference. Here it runs uncompiled on a CPU, where it has no backward pass; what is
compiled for which calls is counted with torch's tracer alone. On a GPU it is not tested yet."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.attention.flex_attention as torch_flex
from tests import cases
from tests.comparison import Truth, check, hold, truth
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

import regard
from regard.engine.plan import reasons
from regard.kernels import flex, flex_blocks, flex_mods
from regard.kernels.flex_mods import Ground
from regard.kernels.table_gpu import GPU_ROWS
from regard.spec import (
    ALiBi,
    Causal,
    Dense,
    Documents,
    Mask,
    Padding,
    Request,
    ScaledDot,
    SinkLogits,
    Sinks,
    TensorBias,
    Window,
    request,
)
from regard.spec.curve import Curve
from regard.spec.request import DTYPES
from regard.spec.value import Value

ROW = next(row for row in GPU_ROWS if row.name == "flex")
DOT = [name for name, score in cases.scores(torch.float32).items() if score.dot_family]


@pytest.fixture(autouse=True)
def _uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_flex, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)


def plain(part: Any) -> Any:
    """A tensor, or a value with its tensors, without gradients."""
    if isinstance(part, Tensor):
        return part.detach()
    if not isinstance(part, Value):
        return part
    return replace(part, **{f.name: plain(getattr(part, f.name)) for f in fields(part)})  # type: ignore[type-var, arg-type]


def bare(asked: Request) -> Request:
    return replace(
        asked,
        query=plain(asked.query),
        key=plain(asked.key),
        value=plain(asked.value),
        score=plain(asked.score),
        biases=tuple(plain(bias) for bias in asked.biases),
        sink=plain(asked.sink),
    )


def compare(asked: Request) -> None:
    true = truth(asked, gradients=False)
    if asked.query.dtype.itemsize > 2:
        check(ROW, asked, true, gradients=False)
    else:
        compare_half(asked, true)


def compare_half(asked: Request, true: Truth) -> None:
    """Queries that a score prepares are rounded to the call's dtype: a score of size S is off by some eps * S."""
    output, lse = flex.run(asked)
    noise = torch.finfo(asked.query.dtype).eps * (4 + true.largest_score)
    assert (output.dtype, lse.dtype) == (asked.query.dtype, torch.float32)
    hold("output", output, true.output, noise)
    hold("lse", lse, true.lse, noise)


@pytest.mark.parametrize("mask", cases.masks())
def test_every_mask_under_every_bias(mask: str) -> None:
    for bias in cases.biases(torch.float64):
        for dtype in (torch.float64, torch.float32):
            compare(bare(cases.asked("softcap", mask, bias, dtype)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("score", DOT)
def test_every_score(score: str, dtype: torch.dtype) -> None:
    compare(bare(cases.asked(score, "causal but not near", "all at once", dtype)))
    compare(bare(cases.asked(score, "no mask", "no bias", dtype)))


def floats(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 131), (131, 1), (131, 257), (257, 131), (128, 256)])
def test_more_than_a_block(queries: int, keys: int) -> None:
    q, k, v = floats(1, 2, queries, 3), floats(1, 1, keys, 3), floats(1, 1, keys, 19)
    for mask in (None, Window(40, 2) | Sinks(3), Documents(torch.arange(queries) // 90, torch.arange(keys) // 90)):
        compare(request(q, k, v, mask=mask))


@pytest.mark.parametrize("start", [-300, -3, 0, 5, 400])
def test_positions_before_within_and_beyond_the_keys(start: int) -> None:
    q, k, v = floats(1, 2, 5, 3), floats(1, 2, 7, 3), floats(1, 2, 7, 4)
    for mask in (Causal(), Window(2, 1), ~Window(2, 1)):
        compare(request(q, k, v, mask=mask, bias=ALiBi(torch.tensor([0.5, 0.25])), query_start=start))


def test_inputs_that_do_not_lie_in_order() -> None:
    q, k, v = floats(2, 5, 4, 3).transpose(1, 2), floats(2, 2, 3, 7).mT, floats(14, 2, 2, 4)[::2].permute(1, 2, 0, 3)
    assert not any(t.is_contiguous() for t in (q, k, v))
    compare(request(q, k, v, mask=Causal()))


def test_vectors_of_no_size_score_0_with_everything() -> None:
    output, lse = flex.run(request(floats(1, 1, 2, 0), floats(1, 1, 4, 0), torch.arange(4.0).view(1, 1, 4, 1)))
    torch.testing.assert_close(output, torch.full((1, 1, 2, 1), 1.5))
    torch.testing.assert_close(lse, torch.full((1, 1, 2), 4.0).log())


def test_an_empty_row_is_0_with_or_without_a_sink() -> None:
    alive = torch.tensor([True, False, True])[:, None]
    closed = torch.zeros(3, 1).masked_fill(~alive, -torch.inf)
    for more in ({"mask": Dense(alive)}, {"bias": TensorBias(closed)}):
        for sink in ((), (SinkLogits(torch.tensor([9.0, 0.5])),)):
            own = (*((more["bias"],) if "bias" in more else ()), *sink)
            asked = request(floats(1, 2, 3, 2), floats(1, 1, 4, 2), floats(1, 1, 4, 2), mask=more.get("mask"), bias=own)  # type: ignore[arg-type]
            output, lse = flex.run(asked)
            assert not output[:, :, 1].any()
            assert torch.isneginf(lse[:, :, 1]).all()
            assert output[:, :, 0].any()
            compare(asked)


WAYS: dict[str, dict[str, Any]] = {
    "padding": {"mask": Padding(torch.tensor([7, 4]))},
    "float mask": {
        "bias": TensorBias(torch.zeros(2, 1, 1, 7).index_fill(3, torch.arange(4, 7), -torch.inf)),
        "mask": Padding(torch.tensor([4, 7])),
    },
}


@pytest.mark.parametrize("what", [torch.nan, torch.inf])
@pytest.mark.parametrize("way", WAYS)
def test_what_nobody_may_see_leaves_no_trace(way: str, what: float) -> None:
    q, k, v = floats(2, 2, 5, 3), floats(2, 1, 7, 3), floats(2, 1, 7, 4)
    clean = flex.run(request(q, k, v, **WAYS[way]))
    hidden = (slice(1, 2) if way == "padding" else slice(None), slice(None), slice(4, 7))
    k[hidden], v[hidden] = what, what
    found = flex.run(request(q, k, v, **WAYS[way]))
    assert torch.equal(found[0], clean[0])
    assert torch.equal(found[1], clean[1])
    seen, _ = flex.run(request(q, k, v, mask=Causal(), query_start=2))  # queries 2 to 4 see keys from 4 on
    assert seen[1].isnan().flatten(2).any(-1).tolist() == [[False, False, True, True, True]] * 2


def test_flex_has_the_gradients_of_the_table_on_a_gpu_alone() -> None:
    """torch itself refuses a backward pass on a CPU; the row is for cuda, so that the planner never gets there."""
    q, k, v = (t.requires_grad_() for t in (floats(1, 1, 2, 2), floats(1, 1, 3, 2), floats(1, 1, 3, 2)))
    with pytest.raises(NotImplementedError, match="does not support backward on CPU"):
        flex.run(request(q, k, v))


def test_on_a_cpu_the_plan_says_so() -> None:
    asked = bare(cases.asked("scaled", "causal", "no bias", torch.float32))
    assert reasons(ROW, asked) == ("does not run on cpu",)
    assert ROW.automatic
    empty = request(floats(1, 1, 0, 2), floats(1, 1, 3, 2), floats(1, 1, 3, 2))
    assert "takes no length of 0" in reasons(ROW, empty)


# --- what is compiled


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> CompileCounterWithBackend:
    """Calls on a CPU go through `torch.compile`, whose back end is a counter that runs what it is given."""
    counter = CompileCounterWithBackend("eager")
    monkeypatch.setattr(flex, "COMPILED_ON", ("cpu",))
    monkeypatch.setattr(flex, "_COMPILED", {})
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    return counter


def call(queries: int, keys: int, mask: Mask, start: int | None = None) -> Request:
    q, k, v = floats(2, 4, queries, 16), floats(2, 2, keys, 16), floats(2, 2, keys, 16)
    return request(q, k, v, mask=mask, query_start=start)


def test_a_class_is_compiled_for_any_length_and_position(counted: CompileCounterWithBackend) -> None:
    for queries, keys, start in ((140, 300, None), (270, 333, 3), (200, 411, -7), (129, 257, 44), (390, 390, 0)):
        asked = call(queries, keys, Window(100, 3) & Padding(torch.tensor([keys, keys // 2])), start)
        torch.testing.assert_close(
            flex.run(asked)[0], regard.attend(asked.query, asked.key, asked.value, mask=asked.mask, query_start=start)
        )
    before = counted.frame_count
    assert before <= 4
    for queries in (150, 222, 301):
        flex.run(call(queries, queries + 77, Window(100, 3) & Padding(torch.tensor([queries, 1])), 5))
    assert (counted.frame_count, len(flex._COMPILED)) == (before, 1)


def test_classes_do_not_use_up_each_others_recompilations(
    counted: CompileCounterWithBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch gives up on a code object at its eighth compilation; ten windows are ten classes. The kept are bounded."""
    monkeypatch.setattr(flex, "CLASSES", 7)
    for before in range(10):
        flex.run(call(3, 5, Window(before, 0)))
    assert counted.frame_count == 10
    assert len(flex._COMPILED) == 3
    flex.run(call(3, 5, Window(9, 0)))
    assert counted.frame_count == 10


# --- planted faults


FAULTS: dict[str, Any] = {
    "scale 1 % off": lambda m: m.setattr(
        flex, "_call", lambda q, k, v, mod, b, s, f=flex._call: f(q, k, v, mod, b, s * 1.01)
    ),
    "wrong heads share a key head": lambda m: m.setattr(
        flex, "_call", lambda q, k, v, *a, f=flex._call: f(q, k.flip(1), v.flip(1), *a)
    ),
    "mask left out": lambda m: m.setattr(
        flex, "_call", lambda q, k, v, mod, b, s, f=flex._call: f(q, k, v, mod, None, s)
    ),
    "positions one off": lambda m: m.setattr(
        Ground, "of", classmethod(lambda cls, p: cls(p, torch.tensor(p.query_start + 1, dtype=torch.int32)))
    ),
    "curve left out": lambda m: m.setattr(flex, "score_mod", lambda c, *a: flex_mods.score_mod(Curve(), *a)),
    "bias left out": lambda m: m.setattr(flex, "score_mod", lambda c, b, g: flex_mods.score_mod(c, (), g)),
    "sink left out": lambda m: m.setattr(flex, "with_sink", lambda output, lse, sink: (output, lse)),
    "lse in base 2": lambda m: m.setattr(
        flex, "with_sink", lambda o, lse, s, f=flex.with_sink: f(o, lse / torch.tensor(2.0).log(), s)
    ),
    "a column of the value cut off": lambda m: m.setattr(
        flex, "attend", lambda q, k, v, r, f=flex.attend: (f(q, k, v, r)[0].roll(1, -1), f(q, k, v, r)[1])
    ),
}


def battery() -> None:
    for cell in (("softcap", "causal but not near", "all at once"), ("scaled", "documents", "sink")):
        compare(bare(cases.asked(*cell)))


def test_without_a_fault_the_battery_passes() -> None:
    battery()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        battery()


def test_a_guard_taken_away_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex.fused, "guarded", lambda q, k, v, attend, seen: attend(q, k, v))
    with pytest.raises(AssertionError):
        test_what_nobody_may_see_leaves_no_trace("padding", torch.nan)


def test_blocks_are_asked_for_only_where_there_is_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex_blocks, "block_mask", lambda *_: pytest.fail("no mask was given"))
    q, k, v = floats(1, 1, 3, 2), floats(1, 1, 5, 2), floats(1, 1, 5, 2)
    asked = request(q, k, v, score=ScaledDot(0.3))
    assert flex.made(asked, asked.score.prepare(q, k)).block_mask is None
    compare(asked)
