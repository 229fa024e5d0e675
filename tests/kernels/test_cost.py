"""What each kernel costs, worked out by hand for one small call, and the share of a square that masks leave.

The call: 2 query heads, 1 key head, 4 queries, 8 keys, dim and value_dim 4, float32. There are 2 x 4 x 8 = 64 scores.
Queries, keys, values and output hold 32 numbers each: 4 x 128 = 512 bytes in and out.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from regard.kernels.cost import Cost, blocks_cost, dense_cost, density, exact_cost, streaming_cost
from regard.kernels.table_few import few_cost
from regard.spec import Additive, ALiBi, Causal, Padding, Prefix, Request, TensorBias, Window, request

IO = 512
TILES = 4 * 512 * 512 * 3  # streaming: three tiles of float32
OWN = 4 * 2 * 512 * 64  # what torch's own tiles take


def ask(dtype: torch.dtype = torch.float32, *, grad: bool = False, value_dim: int = 4, **more: object) -> Request:
    q = torch.zeros(1, 2, 4, 4, dtype=dtype, requires_grad=grad)
    return request(q, torch.zeros(1, 1, 8, 4, dtype=dtype), torch.zeros(1, 1, 8, value_dim, dtype=dtype), **more)  # type: ignore[arg-type]


def test_exact() -> None:
    """A multiply-add is two: 64 scores x (4 + 4) x 2 = 1,024. torch reads keys and values, 256 bytes, for each of the
    two query heads."""
    read = IO + 256
    assert exact_cost(ask()) == Cost(1024, read, OWN, 0, 64)
    assert exact_cost(ask(mask=Causal(), query_start=0)) == Cost(1024, read, OWN, 0, 64)  # 4 queries are one block
    assert exact_cost(ask(mask=Prefix(8))) == Cost(1024, read, OWN, 0, 64)
    # as an array: 4 x 8 entries of 1 byte, and a copy of 4 bytes; two heads of it for a bias a head
    assert exact_cost(ask(mask=Causal())) == Cost(1024, read + 160, OWN + 160, 160, 64)
    assert exact_cost(ask(bias=ALiBi(torch.ones(2)))) == Cost(1024, read + 320, OWN + 320, 320, 64)
    assert exact_cost(ask(mask=Padding(torch.tensor([3])), bias=torch.zeros(4, 8))).square_bytes == 160


@pytest.mark.parametrize(
    ("heads", "length", "threads", "share"),
    [
        (8, 2048, 2, 0.5 + 128 / 2048),  # blocks of 256 queries go up to their own end: half a block more each
        (8, 256, 2, 0.5 + 32 / 256),  # of 64
        (8, 64, 1, 0.5 + 16 / 64),  # of 32
        (1, 2048, 1, 0.5 + 128 / 2048),
        (1, 2048, 2, 1.5 * (0.5 + 128 / 2048)),  # the second thread has three quarters of the triangle
        (3, 2048, 2, (0.5 + 128 / 2048) * (1.75 / 1.5)),  # 1.25 and 1.75 triangles of 3
        (1, 2048, 8, 1.0),  # never more than the square
    ],
)
def test_exact_under_its_own_causal_flag(
    monkeypatch: pytest.MonkeyPatch, heads: int, length: int, threads: int, share: float
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    q = torch.zeros(1).expand(1, heads, length, 4)
    assert exact_cost(request(q, q, q, mask=Causal())).cells == pytest.approx(share * heads * length**2)


def test_exact_in_half_precision() -> None:
    """The bool mask's copy is in the inputs' dtype; biases stay in float32."""
    assert exact_cost(ask(torch.bfloat16, mask=Causal())).square_bytes == 32 * 3
    assert exact_cost(ask(torch.bfloat16, bias=torch.zeros(4, 8))).square_bytes == 32 * 5


def test_exact_fills_up_to_one_size() -> None:
    """value_dim 6: queries (128 B) and keys (128 B) are copied, padded, in room for values of 192 B and more."""
    found = exact_cost(ask(value_dim=6))
    assert found.flops == 64 * 2 * (4 + 6)
    assert found.extra_bytes == OWN + 2 * 256


def test_streaming() -> None:
    """One tile, for the one key head. Values of 128 bytes are copied with a column of ones."""
    assert streaming_cost(ask()) == Cost(1024, IO, TILES + 128, 0, 64, 1)
    assert streaming_cost(ask(grad=True)) == Cost(1024, IO, TILES + 128 + 2 * IO, 0, 64, 1)
    with torch.no_grad():
        assert streaming_cost(ask(grad=True)).extra_bytes == TILES + 128
    # half of everything; keys and values, 128 bytes, are widened, which is written and read: 8 times that
    assert streaming_cost(ask(torch.float16)) == Cost(1024, IO / 2 + 8 * 128, TILES + 64 + IO, 0, 64, 1)


def test_streaming_skips_what_the_mask_rules_out() -> None:
    assert streaming_cost(ask(mask=Prefix(0))) == Cost(0, IO, TILES + 128, 0)
    # the mask is laid over once for both heads: 4 bytes for each of 4 x 5 entries
    assert streaming_cost(ask(mask=Prefix(5))) == Cost(640, IO + 4 * 20, TILES + 128, 0, 40, 1)


def test_streaming_the_careful_way() -> None:
    """Dropout goes by tiles of 2 heads x 128 x 1,024: 16 bytes moved for each score."""
    assert streaming_cost(ask(dropout=0.5)) == Cost(1024, IO + 16 * 64, 4 * 2**20, 0, 64, 64 / (2 * 128 * 1024))


def test_blocks() -> None:
    """Without a mask one strip, one call. With one its numbers are laid out once for both heads,
    and 5 of 8 keys and values are read, 160 of 256 bytes, for each of the two: queries and output take 256."""
    assert blocks_cost(ask()) == Cost(1024, IO + 256, 4 * 256 * 8, 0, 64, 1)
    assert blocks_cost(ask(mask=Prefix(5))) == Cost(640, 256 + 2 * 160 + 4 * 20, 4 * 256 * 5, 0, 40, 1)


def test_dense() -> None:
    """64 scores x 4 bytes x 5 arrays = 1,280 bytes; the additive score has dim 4 more of them in place of one. Keys
    and values are repeated for the two heads: 16 bytes for each of 32 queries' numbers."""
    moved = IO + 16 * 32
    assert dense_cost(ask()) == Cost(1024, moved + 4 * 1280, 1280 + 2 * IO, 1280, 64)
    additive = dense_cost(ask(score=Additive(torch.ones(4))))
    assert additive == Cost(64 * (8 * 4 + 2 * 4), moved + 4 * 2048, 2048 + 2 * IO, 2048, 64)
    assert dense_cost(ask(torch.float16)).square_bytes == 1280
    assert dense_cost(ask(torch.float64)).square_bytes == 2560


