"""Causal, Window, Sinks, Prefix, Dilated, Grid2D: pictures by hand, words, and what is refused."""

from __future__ import annotations

import pytest
import torch

from regard.spec import Causal, Dilated, Grid2D, Mask, MaskError, Place, Prefix, Sinks, Window


def drawn(*lines: str) -> str:
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("mask", "picture"),
    [
        (Causal(), drawn("■····", "■■···", "■■■··", "■■■■·", "■■■■■")),
        (Window(0, 0), drawn("■····", "·■···", "··■··", "···■·", "····■")),
        (Window(1, 2), drawn("■■■··", "■■■■·", "·■■■■", "··■■■", "···■■")),
        (Sinks(2), drawn("■····", "■■···", "■■···", "■■···", "■■···")),
        (Prefix(2), drawn("■■···", "■■···", "■■···", "■■···", "■■···")),
        (Dilated(2, 4), drawn("■····", "·■···", "■·■··", "·■·■·", "■·■·■")),
        (Dilated(2, 3, 2), drawn("■·■··", "·■·■·", "■·■·■", "·■·■·", "··■·■")),
    ],
    ids=lambda value: value.words() if isinstance(value, Mask) else "",
)
def test_pictures(mask: Mask, picture: str) -> None:
    assert mask.picture(5) == picture


def test_a_grid_sees_a_square_cut_at_the_border() -> None:
    # cells 0 1 / 2 3 / 4 5
    assert Grid2D(3, 2, 1).picture(6) == drawn("■■■■··", "■■■■··", "■■■■■■", "■■■■■■", "··■■■■", "··■■■■")
    assert Grid2D(1, 5, 1).picture(5) == Window(1, 1).picture(5)
    assert Grid2D(2, 3, 0).picture(6) == Window(0, 0).picture(6)
    # the left border is no neighbour of the right border one row up: cell 3 (1, 0) does not see cell 2 (0, 2)
    assert Grid2D(2, 3, 1).picture(6).splitlines()[3] == "■■·■■·"


def test_windows_count_the_query_itself_beyond_before_and_after() -> None:
    row = Window(2, 1).picture(7).splitlines()[3]
    assert row == "·■■■■··"  # positions 1, 2, 3 (itself), 4


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (Causal(), "causal"),
        (Window(3, 1), "window of 3 before and 1 after"),
        (Sinks(4), "the first 4 keys that are not ahead"),
        (Prefix(4), "the first 4 keys"),
        (Dilated(2, 6, 4), "one key in 2 of 6 before and 4 after"),
        (Grid2D(3, 5, 1), "within 1 cells on a 3 x 5 grid"),
    ],
)
def test_words(mask: Mask, words: str) -> None:
    assert mask.words() == words


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Window(-1, 0), r"Window\(before=-1\): before must be a whole number >= 0"),
        (lambda: Window(0, 1.0), r"Window\(after=1.0\): after must be a whole number >= 0"),  # type: ignore[arg-type]
        (lambda: Window(True, 0), r"Window\(before=True\)"),
        (lambda: Sinks(-2), r"Sinks\(n=-2\): n must be a whole number >= 0"),
        (lambda: Prefix("3"), r"Prefix\(n='3'\): n must be a whole number"),  # type: ignore[arg-type]
        (lambda: Dilated(0, 3), r"Dilated\(step=0\): step must be a whole number >= 1"),
        (lambda: Dilated(2, -3), r"Dilated\(before=-3\)"),
        (lambda: Dilated(2, 3, -1), r"Dilated\(after=-1\)"),
        (lambda: Grid2D(0, 3, 1), r"Grid2D\(height=0\): height must be a whole number >= 1"),
        (lambda: Grid2D(3, 0, 1), r"Grid2D\(width=0\)"),
        (lambda: Grid2D(3, 3, -1), r"Grid2D\(reach=-1\): reach must be a whole number >= 0"),
        (lambda: Sinks(torch.ones(2)), r"Sinks\(n=a float32 tensor of shape \(2,\)\)"),  # type: ignore[arg-type]
    ],
)
def test_counts_are_checked_where_a_mask_is_made(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MaskError, match=message):
        make()


@pytest.mark.parametrize(
    ("queries", "keys", "start", "message"),
    [
        (6, 7, 0, "has 6 cells, but there are 7 keys"),
        (6, 6, 1, "queries at positions 1 to 6: pass one key a cell, queries on the grid"),
        (3, 6, -1, "queries at positions -1 to 1"),
    ],
)
def test_a_grid_must_be_covered(queries: int, keys: int, start: int, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        Grid2D(2, 3, 1).check(Place(1, 1, queries, keys, start, torch.device("cpu")))


def test_a_grid_takes_some_of_its_queries() -> None:
    Grid2D(2, 3, 1).check(Place(1, 1, 2, 6, 4, torch.device("cpu")))
    Grid2D(2, 3, 1).check(Place(1, 1, 0, 6, 6, torch.device("cpu")))
