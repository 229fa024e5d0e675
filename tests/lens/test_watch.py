"""`watch` on models in plain torch and of regard's own layers: figures against weights made by hand in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tests.lens.eager import hold, hold_lse, sharpen
from torch import Tensor, nn
from torch.nn import functional as F

import regard
from regard import nn as layers
from regard.lens.maps import region
from regard.lens.units import Units
from regard.lens.watch import watch
from regard.spec import Causal, Padding, SpecError, Window


class Attention(nn.Module):
    """A block's attention as many vision models write it; `eager` keeps the weights it computes by hand."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.qkv, self.proj, self.heads, self.eager = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim), heads, False
        self.weights: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.eager:
            self.weights = torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, -1)
            mixed = self.weights @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class ViT(nn.Module):
    """A small vision transformer in plain torch: 3 x 3 patches and a class token."""

    def __init__(self, dim: int = 24, heads: int = 3, depth: int = 2) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, dim, 4, 4)
        self.cls, self.positions = nn.Parameter(torch.zeros(1, 1, dim)), nn.Parameter(torch.zeros(1, 10, dim))
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"norm": nn.LayerNorm(dim), "attn": Attention(dim, heads)}) for _ in range(depth)
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).mT
        x = torch.cat((self.cls.expand(len(x), -1, -1), x), 1) + self.positions
        for block in self.blocks:
            x = x + block["attn"](block["norm"](x))
        return x[:, 0]


def vit() -> ViT:
    model = ViT().eval()
    sharpen(model)
    return model


IMAGES = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def eager_weights(model: ViT) -> list[Tensor]:
    wide = copy.deepcopy(model).double()
    for block in wide.blocks:
        block["attn"].eager = True
    wide(IMAGES.double())
    return [block["attn"].weights for block in wide.blocks]


def test_a_vit_in_plain_torch() -> None:
    model = vit()
    alone = model(IMAGES)
    with watch(model, top=3, keep=True) as seen:
        out = model(IMAGES)
    assert torch.equal(alone, out)
    trace = seen.trace(units=[Units.numbered(10, "patch")] * 2)
    assert [layer.name for layer in trace.layers] == ["blocks.0.attn", "blocks.1.attn"]
    assert trace.model == "ViT"
    assert trace.units[0].kind == "patch"
    assert trace.about["torch"] == torch.__version__.split("+")[0] or trace.about["torch"] == torch.__version__
    for layer, weights in zip(trace.layers, eager_weights(model), strict=True):
        hold(layer, weights, top=3)
        (call,) = seen.calls[layer.name]
        hold_lse(layer, weights, call.query, call.key, 8**-0.5)
        assert layer.lse.dtype == layer.received.dtype == torch.float32
        assert layer.top_keys.dtype == torch.int32


def test_kept_calls_make_maps_at_any_zoom() -> None:
    model = vit()
    with watch(model, keep=True) as seen:
        model(IMAGES)
    weights = eager_weights(model)[1]
    found = region(seen.calls["blocks.1.attn"], queries=range(2, 6), keys=range(1, 4), bins=(2, 3))
    expected = torch.stack([weights[:, :, 2:4, 1:4].sum(2), weights[:, :, 4:6, 1:4].sum(2)], 2)
    torch.testing.assert_close(found.flow, expected.float(), rtol=1e-5, atol=1e-6)
    with watch(model) as unkept:
        model(IMAGES)
    assert unkept.calls == {}


def mha_weights(module: nn.MultiheadAttention, x: Tensor, **masks: Tensor) -> Tensor:
    wide = copy.deepcopy(module).double()
    weights: Tensor = wide(x, x, x, average_attn_weights=False, **masks)[1]
    return weights.detach()


