"""torch's own layers: the request's weights against those torch lays open, and outputs that stay, bit for bit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tests.engine.reached import gathered, weights
from torch import Tensor, nn
from torch.nn import functional as F

from regard.engine.seams import reach
from regard.spec import Causal

DIM, HEADS, LENGTH, OTHER = 12, 2, 6, 5
PADDED = torch.arange(LENGTH) >= torch.tensor([[6], [4]])  # torch's polarity: True = ignore
AHEAD = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)


def tokens(length: int = LENGTH, dim: int = DIM, seed: int = 0) -> Tensor:
    return torch.randn(2, length, dim, generator=torch.Generator().manual_seed(seed))


def attention(**how: Any) -> nn.MultiheadAttention:
    torch.manual_seed(3)
    module = nn.MultiheadAttention(DIM, HEADS, **{"batch_first": True, **how}).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


class Calls(nn.Module):
    """Calls a torch layer with fixed arguments."""

    def __init__(self, layer: nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.layer, self.args, self.kwargs = layer, args, kwargs

    def forward(self) -> Any:
        return self.layer(*self.args, **self.kwargs)


def truth(module: nn.MultiheadAttention, *args: Any, **masks: Any) -> Tensor:
    """(batch, heads, queries, keys) in float64, on the slow path."""
    wide = copy.deepcopy(module).double()
    given = [each.double() for each in args]
    masks = {name: each.double() if each.is_floating_point() else each for name, each in masks.items()}
    return wide(*given, need_weights=True, average_attn_weights=False, **masks)[1].detach()


LAYERS = {
    "plain": {},
    "no offset": {"bias": False},
    "length first": {"batch_first": False},
    "extra key": {"add_bias_kv": True},
    "zero key": {"add_zero_attn": True},
    "both": {"add_bias_kv": True, "add_zero_attn": True},
}
MASKS: dict[str, dict[str, Tensor]] = {
    "none": {},
    "padding": {"key_padding_mask": PADDED},
    "causal": {"attn_mask": AHEAD},
    "causal and padding": {"attn_mask": AHEAD, "key_padding_mask": PADDED},
    "a mask a head": {"attn_mask": AHEAD.expand(2 * HEADS, -1, -1)},
    "floats": {"attn_mask": torch.randn(LENGTH, LENGTH, generator=torch.Generator().manual_seed(1))},
    "floats that forbid, and padding": {
        "attn_mask": torch.zeros(LENGTH, LENGTH).masked_fill(AHEAD, -torch.inf),
        "key_padding_mask": torch.zeros(2, LENGTH).masked_fill(PADDED, -torch.inf),
    },
}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("layer", LAYERS)
def test_self_attention(layer: str, masks: str, need_weights: bool) -> None:
    module, x = attention(**LAYERS[layer]), tokens()
    x = x if module.batch_first else x.transpose(0, 1)
    with torch.no_grad():
        (reached,), unseen, _ = gathered(Calls(module, x, x, x, need_weights=need_weights, **MASKS[masks]))
        torch.testing.assert_close(weights(reached).float(), truth(module, x, x, x, **MASKS[masks]).float())
    assert (reached.name, reached.kind, unseen) == ("layer", "self", {})


def test_the_fast_path_is_the_one_watched() -> None:
    module, x = attention(), tokens()
    with torch.no_grad():
        _, _, out = gathered(Calls(module, x, x, x))
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            slow = module(x, x, x)
        finally:
            torch.backends.mha.set_fastpath_enabled(True)
    assert not torch.equal(out[0], slow[0])  # else this test shows nothing: both paths gave the same bits


def test_cross_attention_with_sizes_of_its_own() -> None:
    module = attention(kdim=7, vdim=9)
    x, keys, values = tokens(), tokens(OTHER, 7, 1), tokens(OTHER, 9, 2)
    (reached,), _, _ = gathered(Calls(module, x, keys, values))
    assert reached.kind == "cross"
    torch.testing.assert_close(weights(reached).float(), truth(module, x, keys, values).float())


def test_what_is_attended_to_as_key_and_value_is_another_sequence() -> None:
    x, memory = tokens(), tokens(seed=4)
    (reached,), _, _ = gathered(Calls(attention(), x, memory, memory))
    assert reached.kind == "cross"
    (placed,), _, _ = gathered(Calls(attention(), x + 1, x + 1, x))  # positions added to queries and keys alone
    assert placed.kind == "self"


def test_a_single_sequence_without_a_batch() -> None:
    module, x = attention(), tokens()[1]
    masks = {"key_padding_mask": PADDED[1], "attn_mask": AHEAD}
    (reached,), _, _ = gathered(Calls(module, x, x, x, **masks))
    torch.testing.assert_close(weights(reached)[0].float(), truth(module, x, x, x, **masks).float())


def test_masks_are_read_as_what_they_are() -> None:
    x = tokens()
    (reached,), _, _ = gathered(Calls(attention(), x, x, x, attn_mask=AHEAD, need_weights=False, is_causal=True))
    assert reached.request.mask == Causal()
    (reached,), _, _ = gathered(Calls(attention(), x, x, x, key_padding_mask=PADDED))
    assert reached.request.mask is not None
    assert reached.request.mask.words() == "dense (2, 1, 1, 6)"


class Functional(nn.Module):
    """Uses the function that is under the layer, as some models do."""

    def __init__(self, layer: nn.MultiheadAttention) -> None:
        super().__init__()
        self.weights = layer

    def forward(self, x: Tensor, **more: Any) -> Any:
        own = self.weights
        return F.multi_head_attention_forward(
            *(x, x, x, DIM, HEADS, own.in_proj_weight, own.in_proj_bias, None, None, False, 0.0),
            *(own.out_proj.weight, own.out_proj.bias, False),
            **more,
        )


def test_the_functional_form() -> None:
    module = attention(batch_first=False)
    x = tokens().transpose(0, 1)
    (reached,), _, _ = gathered(Functional(module), x, key_padding_mask=PADDED)
    torch.testing.assert_close(weights(reached).float(), truth(module, x, x, x, key_padding_mask=PADDED).float())
    single, _, _ = gathered(Functional(module), x[:, 0])
    torch.testing.assert_close(weights(single[0])[0].float(), truth(module, *(x[:, 0],) * 3).float())


def encoder(**how: Any) -> nn.TransformerEncoder:
    torch.manual_seed(3)
    nested = how.pop("enable_nested_tensor", True)
    layer = nn.TransformerEncoderLayer(DIM, HEADS, 16, **{"batch_first": True, "dropout": 0.0, **how})
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.4)
    return model


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("training", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("masks", ["none", "padding", "left padding", "causal"])
@pytest.mark.parametrize(
    "how",
    [{}, {"norm_first": True, "enable_nested_tensor": False}, {"batch_first": False, "enable_nested_tensor": False}],
    ids=["post", "pre", "length first"],
)
def test_an_encoder_on_both_paths(how: dict[str, Any], masks: str, training: bool) -> None:
    model = encoder(**how).train(training)
    first = how.get("batch_first", True)
    given = {
        "none": {},
        "padding": {"src_key_padding_mask": PADDED},
        "left padding": {"src_key_padding_mask": PADDED.flip(1)},
        "causal": {"mask": AHEAD},
    }[masks]
    x = tokens() if first else tokens().transpose(0, 1)
    with torch.set_grad_enabled(training):
        calls, unseen, _ = gathered(model, x, **given)
        inputs = layer_inputs(model, x, given)
    assert not unseen
    assert [call.name for call in calls] == ["layers.0.self_attn", "layers.1.self_attn"]
    for call, layer, source in zip(calls, model.layers, inputs, strict=True):
        named = {"src_key_padding_mask": "key_padding_mask", "mask": "attn_mask"}
        source = layer.norm1(source) if how.get("norm_first") else source
        expected = truth(layer.self_attn, source, source, source, **{named[key]: given[key] for key in given})
        real = ~given.get("src_key_padding_mask", torch.zeros(2, LENGTH, dtype=torch.bool))[:, None, :, None]
        # rows of padding: the nested path leaves zeros there, the others what padding happened to compute
        torch.testing.assert_close((weights(call) * real).float(), (expected * real).float(), rtol=1e-4, atol=1e-5)


def layer_inputs(model: nn.TransformerEncoder, x: Tensor, given: dict[str, Tensor]) -> list[Tensor]:
    """What each layer is given, on the slow path."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        padding, mask = given.get("src_key_padding_mask"), given.get("mask")
        second = model.layers[0](x, src_mask=mask, src_key_padding_mask=padding)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return [x.detach(), second.detach()]


