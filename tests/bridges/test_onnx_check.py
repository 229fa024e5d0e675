"""Comparing outputs, cutting inputs, and what config.json says of a graph."""

import numpy as np
import pytest
import torch
from torch import nn

from regard.bridges.onnx_check import apart
from regard.bridges.onnx_files import shortened
from regard.bridges.onnx_graph import Graph, _shapes, feed
from regard.bridges.onnx_modules import PastCache


class Named(nn.Module):
    def forward(self, ids, *rest):
        return ids


GRAPH = Graph(
    "model",
    Named(),
    {"ids": ("batch", "length"), "pixels": ("batch", None), "lengths": ("batch",)},
    {"out": ("batch",)},
    most={"length": 9},
)


def test_a_difference_is_the_largest_and_shapes_count():
    one = np.array([1.0, -np.inf, np.nan, 2.0], np.float32)
    assert apart(one, one) == 0
    assert apart(one, np.array([1.0, -np.inf, np.nan, 2.5], np.float32)) == 0.5
    assert apart(one, np.array([1.0, 0.0, np.nan, 2.0], np.float32)) == np.inf
    assert apart(one, np.array([np.nan, -np.inf, np.nan, 2.0], np.float32)) == np.inf
    assert apart(one, one[:3]) == np.inf
    assert apart(np.array([True]), np.array([False])) == 1


def test_large_numbers_are_held_to_a_share_of_the_largest():
    own = np.array([9000.0, 1.0, np.inf], np.float32)
    rounded = np.array([np.nextafter(np.float32(9000), np.float32(9001)), 1.0, np.inf], np.float32)
    assert rounded[0] - own[0] == pytest.approx(0.000977, abs=1e-6)  # one rounding of float32, beyond 1e-4
    assert apart(rounded, own) == pytest.approx(0.000977 / 90, rel=1e-3)
    assert apart(own + np.float32(0.02), own) > 1e-4
    assert apart(np.array([100.0005]), np.array([100.0])) == pytest.approx(5e-4)  # up to 100 as they are


def test_inputs_are_cut_along_their_tokens_and_lengths_with_them():
    ids, pixels, lengths = torch.arange(10).view(2, 5), torch.ones(2, 7), torch.tensor([5, 2])
    cut = shortened(GRAPH, (ids, pixels, lengths), 3)
    assert cut[0].tolist() == [[0, 1, 2], [5, 6, 7]]
    assert cut[1].shape == (2, 7)
    assert cut[2].tolist() == [3, 2]


def test_axes_of_a_name_are_of_any_size_up_to_the_most():
    first, rest = _shapes(GRAPH)
    assert (str(first[0].__name__), first[1].max) == ("batch", 9)
    assert [sorted(each) for each in rest] == [[0], [0]]
    arrays = feed(GRAPH, (torch.ones(1, 2), torch.ones(1, 3), torch.ones(1)))
    assert {name: each.shape for name, each in arrays.items()} == {"ids": (1, 2), "pixels": (1, 3), "lengths": (1,)}


def test_the_past_grows_without_a_room():
    past = PastCache(torch.zeros(1, 1, 2, 3), torch.ones(1, 1, 2, 3))
    assert past.length == 2
    key, value = past.append(torch.full((1, 1, 1, 3), 5.0), torch.full((1, 1, 1, 3), 6.0))
    assert past.length == 3
    assert key[0, 0, :, 0].tolist() == [0, 0, 5]
    assert value[0, 0, :, 0].tolist() == [1, 1, 6]
    past.select(torch.tensor([0, 0]))
    assert past.view()[0].shape == (2, 1, 3, 3)


def test_the_operation_of_an_lstm_is_a_name_alone():
    from regard.nn.drawn_lstm import operation

    with pytest.raises(RuntimeError, match="is not run"):
        operation()(torch.ones(1, 2, 3), torch.ones(1, 16, 3), torch.ones(1, 16, 4), torch.ones(1, 32))