@pytest.mark.parametrize("need_weights", [True, False])
def test_multihead_attention_with_padding(need_weights: bool) -> None:
    module = nn.MultiheadAttention(12, 2, batch_first=True).eval()
    sharpen(module)
    x = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(1))
    ignored = torch.arange(7) >= torch.tensor([[7], [4]])
    with torch.no_grad():
        alone = module(x, x, x, key_padding_mask=ignored, need_weights=need_weights)[0]
        with watch(module, top=2) as seen:
            out = module(x, x, x, key_padding_mask=ignored, need_weights=need_weights)[0]
    assert torch.equal(alone, out)
    (layer,) = seen.trace().layers
    assert torch.equal(layer.queries_valid, ~ignored)
    assert layer.mask == "padding"
    hold(layer, mha_weights(module, x.double(), key_padding_mask=ignored), top=2)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "training"])
def test_torchs_encoder(fast: bool) -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 2, 16, 0.0, batch_first=True), 2).train(not fast)
    sharpen(model)
    x = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(1))
    ignored = torch.arange(7) >= torch.tensor([[7], [4]])
    with torch.set_grad_enabled(not fast):
        alone = model(x, src_key_padding_mask=ignored)
        with watch(model, top=2) as seen:
            out = model(x, src_key_padding_mask=ignored)
    assert torch.equal(alone, out)
    trace = seen.trace()
    assert [layer.name for layer in trace.layers] == ["layers.0.self_attn", "layers.1.self_attn"]
    source = x.double()
    wide = copy.deepcopy(model).double().train()
    for layer, block in zip(trace.layers, wide.layers, strict=True):
        assert torch.equal(layer.keys_valid, ~ignored)
        hold(layer, mha_weights(block.self_attn, source, key_padding_mask=ignored), top=2)
        source = block(source, src_key_padding_mask=ignored)


