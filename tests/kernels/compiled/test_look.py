"""Compiled loops against torch's operations: odd sizes, groups, resolutions, dtypes, layouts, masks, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.focus_cases import allotted
from tests.focus_ways import by_loops, by_torch, check, close, needed
from tests.looks import POLICY, causal, look

needed()

from regard.kernels.compiled import look as compiled  # noqa: E402
from regard.kernels.compiled import picking  # noqa: E402
from regard.kernels.focus_look import Look  # noqa: E402
from regard.spec import Focus, KernelError  # noqa: E402
from regard.spec.request import DTYPES  # noqa: E402


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("groups", [1, 2, 7])
@pytest.mark.parametrize("masked", [False, True])
def test_every_resolution_and_group(bits: int, groups: int, masked: bool) -> None:
    allowed = causal(2, 157, [30, 0]) if masked else None
    assert check(look(policy=replace(POLICY, bits=bits), groups=groups, allowed=allowed))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_every_dtype(dtype: torch.dtype, bits: int) -> None:
    assert check(look(dtype=dtype, policy=replace(POLICY, bits=bits)))


def test_a_cache_of_any_layout() -> None:
    made = look()
    for change in (
        lambda each: each.repeat_interleave(2, 1)[:, ::2],
        lambda each: each.mT.contiguous().mT,
        lambda each: each.transpose(0, 1).contiguous().transpose(0, 1),
    ):
        assert check(replace(made, key=change(made.key), value=change(made.value)))


@pytest.mark.parametrize("most", [0, 1, 4, 5, 59, 151, 152, 999])
def test_from_no_key_to_all(most: int) -> None:
    for bits in (8, 16):
        policy = replace(POLICY, bits=bits, first=min(3, most))
        assert check(look(most=most, policy=policy))


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_a_sketch_with_room_for_more(bits: int) -> None:
    """What lies behind its length is not looked at."""
    made = look(policy=replace(POLICY, bits=bits))
    made.sketch._grow(400)
    made.sketch.keys[:, 152:], made.sketch.values[:, 152:] = 255, 255
    made.sketch.codes[:, :, 152:] = 255
    made.sketch.means[:, 19:] = torch.nan
    assert check(made)


def test_each_row_has_a_number_and_a_mask_of_its_own() -> None:
    allowed = causal(3, 157, [30, 0])
    made = look(rows=3, allowed=allowed)
    most = torch.tensor([[20, 70, 40], [70, 20, 30]])
    assert check(replace(made, allotted=allotted(most, POLICY)))
    assert check(replace(made, allowed=allowed[:1]))
    assert check(replace(made, allowed=allowed[1:].expand(2, -1, -1), allotted=allotted(most[:1], POLICY)))


def test_nothing_may_be_seen() -> None:
    allowed = causal(2, 157, [30, 0])
    allowed[0, 1] = False
    made = replace(look(allowed=allowed), allotted=allotted(torch.tensor([[60, 0], [60, 60]]), POLICY))
    assert check(made)
    found = by_loops(made)
    assert torch.equal(found.output[0, 1], torch.zeros(3, 23))
    assert torch.equal(found.lse[0, 1], torch.full((3,), -torch.inf))


def test_long_rows_as_they_come() -> None:
    """20,011 keys: a threshold is guessed first."""
    for groups in (1, 2):
        check(look(keys=20_011, lanes=1, rows=1, groups=groups, dim=64, value_dim=64, most=2_000, policy=Focus()))


def test_more_keys_outside_of_whole_blocks_than_can_be_read() -> None:
    allowed = torch.ones(1, 2, 157, dtype=torch.bool)
    allowed[:, 1, ::8] = False
    with pytest.raises(KernelError, match="a finer grain than 8"):
        compiled.looked(look(allowed=allowed))


@pytest.mark.parametrize("what", [torch.nan, torch.inf, 3e38])
def test_a_query_that_is_not_finite_is_lost_alone(what: float) -> None:
    made = look()
    made.query[1, 0, 2] = what
    got, want = by_loops(made), by_torch(made)[0]
    assert torch.isnan(got.output[1, 0, 2]).all()
    assert torch.isnan(got.lse[1, 0, 2])
    rest = torch.ones(2, 2, dtype=torch.bool)
    rest[1, 0] = False
    close("output", got.output[rest], want.output[rest], 4.0)
    assert torch.isfinite(got.output[1, 0, :2]).all()


def test_what_nobody_may_see_is_no_matter() -> None:
    """Mean keys there may be as large as they like."""
    allowed = torch.ones(1, 2, 157, dtype=torch.bool)
    allowed[:, :, 16:24] = False
    made = look(allowed=allowed)
    want = by_loops(made)
    made.sketch.means[:, 2] = 60_000
    made.sketch.codes[:, :, 16:24] = 255
    made.key[:, 16:24] = torch.nan
    got = by_loops(made)
    assert torch.equal(got.output, want.output)


@st.composite
def looks(draw: Any) -> Look:
    grain = draw(st.integers(1, 40))
    keys, rows, lanes = draw(st.integers(grain, 200)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    first = draw(st.integers(0, 9))
    policy = Focus(
        sketch=draw(st.floats(0.05, 4)),
        grain=grain,
        bits=draw(st.sampled_from([4, 8, 16])),
        exact=draw(st.integers(first, 20)),  # were they fewer than the first keys, any of those might be meant
        first=first,
        latest=draw(st.floats(0, 1)),
    )
    padding = draw(st.none() | st.lists(st.integers(0, keys - rows) if keys > rows else st.just(0), min_size=1))
    rows = min(rows, keys)
    allowed = None if padding is None else causal(rows, keys, (padding * lanes)[:lanes])
    return look(
        lanes=lanes,
        rows=rows,
        groups=draw(st.sampled_from([1, 2, 3, 7])),
        keys=keys,
        dim=draw(st.integers(2, 70)),
        value_dim=draw(st.integers(1, 70)),
        most=draw(st.integers(policy.first + 1, keys + 30)),
        policy=policy,
        allowed=allowed,
        dtype=draw(st.sampled_from(DTYPES)),
        seed=draw(st.integers(0, 99)),
    )


@settings(max_examples=300)
@given(looks())
def test_any_look(made: Look) -> None:
    try:
        by_torch(made)
    except KernelError:
        with pytest.raises(KernelError):
            compiled.looked(made)
        return
    check(made)


# --- threads


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Torch has two threads, and no call is too small for them. Gives how many each call had."""
    torch.set_num_threads(2)
    monkeypatch.setattr(compiled, "SHARE", 1)
    seen: list[int] = []
    original = compiled.at_work

    def counted(loop: Any, words: Any, count: int) -> None:
        seen.append(count)
        original(loop, words, count)

    monkeypatch.setattr(compiled, "at_work", counted)
    return seen


def test_threads_change_nothing(threads: list[int]) -> None:
    made = look(lanes=3, rows=3)
    several = compiled.looked(made)
    torch.set_num_threads(1)
    alone = compiled.looked(made)
    assert threads == [2, 1]
    for got, want in zip(several, alone, strict=True):
        assert torch.equal(got, want)


def test_as_many_threads_as_queries_at_most(threads: list[int]) -> None:
    compiled.looked(look(lanes=1, rows=1))
    assert threads == [1]


def test_small_calls_have_one(threads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SHARE", 1 << 15)
    compiled.looked(look(lanes=3, rows=3))
    assert threads == [1]


def test_calls_at_the_same_time(threads: list[int]) -> None:
    made = look(lanes=3, rows=3)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(compiled.looked, [made] * 20))
    assert set(threads) == {2}
    assert all(torch.equal(output, found[0][0]) for output, _ in found)


def test_guesses_are_made_in_the_long_rows_above() -> None:
    assert picking.LONG < 20_000
