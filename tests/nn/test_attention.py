"""MultiHeadAttention: against the formula, with every kind of spec, and one item at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from regard.nn import MultiHeadAttention
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Causal,
    Cosine,
    Documents,
    General,
    MaskError,
    Padding,
    RelativeBias,
    Rotary,
    ScaledDot,
    ShapeError,
    SinkLogits,
    SpecError,
    TensorBias,
    Window,
)

BATCH, QUERIES, KEYS, DIM, HEADS = 3, 5, 7, 24, 4


def by_hand(layer: MultiHeadAttention, x: Tensor, context: Tensor, allowed: Tensor | None = None) -> Tensor:
    """The layer's output, head by head and query by query."""
    out = torch.zeros(x.shape[0], x.shape[1], layer.output.in_features, dtype=x.dtype)
    q, k, v = layer.query(x), layer.key(context), layer.value(context)
    size, value_size = q.shape[-1] // layer.heads, v.shape[-1] // layer.kv_heads
    for head in range(layer.heads):
        own = head // (layer.heads // layer.kv_heads)
        scores = q[..., head * size :][..., :size] @ k[..., own * size :][..., :size].transpose(1, 2) / math.sqrt(size)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -math.inf)
        part = scores.softmax(-1) @ v[..., own * value_size :][..., :value_size]
        out[..., head * value_size : (head + 1) * value_size] = part
    return layer.output(out)


def test_one_head_with_identity_projections_gives_the_mean_of_the_values_by_hand() -> None:
    layer = MultiHeadAttention(1, 1)
    with torch.no_grad():
        for projection in (layer.query, layer.key, layer.value, layer.output):
            projection.weight.fill_(1.0)
    # query 0.5 against keys 1 and 1: weights (.5, .5); the values are the context itself, times 2 in the second layer
    context = torch.tensor([[[1.0], [1.0]]])
    values = torch.tensor([[[1.0], [2.0]]])
    assert layer(torch.tensor([[[0.5]]]), context=context, value_context=values).item() == pytest.approx(1.5)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("value_dim", [None, 3])
def test_self_attention_is_the_formula(kv_heads: int, value_dim: int | None) -> None:
    layer = MultiHeadAttention(DIM, HEADS, kv_heads=kv_heads, value_dim=value_dim).double()
    x = torch.randn(BATCH, QUERIES, DIM, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_hand(layer, x, x))
    past = torch.ones(QUERIES, QUERIES).tril().bool()
    torch.testing.assert_close(layer(x, mask=Causal()), by_hand(layer, x, x, past))


def test_cross_attention_is_the_formula() -> None:
    layer = MultiHeadAttention(DIM, HEADS, context_dim=11, head_dim=5, kv_heads=2).double()
    x = torch.randn(BATCH, QUERIES, DIM, dtype=torch.float64)
    context = torch.randn(BATCH, KEYS, 11, dtype=torch.float64)
    torch.testing.assert_close(layer(x, context=context), by_hand(layer, x, context))


def test_values_may_come_from_tokens_of_another_size_than_keys() -> None:
    layer = MultiHeadAttention(DIM, HEADS, context_dim=(11, 13))
    assert (layer.key.in_features, layer.value.in_features) == (11, 13)
    same = MultiHeadAttention(DIM, HEADS, context_dim=11)
    assert (same.key.in_features, same.value.in_features) == (11, 11)
    x, keys, values = (torch.randn(BATCH, count, size) for count, size in ((5, DIM), (7, 11), (7, 13)))
    assert layer(x, context=keys, value_context=values).shape == x.shape
    with pytest.raises(ShapeError, match=r"value_context: got .*expected \(batch, len, 13\)"):
        layer(x, context=keys)
    with pytest.raises(SpecError, match=r"dim=24, context_dim=\(11, 13\)\): pass context="):
        layer(x)


def test_query_start_places_the_queries_among_the_contexts_keys() -> None:
    layer = MultiHeadAttention(DIM, HEADS).double()
    x, context = torch.randn(1, 1, DIM).double(), torch.randn(1, KEYS, DIM).double()
    seen = layer(x, context=context, mask=Window(1, 1), query_start=3)
    torch.testing.assert_close(seen, layer(x, context=context[:, 2:5]))


