"""`regard explain --model FOLDER`: classes and next tokens of transformers models."""

import pytest
import torch
import transformers as library
from tests.model_folders import saved, write_tokenizer

TEXT = "the cat sat on the mat ."


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A tiny model of two classes that are called quiet and loud."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    library.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = library.BertConfig(
        vocab_size=30,
        max_position_embeddings=32,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label={0: "quiet", 1: "loud"},
        label2id={"quiet": 0, "loud": 1},
    )
    library.BertForSequenceClassification(config).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def test_a_classifier_is_explained_by_words_with_its_evidence(classifier, tmp_path, regard):
    page = tmp_path / "page.html"
    asked = ("explain", "--model", classifier, "--text", TEXT, "--method", "occlusion", "--target", "loud")
    code, out, err = regard(*asked, "--html", page)
    assert (code, err) == (0, "")
    assert out.startswith("loud  (probability 0.")
    assert "taking away the 10% heaviest words (1 of 7: " in out
    assert "measured on this input alone; what is taken away is replaced by [UNK]" in out
    assert "instead: from" not in out  # each further way is as many passes again: those are asked for
    assert "Read by tiny (BertForSequenceClassification)" in page.read_text(encoding="utf-8")


def test_ways_that_are_asked_for_and_rows_to_measure_on(classifier, tmp_path, regard):
    rows = tmp_path / "rows.csv"
    rows.write_text("text\n" + "".join(f"the dog ran {word}\n" for word in ("to", "on", "down", "and")) + f"{TEXT}\n")
    asked = ("explain", "--model", classifier, "--text", TEXT, "--data", rows, "--evidence", "3", "--draws", "2")
    code, out, err = regard(*asked, "--way", "delete", "--way", "zero")
    assert (code, err) == (0, "")
    assert "what is taken away is embedded as zeros instead: from" in out
    assert out.startswith(
        "the file has 2 other rows to measure on, and 2 more to choose the method on; --evidence asked for 3"
    )
    assert "measured on this input and on 2 others; what is taken away is left out" in out
    assert "chosen as the best of" in out
    _, out, _ = regard(*asked, "--way", "delete", "--method", "occlusion")
    assert "measured on this input and on 3 others; " in out  # there is nothing to choose


def test_rows_without_the_column_are_told(classifier, tmp_path, regard, one_line):
    rows = tmp_path / "rows.csv"
    rows.write_text("review\nfine\n")
    code, _, err = regard("explain", "--model", classifier, "--text", TEXT, "--data", rows, "--evidence", "3")
    assert code == 1
    assert "'review'; --column ROLE=NAME says which of them is meant" in one_line(err)


def test_a_column_of_texts_may_be_named(classifier, tmp_path, regard, one_line):
    rows = tmp_path / "rows.csv"
    rows.write_text("review\n" + "".join(f"the dog ran {word}\n" for word in ("to", "on")))
    asked = ("explain", "--model", classifier, "--text", TEXT, "--data", rows, "--evidence", "2", "--draws", "2")
    for column in ("review", "text=review"):
        code, out, _ = regard(*asked, "--method", "occlusion", "--column", column)
        assert code == 0
        assert "on 2 further inputs, taking away" in out
    code, _, err = regard(*asked, "--column", "label=review")
    assert code == 2
    assert "a model reads texts alone; expected NAME, or text=NAME" in one_line(err)


def test_the_next_token_of_a_model_that_writes(tmp_path, regard):
    folder = saved("gpt2", tmp_path / "writer")
    code, out, err = regard("explain", "--model", folder, "--text", "the cat sat", "--target", "on", "--draws", "2")
    assert (code, err) == (0, "")
    assert "words (1 of 3: " in out


def test_a_model_without_a_head_is_one_line(tmp_path, regard, one_line):
    code, out, err = regard("explain", "--model", saved("bert", tmp_path / "bert"), "--text", TEXT)
    assert (code, out) == (1, "")
    assert "gives vectors and no answer" in one_line(err)


def test_a_target_that_the_model_has_not(classifier, regard, one_line):
    code, _, err = regard("explain", "--model", classifier, "--text", TEXT, "--target", "bright")
    assert code == 2
    assert "bright" in one_line(err)