@pytest.mark.parametrize(
    ("mask", "share"),
    [
        (None, 1.0),
        (Prefix(0), 0.0),
        (Prefix(1024), 0.25),
        # 16 runs of 256 queries, 4 of 1,024 keys: 4 x (1 + 2 + 3 + 4) = 40 of 64 blocks hold something
        (Causal(), 40 / 64),
        # 256 queries with 256 keys before them: 16 blocks on the diagonal, 3 where a run reaches into the one before
        (Window(256, 0), 19 / 64),
    ],
)
def test_density(mask: object, share: float) -> None:
    q = torch.zeros(1).expand(1, 1, 4096, 4)
    assert density(request(q, q, q, mask=mask)) == share  # type: ignore[arg-type]


def test_biases_are_counted_where_they_are_laid_over_tiles() -> None:
    """64 scores, two biases; as one array for torch they are bytes."""
    two = (ALiBi(torch.ones(2)), TensorBias(torch.zeros(4, 8)))
    assert blocks_cost(ask(bias=two)).biased == streaming_cost(ask(bias=two)).biased == few_cost(ask(bias=two)).biased
    assert few_cost(ask(bias=two)).biased == 128
    assert exact_cost(ask(bias=two)).biased == dense_cost(ask(bias=two)).biased == 0


def test_a_window_of_one_query_reads_its_keys_alone() -> None:
    """2 heads of 4, 4,096 keys: the window's 8 keys and values are read once for each head, not the cache."""
    q, k = torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 4096, 4)
    found = blocks_cost(request(q, k, k, mask=Causal() & Window(7, 0)))
    assert found.cells == 2 * 8
    assert found.bytes < 2 * 2 * 8 * 4 * 4 + 2 * 2 * 4 * 4 + 4 * 4096


def test_lengths_of_0_cost_nothing_to_ask() -> None:
    q = torch.zeros(1, 2, 0, 4)
    bias = (TensorBias(torch.zeros(0, 0)), ALiBi(torch.ones(2)))
    for cost in (exact_cost, streaming_cost, dense_cost):
        assert cost(request(q, q, q, mask=Causal(), bias=bias)).flops == 0


def test_what_is_laid_out_spreads_over_the_items_and_heads_that_differ() -> None:
    """4 x 8 entries: of 2 items by a mask, of 3 heads by a bias, of both; a byte, and a float32 copy."""
    q = torch.zeros(2, 3, 4, 4)
    k = torch.zeros(2, 1, 8, 4)
    mask, bias = Padding(torch.tensor([3, 8])), ALiBi(torch.ones(3))
    for more, lanes in (({"mask": mask}, 2), ({"bias": bias}, 3), ({"mask": mask, "bias": bias}, 6)):
        assert exact_cost(request(q, k, k, **more)).square_bytes == lanes * 4 * 8 * (1 + 4)  # type: ignore[arg-type]


def test_a_first_call_loads_no_sympy() -> None:
    """torch loads it for some shape functions of its own, which takes seconds."""
    script = (
        "import sys, torch, regard; q = torch.zeros(2, 2, 4, 4); mask = regard.Padding(torch.tensor([3, 4]));"
        "regard.attend(q, q, q, mask=mask, bias=regard.ALiBi(torch.ones(2))); assert 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
