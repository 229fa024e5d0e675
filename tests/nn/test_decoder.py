"""DecoderBlock and Decoder: never looking ahead, step by step equal to all at once, with and without a context."""

from __future__ import annotations

import pytest
import torch

from regard.nn import Decoder, DecoderBlock, MultiHeadAttention
from regard.spec import Padding, RelativeBias, Rotary, SpecError, Window

BATCH, LENGTH, KEYS, DIM, HEADS, CONTEXT_DIM = 3, 7, 5, 12, 2, 11


def tensors() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(BATCH, LENGTH, DIM), torch.randn(BATCH, KEYS, CONTEXT_DIM)


def test_it_equals_torchs_pre_norm_layer() -> None:
    theirs = torch.nn.TransformerDecoderLayer(
        DIM, HEADS, 17, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    block = DecoderBlock(DIM, HEADS, hidden=17, context_dim=DIM).double()
    block.attention = MultiHeadAttention.from_torch(theirs.self_attn)
    block.context_attention = MultiHeadAttention.from_torch(theirs.multihead_attn)
    for ours, other in (
        (block.attention_norm, theirs.norm1),
        (block.context_norm, theirs.norm2),
        (block.feed_forward_norm, theirs.norm3),
        (block.feed_forward.widen, theirs.linear1),
        (block.feed_forward.narrow, theirs.linear2),
    ):
        ours.load_state_dict(other.state_dict())
    x, context = torch.randn(BATCH, LENGTH, DIM).double(), torch.randn(BATCH, KEYS, DIM).double()
    ahead, lengths = torch.ones(LENGTH, LENGTH).triu(1).bool(), torch.tensor([5, 2, 1])
    want = theirs(x, context, tgt_mask=ahead, memory_key_padding_mask=torch.arange(KEYS) >= lengths[:, None])
    torch.testing.assert_close(block(x, context=context, context_mask=Padding(lengths)), want)


@torch.no_grad()
def test_it_never_looks_ahead_even_when_a_mask_would_allow_it() -> None:
    decoder, (x, _) = Decoder(DIM, HEADS, layers=2), tensors()
    changed = x.clone()
    changed[:, 4] = torch.randn(BATCH, DIM)  # not a shift by one number: the norm would take that out again
    for mask in (None, Padding(torch.tensor([7, 7, 7])), torch.ones(LENGTH, LENGTH).bool()):
        differs = (decoder(x, mask=mask) != decoder(changed, mask=mask)).flatten(2).any(-1)
        assert differs.tolist() == [[False] * 4 + [True] * 3] * BATCH


SPECS = {
    "plain": {},
    "grouped": {"kv_heads": 1, "rotary": Rotary()},
    "relative": {"bias": RelativeBias(torch.linspace(-1, 1, 10).reshape(2, 5))},
}


@pytest.mark.parametrize("crossed", [True, False])
@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_step_by_step_equals_all_at_once(name: str, crossed: bool) -> None:
    decoder = Decoder(DIM, HEADS, layers=2, context_dim=CONTEXT_DIM if crossed else None, **SPECS[name])
    x, context = tensors()
    extra = {"context": context, "context_mask": Padding(torch.tensor([5, 3, 1]))} if crossed else {}
    want, cache = decoder(x, mask=Window(3, 0), **extra), decoder.new_cache()
    steps = [decoder(part, mask=Window(3, 0), cache=cache, **extra) for part in x.split([2, 1, 1, 3], 1)]
    torch.testing.assert_close(torch.cat(steps, 1), want, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_beams_can_be_reordered_in_the_middle() -> None:
    decoder, (x, context) = Decoder(DIM, HEADS, layers=2, context_dim=CONTEXT_DIM), tensors()
    order, cache = torch.tensor([2, 0, 0]), decoder.new_cache()
    decoder(x[:, :4], context=context, cache=cache)
    for kept in cache:
        kept.select(order)
    rest = decoder(x[:, 4:], context=context[order], cache=cache)
    whole = torch.cat((x[order, :4], x[:, 4:]), 1)
    torch.testing.assert_close(rest, decoder(whole, context=context[order])[:, 4:], rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter_and_the_context() -> None:
    decoder = Decoder(DIM, HEADS, layers=2, hidden=5, context_dim=CONTEXT_DIM).double()
    x, context = (given[:2, :3].double().requires_grad_() for given in tensors())
    assert torch.autograd.gradcheck(lambda x, c: decoder(x, context=c), (x, context), fast_mode=True)
    (decoder(x, context=context) * torch.randn(2, 3, DIM).double()).sum().backward()
    for parameter, value in decoder.named_parameters():
        assert value.grad is not None, parameter
        assert parameter.endswith("attention.key.bias") or value.grad.abs().max() > 1e-12, parameter


def test_state_round_trip_and_dropout() -> None:
    first, other = (Decoder(DIM, HEADS, layers=2, dropout=0.5) for _ in range(2))
    x, _ = tensors()
    assert not torch.equal(first(x), first(x))
    other.load_state_dict(first.state_dict())
    assert torch.equal(first.eval()(x), other.eval()(x))


def test_contexts_and_caches_that_do_not_fit() -> None:
    x, context = tensors()
    with pytest.raises(SpecError, match="built without context_dim="):
        DecoderBlock(DIM, HEADS)(x, context=context)
    with pytest.raises(SpecError, match="built with context_dim=11: pass context="):
        DecoderBlock(DIM, HEADS, context_dim=CONTEXT_DIM)(x)
    decoder = Decoder(DIM, HEADS, layers=2)
    with pytest.raises(SpecError, match=r"1 caches for 2 blocks: make them with new_cache\(\)"):
        decoder(x, cache=decoder.new_cache()[:1])
    with pytest.raises(SpecError, match=r"inside torch\.no_grad\(\)"):
        decoder(x, cache=decoder.new_cache())
    with pytest.raises(SpecError, match=r"Decoder\(layers=0\)"):
        Decoder(DIM, HEADS, layers=0)
