"""Texts and pictures as a model's arguments, and what each place is to a person."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.model_folders import PLACES

from regard.bridges.transformers_folder import ModelFolder
from regard.bridges.transformers_inputs import ImageInputs, image_inputs, positions, text_inputs
from regard.spec.errors import DataError

TEXT = "The cat sat.\nA dog ran!"


def read(folder, text, **more):
    place = ModelFolder.of(folder)
    model = place.model(generates=more.pop("generates", False))
    return model, text_inputs(place.tokenizer(), model, text, **more)


def test_tokens_are_the_characters_they_cover(folder_of):
    model, inputs = read(folder_of("bert"), TEXT)
    assert inputs.units.texts == ("[CLS]", "The", "cat", "sat", ".", "A", "dog", "ran", "!", "[SEP]")
    assert inputs.units.spans[1:4] == ((0, 3), (4, 7), (8, 11))
    assert inputs.units.source == TEXT
    assert [inputs.units.is_special(place) for place in (0, 1, 9)] == [True, False, True]
    assert inputs.written is None
    assert model(**inputs.arguments).last_hidden_state.shape == (1, 10, 16)


def test_a_slow_tokenizer_gives_tokens_by_name(folder_of):
    place = ModelFolder.of(folder_of("bert"))
    tokenizer = place.tokenizer()

    class Slow:
        is_fast = False

        def __call__(self, text, *, return_offsets_mapping, **more):
            assert not return_offsets_mapping
            return tokenizer(text, **more)

        def convert_ids_to_tokens(self, ids):
            return tokenizer.convert_ids_to_tokens(ids)

    inputs = text_inputs(Slow(), place.model(), "the cat")
    assert (inputs.units.texts, inputs.units.spans) == (("[CLS]", "the", "cat", "[SEP]"), None)


@pytest.mark.parametrize("name", ["bert", "gpt2", "roberta", "bart", "clip"])
def test_a_longer_text_than_the_model_has_positions_for(folder_of, name):
    place = ModelFolder.of(folder_of(name))
    model = place.model(generates=name == "bart")
    model = getattr(model, "text_model", model)
    assert positions(model) == PLACES  # RoBERTa's configuration says two more, which are its padding's
    fits = text_inputs(place.tokenizer(), model, "cat " * (PLACES - 2))
    model(**fits.arguments)
    with pytest.raises(DataError, match=r"the text has 33 tokens, and the model has 32 positions; .*--tokens 32$"):
        text_inputs(place.tokenizer(), model, "cat " * (PLACES - 1))


def test_only_the_first_tokens_are_read_if_that_is_asked_for(folder_of):
    _, inputs = read(folder_of("bert"), "cat " * 100, tokens=8)
    assert inputs.units.texts == ("[CLS]", *["cat"] * 6, "[SEP]")
    assert inputs.arguments["input_ids"].shape == (1, 8)
    _, inputs = read(folder_of("bert"), "cat " * 3, tokens=32)
    assert len(inputs.units) == 5
    with pytest.raises(DataError, match=r"--tokens 33: the model has 32 positions"):
        read(folder_of("bert"), "cat", tokens=33)


def test_an_encoder_decoder_writes_and_is_observed_on_that(folder_of):
    model, inputs = read(folder_of("bart"), TEXT, generates=True)
    written = inputs.arguments["decoder_input_ids"]
    assert 1 < written.shape[1] <= PLACES
    assert len(inputs.written) == written.shape[1]
    assert inputs.written.texts[0] == "[CLS]"
    again = model.generate(input_ids=inputs.arguments["input_ids"], max_new_tokens=PLACES - 1, do_sample=False)
    assert torch.equal(again, written)  # greedy


def test_pixels_become_patches_and_the_picture_as_it_is_seen(folder_of):
    place = ModelFolder.of(folder_of("dinov2"))
    picture = Image.new("RGB", (64, 32), (255, 0, 0))
    picture.paste((0, 0, 255), (32, 0, 64, 32))
    inputs = image_inputs(place.image_processor(), place.model(), picture)
    assert inputs.arguments["pixel_values"].shape == (1, 3, 28, 28)
    assert inputs.grid == (4, 4)
    assert inputs.picture.size == (28, 28)
    seen = np.asarray(inputs.picture)  # the middle 28 x 28 of 64 x 32: half red, half blue
    assert seen[10, 3].tolist() == [255, 0, 0]
    assert seen[10, 24].tolist() == [0, 0, 255]


def test_places_before_the_patches_are_special():
    inputs = ImageInputs({}, Image.new("RGB", (2, 3)), (3, 2))
    units = inputs.units(8)
    assert (units.kind, units.grid, units.special) == ("patch", (3, 2), 2)
    assert units.texts[:4] == ("[0]", "[1]", "row 1, column 1", "row 1, column 2")
    assert units.texts[-1] == "row 3, column 2"
    for count in (5, 23):
        with pytest.raises(DataError, match=rf"over {count} places, and the picture has 3 x 2 patches"):
            inputs.units(count)


def test_a_model_without_patches_is_refused(folder_of):
    place = ModelFolder.of(folder_of("bert"))
    processor = ModelFolder.of(folder_of("vit")).image_processor()
    with pytest.raises(DataError, match=r"BertModel does not say how it cuts a picture into patches"):
        image_inputs(processor, place.model(), Image.new("RGB", (8, 8)))
