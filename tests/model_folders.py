"""Tiny models of many kinds with random weights, saved as their owners would save them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as library
from tokenizers import Tokenizer, pre_tokenizers, processors, trainers
from tokenizers import models as kinds

WORDS = "the cat sat on the mat . a dog ran to the cat , and sat down"
PLACES = 32  # positions
_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_ENDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def _bert() -> Any:
    return library.BertModel(library.BertConfig(vocab_size=30, max_position_embeddings=PLACES, **_SIZES))


def _gpt2() -> Any:
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": PLACES}
    return library.GPT2LMHeadModel(library.GPT2Config(vocab_size=30, bos_token_id=2, eos_token_id=3, **sizes))


def _roberta() -> Any:
    config = library.RobertaConfig(vocab_size=30, max_position_embeddings=PLACES + 2, pad_token_id=1, **_SIZES)
    return library.RobertaModel(config)


def _bart() -> Any:
    sizes = {f"{side}_{what}": 16 if "ffn" in what else 2 for side in ("encoder", "decoder") for what in _BART}
    config = library.BartConfig(
        vocab_size=30, d_model=16, max_position_embeddings=PLACES, decoder_start_token_id=2, **sizes, **_ENDS
    )
    return library.BartForConditionalGeneration(config)


_BART = ("layers", "attention_heads", "ffn_dim")


def _mamba() -> Any:
    return library.MambaModel(library.MambaConfig(vocab_size=30, hidden_size=16, num_hidden_layers=2, state_size=4))


def _vit() -> Any:
    return library.ViTModel(library.ViTConfig(image_size=32, patch_size=8, **_SIZES))


def _dinov2() -> Any:
    sizes = {key: value for key, value in _SIZES.items() if key != "intermediate_size"}
    return library.Dinov2Model(library.Dinov2Config(image_size=28, patch_size=7, **sizes))


def _swin() -> Any:
    sizes = {"embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
    return library.SwinModel(library.SwinConfig(image_size=32, patch_size=4, **sizes))


def _clip() -> Any:
    text = {"vocab_size": 30, "max_position_embeddings": PLACES, **_SIZES, **_ENDS}
    vision = {"image_size": 32, "patch_size": 8, **_SIZES}
    return library.CLIPModel(library.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))


READERS: dict[str, Callable[[], Any]] = {
    "bert": _bert,
    "gpt2": _gpt2,
    "roberta": _roberta,
    "bart": _bart,
    "mamba": _mamba,
    "clip": _clip,
}
LOOKERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "vit": (_vit, {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}),
    "swin": (_swin, {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}),
    "dinov2": (
        _dinov2,
        {
            "image_processor_type": "BitImageProcessor",
            "size": {"shortest_edge": 32},
            "crop_size": {"height": 28, "width": 28},
        },
    ),
}
_COLOURS = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25], "do_normalize": True, "do_resize": True}


def saved(name: str, folder: Path) -> Path:
    """Writes the tiny model of that name into a folder."""
    library.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    if name == "gguf":
        folder.mkdir()
        return write_gguf(folder / "tiny.gguf").parent
    if name in READERS:
        READERS[name]().save_pretrained(folder)
        write_tokenizer(folder)
    else:
        make, processor = LOOKERS[name]
        make().save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps({**processor, **_COLOURS}))
    return folder


def write_tokenizer(folder: Path) -> None:
    """A tokenizer of whole words, which puts [CLS] before a text and [SEP] behind it."""
    made = Tokenizer(kinds.WordLevel(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    made.train_from_iterator([WORDS], trainers.WordLevelTrainer(special_tokens=special, show_progress=False))
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    library.PreTrainedTokenizerFast(tokenizer_object=made, **named).save_pretrained(folder)


def write_gguf(path: Path) -> Path:
    """A Llama of two layers, four query heads and two key heads of 8, with a tokenizer, as one GGUF file."""
    import gguf

    pieces = ["<unk>", "<s>", "</s>", *(f"▁{word}" for word in ("the", "cat", "sat")), *"abcdefghijklmnopqrstuvwxyz▁."]
    dim, draw = 32, np.random.default_rng(0)
    file = gguf.GGUFWriter(path, "llama")
    file.add_context_length(64)
    file.add_embedding_length(dim)
    file.add_block_count(2)
    file.add_feed_forward_length(dim)
    file.add_head_count(4)
    file.add_head_count_kv(2)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_dimension_count(8)
    file.add_vocab_size(len(pieces))
    file.add_tokenizer_model("llama")
    file.add_token_list(pieces)
    file.add_token_scores([-float(place) for place in range(len(pieces))])
    file.add_token_types([2, 3, 3] + [1] * (len(pieces) - 3))
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    file.add_unk_token_id(0)
    shapes = {"token_embd": (len(pieces), dim), "output": (len(pieces), dim), "output_norm": (dim,)}
    for block in ("blk.0", "blk.1"):
        shapes |= {
            f"{block}.{name}": (dim, dim) for name in ("attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
        }
        shapes |= {f"{block}.{name}": (16, dim) for name in ("attn_k", "attn_v")}
        shapes |= {f"{block}.{name}": (dim,) for name in ("attn_norm", "ffn_norm")}
    for name, shape in shapes.items():
        values = np.ones(shape) if len(shape) == 1 else draw.standard_normal(shape) * 0.1
        file.add_tensor(f"{name}.weight", values.astype(np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path
