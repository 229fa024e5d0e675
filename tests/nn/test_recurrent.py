"""BiLSTMEncoder against torch's packed bidirectional LSTM, and each sequence alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from regard.nn import BiLSTMEncoder
from regard.spec import ShapeError, SpecError

BATCH, LENGTH, DIM, HIDDEN = 5, 11, 3, 7
LENGTHS = torch.tensor([4, 11, 1, 7, 2])


def packed_reference(layer: BiLSTMEncoder, layers: int) -> nn.LSTM:
    """torch's own bidirectional LSTM with the same weights."""
    theirs = nn.LSTM(DIM, HIDDEN, layers, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for depth in range(layers):
            for ending, ours in (("", layer.ahead[depth]), ("_reverse", layer.back[depth])):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(theirs, f"{name}_l{depth}{ending}").copy_(getattr(ours, f"{name}_l0"))
    return theirs


def packed(theirs: nn.LSTM, x: Tensor) -> Tensor:
    inside = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(theirs(inside)[0], batch_first=True, total_length=LENGTH)[0]


@pytest.mark.parametrize("layers", [1, 2])
def test_it_equals_a_packed_bidirectional_lstm_gradients_too(layers: int) -> None:
    layer = BiLSTMEncoder(DIM, HIDDEN, layers=layers).double()
    theirs = packed_reference(layer, layers)
    x = torch.randn(BATCH, LENGTH, DIM, dtype=torch.float64, requires_grad=True)
    ours, want = layer(x, LENGTHS), packed(theirs, x)
    torch.testing.assert_close(ours, want)
    direction = torch.randn_like(want)
    (dx, dw), (dx2, dw2) = (
        torch.autograd.grad((out * direction).sum(), [x, weight])
        for out, weight in ((ours, layer.back[0].weight_ih_l0), (want, theirs.weight_ih_l0_reverse))
    )
    torch.testing.assert_close(dx, dx2)
    torch.testing.assert_close(dw, dw2)


@pytest.mark.parametrize("layers", [1, 2])
def test_padding_has_no_influence_and_gives_0(layers: int) -> None:
    layer = BiLSTMEncoder(DIM, HIDDEN, layers=layers)
    x = torch.randn(BATCH, LENGTH, DIM)
    for item, length in enumerate(LENGTHS.tolist()):
        x[item, length:] = math.nan
    out = layer(x, LENGTHS)
    for item, length in enumerate(LENGTHS.tolist()):
        alone = layer(x[item : item + 1, :length], LENGTHS[item : item + 1])
        torch.testing.assert_close(out[item, :length], alone[0])
        assert torch.equal(out[item, length:], torch.zeros(LENGTH - length, 2 * HIDDEN))
    out.square().sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in layer.parameters())


@torch.no_grad()
def test_each_half_reads_one_way() -> None:
    layer, x = BiLSTMEncoder(DIM, HIDDEN), torch.randn(1, LENGTH, DIM)
    changed = x.clone()
    changed[0, 5] += 1.0
    before, after = (layer(given, torch.tensor([LENGTH])) for given in (x, changed))
    differs = (before != after)[0].reshape(LENGTH, 2, HIDDEN).any(-1)
    assert differs[:, 0].tolist() == [index >= 5 for index in range(LENGTH)]
    assert differs[:, 1].tolist() == [index <= 5 for index in range(LENGTH)]


def test_empty_sequences_and_empty_batches() -> None:
    layer = BiLSTMEncoder(DIM, HIDDEN)
    x = torch.randn(2, LENGTH, DIM)
    out = layer(x, torch.tensor([0, 3]))
    assert torch.equal(out[0], torch.zeros(LENGTH, 2 * HIDDEN))
    torch.testing.assert_close(out[1, :3], layer(x[1:, :3], torch.tensor([3]))[0])
    out.sum().backward()
    assert layer(x[:, :0], torch.tensor([0, 0])).shape == (2, 0, 2 * HIDDEN)
    assert layer(x[:0], LENGTHS[:0]).shape == (0, LENGTH, 2 * HIDDEN)


def test_dropout_lies_between_layers_in_training_alone() -> None:
    x = torch.randn(BATCH, LENGTH, DIM)
    one, two = BiLSTMEncoder(DIM, HIDDEN, dropout=0.5), BiLSTMEncoder(DIM, HIDDEN, layers=2, dropout=0.5)
    assert torch.equal(one(x, LENGTHS), one(x, LENGTHS))
    assert not torch.equal(two(x, LENGTHS), two(x, LENGTHS))
    two.eval()
    assert torch.equal(two(x, LENGTHS), two(x, LENGTHS))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (torch.tensor([1, 2, 3]), "3 lengths for a batch of 5: pass one length an item"),
        (torch.tensor([1, 2, 12, 4, 5]), r"lengths\[2\] = 12, but there are 11 tokens"),
        (torch.tensor([1, 2, 3, 4, -1]), r"lengths\[4\] = -1"),
        (torch.ones(5), r"lengths is a float32 tensor of shape \(5,\)"),
        ([1, 2, 3, 4, 5], r"lengths is \[1, 2, 3, 4, 5\]"),
    ],
)
def test_bad_lengths(lengths: Tensor, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        BiLSTMEncoder(DIM, HIDDEN)(torch.zeros(BATCH, LENGTH, DIM), lengths)


def test_bad_sizes() -> None:
    with pytest.raises(ShapeError, match=r"expected \(batch, len, 3\); the layer was built for dim 3"):
        BiLSTMEncoder(DIM, HIDDEN)(torch.zeros(BATCH, LENGTH, 4), LENGTHS)
    with pytest.raises(SpecError, match="layers=0"):
        BiLSTMEncoder(DIM, HIDDEN, layers=0)