def test_the_encoders_fast_path_is_the_one_watched() -> None:
    model, x = encoder().eval(), tokens()
    with torch.no_grad():
        _, _, out = gathered(model, x)
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            slow = model(x)
        finally:
            torch.backends.mha.set_fastpath_enabled(True)
    assert not torch.equal(out, slow)  # else this test shows nothing


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_sequence_given_by_the_caller() -> None:
    module = attention()
    rows = [tokens()[0], tokens()[1, :4]]
    with torch.no_grad():
        nested = torch.nested.nested_tensor(rows)
        calls: list[Any] = []
        with reach(module, lambda reached: (calls.append(reached), reached.compute())[1]):
            module(nested, nested, nested)
    x = tokens().masked_fill(PADDED[..., None], 0.0)
    expected = truth(module, x, x, x, key_padding_mask=PADDED)
    torch.testing.assert_close(weights(calls[0]).float(), expected.float())


def test_a_decoder_layer_attends_to_itself_and_to_the_memory() -> None:
    torch.manual_seed(3)
    layer = nn.TransformerDecoderLayer(DIM, HEADS, 16, batch_first=True, dropout=0.0)
    calls, unseen, _ = gathered(Calls(layer, tokens(), tokens(OTHER, seed=1), tgt_mask=AHEAD, tgt_is_causal=True))
    assert [(call.name, call.kind) for call in calls] == [
        ("layer.self_attn", "self"),
        ("layer.multihead_attn", "cross"),
    ]
    assert not unseen


def test_a_mask_that_does_not_fit_is_torchs_own_error() -> None:
    x = tokens()
    with pytest.raises(AssertionError, match="key_padd"):
        gathered(Calls(attention(batch_first=False), x, x, x, key_padding_mask=PADDED.flip(1)[:, :2]))
    with (
        pytest.raises(AssertionError, match="key_padd"),
        reach(module := attention(batch_first=False), lambda reached: reached.compute()) as reaching,
    ):
        module(x, x, x, key_padding_mask=PADDED.flip(1)[:, :2])
    assert "could not be read" in reaching.unseen["MultiheadAttention"]


class Own(nn.MultiheadAttention):
    """Someone's own: what it does is its own affair."""

    def forward(self, query: Tensor, **more: Any) -> Any:
        return super().forward(query, query, query, **more)


def test_a_layer_with_a_forward_of_its_own_keeps_its_path_and_is_listed() -> None:
    module = Own(DIM, HEADS, batch_first=True).eval()
    with torch.no_grad():
        calls, unseen, _ = gathered(Calls(module, tokens()))
    assert not calls
    assert list(unseen) == ["layer"]
