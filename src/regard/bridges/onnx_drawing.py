"""What is drawn of a run: its graphs, and how a batch of its task is fed to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from regard.bridges.onnx_graph import Axes, Graph


@dataclass(frozen=True, eq=False)
class Loop:
    """A decoder that is run step by step.

    carried: what each of its inputs is, of its own outputs of the step before. read: what each is of the first graph's
    outputs, on every step, or on the first alone where it is carried too. empty: inputs that begin without tokens, and
    the sizes (layers, heads, size) of their keys and values. ids: the symbols that a batch feeds, (rows, out_len).
    expected: what the first graph is fed and the symbols -> the model's own logits of those, (rows, out_len, vocab).
    """

    decoder: Graph
    carried: Mapping[str, str]
    read: Mapping[str, str]
    ids: Callable[[Any], Tensor]
    expected: Callable[[Sequence[Tensor], Tensor], Tensor]
    empty: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Drawing:
    """graph: what is run once for a batch; None where there is a loop alone. inputs: what it is fed, of a batch."""

    graph: Graph | None
    inputs: Callable[[Any], tuple[Tensor, ...]]
    loop: Loop | None = None

    @property
    def graphs(self) -> tuple[Graph, ...]:
        loop = () if self.loop is None else (self.loop.decoder,)
        return loop if self.graph is None else (self.graph, *loop)


TEXT: Mapping[str, Axes] = {"ids": ("batch", "length"), "lengths": ("batch",)}
"""Ids padded at the end, and how many are real."""
