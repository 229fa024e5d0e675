"""A transformers folder, opened without a network, without unpickling and without running what lies in it."""

import json
import shutil

import pytest
import torch

from regard.bridges.transformers_folder import ModelFolder, transformers
from regard.spec.errors import DataError, MissingExtraError


@pytest.fixture
def copied(folder_of, tmp_path):
    """A copy of the tiny BERT that a test may damage."""
    return shutil.copytree(folder_of("bert"), tmp_path / "bert")


def test_a_folder_gives_its_model_its_configuration_and_its_tokenizer(folder_of):
    place = ModelFolder.of(folder_of("bert"))
    model = place.model()
    assert (place.name, place.gguf, type(model).__name__, model.training) == ("bert", None, "BertModel", False)
    assert place.config.num_hidden_layers == 2
    assert place.tokenizer()("the cat")["input_ids"][0] == 2


def test_a_decoder_comes_without_the_head_that_answers(folder_of):
    assert type(ModelFolder.of(folder_of("gpt2")).model()).__name__ == "GPT2Model"
    assert type(ModelFolder.of(folder_of("bart")).model(generates=True)).__name__ == "BartForConditionalGeneration"


@pytest.mark.parametrize("named", [True, False])
def test_gguf_is_read_as_float32(folder_of, named):
    folder = folder_of("gguf")
    place = ModelFolder.of(folder / "tiny.gguf" if named else folder)
    assert (place.path, place.gguf, place.name) == (folder, "tiny.gguf", "gguf")
    model = place.model()
    assert type(model).__name__ == "LlamaModel"
    assert model.embed_tokens.weight.dtype == torch.float32
    assert model.embed_tokens.weight.std().item() == pytest.approx(
        0.1, rel=0.1
    )  # the weights of the file, not fresh ones
    assert place.tokenizer()("the cat")["input_ids"][0] == 1


def test_the_librarys_bars_and_warnings_are_as_before(folder_of, capfd):
    from transformers.utils import logging

    reader, looker = (ModelFolder.of(folder_of(name)) for name in ("gpt2", "vit"))
    capfd.readouterr()
    logging.enable_progress_bar()
    before = (logging.is_progress_bar_enabled(), logging.get_verbosity())
    assert before[0]
    reader.model()
    with pytest.raises(DataError):
        looker.tokenizer()
    assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no model; expected a folder with config.json and model.safetensors"),
        ({"notes.txt": "x"}, "holds no model"),
        ({"a.gguf": "x", "b.gguf": "x"}, r"holds 2 GGUF files; name one of them, such as .*a\.gguf"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        ModelFolder.of(tmp_path)


def test_no_folder_at_all_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nothing is no folder; expected a folder with config.json"):
        ModelFolder.of(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), r"the model of .* cannot be read \(OSError: .*safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x08" * 100), r"the model of .* cannot be read"),
        (lambda f: (f / "config.json").write_text("{"), r"the model of .* cannot be read"),
        (lambda f: (f / "config.json").write_text('{"model_type": "nobody"}'), r"the model of .* cannot be read"),
    ],
)
def test_a_damaged_folder_is_one_line(copied, damage, message):
    damage(copied)
    with pytest.raises(DataError, match=message) as caught:
        ModelFolder.of(copied).model()
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_never_read(copied):
    torch.save({"anything": torch.zeros(1)}, copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"model\.safetensors"):
        ModelFolder.of(copied).model()


def test_code_in_the_folder_is_never_run(copied, tmp_path):
    (copied / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="cannot be read"):
        ModelFolder.of(copied).model()
    assert not (tmp_path / "ran").exists()


def test_what_is_not_beside_the_model_is_named(folder_of):
    with pytest.raises(DataError, match=r"the tokenizer of .*vit cannot be read.*expected the tokenizer's files"):
        ModelFolder.of(folder_of("vit")).tokenizer()
    with pytest.raises(
        DataError, match=r"the image processor of .*bert cannot.*expected a model that looks at pictures"
    ):
        ModelFolder.of(folder_of("bert")).image_processor()


def test_without_the_library_the_extra_is_named(monkeypatch, folder_of):
    folder = ModelFolder.of(folder_of("bert"))
    for name in ("transformers", "transformers.utils"):  # as if none of it had been loaded before
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for wanted in (transformers, folder.model, folder.tokenizer):
        with pytest.raises(MissingExtraError, match=r"type: pip install 'regard\[transformers\]'"):
            wanted()
