"""Sketches kept from call to call: followed while a cache grows, made anew when it is another."""

from __future__ import annotations

import pytest
import torch

from regard.allocate.sketches import Sketches
from regard.spec import Focus, Request, SpecError, request

POLICY = Focus(grain=4, sketch=1.0)
HEADS = range(2)


def asked(length: int, *, seed: int = 0, queries: int = 1, start: int = 0) -> Request:
    """Queries at the end of a cache of which all lengths begin alike."""
    made = torch.Generator().manual_seed(seed)
    key, value = (torch.randn(1, 2, 64, 8, generator=made)[:, :, start : start + length] for _ in range(2))
    return request(torch.randn(1, 4, queries, 8, generator=made), key, value)


def test_a_cache_that_grows_is_followed_block_by_block() -> None:
    sketches = Sketches()
    first = sketches.of("a", HEADS, asked(13), POLICY)
    assert first is not None
    assert first.length == 12
    assert sketches.of("a", HEADS, asked(15), POLICY) is first
    assert first.length == 12
    assert sketches.of("a", HEADS, asked(21), POLICY) is first
    assert first.length == 20


def test_a_prompt_teaches_what_will_be_asked() -> None:
    sketches, prompt = Sketches(), asked(13, queries=13)
    sketches.learn("a", HEADS, prompt, POLICY)
    taught = sketches.of("a", HEADS, asked(14), POLICY)
    alone = Sketches().of("a", HEADS, asked(14), POLICY)
    assert taught is not None
    assert alone is not None
    assert not torch.equal(taught.basis.query, alone.basis.query)


def test_modules_heads_and_policies_have_their_own() -> None:
    sketches = Sketches()
    found = [
        sketches.of("a", HEADS, asked(13), POLICY),
        sketches.of("b", HEADS, asked(13), POLICY),
        sketches.of("a", range(2, 4), asked(13), POLICY),
        sketches.of("a", HEADS, asked(13), Focus(grain=4, sketch=2.0)),
    ]
    assert len({id(each) for each in found}) == 4


@pytest.mark.parametrize("other", [asked(20, seed=1), asked(9), asked(20, start=1)])
def test_another_cache_is_sketched_anew(other: Request) -> None:
    """Another text, a shorter one, one whose first key was dropped."""
    sketches = Sketches()
    before = sketches.of("a", HEADS, asked(17), POLICY)
    after = sketches.of("a", HEADS, other, POLICY)
    assert after is not None
    assert after is not before
    assert after.length == other.place.key_len // 4 * 4


def test_keys_that_begin_otherwise_at_each_call_are_left_until_the_next_prompt() -> None:
    sketches = Sketches()
    calls = [sketches.of("a", HEADS, asked(16, start=step), POLICY) for step in range(4)]
    assert [call is None for call in calls] == [False, False, True, True]
    sketches.learn("a", HEADS, asked(16, start=9, queries=16), POLICY)
    assert sketches.of("a", HEADS, asked(17, start=9), POLICY) is not None


def test_a_prompt_too_short_is_passed_over_and_a_call_says_why() -> None:
    sketches = Sketches()
    sketches.learn("a", HEADS, asked(3, queries=3), POLICY)
    with pytest.raises(SpecError, match="3 keys are no whole block of 4"):
        sketches.of("a", HEADS, asked(3), POLICY)


def test_a_text_from_its_start_is_no_shift_and_teaches_itself() -> None:
    """One text after the other, each whole: the second is sketched as the first, and the third."""
    sketches = Sketches()
    found = [sketches.of("a", HEADS, asked(20, seed=seed, queries=20), POLICY) for seed in range(4)]
    assert all(each is not None for each in found)
    alone = Sketches()
    alone.learn("a", HEADS, asked(20, seed=3, queries=20), POLICY)
    taught = alone.of("a", HEADS, asked(20, seed=3), POLICY)
    assert found[3] is not None
    assert taught is not None
    assert torch.equal(found[3].basis.query, taught.basis.query)


def test_a_basis_that_is_given_is_the_one_that_is_used() -> None:
    given = Sketches().of("a", HEADS, asked(13, seed=5), POLICY)
    assert given is not None
    sketches = Sketches()
    sketches.learn("a", HEADS, asked(20, queries=20), POLICY, given.basis)
    for made in (
        sketches.of("a", HEADS, asked(21), POLICY, given.basis),
        sketches.of("b", HEADS, asked(9), POLICY, given.basis),
    ):
        assert made is not None
        assert torch.equal(made.basis.key, given.basis.key)
