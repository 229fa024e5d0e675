"""Weights of words from those of symbols, by hand; the picture as the model saw it."""

import io

import numpy as np
import torch
from PIL import Image

from regard.nn.front_ends import PatchFrontEnd
from regard.tasks.picture_alignment import mean_of_words, picture_shown


def test_a_word_has_the_mean_of_its_symbols():
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    torch.testing.assert_close(mean_of_words(weights, [0, 0, 1], 2), torch.tensor([[0.75, 0.25], [0.0, 1.0]]))


def test_the_picture_is_shown_in_its_patches():
    pixels = torch.arange(3 * 4 * 6, dtype=torch.uint8).view(1, 3, 4, 6)
    found = picture_shown(PatchFrontEnd(8, 2, channels=3), pixels)
    assert (found.rows, found.columns, found.patches) == (2, 3, slice(0, 6))
    read = np.asarray(Image.open(io.BytesIO(found.png)))
    assert np.array_equal(read, pixels[0].permute(1, 2, 0).numpy())


def test_a_grey_picture_is_grey():
    found = picture_shown(PatchFrontEnd(8, 2), torch.zeros(1, 1, 4, 4, dtype=torch.uint8))
    assert Image.open(io.BytesIO(found.png)).mode == "L"
