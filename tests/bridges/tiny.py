"""Tiny transformers models with random weights, built from their configuration alone, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as hf
from tests.lens.eager import sharpen

VOCAB, LENGTH = 53, 11
# True for real tokens, of two items: none padded, two on the left, three on the right
PADDINGS = {
    "none": torch.ones(2, LENGTH, dtype=torch.long),
    "left": (torch.arange(LENGTH) >= torch.tensor([[0], [2]])).long(),
    "right": (torch.arange(LENGTH) < torch.tensor([[LENGTH], [LENGTH - 3]])).long(),
}
_TEXT = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2}


def ids(seed: int = 0, length: int = LENGTH) -> torch.Tensor:
    return torch.randint(4, VOCAB, (2, length), generator=torch.Generator().manual_seed(seed))


def llama(**more: Any) -> hf.PreTrainedModel:
    return hf.LlamaForCausalLM(hf.LlamaConfig(**_TEXT, num_attention_heads=4, num_key_value_heads=2, **more))


def gemma3(**more: Any) -> hf.PreTrainedModel:
    """One layer with a window of 4 keys, one without."""
    config = hf.Gemma3TextConfig(
        **_TEXT,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=8,
        query_pre_attn_scalar=10,
        sliding_window=4,
        layer_types=["sliding_attention", "full_attention"],
        **more,
    )
    return hf.Gemma3ForCausalLM(config)


def gemma2(**more: Any) -> hf.PreTrainedModel:
    """Scores are capped at 3."""
    config = hf.Gemma2Config(
        **_TEXT, num_attention_heads=4, num_key_value_heads=2, head_dim=8, attn_logit_softcapping=3.0, **more
    )
    return hf.Gemma2ForCausalLM(config)


def mistral(**more: Any) -> hf.PreTrainedModel:
    """Every layer has a window of 4 keys."""
    config = hf.MistralConfig(**_TEXT, num_attention_heads=4, num_key_value_heads=2, sliding_window=4, **more)
    return hf.MistralForCausalLM(config)


def phi3(**more: Any) -> hf.PreTrainedModel:
    sizes = {"num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 4}
    return hf.Phi3ForCausalLM(hf.Phi3Config(**_TEXT, **sizes, pad_token_id=0, bos_token_id=1, eos_token_id=2, **more))


def llama4(**more: Any) -> hf.PreTrainedModel:
    """One layer reads chunks of 4 keys, one all keys."""
    config = hf.Llama4TextConfig(
        **_TEXT,
        intermediate_size_mlp=24,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        attention_chunk_size=4,
        num_local_experts=2,
        num_experts_per_tok=1,
        layer_types=["chunked_attention", "full_attention"],
        **more,
    )
    return hf.Llama4ForCausalLM(config)


def modernbert(**more: Any) -> hf.PreTrainedModel:
    """Windows of 2 keys on both sides, save in the first layer."""
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    config = hf.ModernBertConfig(
        **_TEXT, num_attention_heads=4, local_attention=4, global_attn_every_n_layers=3, **special, **more
    )
    return hf.ModernBertModel(config)


def gpt2(**more: Any) -> hf.PreTrainedModel:
    return hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=3, n_positions=40, **more))


def bert(**more: Any) -> hf.PreTrainedModel:
    return hf.BertModel(hf.BertConfig(**_TEXT, num_attention_heads=4, **more))


def t5(**more: Any) -> hf.PreTrainedModel:
    config = hf.T5Config(
        vocab_size=VOCAB, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=3, decoder_start_token_id=0, **more
    )
    return hf.T5ForConditionalGeneration(config)


def vit(**more: Any) -> hf.PreTrainedModel:
    sizes = {"hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    return hf.ViTModel(hf.ViTConfig(**sizes, image_size=15, patch_size=5, **more), add_pooling_layer=False)


def whisper(**more: Any) -> hf.PreTrainedModel:
    config = hf.WhisperConfig(
        vocab_size=VOCAB,
        d_model=24,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=3,
        decoder_attention_heads=3,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_mel_bins=8,
        max_source_positions=13,
        max_target_positions=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **more,
    )
    return hf.WhisperForConditionalGeneration(config)


def gpt_oss(**more: Any) -> hf.PreTrainedModel:
    config = hf.GptOssConfig(
        **_TEXT,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        num_local_experts=2,
        num_experts_per_tok=1,
        sliding_window=4,
        **more,
    )
    return hf.GptOssForCausalLM(config)


def ready(build: Callable[..., hf.PreTrainedModel], implementation: str) -> hf.PreTrainedModel:
    """A model for inference with sharp attention; the same weights each time."""
    torch.manual_seed(5)
    model = build(attn_implementation=implementation).eval()
    sharpen(model)
    return model
