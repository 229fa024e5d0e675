"""The sketch of a cache: what is stored, how it grows, and what it takes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.focus_cases import BATCH, DIM, KEYS, KV_HEADS, POLICY, VALUE_DIM, inputs, normal
from tests.focus_reference import decoded
from torch import Tensor

from regard.kernels import sketch as module
from regard.kernels.sketch import Sketch
from regard.spec import Focus

LANES = BATCH * KV_HEADS


def made(length: int = KEYS, **changed: Any) -> Sketch:
    q, k, v = inputs()
    return Sketch.of(k[:, :, :length], v[:, :, :length], query=q, policy=replace(POLICY, **changed))


def fresh(like: Sketch) -> Sketch:
    """Of the same basis, without keys."""
    rooms = like.codes[:, :, :0], like.keys[:, :0], like.values[:, :0], like.means[:, :0]
    return Sketch(like.policy, like.basis, like.shape, *rooms)


def stored(sketch: Sketch) -> list[Tensor]:
    """What is in the sketch, without the room to grow."""
    length, blocks = sketch.length, sketch.length // sketch.policy.grain
    return [
        sketch.codes[:, :, :length],
        sketch.keys[:, :length],
        sketch.values[:, :length],
        sketch.means[:, :blocks],
    ]


def residuals(sketch: Sketch, numbers: Tensor, means: Tensor) -> Tensor:
    """(lanes, length, x): what keys or values are beyond the means that are kept of their blocks."""
    own = numbers[:, :, : sketch.length].flatten(0, 1).float()
    return own - means.float().repeat_interleave(sketch.policy.grain, 1)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_shapes(bits: int) -> None:
    found = made(bits=bits)
    wide = {4: (10, 12), 8: (19, 23), 16: (0, 0)}[bits]
    assert (found.length, found.basis.rank, found.shape) == (152, 10, (BATCH, KV_HEADS, DIM, VALUE_DIM))
    assert [tuple(each.shape) for each in stored(found)] == [
        (LANES, 5, 152), (LANES, 152, wide[0]), (LANES, 152, wide[1]), (LANES, 19, 42),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "dim", "rank"),
    [
        (0.5, 64, 8),
        (0.5, 128, 16),
        (0.5, 8, 2),
        (0.01, 8, 2),
        (4, 8, 8),
        (4, 7, 6),
        (2, 19, 10),
        (1, 20, 4),
        (1, 28, 8),
    ],
)
def test_the_rank_is_even_and_as_near_to_the_bits_as_there_are_directions(bits: float, dim: int, rank: int) -> None:
    """28 dimensions at 1 bit are 7 numbers of 4 bits: 3.5 pairs, and halves are rounded to even ones."""
    key = normal(1, 1, 32, dim, seed=1)
    assert Sketch.of(key, key, policy=Focus(sketch=bits, grain=8)).basis.rank == rank


def test_means_are_those_of_the_blocks() -> None:
    _, k, v = inputs()
    found, blocks = made(), (BATCH, KV_HEADS, 19, 8, -1)
    means = torch.cat([each[:, :, :152].view(blocks).mean(3) for each in (k, v)], -1).flatten(0, 1)
    torch.testing.assert_close(found.means[:, :19].float(), means, rtol=1e-3, atol=1e-3)


def test_codes_tell_the_numbers_to_within_half_a_step() -> None:
    """Numbers of a key are its residual's products with the basis, in steps; 16 steps there are, 8 to a side."""
    _, k, _ = inputs()
    found = made()
    numbers = residuals(found, k, found.means[:, :19, :DIM]).view(BATCH, KV_HEADS, 152, DIM) @ found.basis.key
    codes = found.codes[:, :, :152].mT.numpy().astype(int)
    read = torch.from_numpy(np.concatenate((codes // 16, codes % 16), -1) - 7.5).view(numbers.shape)
    inside = (numbers >= -8) & (numbers < 8)
    assert 0.9 < inside.float().mean() <= 1
    assert float((read - numbers)[inside].abs().max()) <= 0.5 + 1e-4
    assert set(read[numbers >= 8].tolist()) <= {7.5}
    assert set(read[numbers < -8].tolist()) <= {-7.5}
    assert len(np.unique(codes // 16)) == 16  # all steps are in use


@pytest.mark.parametrize("bits", [4, 8])
def test_rounded_keys_and_values_are_within_half_a_step(bits: int) -> None:
    _, k, v = inputs()
    found = made(bits=bits)
    parts = (
        (k, found.keys, found.basis.key_step, slice(DIM)),
        (v, found.values, found.basis.value_step, slice(DIM, None)),
    )
    for given, codes, step, where in parts:
        want = residuals(found, given, found.means[:, :19, where])
        steps = step.repeat(BATCH, 1, 1)
        read = steps * torch.from_numpy(decoded(found, codes[:, :152].numpy(), given.shape[3])).float()
        reach = steps * 2 ** (bits - 1)
        inside = (want >= -reach) & (want < reach)
        assert bool(inside.all()) == (bits == 8)  # 8 bits reach a quarter further than the keys they were learnt from
        assert inside.float().mean() > 0.9
        assert float(((read - want).abs() / steps)[inside].max()) <= 0.5 + 1e-3
        assert float(((read - want).abs() - (want.abs() - reach).clamp_min(0) - steps).max()) < 0


def test_a_number_far_beyond_what_was_learnt_is_cut_off() -> None:
    _, k, v = inputs()
    found = made(96)
    far = k.clone()
    far[:, :, 100] = 1e5
    found.follow(far, v)
    assert bool((found.keys[:, 100] == 255).all())
    assert set(found.codes[:, :, 100].flatten().tolist()) <= {a * 16 + b for a in (0, 15) for b in (0, 15)}


@pytest.mark.parametrize("width", [1, 2, 3, 8, 9])
def test_two_numbers_to_a_byte(width: int) -> None:
    codes = torch.arange(5 * width).view(5, width).remainder(16).to(torch.uint8)
    packed = module._packed(codes)
    assert packed.shape == (5, math.ceil(width / 2))
    found = made(bits=4)
    assert torch.equal(found.widened(packed, torch.empty(5, width)), codes.float())
    assert found.middle == 7.5
    assert made(bits=8).middle == 127.5


def test_two_numbers_to_a_byte_by_hand() -> None:
    """1 2 3 4 5: the first three above, the others below."""
    packed = module._packed(torch.tensor([[1, 2, 3, 4, 5]], dtype=torch.uint8))
    assert packed.tolist() == [[0x14, 0x25, 0x30]]


# --- growing


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_token_by_token_it_becomes_what_it_is_at_once(bits: int) -> None:
    _, k, v = inputs()
    found = made(40, bits=bits)
    whole = fresh(found)
    whole.follow(k, v)
    for length in range(40, KEYS + 1):
        found.follow(k[:, :, :length], v[:, :, :length])
        assert found.length == length // 8 * 8
        if length == 90:
            found.follow(k[:, :, :length], v[:, :, :length])  # once more changes nothing
    for got, want in zip(stored(found), stored(whole), strict=True):
        assert torch.equal(got, want)


def test_in_pieces_it_becomes_what_it_is_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    want = made()
    monkeypatch.setattr(module, "CHUNK", 17)
    for got, each in zip(stored(made()), stored(want), strict=True):
        assert torch.equal(got, each)


def test_what_is_sketched_is_not_looked_at_again() -> None:
    _, k, v = inputs()
    found, want = made(96), made(96)
    lost_k, lost_v = k.clone(), v.clone()
    lost_k[:, :, :96], lost_v[:, :, :96] = torch.nan, torch.nan
    found.follow(lost_k, lost_v)
    want.follow(k, v)
    for got, each in zip(stored(found), stored(want), strict=True):
        assert torch.equal(got, each)


def test_room_is_made_ever_more_seldom() -> None:
    """From 8 keys to 2,000 in blocks of 4: each time by half of what there is, so at most log(250) / log(1.5) = 13.6
    times, and no more is copied than is there in the end, thrice."""
    key = normal(1, 1, 2000, 6, seed=1)
    found = Sketch.of(key[:, :, :8], key[:, :, :8], policy=Focus(grain=4))
    rooms, copied, held = [], 0, found.codes.data_ptr()
    for length in range(8, 2001):
        before = found.codes.shape[2]
        found.follow(key[:, :, :length], key[:, :, :length])
        if found.codes.data_ptr() != held:
            rooms.append(found.codes.shape[2])
            copied, held = copied + before, found.codes.data_ptr()
    assert len(rooms) <= 14
    assert copied <= 3 * 2000
    assert all(room % 4 == 0 for room in rooms)
    assert 2000 <= rooms[-1] <= 3000
    assert found.length == 2000


def test_a_cache_that_was_cut_back_is_followed_from_there() -> None:
    _, k, v = inputs()
    found = made()
    room = found.codes.shape[2]
    found.cut(83)
    assert found.length == 80
    other = k.flip(-1)
    other[:, :, :80] = k[:, :, :80]
    found.follow(other, v)
    want = fresh(found)
    want.follow(other, v)
    for got, each in zip(stored(found), stored(want), strict=True):
        assert torch.equal(got, each)
    assert found.codes.shape[2] == room
    for length, left in ((400, 152), (152, 152), (7, 0), (-1, 0)):
        found.cut(length)
        assert found.length == left


@pytest.mark.parametrize(("bits", "each"), [(4, 5 + 10 + 12), (8, 5 + 19 + 23), (16, 5)])
def test_bytes_are_those_of_the_keys_that_are_in_it(bits: int, each: int) -> None:
    """5 bytes of codes and the rounded numbers of 152 keys, 84 bytes of means of 19 blocks, in 4 lanes."""
    found = made(bits=bits)
    assert found.bytes == 4 * (152 * each + 19 * 84)
    found.cut(80)
    assert found.bytes == 4 * (80 * each + 10 * 84)
    assert made(40, bits=bits).bytes == 4 * (40 * each + 5 * 84)


# --- modes


def test_no_gradient_is_kept() -> None:
    _, k, v = inputs()
    found = Sketch.of(k.requires_grad_(), v.requires_grad_(), policy=POLICY)
    held = (*stored(found), found.basis.key, found.basis.query, found.basis.key_step, found.basis.value_step)
    assert not any(each.requires_grad for each in held)


def test_made_in_inference_mode_it_can_be_followed_outside_and_the_other_way_round() -> None:
    _, k, v = inputs()
    with torch.inference_mode():
        found = made(96)
    found.cut(40)
    found.follow(k[:, :, :96], v[:, :, :96])  # into the room that there is
    found.follow(k, v)
    other = made(96)
    with torch.inference_mode():
        other.follow(k * 1, v * 1)
    other.cut(100)
    other.follow(k, v)
    for got, each in zip(stored(found), stored(other), strict=True):
        assert torch.equal(got, each)


def test_half_precision_around_it_changes_nothing() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = made()
    for got, want in zip(stored(found), stored(made()), strict=True):
        assert torch.equal(got, want)
