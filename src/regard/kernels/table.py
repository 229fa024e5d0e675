"""The kernel table: what each kernel can do, as data. The planner, the tests and the docs read it from here."""

from __future__ import annotations

from regard.kernels import additive, blocks, dense, exact, reference, streaming
from regard.kernels.cost import blocks_cost, dense_cost, exact_cost, streaming_cost
from regard.kernels.row import ALL, DOT, Row
from regard.kernels.table_drawn import DRAWN_ROWS
from regard.kernels.table_few import FEW_ROWS
from regard.kernels.table_gpu import GPU_ROWS
from regard.kernels.table_spend import SPEND_ROWS
from regard.spec.score import Additive

SQUARE_LIMIT = 64 * 2**20  # bytes of query_len x key_len arrays above which a kernel must be forced

# the kernels that take any lengths, masks and biases; the others are for some requests alone, or for GPUs
GENERAL: tuple[Row, ...] = (
    Row(
        name="exact",
        about="torch SDPA; a mask other than top-left causal is laid out as an array",
        run=exact.run,
        cost=exact_cost,
        scores=DOT,
        curved=False,
        sink=False,
        dropout=False,
        empty=False,
        gradients=True,
        bias_gradients=False,
        lse=False,
        automatic=True,
        flops_per_s=8e10,
        fixed_s=1e-5,
    ),
    Row(
        name="blocks",
        about="torch's flash attention in the blocks that the mask leaves; linear memory",
        run=blocks.run,
        cost=blocks_cost,
        scores=DOT,
        curved=False,
        sink=True,
        dropout=False,
        empty=False,
        gradients=True,
        bias_gradients=False,
        lse=False,
        automatic=True,
        flops_per_s=6e10,
        fixed_s=1e-4,
        devices=("cpu",),
        fits=blocks.fits,
    ),
    Row(
        name="streaming",
        about="tiles with an online softmax; blocks that the mask rules out are skipped; linear memory",
        run=streaming.run,
        cost=streaming_cost,
        scores=DOT,
        curved=True,
        sink=True,
        dropout=True,
        empty=True,
        gradients=True,
        bias_gradients=True,
        lse=True,
        automatic=True,
        flops_per_s=5e10,
        fixed_s=3e-4,
    ),
    Row(
        name="additive",
        about="the additive score in tiles, never query x key x dim; linear memory",
        run=additive.run,
        cost=streaming_cost,
        scores=(Additive,),
        curved=False,
        sink=True,
        dropout=True,
        empty=True,
        gradients=True,
        bias_gradients=True,
        lse=True,
        automatic=True,
        flops_per_s=8e9,
        fixed_s=4e-4,
    ),
    Row(
        name="dense",
        about="the whole matrix in plain torch operations; for small sizes",
        run=dense.run,
        cost=dense_cost,
        scores=ALL,
        curved=True,
        sink=True,
        dropout=True,
        empty=True,
        gradients=True,
        bias_gradients=True,
        lse=True,
        automatic=True,
        flops_per_s=4e10,
        fixed_s=1.5e-4,
    ),
    Row(
        name="reference",
        about="NumPy in float64, formula by formula: the slow truth, only when asked for",
        run=reference.run,
        cost=dense_cost,
        scores=ALL,
        curved=True,
        sink=True,
        dropout=False,
        empty=True,
        gradients=False,
        bias_gradients=False,
        lse=True,
        automatic=False,
        flops_per_s=1e9,
        fixed_s=1e-3,
    ),
)

TABLE: tuple[Row, ...] = (*GENERAL, *FEW_ROWS, *GPU_ROWS, *SPEND_ROWS, *DRAWN_ROWS)


def row(name: str) -> Row | None:
    """The row of that name, or None."""
    return next((found for found in TABLE if found.name == name), None)