def head_weights(module: layers.MultiHeadAttention, x: Tensor, context: Tensor, allowed: Tensor) -> Tensor:
    """(batch, heads, queries, keys), by hand in float64."""
    wide = copy.deepcopy(module).double()
    q = wide.query(x.double()).unflatten(-1, (wide.heads, -1)).transpose(1, 2)
    k = wide.key(context.double()).unflatten(-1, (wide.kv_heads, -1)).transpose(1, 2)
    scores = q @ k.repeat_interleave(wide.heads // wide.kv_heads, 1).mT * q.shape[-1] ** -0.5
    weights: Tensor = torch.softmax(scores.masked_fill(~allowed, -torch.inf), -1).nan_to_num(0.0)
    return weights


class Ours(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.itself = layers.MultiHeadAttention(16, 4, kv_heads=2)
        self.other = layers.MultiHeadAttention(16, 2, context_dim=6)
        self.mask: regard.Mask = Causal()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.other(self.itself(x, mask=self.mask), context=context)


@pytest.mark.parametrize(
    "mask",
    [Causal(), Window(2, 1), Causal() & Padding(torch.tensor([7, 4]), torch.tensor([7, 4]))],
    ids=["causal", "window", "padded"],
)
def test_regards_own_layers(mask: regard.Mask) -> None:
    model = Ours().eval()
    sharpen(model)
    model.mask = mask
    source = torch.Generator().manual_seed(1)
    x, context = torch.randn(2, 7, 16, generator=source), torch.randn(2, 5, 6, generator=source)
    alone = model(x, context)
    with watch(model, top=2) as seen:
        out = model(x, context)
    assert torch.equal(alone, out)
    itself, other = seen.trace().layers
    place = regard.Place(2, 4, 7, 7, 0, torch.device("cpu"))
    hold(itself, head_weights(model.itself, x, x, mask.dense(place)), top=2)
    hidden = model.itself(x, mask=mask)
    hold(other, head_weights(model.other, hidden, context, torch.ones(7, 5, dtype=torch.bool)), top=2)
    assert (itself.kind, other.kind) == ("self", "cross")
    if "Padding" in repr(type(mask)) or itself.mask.endswith("padding of keys and queries"):
        assert itself.keys_valid[1].tolist() == [True] * 4 + [False] * 3


def test_regards_encoder() -> None:
    model = layers.Encoder(16, 2, layers=2).eval()
    x = torch.randn(2, 7, 16, generator=torch.Generator().manual_seed(1))
    alone = model(x, mask=Padding(torch.tensor([7, 5])))
    with watch(model) as seen:
        out = model(x, mask=Padding(torch.tensor([7, 5])))
    assert torch.equal(alone, out)
    trace = seen.trace()
    assert len(trace.layers) == 2
    assert all(layer.name.startswith("blocks.") for layer in trace.layers)
    assert trace.layers[0].keys_valid.sum(1).tolist() == [7, 5]


def test_a_sample_estimates_the_whole() -> None:
    module = nn.MultiheadAttention(12, 2, batch_first=True).eval()
    x = torch.randn(1, 60, 12, generator=torch.Generator().manual_seed(1))
    with watch(module, sample=0.5, seed=3) as seen:
        module(x, x, x)
    (layer,) = seen.trace().layers
    assert layer.sampled
    assert (len(layer.positions), layer.population) == (30, 60)
    assert layer.received_error is not None
    # every row sums to 1, so that the estimate of all mass has no error
    torch.testing.assert_close(layer.received.sum(-1), torch.full((1, 2), 60.0), rtol=1e-5, atol=1e-4)
    exact = mha_weights(module, x.double()).sum(2)
    assert bool(((layer.received - exact).abs() <= 5 * layer.received_error + 1e-3).all())


def test_half_precision_runs_as_it_does() -> None:
    model = vit().to(torch.bfloat16)
    images = IMAGES.to(torch.bfloat16)
    alone = model(images)
    with watch(model) as seen:
        out = model(images)
    assert torch.equal(alone, out)
    layer = seen.trace().layers[0]
    torch.testing.assert_close(layer.received.sum(-1), torch.full((2, 3), 10.0), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"layers": [2]}, r"layers=2: no such attention layer ran.*0: blocks\.0\.attn, 1: blocks\.1\.attn"),
        ({"layers": ["encoder.*"]}, r"layers='encoder\.\*': no such attention layer ran"),
    ],
)
def test_a_layer_that_is_not_there(asked: dict[str, Any], told: str) -> None:
    model = vit()
    with watch(model, **asked) as seen:
        model(IMAGES)
    with pytest.raises(SpecError, match=told):
        seen.trace()


def test_a_head_that_is_not_there_is_named_with_its_layer() -> None:
    model = vit()
    told = r"blocks\.0\.attn: heads=\(3,\): expected different numbers from 0 to 2"
    with pytest.raises(SpecError, match=told), watch(model, heads=[3]):
        model(IMAGES)
    assert model(IMAGES).shape == (2, 24)


@pytest.mark.parametrize(
    "asked", [{"layers": [-1]}, {"layers": [1.5]}, {"layers": True}, {"top": -1}, {"bins": (0, 2)}, {"sample": 2.0}]
)
def test_nonsense_is_refused_before_the_run(asked: dict[str, Any]) -> None:
    with pytest.raises(SpecError), watch(vit(), **asked):
        raise AssertionError


def test_layers_by_pattern_and_by_place() -> None:
    model = vit()
    for choice in ("*.1.*", ["blocks.1.attn"], [1], 1):
        with watch(model, layers=choice) as seen:
            model(IMAGES)
        assert [layer.name for layer in seen.trace().layers] == ["blocks.1.attn"]


def test_a_model_without_attention_says_so() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with watch(model) as seen:
        model(torch.zeros(1, 4))
    with pytest.raises(SpecError, match="no attention was seen in Sequential: it has none, or did not run"):
        seen.trace()


def test_a_compiled_model_says_so() -> None:
    with pytest.raises(SpecError, match="compiled"), watch(torch.compile(vit(), backend="eager")):
        raise AssertionError
