"""Few queries in compiled loops: against the truth over the grid and random calls, in blocks, splits and threads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import cases
from tests.comparison import check, truth
from tests.few_calls import MASKS, numbers
from tests.focus_ways import needed
from tests.strategies import calls
from torch import Tensor

from regard.kernels.loops import fits
from regard.kernels.table_few import FEW_ROWS
from regard.spec import (
    ALiBi,
    Causal,
    Dense,
    Documents,
    Mask,
    Request,
    ScaledDot,
    SinkLogits,
    Window,
    request,
)

needed()

from regard.kernels.compiled import few  # noqa: E402

ROW = next(row for row in FEW_ROWS if row.name == "loops")
SCORES = [name for name, score in cases.scores(torch.float32).items() if type(score) in ROW.scores]


@pytest.fixture(params=["one block", "many blocks", "many splits"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 keys; splits of 7, in three threads."""
    if request.param != "one block":
        monkeypatch.setattr(few, "SMALLEST", 16)
        monkeypatch.setattr(few, "SCORES", 1)
    if request.param == "many splits":
        monkeypatch.setattr(few, "LEAST", 7)
        monkeypatch.setattr(few, "SHARE", 1)
        monkeypatch.setattr(few, "workers", lambda: 3)


def held(asked: Request) -> None:
    """Against the truth, and its lse."""
    assert fits(asked) is None
    check(ROW, asked, truth(asked, gradients=False), gradients=False)


@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
@pytest.mark.parametrize("score", SCORES)
def test_every_score_mask_and_bias(score: str, dtype: torch.dtype) -> None:
    biases, tried = list(cases.biases(dtype)), 0
    for number, mask in enumerate(cases.masks()):
        asked = cases.asked(score, mask, biases[number % len(biases)], dtype)
        if fits(asked) is None:
            held(asked)
        held(replace(asked, biases=()))
        tried += fits(asked) is None
    assert tried


def long(
    dtype: torch.dtype = torch.float32,
    mask: Mask | None = None,
    *,
    queries: int = 3,
    groups: int = 2,
    keys: int = 131,
    dim: int = 37,
    value_dim: int = 53,
    start: int | None = None,
) -> Request:
    """2 items, 2 key heads; ALiBi, sink logits and a softcap."""
    heads = 2 * groups
    q, k = numbers(2, heads, queries, dim, seed=1, dtype=dtype), numbers(2, 2, keys, dim, seed=2, dtype=dtype)
    bias = (ALiBi(torch.linspace(0.1, 1, heads)), SinkLogits(torch.linspace(-1, 1, heads)))
    v = numbers(2, 2, keys, value_dim, seed=3, dtype=dtype)
    return request(q, k, v, score=ScaledDot(softcap=4.0), mask=mask, bias=bias, query_start=start)


ALSO: dict[str, Mask | None] = MASKS | {
    "documents": Documents(torch.tensor([1, 1, 2]), torch.arange(131) // 50),
    "for each head": Dense(torch.arange(2 * 4 * 3 * 131).view(2, 4, 3, 131) % 11 < 5),
}


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("mask", ALSO)
def test_blocks_splits_and_threads(mask: str) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        for start in (None, 60, -2):
            held(long(dtype, ALSO[mask], start=start))


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
@pytest.mark.parametrize("sizes", [(64, 64), (96, 16), (128, 256), (1, 1), (7, 131), (48, 33)], ids=str)
def test_sizes_of_keys_and_values(dtype: torch.dtype, sizes: tuple[int, int]) -> None:
    """Whole vectors, pairs of them, and what is left over; 1, 2, 3, 4 and 7 rows together."""
    for groups, queries, keys in ((1, 1, 45), (2, 1, 3), (1, 2, 45), (3, 1, 45), (2, 2, 45), (1, 7, 9), (1, 7, 1)):
        dim, value_dim = sizes
        held(long(dtype, Causal(), groups=groups, queries=queries, keys=keys, dim=dim, value_dim=value_dim))


def test_as_many_queries_as_it_takes() -> None:
    held(long(torch.bfloat16, Causal() & Window(70, 0), queries=64, keys=150, dim=64, value_dim=64))


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
def test_a_cache_of_any_layout(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """(batch, length, heads, dim) turned round, the start of a longer cache, every second key of one, one item for all:
    none is copied."""
    asked = long(dtype, Causal())
    want = few.run(asked)
    caches = list(zip(*(layouts(part) for part in (asked.key, asked.value)), strict=True))
    monkeypatch.setattr(Tensor, "contiguous", copied_if_large(Tensor.contiguous))
    for key, value in caches:
        torch.testing.assert_close(few.run(replace(asked, key=key, value=value)), want, rtol=0, atol=0)
    shared = replace(asked, key=asked.key[:1].expand(2, 2, 131, 37), value=asked.value[:1].expand(2, 2, 131, 53))
    torch.testing.assert_close(few.run(shared)[0][0], want[0][0], rtol=0, atol=0)


def layouts(part: Tensor) -> list[Tensor]:
    turned = part.transpose(1, 2).contiguous().transpose(1, 2)
    cache = part.new_full((2, 2, 1000, part.shape[3]), torch.nan)
    cache[:, :, : part.shape[2]] = part
    thinned = part.repeat_interleave(2, 2)[:, :, ::2]
    beside = torch.cat((part, part), -1)[..., : part.shape[3]]
    return [turned, cache[:, :, : part.shape[2]], thinned, beside]


def copied_if_large(original):  # type: ignore[no-untyped-def]
    def contiguous(self: Tensor, *args: object) -> Tensor:
        assert self.is_contiguous() or self.numel() < 2 * 2 * 131 * 37, "a cache is copied"
        return original(self, *args)

    return contiguous


def test_numbers_that_do_not_follow_each_other_are_copied() -> None:
    asked = long()
    key, value = (part.mT.contiguous().mT for part in (asked.key, asked.value))
    torch.testing.assert_close(few.run(replace(asked, key=key, value=value)), few.run(asked), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
@settings(max_examples=150)
@given(data=st.data())
def test_any_call(dtype: torch.dtype, data: st.DataObject) -> None:
    asked = data.draw(calls(dtype, longest=data.draw(st.sampled_from([5, 60])))).asked()
    asked = asked if fits(asked) is None else replace(asked, biases=())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few, "SMALLEST", data.draw(st.sampled_from([1, 16])))
        patch.setattr(few, "SCORES", 1)
        patch.setattr(few, "LEAST", data.draw(st.sampled_from([1, 10, 512])))
        patch.setattr(few, "SHARE", 1)
        patch.setattr(few, "workers", lambda: 2)
        if type(asked.score) in ROW.scores:
            check(ROW, asked, truth(asked, gradients=False), gradients=False)
