"""A transformer that reads a text and writes another, as Pegasus (Zhang et al. 2020, arXiv 1912.08777).

Both are pre-norm with a last normalisation on each side, share one table among the two embeddings and the head, which
has an offset for each symbol, and scale embeddings by sqrt(dim). Sinusoids are laid out otherwise: sines and cosines in
turn here, sines first there. The order of the entries of a token's vector means nothing to the layers, so that all of
them are put in the other order.
"""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from regard.bridges.transformers_converted import Converted, State, filled, linear, projections, wrapped
from regard.bridges.transformers_folder import transformers
from regard.nn.decoder import DecoderBlock
from regard.nn.encoder import Encoder, EncoderBlock
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder
from regard.spec.errors import RunError
from regard.tasks.pair_part import EDGE_ID
from regard.tasks.sections import TokenSettings, WritingSettings
from regard.tasks.text_data import TOKENIZER
from regard.tasks.text_symbols import START
from regard.tasks.vocabulary import PADDING, PADDING_ID, UNKNOWN, UNKNOWN_ID
from regard.train.run import Run

_INWARD = ("q_proj.weight", "k_proj.weight", "v_proj.weight", "fc1.weight", "shared.weight")  # read a token's vector
_OUTWARD = ("out_proj.weight", "out_proj.bias", "fc2.weight", "fc2.bias")  # add to it
_NORMS = ("layer_norm.weight", "layer_norm.bias")


def convert(run: Run) -> Converted:
    """A run of `translate` or `summarise`.

    Raises:
        RunError: each side has a vocabulary of its own.
    """
    core, writing = run.settings.core, run.settings.section(WritingSettings)
    tokens, model = run.settings.section(TokenSettings), run.model
    if writing.vocabulary != "shared":
        raise RunError(
            "what is read and what is written have a vocabulary each, and Pegasus has one for both: train with "
            "--set writing.vocabulary=shared"
        )
    assert isinstance(model, SequenceToSequence)
    library, tokenizer = transformers(), Tokenizer.from_str(run.setup.kept[TOKENIZER])
    signs = {"decoder_start_token_id": EDGE_ID, "eos_token_id": EDGE_ID, "bos_token_id": EDGE_ID}
    sizes = {f"{side}_{what}": size for side in ("encoder", "decoder") for what, size in
             (("layers", core.layers), ("ffn_dim", core.hidden), ("attention_heads", core.heads))}  # fmt: skip
    config = library.PegasusConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=core.dim,
        max_position_embeddings=max(tokens.longest, writing.longest) + 1,
        activation_function="gelu",
        scale_embedding=True,
        dropout=core.block_dropout,
        attention_dropout=core.block_dropout,
        forced_eos_token_id=None,
        pad_token_id=PADDING_ID,
        **sizes,
        **signs,
    )
    made = filled(library.PegasusForConditionalGeneration(config), _state(model))
    cut = ("longer texts are cut at the end, not in the middle",) if tokens.keep == "ends" else ()
    beam = "the library's beam search favours longer texts by another formula, and goes on where ours narrows"
    return Converted(
        made,
        wrapped(library, tokenizer, tokens.longest, eos_token=START, unk_token=UNKNOWN, pad_token=PADDING),
        "AutoModelForSeq2SeqLM",
        None,
        own=lambda ids: model((ids, torch.tensor([ids.shape[1]])), _begun(ids, writing.longest)),
        theirs=lambda other, ids: other(input_ids=ids, decoder_input_ids=_begun(ids, writing.longest)).logits,
        longest=tokens.longest,
        differs=(*((beam,) if writing.beam > 1 else ()), *cut),
        generation={
            **({"num_beams": writing.beam, "length_penalty": writing.alpha} if writing.beam > 1 else {}),
            "max_new_tokens": writing.longest,
            "suppress_tokens": [PADDING_ID, UNKNOWN_ID],
            "forced_eos_token_id": None,
            "pad_token_id": PADDING_ID,
            **signs,
        },
    )


def _begun(ids: Tensor, most: int) -> Tensor:
    """A text to be written, for a comparison: the edge, then what was read."""
    return torch.cat((torch.full_like(ids[:, :1], EDGE_ID), ids), 1)[:, :most]


def _state(model: SequenceToSequence) -> State:
    decoder, encoder = model.decoder, model.encoder
    assert isinstance(decoder, TransformerDecoder)
    assert isinstance(encoder, Encoder)
    state: State = {"model.shared.weight": decoder.embedding.table.detach()}
    for place, block in enumerate(encoder.blocks):
        assert isinstance(block, EncoderBlock)
        name = f"model.encoder.layers.{place}"
        _block(state, name, block)
    for place, block in enumerate(decoder.decoder.blocks):
        assert isinstance(block, DecoderBlock)
        assert block.context_attention is not None
        name = f"model.decoder.layers.{place}"
        _block(state, name, block)
        linear(state, f"{name}.encoder_attn_layer_norm", block.context_norm)
        projections(state, f"{name}.encoder_attn", block.context_attention)
    linear(state, "model.encoder.layer_norm", encoder.norm)
    linear(state, "model.decoder.layer_norm", decoder.decoder.norm)
    state = {name: _ordered(name, one) for name, one in state.items()}
    state["final_logits_bias"] = decoder.head.offset.detach()[None]
    return state


def _block(state: State, name: str, block: Any) -> None:
    linear(state, f"{name}.self_attn_layer_norm", block.attention_norm)
    projections(state, f"{name}.self_attn", block.attention)
    linear(state, f"{name}.final_layer_norm", block.feed_forward_norm)
    linear(state, f"{name}.fc1", block.feed_forward.widen)
    linear(state, f"{name}.fc2", block.feed_forward.narrow)


def _ordered(name: str, tensor: Tensor) -> Tensor:
    """With the entries of token vectors in the other order: those at even places, then those at odd ones."""
    if name.endswith(_INWARD):
        return torch.cat((tensor[..., 0::2], tensor[..., 1::2]), -1)
    if name.endswith((*_OUTWARD, *_NORMS)):
        return torch.cat((tensor[0::2], tensor[1::2]))
    return tensor
