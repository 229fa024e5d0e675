"""The model that writes down what it hears, and what is done with it: a decoder with attention, and beside it, for each
moment of the sound, the character that it is (joint training and choice: Watanabe et al. 2017, "Hybrid CTC/attention
architecture for end-to-end speech recognition", IEEE JSTSP 11.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.nn.decoder import Decoder
from regard.nn.decoding import Context, Limits, Output, beam_search
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder
from regard.nn.heads import NextToken
from regard.nn.recurrent import BiLSTMEncoder
from regard.nn.recurrent_decoder import RecurrentDecoder
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder
from regard.spec import Rotary
from regard.tasks.pair_part import EDGE_ID
from regard.tasks.pairs_data import target_symbols
from regard.tasks.sections import CoreSettings, SoundSettings, WritingSettings
from regard.tasks.sound_front import sound_front
from regard.tasks.task import Outcome, Setup
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID
from regard.tasks.written_part import WrittenBatch, edged

_NEVER = (PADDING_ID, UNKNOWN_ID)
BLANK_ID = PADDING_ID  # of CTC: no character begins here


class Transcriber(nn.Module):
    """writer: from sounds to texts. heard: of each token of the sound, scores of its character (or of none)."""

    def __init__(self, writer: SequenceToSequence, heard: nn.Linear) -> None:
        super().__init__()
        self.writer, self.heard = writer, heard

    def forward(self, given: Sequence[Any], inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """given: samples, lengths; inputs (batch, out_len) -> logits (batch, out_len, vocab), log-probabilities
        (batch, len, vocab) of what each moment is, and how many moments each sound has (batch,)."""
        context = self.writer.read(given)
        return self.writer.decoder(context, inputs), self.moments(context), context.present.sum(-1)

    def moments(self, context: Context) -> Tensor:
        """(batch, len, vocab) ln p of the character of each moment."""
        logs: Tensor = self.heard(context.tokens).float().log_softmax(-1)
        return logs


def build_transcriber(setup: Setup) -> Transcriber:
    """The model that the settings name: a transformer, or a bidirectional LSTM and a GRU with additive attention."""
    core, size = setup.settings.core, target_symbols(setup).get_vocab_size()
    target = TokenEmbedding(size, core.dim, dropout=core.dropout)
    head = NextToken(core.dim, size, tied=target)
    front = sound_front(setup)
    make = _transformer if core.kind == "transformer" else _recurrent
    writer, width = make(core, front, target, head)
    return Transcriber(writer, nn.Linear(width, size))


def judge_heard(model: nn.Module, batch: WrittenBatch, setup: Setup) -> Outcome:
    """Both losses, each by its share, over the symbols to be written: cross-entropy of the decoder, smoothed in
    training alone; and -ln p, by CTC, of the text among all ways to spread it over the moments."""
    share, scored = setup.settings.section(SoundSettings).ctc, batch.scored
    logits, moments, lengths = model(batch.given, batch.inputs)
    logits, truths = logits[scored].float(), batch.targets[scored]
    smoothing = setup.settings.train.label_smoothing if model.training else 0.0
    losses = (1 - share) * F.cross_entropy(logits, truths, reduction="none", label_smoothing=smoothing)
    hits = (logits.argmax(-1) == truths).sum()
    spread = share * ctc_losses(moments, lengths, batch.targets, batch.written - 1)
    return Outcome(torch.cat((losses, spread)), losses.numel(), hits)


def ctc_losses(moments: Tensor, lengths: Tensor, targets: Tensor, symbols: Tensor) -> Tensor:
    """-ln p (rows,) of the first `symbols` (rows,) of targets (rows, longest), by CTC (Graves et al. 2006); 0 where a
    sound has fewer moments than its text needs."""
    losses: Tensor = F.ctc_loss(
        moments.transpose(0, 1), targets, lengths, symbols, blank=BLANK_ID, reduction="none", zero_infinity=True
    )
    return losses


@torch.no_grad()
def best_heard(model: Transcriber, batch: WrittenBatch, setup: Setup) -> list[Output]:
    """The best answer to each row: among those of the decoder's beam, and the one that names the likeliest character of
    each moment, the one that both ways of writing together find likeliest."""
    writing, share = setup.settings.section(WritingSettings), setup.settings.section(SoundSettings).ctc
    context = model.writer.read(batch.given)
    moments, lengths = model.moments(context), context.present.sum(-1)
    longest = min(writing.longest, int(lengths.max()) + 1)  # a character takes a moment at least
    limits = Limits(longest, end=EDGE_ID, never=_NEVER)
    beams = beam_search(
        model.writer.decoder, context, limits, width=writing.beam, alpha=writing.alpha, most=writing.beam
    )
    if not share:
        return [outputs[0] for outputs in beams]
    texts = [
        [*(one.ids for one in outputs), path] for outputs, path in zip(beams, _paths(moments, lengths), strict=True)
    ]
    owner = torch.tensor([row for row, among in enumerate(texts) for _ in among])
    flat = [one for among in texts for one in among]
    by_decoder, by_moments = _scores(model, context, moments, owner, flat)
    joint = ((1 - share) * by_decoder + share * by_moments).tolist()
    best: list[Output] = []
    start = 0
    for among in texts:
        place = max(range(start, start + len(among)), key=lambda one: joint[one])
        best.append(Output(flat[place], float(by_decoder[place]), joint[place], ended=True))
        start += len(among)
    return best


def answer_heard(model: nn.Module, batch: WrittenBatch, setup: Setup) -> Sequence[Any]:
    """One text a row."""
    assert isinstance(model, Transcriber)
    return target_symbols(setup).decode_batch([list(output.ids) for output in best_heard(model, batch, setup)])


def _paths(moments: Tensor, lengths: Tensor) -> list[tuple[int, ...]]:
    """The likeliest character of each moment, runs of one taken as one, blanks left out."""
    found = []
    for row, length in zip(moments.argmax(-1), lengths.tolist(), strict=True):
        kept = torch.unique_consecutive(row[:length]).tolist()
        found.append(tuple(one for one in kept if one not in (BLANK_ID, UNKNOWN_ID, EDGE_ID)))
    return found


def _scores(
    model: Transcriber, context: Context, moments: Tensor, owner: Tensor, texts: Sequence[tuple[int, ...]]
) -> tuple[Tensor, Tensor]:
    """ln p of each text (texts,) by the decoder, and by the moments; `owner`: the row that it is an answer to. A text
    that does not fit the moments of its sound is impossible by them."""
    inputs, targets, written = (one.to(moments.device) for one in edged(texts))
    logs = model.writer.decoder(context.select(owner), inputs).float().log_softmax(-1)
    each = logs.gather(-1, targets[..., None])[..., 0]
    there = torch.arange(targets.shape[1], device=each.device) < written[:, None]
    lengths = context.present.sum(-1)[owner]
    spread = F.ctc_loss(moments[owner].transpose(0, 1), targets, lengths, written - 1, blank=BLANK_ID, reduction="none")
    return each.masked_fill(~there, 0.0).sum(-1), -spread


def _transformer(
    core: CoreSettings, front: nn.Module, target: TokenEmbedding, head: NextToken
) -> tuple[SequenceToSequence, int]:
    shape: dict[str, Any] = {"hidden": core.hidden, "dropout": core.block_dropout, "rotary": Rotary()}
    encoder = Encoder(core.dim, core.heads, layers=core.layers, **shape)
    decoder = Decoder(core.dim, core.heads, layers=max(1, core.layers // 2), context_dim=core.dim, **shape)
    return SequenceToSequence(front, encoder, TransformerDecoder(target, decoder, head, begin=EDGE_ID)), core.dim


def _recurrent(
    core: CoreSettings, front: nn.Module, target: TokenEmbedding, head: NextToken
) -> tuple[SequenceToSequence, int]:
    width = 2 * core.hidden
    encoder = BiLSTMEncoder(core.dim, core.hidden, layers=core.layers, dropout=core.dropout)
    decoder = RecurrentDecoder(
        target, head, context_dim=width, hidden=width, begin=EDGE_ID, attention=core.hidden, dropout=core.dropout
    )
    return SequenceToSequence(front, encoder, decoder), width
