"""LearnedQueries: the decoder of torch's own layers, padding unseen, each query its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.lens.watch import watch
from regard.nn import MultiHeadAttention
from regard.nn.heads import LearnedQueries
from regard.spec import ShapeError, SpecError

BATCH, LENGTH, DIM, HEADS, QUERIES, TOKEN = 3, 7, 12, 3, 5, 11


def test_a_block_equals_torchs_pre_norm_decoder_without_a_causal_mask() -> None:
    theirs = nn.TransformerDecoderLayer(
        DIM, HEADS, 17, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    head = LearnedQueries(DIM, HEADS, queries=QUERIES, layers=1, hidden=17).double()
    (block,) = head.blocks
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
    x, lengths = torch.randn(BATCH, LENGTH, DIM).double(), torch.tensor([7, 3, 1])
    want = theirs(
        head.vectors.expand(BATCH, -1, -1), x, memory_key_padding_mask=torch.arange(LENGTH) >= lengths[:, None]
    )
    torch.testing.assert_close(head(x, lengths), nn.functional.layer_norm(want, (DIM,)))


@torch.no_grad()
def test_padding_and_holes_are_not_seen() -> None:
    head, x = LearnedQueries(DIM, HEADS, queries=QUERIES, layers=2, context_dim=TOKEN), torch.randn(2, LENGTH, TOKEN)
    present = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [0, 1, 0, 0, 1, 1, 0]]).bool()
    x[~present] = torch.nan
    found = head(x, present)
    assert found.shape == (2, QUERIES, DIM)
    for item in range(2):
        alone = head(x[item : item + 1, present[item]])
        torch.testing.assert_close(found[item], alone[0], rtol=1e-4, atol=1e-5)
    shuffled = head(x[1:, present[1]].flip(1))
    torch.testing.assert_close(shuffled[0], found[1], rtol=1e-4, atol=1e-5)  # places are the tokens' own affair


@torch.no_grad()
def test_no_tokens_at_all() -> None:
    head = LearnedQueries(DIM, HEADS, queries=QUERIES, layers=1)
    x = torch.randn(2, LENGTH, DIM)
    none = head(x, torch.tensor([0, LENGTH]))
    assert none.isfinite().all()
    torch.testing.assert_close(head(x[:, :0])[0], none[0])
    assert head(x[:0]).shape == (0, QUERIES, DIM)
    assert head.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_every_layer_ends_in_what_forward_gives() -> None:
    head, x = LearnedQueries(DIM, HEADS, queries=QUERIES, layers=3), torch.randn(BATCH, LENGTH, DIM)
    layers = head.every_layer(x)
    assert len(layers) == 3
    assert torch.equal(layers[-1], head(x))
    assert not torch.equal(layers[0], layers[1])
    assert not torch.allclose(layers[-1][:, 0], layers[-1][:, 1])  # queries differ


def test_gradients_dropout_and_state() -> None:
    head = LearnedQueries(DIM, HEADS, queries=QUERIES, layers=2, hidden=5).double()
    x = torch.randn(2, 3, DIM, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: head(x, torch.tensor([3, 1])), (x,), fast_mode=True)
    (head(x) * torch.randn(2, QUERIES, DIM).double()).sum().backward()
    for name, value in head.named_parameters():
        assert value.grad is not None, name
        assert name.endswith("attention.key.bias") or value.grad.abs().max() > 1e-12, name
    first, other = (LearnedQueries(DIM, HEADS, queries=QUERIES, layers=1, dropout=0.5) for _ in range(2))
    x = torch.randn(2, LENGTH, DIM)
    assert not torch.equal(first(x), first(x))
    other.load_state_dict(first.state_dict())
    assert torch.equal(first.eval()(x), other.eval()(x))


def test_who_watches_sees_what_each_query_read() -> None:
    head, x = LearnedQueries(DIM, HEADS, queries=QUERIES, layers=1), torch.randn(BATCH, LENGTH, DIM)
    with watch(head, top=1) as seen, torch.no_grad():
        head(x)
    kinds = {layer.name: layer.kind for layer in seen.trace().layers}
    assert kinds["blocks.0.context_attention"] == "cross"


def test_what_does_not_fit() -> None:
    head = LearnedQueries(DIM, HEADS, queries=QUERIES, layers=1, context_dim=TOKEN)
    with pytest.raises(ShapeError, match=r"LearnedQueries: .*expected \(batch, len, 11\)"):
        head(torch.zeros(BATCH, LENGTH, DIM))
    with pytest.raises(SpecError, match="queries=0"):
        LearnedQueries(DIM, HEADS, queries=0, layers=1)


@torch.no_grad()
def test_a_bias_keeps_each_query_to_its_own_tokens() -> None:
    """Query 0 may look at token 0 alone, query 1 at token 1: what stands at the other changes nothing."""
    bias = torch.full((2, 3), -torch.inf)
    bias[0, 0] = bias[1, 1] = 0.0
    head, x = LearnedQueries(DIM, HEADS, queries=2, layers=1, context_bias=bias), torch.randn(1, 3, DIM)
    (block,) = head.blocks
    block.attention.output.weight.zero_()  # queries do not hear of each other
    before = head(x)
    x[:, 1:] = 7.0
    after = head(x)
    torch.testing.assert_close(after[:, 0], before[:, 0])
    assert not torch.allclose(after[:, 1], before[:, 1])
