"""EncoderBlock and Encoder: against torch's pre-norm layer, padded against alone, every parameter trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.nn import Encoder, EncoderBlock, FeedForward, MultiHeadAttention
from regard.spec import General, Padding, RelativeBias, Rotary, ShapeError, SpecError

BATCH, LENGTH, DIM, HEADS, HIDDEN = 3, 7, 12, 2, 17


def test_it_equals_torchs_pre_norm_layer() -> None:
    theirs = nn.TransformerEncoderLayer(
        DIM, HEADS, HIDDEN, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    block = EncoderBlock(DIM, HEADS, hidden=HIDDEN).double()
    block.attention = MultiHeadAttention.from_torch(theirs.self_attn)
    for ours, other in (
        (block.attention_norm, theirs.norm1),
        (block.feed_forward_norm, theirs.norm2),
        (block.feed_forward.widen, theirs.linear1),
        (block.feed_forward.narrow, theirs.linear2),
    ):
        ours.load_state_dict(other.state_dict())
    x, lengths = torch.randn(BATCH, LENGTH, DIM, dtype=torch.float64), torch.tensor([7, 5, 2])
    ignored = torch.arange(LENGTH) >= lengths[:, None]
    torch.testing.assert_close(block(x), theirs(x))
    torch.testing.assert_close(block(x, mask=Padding(lengths)), theirs(x, src_key_padding_mask=ignored))


def test_the_feed_forward_by_hand() -> None:
    layer = FeedForward(2, 1)
    with torch.no_grad():
        layer.widen.weight.copy_(torch.tensor([[1.0, 2.0]]))
        layer.widen.bias.fill_(-3.0)
        layer.narrow.weight.copy_(torch.tensor([[2.0], [0.0]]))
        layer.narrow.bias.copy_(torch.tensor([0.5, 1.0]))
    # 1 * 1 + 2 * 2 - 3 = 2; GELU(2) = 2 * Phi(2) = 2 * 0.97725 = 1.95450
    assert layer(torch.tensor([1.0, 2.0])).tolist() == pytest.approx([0.5 + 2 * 1.9545, 1.0], abs=1e-4)
    assert FeedForward(3).widen.out_features == 12


SPECS = {
    "plain": {},
    "grouped": {"kv_heads": 1, "rotary": Rotary()},
    "general": {"score": General(torch.eye(6)), "bias": RelativeBias(torch.linspace(-1, 1, 10).reshape(2, 5))},
}


@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_padding_has_no_influence(name: str) -> None:
    encoder = Encoder(DIM, HEADS, layers=2, **SPECS[name])
    x, lengths = torch.randn(BATCH, LENGTH, DIM), [7, 3, 1]
    padded = encoder(x, mask=Padding(torch.tensor(lengths)))
    for item, length in enumerate(lengths):
        torch.testing.assert_close(padded[item, :length], encoder(x[item : item + 1, :length])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPECS)
def test_gradients_reach_every_parameter(name: str) -> None:
    encoder = Encoder(DIM, HEADS, layers=2, hidden=HIDDEN, **SPECS[name]).double()
    x = torch.randn(2, 3, DIM, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: encoder(x, mask=Padding(torch.tensor([3, 2]))), (x,), fast_mode=True)
    direction = torch.randn(2, 3, DIM, dtype=torch.float64)
    (encoder(x) * direction).sum().backward()
    for parameter, value in encoder.named_parameters():
        assert value.grad is not None, parameter
        assert parameter.endswith("attention.key.bias") or value.grad.abs().max() > 1e-12, parameter


def test_each_block_has_its_own_copy_of_a_plain_spec_tensor() -> None:
    encoder = Encoder(DIM, HEADS, layers=2, score=General(torch.eye(6)))
    first, second = (block.attention.score.weight for block in encoder.blocks)
    assert first is not second
    shared = Encoder(DIM, HEADS, layers=2, score=General(nn.Parameter(torch.eye(6))))
    first, second = (block.attention.score.weight for block in shared.blocks)
    assert first is second


def test_the_output_of_the_stack_is_normalised() -> None:
    out = Encoder(DIM, HEADS, layers=3)(100 * torch.randn(BATCH, LENGTH, DIM))
    torch.testing.assert_close(out.mean(-1), torch.zeros(BATCH, LENGTH), rtol=0, atol=1e-5)
    torch.testing.assert_close(out.var(-1, unbiased=False), torch.ones(BATCH, LENGTH), rtol=1e-3, atol=0)


def test_state_round_trip_seed_and_dropout() -> None:
    def made(seed: int) -> Encoder:
        torch.manual_seed(seed)
        return Encoder(DIM, HEADS, layers=2, dropout=0.5, bias=RelativeBias(torch.zeros(HEADS, 3)))

    first, again, other, x = made(1), made(1), made(2), torch.randn(1, 5, DIM)
    assert not torch.equal(first(x), first(x))
    for encoder in (first, again, other):
        encoder.eval()
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), other(x))
    other.load_state_dict(first.state_dict())
    assert torch.equal(first(x), other(x))


def test_bad_arguments() -> None:
    with pytest.raises(SpecError, match=r"Encoder\(layers=0\)"):
        Encoder(DIM, HEADS, layers=0)
    with pytest.raises(SpecError, match=r"FeedForward\(hidden=0\)"):
        EncoderBlock(DIM, HEADS, hidden=0)
    with pytest.raises(ShapeError, match=r"expected \(batch, len, 12\)"):
        EncoderBlock(DIM, HEADS)(torch.zeros(LENGTH, DIM))
