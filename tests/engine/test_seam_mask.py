"""Mask tensors read back as specs: what is recognised forbids the same entries, and is recognised."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from regard.engine.seam_mask import MaskReader, Read, read_mask
from regard.spec import Causal, Dense, Mask, Place, Window

BATCH, HEADS = 2, 3


def read(allowed: Tensor, heads: int = HEADS) -> Read:
    return read_mask(allowed, (BATCH, heads, allowed.shape[2], allowed.shape[3]))


def laid(mask: Mask, queries: int, keys: int, start: int, real: Tensor | None = None) -> Tensor:
    """(batch, 1, queries, keys) as a model writes it."""
    place = Place(BATCH, HEADS, queries, keys, start, torch.device("cpu"))
    allowed = mask.dense(place).expand(BATCH, 1, queries, keys).clone()
    return allowed if real is None else allowed & real[:, None, None]


def hold(found: Read, allowed: Tensor) -> None:
    """The spec forbids what the tensor forbids."""
    queries, keys = allowed.shape[2:]
    start = keys - queries if found.query_start is None else found.query_start
    place = Place(BATCH, HEADS, queries, keys, start, torch.device("cpu"))
    assert found.mask is not None
    size = (BATCH, HEADS, queries, keys)
    assert torch.equal(found.mask.dense(place).expand(size), allowed.expand(size))


LEFT = torch.arange(13) >= torch.tensor([[0], [4]])
RIGHT = torch.arange(13) < torch.tensor([[13], [9]])


@pytest.mark.parametrize("real", [None, LEFT, RIGHT], ids=["none", "left", "right"])
@pytest.mark.parametrize(
    ("mask", "queries", "start", "words"),
    [
        (Causal(), 13, 0, "causal"),
        (Causal(), 5, 8, "causal"),
        (Causal(), 5, 2, "causal"),  # a cache with room to spare behind the last query
        (Window(3, 0), 13, 0, "window of 3 before and 0 after"),
        (Window(3, 0), 4, 9, "window of 3 before and 0 after"),
        (Window(2, 2), 13, 0, "window of 2 before and 2 after"),
    ],
)
def test_structure_is_found(mask: Mask, queries: int, start: int, words: str, real: Tensor | None) -> None:
    allowed = laid(mask, queries, 13, start, real)
    found = read(allowed)
    hold(found, allowed)
    assert found.query_start == start
    assert found.mask is not None
    assert found.mask.words().startswith(words)
    assert not found.biases


def test_more_rows_than_are_compared_at_a_time() -> None:
    allowed = laid(Causal(), 600, 600, 0)
    assert read(allowed).mask == Causal()
    allowed[1, 0, 599, 0] = False  # the last of the rows
    hold(read(allowed), allowed)
    assert isinstance(read(allowed).mask, Dense)


def test_what_has_no_structure_stays_dense() -> None:
    allowed = torch.rand(BATCH, 1, 7, 9, generator=torch.Generator().manual_seed(1)) < 0.5
    found = read(allowed)
    hold(found, allowed)
    assert isinstance(found.mask, Dense)


def test_a_head_with_a_mask_of_its_own_is_kept_apart() -> None:
    allowed = laid(Causal(), 7, 7, 0).expand(BATCH, HEADS, 7, 7).clone()
    allowed[:, 1, 6, 0] = False
    found = read(allowed)
    hold(found, allowed)
    assert isinstance(found.mask, Dense)


def test_one_row_for_all_queries_is_padding_of_one_row() -> None:
    allowed = RIGHT[:, None, None].expand(BATCH, HEADS, 6, 13)
    found = read(allowed)
    hold(found, allowed)
    assert isinstance(found.mask, Dense)
    assert tuple(found.mask.allowed.shape) == (BATCH, 1, 1, 13)
    assert found.query_start is None


def test_a_single_query_stands_on_the_last_key_it_sees() -> None:
    row = torch.tensor([False, True, True, True, False, False])[None, None, None].expand(BATCH, 1, 1, 6)
    assert read(row).query_start == 3


def test_a_mask_that_allows_all_is_none_and_one_that_allows_none_stays() -> None:
    assert read(torch.ones(BATCH, 1, 4, 4, dtype=torch.bool)) == Read(None, (), None)
    nothing = torch.zeros(BATCH, 1, 4, 4, dtype=torch.bool)
    hold(read(nothing), nothing)


@pytest.mark.parametrize("low", [-torch.inf, torch.finfo(torch.float32).min])
def test_floats_that_only_forbid_are_a_mask(low: float) -> None:
    allowed = laid(Causal(), 7, 7, 0)
    found = read(torch.where(allowed, 0.0, low))
    assert found == read(allowed)
    assert found.mask == Causal()


def test_floats_that_also_add_are_a_mask_and_a_bias() -> None:
    allowed, values = laid(Causal(), 7, 7, 0), torch.randn(1, HEADS, 7, 7)
    found = read(torch.where(allowed, values, -torch.inf))
    hold(found, allowed)
    (bias,) = found.biases
    assert torch.equal(bias.values, torch.where(allowed, values, 0.0))
    alone = read(values)
    assert alone.mask is None
    assert torch.equal(alone.biases[0].values, values)


def test_a_tensor_is_read_once_until_it_changes() -> None:
    reader, allowed, shape = MaskReader(), laid(Causal(), 7, 7, 0), (BATCH, HEADS, 7, 7)
    first = reader.read(allowed, shape)
    assert reader.read(allowed, shape) is first
    allowed[0, 0, 6, 0] = False
    assert isinstance(reader.read(allowed, shape).mask, Dense)
    with torch.inference_mode():
        reader.read(laid(Causal(), 7, 7, 0), shape)  # such a tensor counts no versions