def test_padding_has_no_influence_even_if_it_is_nan() -> None:
    layer = MultiHeadAttention(DIM, HEADS)
    x, lengths = torch.randn(BATCH, KEYS, DIM), [7, 3, 1]
    padded = layer(x, mask=Padding(torch.tensor(lengths)))
    for item, length in enumerate(lengths):
        alone = layer(x[item : item + 1, :length])
        torch.testing.assert_close(padded[item, :length], alone[0])
    x[1, 3:] = math.nan
    again = layer(x, mask=Padding(torch.tensor(lengths)))
    assert torch.equal(padded[1, :3], again[1, :3])


def test_packed_documents_equal_the_documents_alone() -> None:
    layer = MultiHeadAttention(DIM, HEADS)
    x = torch.randn(1, 7, DIM)
    packed = layer(x, mask=Documents(torch.tensor([0, 0, 0, 1, 1, 1, 1])))
    torch.testing.assert_close(packed[:, :3], layer(x[:, :3]))
    torch.testing.assert_close(packed[:, 3:], layer(x[:, 3:]))


def test_a_query_with_nothing_to_attend_to_gives_the_output_offset() -> None:
    layer = MultiHeadAttention(DIM, HEADS)
    nn.init.normal_(layer.output.bias)
    out = layer(torch.randn(2, KEYS, DIM), mask=Padding(torch.tensor([7, 0])))
    torch.testing.assert_close(out[1], layer.output.bias.expand(KEYS, DIM))


SPECS = {
    "softcap": {"score": ScaledDot(softcap=2.0)},
    "cosine": {"score": Cosine(torch.full((HEADS,), 3.0))},
    "general": {"score": General(torch.randn(6, 5, generator=torch.Generator().manual_seed(0)))},
    "additive": {"score": Additive(torch.randn(6, generator=torch.Generator().manual_seed(1)))},
    "activated": {"score": ActivatedDot(torch.full((6,), 0.3), torch.full((HEADS,), 0.1), "tanh")},
    "relative": {"bias": RelativeBias(torch.linspace(-1, 1, HEADS * 5).reshape(HEADS, 5))},
    "sinks": {"bias": (SinkLogits(torch.linspace(-1, 1, HEADS)), ALiBi.for_heads(HEADS))},
    "rotary": {"rotary": Rotary()},
}


@pytest.mark.parametrize("name", SPECS)
def test_gradients_reach_the_input_and_every_parameter(name: str) -> None:
    layer = MultiHeadAttention(DIM, HEADS, kv_heads=2, head_dim=6, **SPECS[name]).double()
    x = torch.randn(2, 3, DIM, dtype=torch.float64, requires_grad=True)
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(x: Tensor, *parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(layer, given, (x,), {"mask": Causal()})

    # fast mode: one random direction for all of the few hundred numbers
    assert torch.autograd.gradcheck(run, (x, *values), fast_mode=True)
    layer(x, mask=Causal()).square().sum().backward()
    offsets_of_keys = {"key.bias"}  # the same number added to a row's scores: no gradient by the formula
    for parameter, value in layer.named_parameters():
        assert value.grad is not None, parameter
        assert parameter in offsets_of_keys or value.grad.abs().max() > 0, parameter


@pytest.mark.parametrize("name", SPECS)
def test_what_the_layer_holds_is_saved_loaded_and_moved(name: str) -> None:
    layer = MultiHeadAttention(DIM, HEADS, head_dim=6, **SPECS[name])
    other = MultiHeadAttention(DIM, HEADS, head_dim=6, **SPECS[name])
    x = torch.randn(2, 3, DIM)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter))
    assert not torch.allclose(layer(x), other(x))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(layer(x), other(x))
    wide = other.double()
    assert all(t.dtype == torch.float64 for t in wide.score.value().tensors())
    torch.testing.assert_close(wide(x.double()).float(), layer(x), rtol=1e-4, atol=1e-5)
    on_meta = wide.to("meta")
    assert all(t.device.type == "meta" for t in (*on_meta.score.value().tensors(), *on_meta.biases.buffers()))


def test_a_tensor_bias_is_kept_but_not_trained() -> None:
    layer = MultiHeadAttention(DIM, HEADS, bias=TensorBias(torch.zeros(QUERIES, QUERIES)))
    assert "biases.0.values" in layer.state_dict()
    assert "biases.0.values" not in dict(layer.named_parameters())


