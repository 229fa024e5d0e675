"""Which patches of a picture a model looked at, for each word that it wrote or as a whole."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor, nn

from regard.nn.decoding import alignment
from regard.nn.front_ends.units import Grid
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.tasks.explained import Alignment, Explained, Picture, Weighed
from regard.tasks.pair_alignment import words_of
from regard.tasks.pairs_data import target_symbols
from regard.tasks.task import Setup
from regard.tasks.writer import best_outputs
from regard.tasks.written_part import WrittenBatch

SPACE = "\N{OPEN BOX}"  # how `words_of` writes a space that is a symbol of its own


def explain_caption(model: nn.Module, batch: WrittenBatch, setup: Setup) -> Explained:
    """What is written of a batch of one picture, and for each word the weights of the patches: the decoder's attention
    to the picture, mean over layers and heads; of several symbols that write one word, the mean."""
    assert isinstance(model, SequenceToSequence)
    (output,) = best_outputs(model, batch, setup)  # type: ignore[arg-type]
    pixels = batch.given[0]
    units = [one.words() for one in model.front(pixels).covered(0)]
    shown = picture_shown(model.front, pixels)
    if not output.ids:
        even = tuple(Weighed(unit, 1 / len(units)) for unit in units)
        how = "nothing was written, so that nothing was looked at: even shares"
        return Explained("(nothing)", even, "patch", how, picture=shown)
    layers = setup.settings.core.layers
    looked = torch.stack([alignment(model, batch.given, [output], layer=layer)[0] for layer in range(layers)]).mean(0)
    told, of_told = words_of(target_symbols(setup), output.ids)
    by_word = mean_of_words(looked, of_told, len(told))
    words = [place for place, piece in enumerate(told) if piece != SPACE]
    weighed = tuple(Weighed(unit, share) for unit, share in zip(units, by_word.mean(0).tolist(), strict=True))
    rows = tuple(tuple(by_word[place].tolist()) for place in words)
    answer = target_symbols(setup).decode(list(output.ids))
    how = "the decoder's attention to the picture, mean over layers and over what was written"
    return Explained(answer, weighed, "patch", how, Alignment(tuple(told[place] for place in words), rows), shown)


def mean_of_words(weights: Tensor, places: list[int], words: int) -> Tensor:
    """(symbols, units) -> (words, units): the mean of the symbols at each word's place."""
    of_word = nn.functional.one_hot(torch.tensor(places), words).to(weights.dtype)
    return of_word.T @ weights / of_word.sum(0)[:, None]


def picture_shown(front: Any, pixels: Tensor) -> Picture:
    """The picture of a batch of one, (1, channels, height, width) uint8, in the patches of a front end."""
    from PIL import Image

    grid = front.units(*pixels.shape[2:])
    assert isinstance(grid, Grid)
    whole = pixels[0].permute(1, 2, 0).cpu().numpy()
    content = io.BytesIO()
    Image.fromarray(whole[:, :, 0] if whole.shape[2] == 1 else whole).save(content, "PNG")
    return Picture(content.getvalue(), *grid.shape)
