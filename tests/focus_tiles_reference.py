"""`Focus` for prompts once more, slowly: NumPy, float64, tile by tile, from what kernels/focus_tiles.py describes.

Tiles are made small: 8 queries of 3 heads, and picked keys in fours. Which runs of keys a tile's mask leaves is taken
from the layout, which has tests of its own; the choice, what is read and the softmax are found again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.comparison import RESULT, SCORE, hold
from tests.focus_cases import POLICY
from tests.focus_reference import CLOSE, Array, Shelf, asked_vectors, softmax, stocked, with_sink
from tests.strips import small_strips

from regard.kernels import focus_choice, focus_tiles, layout, reference
from regard.kernels.sketch import Sketch
from regard.spec import Budget, Focus, Request
from regard.spec.mask import Block

STEP, ASKED = 4, 3
BUDGET = Budget(fraction=0.5, policy=replace(POLICY, bits=16))


@contextmanager
def small_tiles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, small_strips(height=8, grain=8):
        patch.setattr(focus_choice, "STEP", STEP)
        patch.setattr(focus_choice, "ASKED", ASKED)
        yield


def plain(made: Request, budget: Budget, sketch: Sketch) -> tuple[Array, Array, Array, float, int]:
    """(output, lse, bytes, largest score, how many tiles chose)"""
    output, lse = np.zeros(made.output_shape), np.zeros(made.output_shape[:3])
    read = np.zeros((*made.key.shape[:2], made.place.query_len))
    query, key, value = asked_vectors(made), reference.array(made.key), reference.array(made.value)
    groups, largest, chose = made.groups, 0.0, 0
    for item in range(made.place.batch):
        part = made if len(layout.items(made)) == 1 else layout.items(made)[item]
        for strip in layout.strips(part, 8):
            rows = slice(strip.rows.start, strip.rows.stop)
            for kv in range(made.key.shape[1]):
                heads = slice(kv * groups, (kv + 1) * groups)
                shelf = stocked(sketch, item, kv, key[item, kv], value[item, kv])
                blocks, others = seen(strip, sketch)
                picked, cost = choice(shelf, query[item, heads, rows], blocks, len(others), budget)
                chose += len(picked) < len(blocks) * sketch.policy.grain
                read[item, kv, rows] = cost
                for head, row in ((h, r) for h in range(heads.start, heads.stop) for r in strip.rows):
                    found = weighed(shelf, query[item, head, row], blocks, picked, allowed(part, item, row, others))
                    output[item, head, row], lse[item, head, row] = found[:2]
                    largest = max(largest, found[2])
    return output, lse, read, largest, chose


def allowed(part: Request, item: int, row: int, keys: list[int]) -> list[int]:
    if part.mask is None:
        return keys
    place = part.place
    tile = part.mask.tile(range(row, row + 1), place.cols, place)
    tile = tile[(None,) * (4 - tile.dim())]
    line = tile[min(item, len(tile) - 1), 0, 0].expand(place.key_len)
    return [key for key in keys if bool(line[key])]


def seen(strip: layout.Strip, sketch: Sketch) -> tuple[list[int], list[int]]:
    """(blocks that every query of the tile sees whole, all other keys that any of them may see)"""
    whole = {key for cols, answer in strip.spans if answer is Block.ALL for key in cols if key < sketch.length}
    grain = sketch.policy.grain
    runs = [cols for cols, answer in strip.spans if answer is Block.ALL]
    blocks = [
        block
        for block in range(sketch.length // grain)
        if set(range(block * grain, block * grain + grain)) <= whole
        and any(cols.start <= block * grain and block * grain + grain <= cols.stop for cols in runs)
    ]
    inside = {key for block in blocks for key in range(block * grain, block * grain + grain)}
    return blocks, sorted({key for cols, _ in strip.spans for key in cols} - inside)


def choice(shelf: Shelf, query: Array, blocks: list[int], others: int, budget: Budget) -> tuple[list[int], float]:
    """(keys to read of these blocks, bytes); query (groups, rows, d)."""
    sketch, (dim, size) = shelf.sketch, shelf.sketch.shape[2:]
    grain, rank, pair = sketch.policy.grain, sketch.basis.rank, 2 * (dim + size)
    inside = [key for block in blocks for key in range(block * grain, block * grain + grain)]
    cost = 2 * rank * dim + len(inside) * rank / 2 + len(blocks) * pair
    left = budget.bytes(len(inside) + others, dim, size) - cost - others * pair
    count = math.floor(left / pair) // STEP * STEP
    all_paid = budget.fraction == 1 or (budget.keys or 0) >= len(inside) + others
    if count <= sketch.policy.first or count >= len(inside) or all_paid:
        return inside, (len(inside) + others) * pair
    judges = query[:, :: max(1, query.shape[1] // ASKED)].reshape(-1, dim)
    shares = sum(softmax(shelf.judged[inside] @ each) for each in judges)
    first = [key for key in inside if key < sketch.policy.first]
    order = sorted(((key in first, share, key) for share, key in zip(shares, inside, strict=True)), reverse=True)
    assert order[count - 1][1] > order[count][1] * (1 + CLOSE), "the choice hangs on rounding: other numbers, please"
    return [key for _, _, key in order[:count]], cost + (others + count) * pair


def weighed(
    shelf: Shelf, query: Array, blocks: list[int], picked: list[int], others: list[int]
) -> tuple[Array, float, float]:
    """(output (e), lse, largest score) of one head's query."""
    grain, scores, values = shelf.sketch.policy.grain, [], []
    for key in picked + others:
        scores.append(float(query @ shelf.key[key]))
        values.append(shelf.value[key])
    largest = max((abs(score) for score in scores), default=0.0)
    for block in blocks:
        left = grain - sum(key // grain == block for key in picked)
        if left:
            scores.append(float(query @ shelf.mean_key[block]) + math.log(left))
            values.append(shelf.mean_value[block])
    if not scores:
        return np.zeros(shelf.value.shape[1]), -math.inf, 0.0
    top = max(scores)
    parts = np.exp(np.array(scores) - top)
    return parts @ np.stack(values) / parts.sum(), top + math.log(parts.sum()), largest


def check(made: Request, budget: Budget = BUDGET, *, choices: int = 1) -> None:
    """`choices`: tiles, of all key heads, in which not all is read, at least."""
    assert isinstance(budget.policy, Focus)
    form = made.score.prepare(made.query.float(), made.key[:, :, :0].float())
    sketch = Sketch.of(made.key, made.value, query=form.query, policy=budget.policy)
    output, lse, read, largest, chose = plain(made, budget, sketch)
    output, lse = with_sink(made, output, lse)
    assert chose >= choices
    noise = SCORE * torch.finfo(torch.float32).eps * (1 + largest)
    for found in (focus_tiles.tiles(made, budget), focus_tiles.tiles(made, budget, sketch)):
        assert found.output.dtype == made.query.dtype
        hold("output", found.output, torch.from_numpy(output), RESULT * torch.finfo(made.query.dtype).eps + noise)
        hold("lse", found.lse, torch.from_numpy(lse), noise)
        hold("bytes", found.bytes, torch.from_numpy(read), 1e-12)
        assert found.full == made.place.key_len * 2 * (made.key.shape[3] + made.value.shape[3])
