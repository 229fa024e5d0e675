"""A causal language model as GPT-NeoX (Black et al. 2022, arXiv 2204.06745): pre-norm, rotary, a GELU in between.

The two differ in one thing: our head has an offset b for each symbol, GPT-NeoX's has none. What comes out of the last
normalisation has mean 0 before its scale and offset, so that adding the same number to all entries of a row of the head
changes nothing but what the normalisation's offset brings in: with an offset of ones, a number c brings in dim * c. So
the scale and offset of the normalisation, and b, go into the head, and the arithmetic is the same.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, processors
from torch import Tensor

from regard.bridges.transformers_converted import Converted, State, filled, linear, wrapped
from regard.bridges.transformers_folder import transformers
from regard.nn.attention import MultiHeadAttention
from regard.nn.decoder import DecoderBlock
from regard.nn.decoding import LanguageModel
from regard.spec.errors import RunError
from regard.tasks.sections import TokenSettings
from regard.tasks.text_data import TOKENIZER
from regard.tasks.text_symbols import START, START_ID
from regard.tasks.vocabulary import PADDING, PADDING_ID, UNKNOWN, UNKNOWN_ID
from regard.train.run import Run


def convert(run: Run) -> Converted:
    """A run of `language-model` as GPT-NeoX.

    Raises:
        RunError: its blocks are other than those of the task.
    """
    model, core = run.model, run.settings.core
    assert isinstance(model, LanguageModel)
    blocks = [block for block in model.decoder.blocks if isinstance(block, DecoderBlock)]
    rotary = blocks[0].attention.rotary
    if model.window is not None or rotary is None or any(len(block.attention.biases) for block in blocks):
        raise RunError("this language model has a window, a bias or no rotary positions: GPT-NeoX has them otherwise")
    library, vocabulary = transformers(), run.setup.facts["vocabulary"]
    longest = run.settings.section(TokenSettings).longest
    config = library.GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=core.dim,
        num_hidden_layers=core.layers,
        num_attention_heads=core.heads,
        intermediate_size=core.hidden,
        max_position_embeddings=longest,
        layer_norm_eps=model.decoder.norm.eps,
        use_parallel_residual=False,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": rotary.base, "partial_rotary_factor": 1.0},
        bos_token_id=START_ID,
        eos_token_id=None,
        pad_token_id=PADDING_ID,
    )
    made = filled(library.GPTNeoXForCausalLM(config), _state(model, blocks))
    return Converted(
        made,
        wrapped(library, _tokenizer(run), longest, bos_token=START, unk_token=UNKNOWN, pad_token=PADDING),
        "AutoModelForCausalLM",
        "text-generation",
        own=model,
        theirs=lambda other, ids: other(input_ids=ids).logits,
        longest=longest,
        first=START_ID,
        differs=("symbols are drawn by the library's random numbers",),
        generation={
            "do_sample": True,
            "temperature": 0.8,
            "max_new_tokens": 200,
            "suppress_tokens": [PADDING_ID, UNKNOWN_ID, START_ID],
            "bos_token_id": START_ID,
            "pad_token_id": PADDING_ID,
        },
    )


def _state(model: LanguageModel, blocks: list[DecoderBlock]) -> State:
    state: State = {"gpt_neox.embed_in.weight": model.embedding.table.detach()}
    for place, block in enumerate(blocks):
        name = f"gpt_neox.layers.{place}"
        linear(state, f"{name}.input_layernorm", block.attention_norm)
        linear(state, f"{name}.post_attention_layernorm", block.feed_forward_norm)
        linear(state, f"{name}.mlp.dense_h_to_4h", block.feed_forward.widen)
        linear(state, f"{name}.mlp.dense_4h_to_h", block.feed_forward.narrow)
        linear(state, f"{name}.attention.dense", block.attention.output)
        for part in ("weight", "bias"):
            state[f"{name}.attention.query_key_value.{part}"] = _by_head(block.attention, part)
    norm = model.decoder.norm
    state["gpt_neox.final_layer_norm.weight"] = torch.ones_like(norm.weight)
    state["gpt_neox.final_layer_norm.bias"] = torch.ones_like(norm.bias)
    table = model.embedding.table if model.head._tied is not None else model.head.table
    head = folded(*(one.detach() for one in (table, model.head.offset, norm.weight, norm.bias)))
    state["lm_head.weight"] = head
    return state


def folded(table: Tensor, offset: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """(vocab, dim): a head without an offset, behind a normalisation of scale 1 and offset 1, that gives what
    table (vocab, dim) and offset (vocab,) give behind one of scale and shift (dim,)."""
    wide, working = table.double(), scale.double()
    scaled = wide * working
    wanted = wide @ shift.double() + offset.double()
    added = (wanted - scaled.sum(1)) / table.shape[1]
    return (scaled + added[:, None]).to(table.dtype)


def _by_head(attention: MultiHeadAttention, part: str) -> Tensor:
    """Queries, keys and values of one head after the other."""
    each = [getattr(layer, part).detach() for layer in (attention.query, attention.key, attention.value)]
    heads = [one.reshape(attention.heads, -1, *one.shape[1:]) for one in each]
    return torch.cat(heads, 1).flatten(0, 1)


def _tokenizer(run: Run) -> Tokenizer:
    """The run's symbols, every text with the sign of its beginning before it."""
    tokenizer = Tokenizer.from_str(run.setup.kept[TOKENIZER])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", pair=f"{START} $A $B", special_tokens=[(START, START_ID)]
    )
    return tokenizer
