import pytest
import torch
import transformers as library
from tests.model_folders import saved, write_tokenizer

from regard.bridges.transformers_folder import ModelFolder
from regard.bridges.transformers_heads import answering
from regard.spec.errors import DataError

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def bert(kind, folder, **more):
    library.utils.logging.disable_progress_bar()
    config = library.BertConfig(vocab_size=30, max_position_embeddings=32, **SIZES, **more)
    getattr(library, f"BertFor{kind}")(config).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.mark.parametrize("kind", ["SequenceClassification", "TokenClassification", "QuestionAnswering", "MaskedLM"])
def test_the_head_that_the_configuration_names_is_loaded(kind, tmp_path):
    model = answering(ModelFolder.of(bert(kind, tmp_path)))
    assert type(model).__name__ == f"BertFor{kind}"
    assert not model.training


@pytest.mark.parametrize(("name", "kind"), [("gpt2", "GPT2LMHeadModel"), ("bart", "BartForConditionalGeneration")])
def test_models_that_write(name, kind, tmp_path):
    if name == "gpt2":
        with pytest.raises(DataError, match="gives vectors and no answer"):
            answering(ModelFolder.of(saved("bert", tmp_path / "bert")))
    model = answering(ModelFolder.of(saved(name, tmp_path / name)))
    assert type(model).__name__ == kind


def test_a_folder_whose_weights_are_cut_short_is_told_in_a_line(tmp_path):
    folder = bert("SequenceClassification", tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read") as raised:
        answering(ModelFolder.of(folder))
    assert "\n" not in str(raised.value)
    assert torch.is_grad_enabled()
