"""The rows of the kernel table that graphs are drawn with."""

from __future__ import annotations

from regard.kernels import drawn
from regard.kernels.cost import dense_cost
from regard.kernels.row import ALL, Row

DRAWN_ROWS: tuple[Row, ...] = (
    Row(
        name="drawn",
        about="plain operations that a graph can hold for any sizes; for export alone",
        run=drawn.run,
        cost=dense_cost,
        scores=ALL,
        curved=True,
        sink=True,
        dropout=False,
        empty=True,
        gradients=True,
        bias_gradients=True,
        lse=False,
        automatic=False,
        flops_per_s=4e10,
        fixed_s=1.5e-4,
        draws=True,
    ),
)
