"""Attention as a graph holds it: drawn by torch.export at one size, run at others, held against the plain truth."""

import pytest
import torch
from torch import nn
from torch.export import Dim

from regard import attend
from regard.kernels import drawn, reference
from regard.kernels.table import TABLE
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Causal,
    Cosine,
    Dense,
    Documents,
    General,
    Padding,
    Prefix,
    ScaledDot,
    SinkLogits,
    Sinks,
    Window,
)
from regard.spec.errors import KernelError
from regard.spec.request import request

VECTOR = torch.linspace(-1, 1, 8)
ASKED = {
    "plain": {},
    "causal": {"mask": Causal()},
    "window and sinks": {"mask": Window(2, 0) | Sinks(1)},
    "not a prefix": {"mask": ~Prefix(2)},  # some rows are empty where there are few keys
    "softcap": {"score": ScaledDot(softcap=2.0), "mask": Causal()},
    "softcap and empty rows": {"score": ScaledDot(softcap=2.0), "mask": ~Prefix(2)},
    "cosine": {"score": Cosine(3.0)},
    "general": {"score": General(torch.eye(8) + 0.1)},
    "additive": {"score": Additive(VECTOR), "mask": Causal()},
    "activated": {"score": ActivatedDot(VECTOR, 0.3)},
    "alibi": {"bias": ALiBi(torch.tensor([0.5, 0.25])), "mask": Causal()},
    "sink": {"bias": SinkLogits(torch.tensor([0.5, -1.0])), "mask": Causal()},
}


class Attending(nn.Module):
    def __init__(self, asked):
        super().__init__()
        self.asked = asked

    def forward(self, q, k, v):
        return attend(q, k, v, **self.asked)


class Padded(nn.Module):
    def forward(self, q, k, v, lengths, ids):
        return attend(q, k, v, mask=Padding(lengths) & Documents(ids))


def tensors(batch, length, kv_heads=2):
    return [torch.randn(batch, heads, length, 8) for heads in (2, kv_heads, kv_heads)]


def graph(module, inputs, shapes):
    with torch.no_grad():
        return torch.export.export(module, tuple(inputs), dynamic_shapes=shapes, strict=False).module()


@pytest.mark.parametrize("name", ASKED)
def test_a_graph_drawn_at_one_size_is_true_at_others(name):
    asked, batch, length = ASKED[name], Dim("batch"), Dim("length")
    made = graph(Attending(asked), tensors(2, 5), [{0: batch, 2: length}] * 3)
    for rows, size in ((1, 1), (3, 2), (2, 7), (1, 40)):
        q, k, v = tensors(rows, size)
        truth, _ = reference.run(request(q, k, v, **asked))
        torch.testing.assert_close(made(q, k, v), truth, rtol=1e-5, atol=1e-6)


def test_lengths_and_ids_are_inputs_of_the_graph():
    batch, length = Dim("batch"), Dim("length")
    shapes = [{0: batch, 2: length}] * 3 + [{0: batch}, {0: batch, 1: length}]
    made = graph(Padded(), [*tensors(2, 5), torch.tensor([5, 3]), torch.zeros(2, 5, dtype=torch.int64)], shapes)
    q, k, v = tensors(3, 4)
    lengths, ids = torch.tensor([4, 0, 2]), torch.tensor([[0, 0, 1, 1], [0, 0, 0, 0], [5, 6, 5, 6]])
    truth, _ = reference.run(request(q, k, v, mask=Padding(lengths) & Documents(ids)))
    found = made(q, k, v, lengths, ids)
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-6)
    assert not found[1].any()  # a sequence without a token


def test_heads_that_share_keys():
    length = Dim("length")
    made = graph(Attending({"mask": Causal()}), tensors(2, 5, kv_heads=1), [{2: length}] * 3)
    q, k, v = tensors(2, 9, kv_heads=1)
    torch.testing.assert_close(made(q, k, v), attend(q, k, v, mask=Causal()), rtol=1e-5, atol=1e-6)


def test_scaled_products_are_one_operation_in_the_graph():
    length = Dim("length")
    with torch.no_grad():
        drawn_graph = torch.export.export(
            Attending({"mask": Causal()}), tuple(tensors(2, 5)), dynamic_shapes=[{2: length}] * 3, strict=False
        )
    names = [str(node.target) for node in drawn_graph.graph.nodes]
    assert sum("scaled_dot_product_attention" in name for name in names) == 1


def test_outside_of_a_graph_the_row_is_never_chosen():
    (row,) = (row for row in TABLE if row.draws)
    assert row.run is drawn.run
    q, k, v = tensors(1, 3)
    with pytest.raises(KernelError, match="only draws graphs"):
        attend(q, k, v, kernel=row.name)


def test_a_kernel_that_cannot_be_drawn_is_refused_inside_of_one():
    with pytest.raises(KernelError, match="kernel='windowed' is none of those"):
        graph(Attending({"kernel": "windowed"}), tensors(2, 5), [{2: Dim("length")}] * 3)


def test_a_dense_mask_of_any_size():
    length = Dim("length")

    class Masked(nn.Module):
        def forward(self, q, k, v, allowed):
            return attend(q, k, v, mask=Dense(allowed))

    inputs = [*tensors(2, 5), torch.ones(5, 5, dtype=torch.bool)]
    made = graph(Masked(), inputs, [{2: length}] * 3 + [{0: length, 1: length}])
    q, k, v = tensors(2, 3)
    allowed = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    torch.testing.assert_close(made(q, k, v, allowed), attend(q, k, v, mask=allowed), rtol=1e-5, atol=1e-6)
