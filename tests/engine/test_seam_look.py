"""What a module looks like from outside."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from regard.engine.seam_look import kind_of, looks_like_attention, why_unseen


def module(name: str, *children: str, **more: Any) -> nn.Module:
    made = type(name, (nn.Module,), more)()
    for child in children:
        made.add_module(child, nn.Linear(2, 2))
    return made


@pytest.mark.parametrize(
    ("name", "children", "expected"),
    [
        ("BloomAttention", ("dense",), True),
        ("Attn", ("w",), True),
        ("Mixer", ("q_proj", "k_proj", "v_proj"), True),
        ("Mixer", ("to_q", "to_k", "to_v", "to_out"), True),
        ("Mixer", ("qkv",), True),
        ("Mixer", ("q_proj", "k_proj"), False),
        ("Mixer", (), False),
        ("Attention", (), False),  # nothing to attend with
        ("BertSelfAttentionOutput", ("dense",), False),
        ("AttentionDropout", ("p",), False),
        ("RotaryEmbeddingForAttention", ("p",), False),
    ],
)
def test_what_looks_like_attention(name: str, children: tuple[str, ...], expected: bool) -> None:
    assert looks_like_attention(module(name, *children)) is expected


def forward(self: Any, x: Any, mask: Any = None, key_value_states: Any = None) -> Any:
    return x


@pytest.mark.parametrize(
    ("name", "path", "args", "kwargs", "expected"),
    [
        ("Attention", "layers.0.attn", (1,), {}, "self"),
        ("Attention", "layers.0.attn", (1,), {"key_value_states": 2}, "cross"),
        ("Attention", "layers.0.attn", (1,), {"key_value_states": None}, "self"),
        ("Attention", "layers.0.attn", (1, None, 2), {}, "cross"),
        ("Attention", "layers.0.encoder_attn", (1,), {}, "cross"),
        ("Attention", "cross_encoder.layers.0.attn", (1,), {}, "self"),  # only the last part of the path counts
        ("CrossAttention", "layers.0.attn", (1,), {}, "cross"),
    ],
)
def test_self_or_cross(name: str, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: str) -> None:
    assert kind_of(module(name, forward=forward), path, args, kwargs) == expected


def test_reasons_say_what_to_do() -> None:
    def flex(self: Any, x: Any) -> Any:
        return flex_attention(x)  # noqa: F821

    assert "flex_attention" in why_unseen(module("A", forward=flex))
    configured = module("A")
    configured.config = type("C", (), {"_attn_implementation": "eager"})()
    assert "set_attn_implementation('sdpa')" in why_unseen(configured)
    assert "nn.MultiheadAttention and regard.attend can be seen" in why_unseen(module("A"))