def test_dropout_acts_in_training_alone() -> None:
    layer = MultiHeadAttention(DIM, HEADS, dropout=0.5)
    x = torch.randn(BATCH, QUERIES, DIM)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    torch.testing.assert_close(layer(x), by_hand(layer, x, x))


def test_the_same_seed_gives_the_same_layer() -> None:
    def made() -> Tensor:
        torch.manual_seed(11)
        layer = MultiHeadAttention(DIM, HEADS, dropout=0.3)
        return layer(torch.ones(1, QUERIES, DIM))

    assert torch.equal(made(), made())


def test_repr_shows_what_the_layer_was_built_with() -> None:
    shown = repr(MultiHeadAttention(DIM, HEADS, kv_heads=2, score=ScaledDot(softcap=3.0), rotary=Rotary()))
    assert "dim=24, heads=4, kv_heads=2, dropout=0.0, rotary=Rotary(base=10000.0)" in shown
    assert "softcap=3.0" in shown


def last_of_five(shift: int) -> Tensor:
    """The output for the last of five fixed tokens that see each other alone and stand at `shift` and after."""
    layer = MultiHeadAttention(DIM, HEADS, rotary=Rotary())
    x = torch.randn(1, shift + QUERIES, DIM)
    x[:, shift:] = torch.linspace(-1, 1, QUERIES * DIM).reshape(1, QUERIES, DIM)
    return layer(x, mask=Causal() & Window(QUERIES - 1, 0))[:, -1]


def test_rotary_depends_on_distance_alone() -> None:
    torch.manual_seed(3)
    near = last_of_five(0)
    torch.manual_seed(3)
    far = last_of_five(13)
    torch.testing.assert_close(near, far, rtol=1e-4, atol=1e-5)


def test_rotary_tells_orders_apart() -> None:
    layer = MultiHeadAttention(DIM, HEADS, rotary=Rotary())
    plain = MultiHeadAttention(DIM, HEADS)
    x = torch.randn(1, QUERIES, DIM)
    swapped = x[:, [1, 0, 2, 3, 4]]
    torch.testing.assert_close(plain(x)[:, -1], plain(swapped)[:, -1])
    assert not torch.allclose(layer(x)[:, -1], layer(swapped)[:, -1], atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 5}, "dim must be a multiple of heads"),
        ({"heads": 0}, "heads=0"),
        ({"context_dim": 0}, "context_dim=0"),
        ({"context_dim": (11, -2)}, "context_dim=-2"),
        ({"context_dim": (11, 13, 17)}, "or a pair"),
        ({"kv_heads": 3}, "heads must be a multiple of kv_heads"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"score": "dot"}, "expected a score such as ScaledDot"),
        ({"score": Additive(torch.zeros(5))}, r"Additive\(vector\) has shape \(5,\)"),
        ({"score": General(torch.zeros(5, 3))}, r"General\(weight\) has shape \(5, 3\)"),
        ({"bias": RelativeBias(torch.zeros(3, 5))}, "3 rows but there are 4 heads"),
        ({"rotary": 10_000}, r"expected Rotary\(\) or None"),
        ({"rotary": Rotary(), "head_dim": 5}, "must be even"),
    ],
)
def test_bad_sizes_are_refused_when_the_layer_is_built(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        MultiHeadAttention(DIM, **{"heads": HEADS, **arguments})  # type: ignore[arg-type]


def test_bad_calls_are_refused_with_a_remedy() -> None:
    layer, x = MultiHeadAttention(DIM, HEADS), torch.randn(BATCH, QUERIES, DIM)
    cross = MultiHeadAttention(DIM, HEADS, context_dim=11)
    with pytest.raises(ShapeError, match=r"got a float32 tensor of shape \(5, 24\), expected \(batch, len, 24\)"):
        layer(x[0])
    with pytest.raises(SpecError, match="pass context="):
        cross(x)
    with pytest.raises(ShapeError, match=r"context: got .*\(3, 5, 24\), expected \(batch, len, 11\)"):
        cross(x, context=x)
    with pytest.raises(SpecError, match="go with context="):
        layer(x, query_start=2)
    with pytest.raises(SpecError, match="rotary positions are for self-attention"):
        MultiHeadAttention(DIM, HEADS, rotary=Rotary())(x, context=x)
    with pytest.raises(MaskError, match="True means may attend"):
        layer(x, mask=torch.ones(QUERIES, QUERIES))
