"""Block lists from the masks' own answers: never wrong, as sharp as the answers are, and few questions asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from regard.kernels import flex_blocks
from regard.kernels.flex_blocks import ALL, MIXED, NONE, answers, block_mask
from regard.kernels.flex_mods import Ground, mask_mod
from regard.spec import Causal, Dense, Dilated, Documents, Grid2D, Mask, Padding, Prefix, Sinks, Window
from regard.spec.place import Place

BATCH, HEADS, QUERIES, KEYS, SIDE = 2, 3, 19, 31, 4


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex_blocks, "SIDE", SIDE)


def place(start: int = KEYS - QUERIES) -> Place:
    return Place(BATCH, HEADS, QUERIES, KEYS, start, torch.device("cpu"))


def flags(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.9


SHARP: list[Mask] = [  # of these every block that is all or none is known to be
    Causal(),
    Window(5, 2),
    Window(0, 0),
    Sinks(6),
    Prefix(5),
    Padding(torch.tensor([0, 23])),
    Padding(torch.tensor([31, 8]), torch.tensor([7, 19])),
    Documents(torch.arange(19) // 8, torch.arange(31) // 8),
    Documents(torch.stack((torch.arange(19) // 8, torch.zeros(19).long())), torch.arange(31) // 8),
    Dense(flags(2, 3, 19, 31)),
    Dense(flags(19, 31)),
    Dense(flags(1, 31)),
    Dense(flags(2, 1, 19, 1)),
    ~Window(5, 2),
]
LOOSE: list[Mask] = [
    (Window(5, 0) | Sinks(4)) & Padding(torch.tensor([31, 20])),
    Dilated(3, 9, 2),
    Causal() & ~Documents(torch.arange(19) % 2, torch.arange(31) % 2),
    Dense(flags(1, 3, 19, 31)) | Padding(torch.tensor([9, 17])),
]


def truth(mask: Mask, here: Place) -> Tensor:
    """(batch, heads, row blocks, col blocks), counted entry by entry."""
    full = mask.dense(here).expand(here.batch, here.heads, here.query_len, here.key_len)
    rows = []
    for i in range(0, here.query_len, SIDE):
        blocks = [full[:, :, i : i + SIDE, j : j + SIDE] for j in range(0, here.key_len, SIDE)]
        rows.append(torch.stack([b.flatten(2).any(-1).int() + b.flatten(2).all(-1).int() for b in blocks], -1))
    return torch.stack(rows, -2)


@pytest.mark.parametrize("start", [12, 0, -7])
@pytest.mark.parametrize("mask", SHARP + LOOSE, ids=repr)
def test_all_and_none_are_promises(small: None, mask: Mask, start: int) -> None:
    here = place(start)
    found, true = answers(mask, here).expand(BATCH, HEADS, -1, -1), truth(mask, here)
    assert found.shape == true.shape
    assert (true[found == NONE] == NONE).all()
    assert (true[found == ALL] == ALL).all()


@pytest.mark.parametrize("mask", SHARP, ids=repr)
def test_no_block_is_taken_for_mixed_that_is_not(small: None, mask: Mask) -> None:
    assert torch.equal(answers(mask, place()).expand(BATCH, HEADS, -1, -1).int(), truth(mask, place()))


def test_a_grid(small: None) -> None:
    here, mask = Place(1, 1, 30, 30, 0, torch.device("cpu")), Grid2D(5, 6, 1)
    found, true = answers(mask, here), truth(mask, here)
    assert (true[found == NONE] == NONE).all()
    assert (found == NONE).sum() > 20  # of 64


@pytest.mark.parametrize("mask", SHARP + LOOSE, ids=repr)
def test_the_block_mask_lists_them(small: None, mask: Mask) -> None:
    """Blocks listed as partial and as full are those that are mixed and all; and both are known by key block too."""
    here = place()
    made = block_mask(mask, mask_mod(mask, Ground.of(here)), here)
    found = answers(mask, here).clone()
    found[..., -1, :].clamp_(max=MIXED)  # 19 queries and 31 keys end within a block, which torch must cut off
    found[..., -1].clamp_(max=MIXED)
    for number, counts, indices in (
        (MIXED, made.kv_num_blocks, made.kv_indices),
        (ALL, made.full_kv_num_blocks, made.full_kv_indices),
    ):
        listed = torch.zeros_like(found)
        for spot in torch.cartesian_prod(*(torch.arange(size) for size in counts.shape)).tolist():
            own = tuple(spot)
            listed[(*own, indices[own][: counts[own]].long())] = 1
        assert torch.equal(listed == 1, found == number)
        assert counts.dtype == indices.dtype == torch.int32
    assert made.q_num_blocks.sum() == (found == MIXED).sum()
    assert made.full_q_num_blocks.sum() == (found == ALL).sum()
    assert made.shape[-2:] == (QUERIES, KEYS)
    assert made.BLOCK_SIZE == (SIDE, SIDE)


def test_a_long_window_asks_few_questions_and_lays_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """256 x 256 blocks of 128: 65,536 answers from a few thousand questions, the mask's tile unread."""
    asked: list[int] = []
    original = Window.block

    def counted(self: Window, *args: Any) -> Any:
        asked.append(1)
        return original(self, *args)

    monkeypatch.setattr(Window, "block", counted)
    monkeypatch.setattr(Window, "tile", lambda *_: pytest.fail("the mask was laid out"))
    found = answers(Window(300, 0), Place(1, 1, 256 * 128, 256 * 128, 0, torch.device("cpu")))
    assert found.shape == (1, 1, 256, 256)
    assert (found != NONE).sum() < 256 * 4
    assert len(asked) < 5000


FAULTS = {
    "or for and": lambda m: m.setitem(flex_blocks.ANSWERS, flex_blocks.Both, flex_blocks._either),
    "not left out": lambda m: m.setitem(flex_blocks.ANSWERS, flex_blocks.Not, lambda n, p: answers(n.inner, p)),
    "mixed taken for all": lambda m: m.setattr(
        flex_blocks, "_NUMBER", {**flex_blocks._NUMBER, flex_blocks.Block.MIXED: ALL}
    ),
    "the last block of a row forgotten": lambda m: m.setattr(
        flex_blocks, "_span", lambda b, n: range(b.start * SIDE, min(b.stop * SIDE, n - 1))
    ),
    "any in place of all": lambda m: m.setattr(
        flex_blocks, "_reduced", lambda t, f, *a, g=flex_blocks._reduced: g(t, torch.any, *a)
    ),
}


def broken(mask: Mask) -> bool:
    try:
        test_all_and_none_are_promises(None, mask, 0)
    except (AssertionError, ValueError):
        return True
    return False


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(small: None, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(broken(mask) for mask in SHARP + LOOSE)
    FAULTS[fault](monkeypatch)
    assert any(broken(mask) for mask in SHARP + LOOSE)
