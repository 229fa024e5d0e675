"""2-D neighbourhoods in tiles: against the truth on grids of every shape, gradients included."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.comparison import check, truth
from torch import Tensor

from regard.kernels import dense, neighbourhood, streaming
from regard.kernels.table_few import FEW_ROWS, neighbourhood_cost
from regard.spec import ALiBi, Causal, Cosine, General, Grid2D, Mask, ScaledDot, request
from regard.spec.request import DTYPES

# half types: queries that a score prepares are rounded before torch gets them, as in `exact`, whose tolerance it has
ROW = replace(next(row for row in FEW_ROWS if row.name == "neighbourhood"), name="exact")


def inputs(queries: int, keys: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """2 items, 4 heads on 2 key heads, dims 5 and 3."""
    source = torch.Generator().manual_seed(1)
    shapes = ((2, 4, queries, 5), (2, 2, keys, 5), (2, 2, keys, 3))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes)
    return q, k, v


@pytest.fixture(params=["one batch", "a batch a row of tiles"])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "one batch":
        monkeypatch.setattr(neighbourhood, "GATHERED", 1)


@pytest.mark.usefixtures("batches")
@pytest.mark.parametrize("reach", [0, 1, 3, 20])
@pytest.mark.parametrize(("height", "width"), [(8, 16), (9, 11), (3, 20), (1, 7), (17, 1)])
def test_grids(height: int, width: int, reach: int) -> None:
    for dtype in (torch.float64, torch.bfloat16):
        general = General(torch.eye(5, dtype=dtype).requires_grad_())
        for score in (ScaledDot(), Cosine(2.0), general):
            asked = request(
                *inputs(height * width, height * width, dtype), score=score, mask=Grid2D(height, width, reach)
            )
            assert neighbourhood.fits(asked) is None
            check(ROW, asked, truth(asked))


@pytest.mark.usefixtures("batches")
@pytest.mark.parametrize(
    ("start", "count"), [(0, 22), (99, 22), (33, 55), (110, 11), (5, 11), (11, 5), (120, 1), (13, 90)]
)
def test_some_of_the_queries(start: int, count: int) -> None:
    """Of a grid of 11 x 11: whole rows go in tiles, others to `streaming`."""
    asked = request(*inputs(count, 121), mask=Grid2D(11, 11, 2), query_start=start)
    check(ROW, asked, truth(asked))


def test_whole_rows_alone_are_cut_into_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles: list[tuple[int, ...]] = []
    original = neighbourhood.exact.run

    def noted(asked: neighbourhood.Request) -> tuple[Tensor, None]:
        tiles.append((*asked.query.shape[:3], asked.key.shape[2]))
        return original(asked)

    for start, count in ((11, 22), (12, 22), (11, 21)):
        asked = request(*inputs(count, 121), mask=Grid2D(11, 11, 2), query_start=start)
        neighbourhood.run(asked, noted)
    # 2 rows of 11 queries: 2 tiles of 2 x 8 queries and 6 x 11 keys, for 2 items; the others went elsewhere
    assert tiles == [(2 * 2, 4, 2 * 8, 6 * 11)]


@settings(max_examples=60)
@given(data=st.data())
def test_any_grid(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    rows = data.draw(st.integers(1, height))
    first = data.draw(st.integers(0, height - rows))
    tensors = inputs(rows * width, height * width, data.draw(st.sampled_from(DTYPES)))
    mask = Grid2D(height, width, data.draw(st.integers(0, 9)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbourhood, "TILE", data.draw(st.integers(1, 9)))
        patch.setattr(neighbourhood, "GATHERED", data.draw(st.sampled_from([1, 10_000, 1 << 24])))
        asked = request(*tensors, mask=mask, query_start=first * width)
        check(ROW, asked, truth(asked))


@pytest.mark.parametrize("kernel", [dense.run, streaming.run])
def test_any_kernel_does_the_tiles(kernel: neighbourhood.Kernel) -> None:
    asked = request(*inputs(99, 99), score=ScaledDot(softcap=2.0), mask=Grid2D(9, 11, 2))
    check(replace(ROW, run=lambda asked: neighbourhood.run(asked, kernel)), asked, truth(asked))


def test_by_hand() -> None:
    """Equal scores on a 3 x 3 grid of values 0..8, reach 1: the corner is the mean of 0, 1, 3, 4, the middle of all."""
    zeros, values = torch.zeros(1, 1, 9, 1), torch.arange(9.0).view(1, 1, 9, 1)
    output, lse = neighbourhood.run(request(zeros, zeros, values, mask=Grid2D(3, 3, 1)))
    assert lse is None
    assert output.flatten().tolist() == pytest.approx([2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6])


def test_a_key_s_gradient_comes_from_every_tile_that_sees_it() -> None:
    """Equal scores on a 16 x 16 grid that sees itself whole: each of 256 queries sends 1/256 to each value."""
    zeros = torch.zeros(1, 1, 256, 1)
    values = torch.zeros(1, 1, 256, 1, requires_grad=True)
    neighbourhood.run(request(zeros, zeros, values, mask=Grid2D(16, 16, 15)))[0].sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.ones_like(values))


def test_who_may_look_sees_nan_and_nobody_else() -> None:
    q, k, v = inputs(121, 121, torch.float32)
    mask = Grid2D(11, 11, 2)
    asked = request(q, k, v, mask=mask)
    broken = replace(asked, value=v.detach().clone())
    broken.value[1, 0, 60, 1] = torch.nan  # the middle
    output = neighbourhood.run(broken)[0]
    want = torch.zeros_like(output, dtype=torch.bool)
    want[1, :2, :, 1] = mask.tile(range(121), range(60, 61), asked.place)[:, 0]
    assert torch.equal(torch.isnan(output), want)


@pytest.mark.parametrize(
    ("mask", "bias"),
    [(None, ()), (Causal(), ()), (Grid2D(3, 3, 1) & Causal(), ()), (Grid2D(3, 3, 1), ALiBi.for_heads(4))],
)
def test_other_masks_and_biases_are_refused(mask: Mask | None, bias: ALiBi | tuple[()]) -> None:
    asked = request(*inputs(9, 9), mask=mask, bias=bias)
    reason = neighbourhood.fits(asked)
    assert reason is not None
    assert ("Grid2D" in reason) == (not bias)
    assert neighbourhood_cost(asked).cells > 0  # the plan lists it, with its reason


def test_it_costs_the_squares_around_the_tiles() -> None:
    """64 x 64 with reach 3: (8 + 6)^2 = 196 keys a query."""
    q = torch.zeros(1, 2, 4096, 4)
    assert neighbourhood_cost(request(q, q, q, mask=Grid2D(64, 64, 3))).cells == 2 * 4096 * 196
