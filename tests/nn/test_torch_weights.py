"""Equality with torch.nn.MultiheadAttention, both ways, outputs and gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from regard.nn import MultiHeadAttention, torch_weights
from regard.spec import ALiBi, Causal, Dense, Padding, Rotary, ScaledDot, SpecError

BATCH, QUERIES, KEYS, DIM, HEADS = 3, 5, 7, 12, 4


def theirs(**arguments: object) -> nn.MultiheadAttention:
    """A torch layer in float64 whose offsets are not 0, as they are when it is fresh."""
    made = nn.MultiheadAttention(DIM, HEADS, dtype=torch.float64, **arguments)  # type: ignore[arg-type]
    for offset in (made.in_proj_bias, made.out_proj.bias):
        if offset is not None:
            nn.init.normal_(offset)
    return made


def tokens(length: int, size: int = DIM) -> Tensor:
    return torch.randn(BATCH, length, size, dtype=torch.float64, requires_grad=True)


def call(module: nn.MultiheadAttention, q: Tensor, k: Tensor, v: Tensor, **masks: Tensor) -> Tensor:
    """torch's layer on batch-first tensors, whichever way round it was built."""
    if module.batch_first:
        return module(q, k, v, need_weights=False, **masks)[0]
    turned = (part.transpose(0, 1) for part in (q, k, v))
    return module(*turned, need_weights=False, **masks)[0].transpose(0, 1)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_self_attention_outputs_and_gradients(batch_first: bool, bias: bool) -> None:
    module, x = theirs(batch_first=batch_first, bias=bias), tokens(QUERIES)
    layer = MultiHeadAttention.from_torch(module)
    torch.testing.assert_close(layer(x), call(module, x, x, x))
    direction = torch.randn(BATCH, QUERIES, DIM, dtype=torch.float64)
    ours = torch.autograd.grad((layer(x) * direction).sum(), [x, layer.key.weight, layer.output.weight])
    want = torch.autograd.grad(
        (call(module, x, x, x) * direction).sum(), [x, module.in_proj_weight, module.out_proj.weight]
    )
    torch.testing.assert_close(ours[0], want[0])
    torch.testing.assert_close(ours[1], want[1][DIM : 2 * DIM])
    torch.testing.assert_close(ours[2], want[2])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kdim", "vdim"), [(None, None), (11, 13), (11, 11), (DIM, 13)])
def test_cross_attention_outputs(kdim: int | None, vdim: int | None, bias: bool) -> None:
    module = theirs(kdim=kdim, vdim=vdim, bias=bias, batch_first=True)
    x, keys, values = tokens(QUERIES), tokens(KEYS, kdim or DIM), tokens(KEYS, vdim or DIM)
    layer = MultiHeadAttention.from_torch(module)
    out = layer(x, context=keys, value_context=values)
    torch.testing.assert_close(out, call(module, x, keys, values))
    back = layer.to_torch()
    torch.testing.assert_close(call(back, x, keys, values), out)


def test_masks_turn_their_polarity() -> None:
    module, x = theirs(batch_first=True), tokens(KEYS)
    layer = MultiHeadAttention.from_torch(module)
    lengths = torch.tensor([7, 3, 2])
    ignored = torch.arange(KEYS) >= lengths[:, None]
    want = call(module, x, x, x, key_padding_mask=ignored)
    torch.testing.assert_close(layer(x, mask=Padding(lengths)), want)
    torch.testing.assert_close(layer(x, mask=~ignored[:, None, None, :]), want)
    ahead = torch.ones(KEYS, KEYS).triu(1).bool()
    want = call(module, x, x, x, attn_mask=ahead)
    torch.testing.assert_close(layer(x, mask=Causal()), want)
    torch.testing.assert_close(layer(x, mask=Dense(~ahead)), want)
    assert not torch.allclose(layer(x, mask=Dense(ahead | torch.eye(KEYS).bool())), want)


@pytest.mark.parametrize("batch_first", [True, False])
def test_there_and_back_keeps_every_weight(batch_first: bool) -> None:
    module = theirs(batch_first=batch_first, dropout=0.3).eval()
    module.out_proj.weight.requires_grad_(False)
    layer = MultiHeadAttention.from_torch(module)
    back = layer.to_torch(batch_first=batch_first)
    assert {name: tuple(t.shape) for name, t in back.state_dict().items()} == {
        name: tuple(t.shape) for name, t in module.state_dict().items()
    }
    assert all(torch.equal(t, module.state_dict()[name]) for name, t in back.state_dict().items())
    assert (back.training, back.dropout, back.batch_first) == (False, 0.3, batch_first)
    assert not layer.output.weight.requires_grad
    assert layer.query.weight.requires_grad


def test_the_copies_are_apart_and_draw_no_random_numbers() -> None:
    module, x = theirs(batch_first=True), tokens(QUERIES)
    state = torch.get_rng_state()
    layer = MultiHeadAttention.from_torch(module)
    back = layer.to_torch()
    assert torch.equal(state, torch.get_rng_state())
    before = call(module, x, x, x)
    with torch.no_grad():
        layer.query.weight.zero_()
        back.in_proj_weight.zero_()
    torch.testing.assert_close(call(module, x, x, x), before)


@pytest.mark.parametrize("odd", [{"add_bias_kv": True}, {"add_zero_attn": True}])
def test_made_up_keys_are_refused(odd: dict[str, bool]) -> None:
    with pytest.raises(SpecError, match="add_bias_kv or add_zero_attn"):
        MultiHeadAttention.from_torch(nn.MultiheadAttention(DIM, HEADS, **odd))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"kv_heads": 2}, "kv_heads=2"),
        ({"head_dim": 5}, "dim / heads = 3"),
        ({"value_dim": 5}, "dim / heads = 3"),
        ({"head_dim": 2, "rotary": Rotary()}, "rotary"),
        ({"score": ScaledDot(softcap=3.0)}, "softcap=3.0"),
        ({"bias": ALiBi.for_heads(HEADS)}, "a bias"),
    ],
)
def test_what_torch_cannot_do_is_named(arguments: dict[str, object], named: str) -> None:
    layer = MultiHeadAttention(DIM, HEADS, **arguments)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=named):
        layer.to_torch()


def test_the_weights_room_knows_torch_alone() -> None:
    lines = Path(torch_weights.__file__).read_text("utf-8").splitlines()
    imported = {line.split()[1] for line in lines if line.lstrip().startswith(("import ", "from "))}
    assert imported == {"__future__", "torch", "regard.spec.errors"}  # the layer imports it, so not the other way too
