"""Which words of a source each written word looked at: the decoder's attention, from symbols to words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from regard.lens.words import merge
from regard.nn.decoding import alignment
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.tasks.explained import Alignment, Explained, Weighed
from regard.tasks.pair_part import PairBatch
from regard.tasks.pairs_data import source_symbols, target_symbols
from regard.tasks.task import Setup
from regard.tasks.text_answers import TokenWeight
from regard.tasks.vocabulary import PADDING_ID
from regard.tasks.writer import best_outputs

_NOTHING = "(nothing)"


def explain_written(model: nn.Module, batch: PairBatch, setup: Setup) -> Explained:
    """What is written of a batch of one row, and for each of its words the weights of the source's words.

    Of a transformer: the attention to the source in the last layer but one (the last, where there is one only; Garg et
    al. 2019, arXiv 1909.02074, found it nearest to alignments), mean over heads. A word's weight is the sum over its
    symbols; of several symbols that write one word, the mean.
    """
    assert isinstance(model, SequenceToSequence)
    (output,) = best_outputs(model, batch, setup)
    source = [one for one in batch.source[0].tolist() if one != PADDING_ID]
    read, of_source = words_of(source_symbols(setup), source)
    told, of_told = words_of(target_symbols(setup), output.ids)
    layers = setup.settings.core.layers if setup.settings.core.kind == "transformer" else 1
    how = "the decoder's attention to the source"
    if layers > 1:
        how += f", layer {layers - 1} of {layers}, mean over heads"
    if not output.ids:
        even = tuple(Weighed(word, 1 / len(read)) for word in read)
        return Explained(_NOTHING, even, "word", "nothing was written, so that nothing was looked at: even shares")
    weights = alignment(model, batch.given, [output], layer=max(0, layers - 2))[0]
    by_word = _mean(_sum(weights[:, : len(source)], of_source, len(read)), of_told, len(told))
    units = tuple(Weighed(word, share) for word, share in zip(read, by_word.mean(0).tolist(), strict=True))
    rows = tuple(tuple(row) for row in by_word.tolist())
    answer = target_symbols(setup).decode(list(output.ids))
    return Explained(answer, units, "word", how, Alignment(told, rows))


def words_of(symbols: Tokenizer, ids: Sequence[int]) -> tuple[tuple[str, ...], list[int]]:
    """The words that symbols write, in order, and for each symbol the place of its word."""
    text, spans = symbols.decode(list(ids)), spans_of(symbols, ids)
    words = merge(text, [TokenWeight(start, end, 0.0, True) for start, end in spans])
    places, place = [], 0
    for start, _ in spans:
        while place + 1 < len(words) and words[place + 1].start <= start:
            place += 1
        places.append(place)
    return tuple(word.text if word.text.strip() else "␣" for word in words), places


def spans_of(symbols: Tokenizer, ids: Sequence[int]) -> list[tuple[int, int]]:
    """[start, end) of each symbol in what all of them write, without the space before it; a symbol that is a part of a
    character (of its bytes) has the whole character."""
    spans = []
    for place in range(len(ids)):
        before = symbols.decode(list(ids[:place]))
        whole = symbols.decode(list(ids[: place + 1]))
        start = len(before.rstrip("\ufffd"))
        end = max(len(whole), start + 1)
        blank = len(whole[start:end]) - len(whole[start:end].lstrip())
        spans.append((start + blank if start + blank < end else start, end))
    last = len(symbols.decode(list(ids)))
    return [(min(start, last), min(end, last)) for start, end in spans]


def _sum(weights: Tensor, places: Sequence[int], words: int) -> Tensor:
    """(rows, symbols) -> (rows, words)."""
    return weights.new_zeros(len(weights), words).index_add(1, torch.tensor(places), weights)


def _mean(weights: Tensor, places: Sequence[int], words: int) -> Tensor:
    """(symbols, columns) -> (words, columns)."""
    counts = torch.bincount(torch.tensor(places), minlength=words)[:, None]
    return weights.new_zeros(words, weights.shape[1]).index_add(0, torch.tensor(places), weights) / counts
