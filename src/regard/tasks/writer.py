"""The model of every task that reads a text and writes another, in two forms, and what is done with it.

transformer: an encoder and a decoder with attention to it (Vaswani et al. 2017), positions added as sinusoids: where a
word stands in the source then says something about where its translation stands. bilstm: a bidirectional LSTM reads, a
GRU with additive attention writes (Bahdanau et al. 2014).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn import functional as F

from regard.nn.decoder import Decoder
from regard.nn.decoding import Limits, Output, beam_search
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder
from regard.nn.front_ends import TextFrontEnd
from regard.nn.heads import NextToken
from regard.nn.recurrent import BiLSTMEncoder
from regard.nn.recurrent_decoder import RecurrentDecoder
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder
from regard.spec import Sinusoidal
from regard.tasks.pair_part import EDGE_ID, PairBatch
from regard.tasks.pairs_data import source_symbols, target_symbols
from regard.tasks.sections import CoreSettings, WritingSettings
from regard.tasks.task import Outcome, Setup
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID


def build_writer(setup: Setup) -> SequenceToSequence:
    """The model that the settings name. With one vocabulary, one table embeds both sides and scores what is written
    (Press and Wolf 2017); with two, each side has its own."""
    core = setup.settings.core
    sizes = [symbols(setup).get_vocab_size() for symbols in (source_symbols, target_symbols)]
    shared = setup.settings.section(WritingSettings).vocabulary == "shared"
    placed: dict[str, Any] = {
        "positions": Sinusoidal() if core.kind == "transformer" else None,
        "dropout": core.dropout,
    }
    target = TokenEmbedding(sizes[1], core.dim, **placed)
    source = target if shared else TokenEmbedding(sizes[0], core.dim, **placed)
    head = NextToken(core.dim, sizes[1], tied=target)
    make = _transformer if core.kind == "transformer" else _recurrent
    return make(core, source, target, head)


def judge_written(model: nn.Module, batch: PairBatch, setup: Setup) -> Outcome:
    """Cross-entropy, one loss a symbol that is to be written; smoothed in training alone."""
    scored = batch.scored
    logits = model(batch.given, batch.inputs)[scored].float()
    truths = batch.targets[scored]
    smoothing = setup.settings.train.label_smoothing if model.training else 0.0
    losses = F.cross_entropy(logits, truths, reduction="none", label_smoothing=smoothing)
    return Outcome(losses, losses.numel(), hits=(logits.argmax(-1) == truths).sum())


def best_outputs(model: SequenceToSequence, batch: PairBatch, setup: Setup) -> list[Output]:
    """The best output of the beam for each row."""
    writing = setup.settings.section(WritingSettings)
    limits = Limits(writing.longest, end=EDGE_ID, never=(PADDING_ID, UNKNOWN_ID))
    found = beam_search(model, batch.given, limits, width=writing.beam, alpha=writing.alpha)
    return [outputs[0] for outputs in found]


def answer_written(model: nn.Module, batch: PairBatch, setup: Setup) -> Sequence[Any]:
    """One text a row."""
    assert isinstance(model, SequenceToSequence)
    outputs = best_outputs(model, batch, setup)
    return target_symbols(setup).decode_batch([list(output.ids) for output in outputs])


def tell_written(model: nn.Module, batch: PairBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """Of each row what is written, the mean ln p of its symbols, and whether it came to an end within the limit."""
    assert isinstance(model, SequenceToSequence)
    told = []
    for output in best_outputs(model, batch, setup):
        mean = output.log_probability / (len(output.ids) + output.ended)
        text = target_symbols(setup).decode(list(output.ids))
        told.append({"written": text, "mean_log_probability": mean, "ended": output.ended})
    return told


def _transformer(
    core: CoreSettings, source: TokenEmbedding, target: TokenEmbedding, head: NextToken
) -> SequenceToSequence:
    shape: dict[str, Any] = {"layers": core.layers, "hidden": core.hidden, "dropout": core.block_dropout}
    encoder = Encoder(core.dim, core.heads, **shape)
    decoder = Decoder(core.dim, core.heads, context_dim=core.dim, **shape)
    return SequenceToSequence(TextFrontEnd(source), encoder, TransformerDecoder(target, decoder, head, begin=EDGE_ID))


def _recurrent(
    core: CoreSettings, source: TokenEmbedding, target: TokenEmbedding, head: NextToken
) -> SequenceToSequence:
    encoder = BiLSTMEncoder(core.dim, core.hidden, layers=core.layers, dropout=core.dropout)
    decoder = RecurrentDecoder(
        target, head, context_dim=2 * core.hidden, hidden=2 * core.hidden, begin=EDGE_ID, attention=core.hidden,
        dropout=core.dropout,
    )  # fmt: skip
    return SequenceToSequence(TextFrontEnd(source), encoder, decoder)
