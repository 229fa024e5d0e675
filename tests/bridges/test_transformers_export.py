"""Runs as folders of transformers: the same logits and answers, opened without regard; refusals with reasons."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from tests.tasks.pair_files import sentences, write_pairs
from tests.tasks.pair_files import settings as pair_settings

from regard.bridges import transformers_export, transformers_pegasus
from regard.bridges.transformers_export import export_transformers
from regard.bridges.transformers_neox import folded
from regard.spec.errors import RunError
from regard.tasks.classify import CLASSIFY
from regard.tasks.language_model import LANGUAGE_MODEL
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.train import load_run, train_run
from regard.train.run import Run

BOOK = "".join(f"{n}, abcabc\n" for n in ["one", "two", "one", "one", "two", "two", "one", "two"] * 30)
SMALL: dict[str, Any] = {
    "tokens.least": 1,
    "tokens.longest": 16,
    "core.dim": 16,
    "core.hidden": 32,
    "core.layers": 2,
    "core.heads": 2,
    "train.epochs": 6,
    "train.rate": 0.01,
    "train.tokens": 256,
}


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("writer")
    (folder / "book.txt").write_text(BOOK)
    settings = changed(LANGUAGE_MODEL.settings(), {"data.source": None, "data.path": str(folder / "book.txt"), **_TEXT})
    train_run(changed(settings, SMALL), folder / "run")
    return load_run(folder / "run")


_TEXT = {"data.test_rows": 0.2, "data.validation_rows": 0.1}


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("translator")
    path = write_pairs(folder / "pairs.jsonl", sentences())
    train_run(pair_settings(path, core__layers=2, train__epochs=12, writing__beam=1), folder / "run")
    return load_run(folder / "run")


def reloaded(folder: Path, auto: Any) -> tuple[Any, Any]:
    model = auto.from_pretrained(folder, local_files_only=True).eval()
    return model, hf.AutoTokenizer.from_pretrained(folder, local_files_only=True)


def test_a_language_model_is_gpt_neox(writer: Run, tmp_path: Path) -> None:
    rows = writer.given(Asked(Path(writer.settings.data.path), truths=False)).part
    found = export_transformers(writer, tmp_path / "neox", part=rows, texts=("one, ab", "two"))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(found.files)
    assert "GPTNeoXForCausalLM; open it with pipeline" in found.lines()[0]
    assert (found.architecture, found.auto, found.pipeline) == (
        "GPTNeoXForCausalLM",
        "AutoModelForCausalLM",
        "text-generation",
    )
    assert found.difference < 1e-5
    assert len(found.lengths) >= 5
    model, tokenizer = reloaded(found.folder, hf.AutoModelForCausalLM)
    given = writer.typed(["one, abca"]).part.batch(torch.zeros(1, dtype=torch.int64).numpy())
    ids = tokenizer("one, abca", return_tensors="pt")["input_ids"]
    assert torch.equal(ids, given.ids)
    with torch.no_grad():
        own, theirs = writer.model(given.ids), model(ids).logits
        bare = torch.nn.functional.linear(
            writer.model.decoder(writer.model.embedding(ids)), writer.model.embedding.table
        )
    torch.testing.assert_close(theirs, own, rtol=1e-4, atol=1e-4)
    assert float((bare - own).abs().max()) > 1e-3  # the head's offset counts, and went along


def test_a_folder_opens_without_regard(writer: Run, tmp_path: Path) -> None:
    """In a process that cannot import it, through `pipeline`."""
    found = export_transformers(writer, tmp_path / "neox")
    code = (
        "import sys; sys.modules['regard'] = None\n"
        "from transformers import pipeline\n"
        f"write = pipeline('text-generation', model={str(found.folder)!r})\n"
        "print(repr(write('one, ', max_new_tokens=6, do_sample=False)[0]['generated_text']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "'one, abcabc" in done.stdout


def test_a_head_without_an_offset_gives_what_one_with_gave() -> None:
    """Three symbols, vectors of two: behind a normalisation n = (1, -1), scale (2, 3), shift (.5, .25)."""
    table = torch.tensor([[1.0, 2.0], [0.0, 1.0], [-1.0, 4.0]])
    offset, scale, shift = torch.tensor([0.1, -0.2, 3.0]), torch.tensor([2.0, 3.0]), torch.tensor([0.5, 0.25])
    normal = torch.tensor([1.0, -1.0])
    expected = table @ (normal * scale + shift) + offset
    torch.testing.assert_close(folded(table, offset, scale, shift) @ (normal + 1), expected)
    torch.testing.assert_close(expected, torch.tensor([-2.9, -2.95, -10.5]))


def test_a_translator_is_pegasus(translator: Run, tmp_path: Path) -> None:
    texts = tuple(source for source, _ in sentences()[:6])
    found = export_transformers(translator, tmp_path / "pegasus", texts=texts)
    assert (found.architecture, found.pipeline) == ("PegasusForConditionalGeneration", None)
    assert found.difference < 1e-5
    model, tokenizer = reloaded(found.folder, hf.AutoModelForSeq2SeqLM)
    written = model.generate(**tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=False))
    answers = tokenizer.batch_decode(written, skip_special_tokens=True)
    told = [one["written"] for one in translator.told(translator.typed(texts))]
    assert answers == told
    assert len(set(told)) > 1


def test_a_wrong_weight_is_found_before_anything_is_written(
    translator: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of the entries left as it is: sinusoids are laid out otherwise."""
    monkeypatch.setattr(transformers_pegasus, "_ordered", lambda name, tensor: tensor)
    with pytest.raises(RunError, match=r"off by .* of the largest logit, expected at most 1e-05: nothing was written"):
        export_transformers(translator, tmp_path / "pegasus")
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_cuts_otherwise_is_found(writer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_export, "_own_ids", lambda run, text: torch.tensor([[2, 5, 5]]))
    with pytest.raises(RunError, match="the folder's tokenizer cuts 'one, ab' otherwise"):
        export_transformers(writer, tmp_path / "neox", texts=("one, ab",))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(writer: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(RunError, match="is there already; name a new folder"):
        export_transformers(writer, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_what_is_not_standard_is_refused_with_the_nearest(tmp_path: Path) -> None:
    draw = ["good", "bad"]
    (tmp_path / "texts.csv").write_text(
        "text,label\n" + "\n".join(f"a {draw[n % 2]} film {n},{n % 2}" for n in range(60))
    )
    for core, told in (
        ("transformer", "attention pools.*the nearest is EsmForSequenceClassification"),
        ("bilstm", "it reads with LSTMs"),
    ):
        settings = changed(CLASSIFY.settings(core), {"data.path": str(tmp_path / "texts.csv"), "train.epochs": 1})
        small = {"core.dim": 8, "core.hidden": 8, "tokens.least": 1} | (
            {"core.heads": 2} if core == "transformer" else {}
        )
        train_run(changed(settings, small), tmp_path / core)
        with pytest.raises(RunError, match=told):
            export_transformers(load_run(tmp_path / core), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_vocabularies_are_refused_with_what_to_do(translator: Run, tmp_path: Path) -> None:
    settings = changed(translator.settings, {"writing.vocabulary": "own"})
    other = Run(
        translator.folder,
        translator.task,
        type(translator.setup)(settings, translator.setup.facts, translator.setup.kept),
        translator.model,
    )
    with pytest.raises(RunError, match=r"train with --set writing\.vocabulary=shared"):
        export_transformers(other, tmp_path / "out")
