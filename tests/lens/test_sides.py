"""Which layers read which sequence, and so whose units they are shown beside."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from regard.lens.sides import holder_of
from regard.lens.units import Units
from regard.lens.watch import watch
from regard.spec import ShapeError


def tokens(length: int, batch: int = 1, seed: int = 1) -> Tensor:
    return torch.randn(batch, length, 8, generator=torch.Generator().manual_seed(seed))


class Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), 1)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 8, batch_first=True), 2)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.decoder(target, self.encoder(source))


def words_of(prefix: str, count: int, batch: int = 2) -> list[Units]:
    return [Units(tuple(f"{prefix}{place}" for place in range(count)), "token")] * batch


def test_each_side_of_a_translation_has_its_units() -> None:
    model = Translator().eval()
    with watch(model) as seen:
        model(tokens(5, 2), tokens(3, 2))
    trace = seen.trace(units=words_of("t", 3), key_units=words_of("s", 5))
    sides = {
        layer.name: (trace.units_of_queries(layer)[0].texts[0], trace.units_of_keys(layer)[0].texts[0])
        for layer in trace.layers
    }
    assert sides == {
        "encoder.layers.0.self_attn": ("s0", "s0"),
        "decoder.layers.0.self_attn": ("t0", "t0"),
        "decoder.layers.0.multihead_attn": ("t0", "s0"),
        "decoder.layers.1.self_attn": ("t0", "t0"),
        "decoder.layers.1.multihead_attn": ("t0", "s0"),
    }
    plain = seen.trace()
    assert len(plain.units[0]) == 3
    assert len(plain.units_of_keys(plain.layers[0])[0]) == 5


class Pooled(nn.Module):
    """Patches among themselves; then one learned query sums them up."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.MultiheadAttention(8, 2, batch_first=True)])
        self.head = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2, batch_first=True)})
        self.probe = nn.Parameter(torch.zeros(1, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers[0](x, x, x)[0]
        return self.head["attention"](self.probe.expand(len(x), -1, -1), x, x)[0]


def test_a_pooling_heads_keys_are_the_models_units() -> None:
    model = Pooled()
    with watch(model) as seen:
        model(tokens(4, 2))
    trace = seen.trace(units=words_of("p", 4))
    assert trace.layer("head.attention").kind == "cross"
    assert trace.units_of_queries(trace.layer("layers.0"))[0].texts[0] == "p0"
    assert trace.units_of_queries(trace.layer("head.attention"))[0].texts == ("0",)
    assert trace.units_of_keys(trace.layer("head.attention"))[0].texts[0] == "p0"


class Captioner(nn.Module):
    """An image's encoder, then a text's: one model, two axes, no cross-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = (nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        seen = self.image(image, image, image)[0].mean(1, keepdim=True)
        return self.text(*(text + seen,) * 3)[0]


def test_an_axis_the_units_are_too_few_for_is_numbered_if_they_fit_another() -> None:
    model = Captioner()
    with watch(model) as seen:
        model(tokens(9, 2), tokens(4, 2))
    trace = seen.trace(units=words_of("t", 4))
    assert trace.units_of_queries(trace.layer("text"))[0].texts[0] == "t0"
    assert trace.units_of_queries(trace.layer("image"))[0].texts[0] == "0"
    with pytest.raises(ShapeError, match="there are 2 units"):
        seen.trace(units=words_of("t", 2))
    with pytest.raises(ShapeError, match="batch of 2"):
        seen.trace(units=words_of("t", 4, batch=1))


def test_the_part_of_a_model_that_asks() -> None:
    assert holder_of([]) is None
    assert holder_of(["decoder.block.0.layer.1.attention", "decoder.block.1.layer.1.attention"]) == "decoder.block."
    assert holder_of(["cross"]) == ""
    assert holder_of(["a.b.cross", "a.c.cross"]) == "a."
