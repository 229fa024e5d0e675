"""Writing on: symbols that lose nothing, scores that count every character once, text that goes on."""

import json

import numpy as np
import pytest
import torch

from regard.app.cli import main
from regard.spec.errors import DataError, SpecError
from regard.tasks.event import unheard
from regard.tasks.language_data import blocks, scored_symbols, symbols_of
from regard.tasks.language_model import LANGUAGE_MODEL
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.tasks.text_symbols import symbols_from, train_symbols, written
from regard.train.run import load_run

TEXT = "".join(f"{n}, abcabc\n" for n in ["one", "two", "one", "one", "two", "two", "one", "two"] * 30)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "book.txt"
    path.write_text(TEXT)
    return path


def settings(book, **more):
    asked = {
        "data": DataSettings(path=str(book)).model_dump(),
        "tokens.least": 1,
        "tokens.longest": 16,
        "core.dim": 16,
        "core.hidden": 32,
        "core.layers": 1,
        "train.epochs": 30,
        "train.rate": 0.01,
        "train.tokens": 256,
        "core.dropout": 0,
        "core.heads": 2,
    }
    return changed(LANGUAGE_MODEL.settings(), asked | more)


@pytest.fixture(scope="module")
def run(book, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "book"
    plain = settings(book)
    sets = ["tokens.least=1", "tokens.longest=16", "core.dim=16", "core.hidden=32", "core.layers=1", "core.heads=2"]
    sets += ["train.epochs=30", "train.rate=0.01", "train.tokens=256", "core.dropout=0"]
    words = [word for one in sets for word in ("--set", one)]
    assert main(["train", "language-model", "--data", str(book), "--out", str(out), *words]) == 0
    assert load_run(out).settings == plain
    return out


@pytest.mark.parametrize("kind", ["characters", "subwords"])
def test_what_is_written_in_symbols_comes_back_as_it_was(kind):
    tokenizer = train_symbols([TEXT], kind=kind, size=400, least=1)
    again = symbols_from(tokenizer.to_str())
    text = "two,  abc\n\n one"
    (found,) = written(again, [text])
    assert again.decode(found.ids.tolist()) == text
    assert found.ends[-1] == len(text)
    if kind == "characters":
        assert len(found.ids) == len(text)
        assert found.ends.tolist() == list(range(1, len(text) + 1))


def test_every_character_of_the_test_part_is_scored_once(book):
    data = LANGUAGE_MODEL.prepare(settings(book), None, unheard)
    test = data.rows.test[0].text
    assert sum(map(len, data.test.truths)) == len(test)
    assert f"|characters:{len(test)}" in data.protocol
    batch = data.test.batch(np.arange(len(data.test)))
    told = batch.targets[batch.scored].tolist()
    assert symbols_of(data.setup).decode(told) == test
    assert data.rows.train[0].text + data.rows.validation[0].text + test == TEXT


def test_losses_are_of_the_scored_symbols_alone(book):
    data = LANGUAGE_MODEL.prepare(settings(book), None, unheard)
    model = LANGUAGE_MODEL.build(data.setup).eval()
    batch = data.test.batch(np.arange(4))
    with torch.no_grad():
        outcome = LANGUAGE_MODEL.judge(model, batch, data.setup)
        answers = LANGUAGE_MODEL.answer(model, batch, data.setup)
    assert outcome.units == int(batch.scored.sum()) == sum(map(len, answers))
    assert outcome.losses.sum().item() == pytest.approx(-sum(one.sum() for one in answers), rel=1e-5)
    assert [len(one) for one in answers] == [len(one) for one in data.test.truths][:4]


def test_a_model_that_learned_beats_knowing_nothing_and_is_chosen_by_its_loss(run):
    metrics = json.loads((run / "metrics.json").read_text())
    (score,) = metrics["scores"]
    assert (score["name"], score["better"]) == ("bits per character", "lower")
    assert score["value"] < 1.0  # all but one bit a line is certain; of about 13 characters evenly, 3.7 bits
    (baseline,) = metrics["baselines"]
    assert baseline["name"] == "5-grams"
    assert baseline["gain"]["value"] == pytest.approx(baseline["scores"][0]["value"] - score["value"])
    assert "best-epoch:validation-loss" in score["protocol"]


def test_five_grams_are_scored_on_the_same_characters(book):
    data = LANGUAGE_MODEL.prepare(settings(book), None, unheard)
    (logs,) = LANGUAGE_MODEL.baselines(data).values()
    assert [len(one) for one in logs] == [last - first for _, first, last in scored_symbols(data.rows.test, data.setup)]
    assert len(blocks(data.rows.test, data.setup, overlapping=True)) == len(logs)


def test_it_writes_on_the_same_each_time(run, capsys):
    for _ in range(2):
        assert main(["predict", str(run), "--text", "one, ab", "--text", "two"]) == 0
    first, second, *again = map(json.loads, capsys.readouterr().out.splitlines())
    assert [first, second] == again
    assert first["text"] == "one, ab"
    assert first["written"].startswith("cab")
    assert len(first["written"]) == 200


def test_other_texts_are_scored(run, tmp_path):
    (tmp_path / "more.txt").write_text(TEXT[:200])
    found = load_run(run).evaluate(tmp_path / "more.txt")
    assert found.scores[0].name == "bits per character"
    given = load_run(run).given(Asked(tmp_path / "more.txt"))
    assert sum(map(len, given.part.truths)) == 200
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        load_run(run).typed(["a", ""])


def test_a_folder_is_parted_by_texts_whose_blocks_hang_together(tmp_path):
    for number in range(10):
        (tmp_path / f"{number}.txt").write_text(f"text number {number}, which goes on\n" * 3)
    data = LANGUAGE_MODEL.prepare(settings(tmp_path), None, unheard)
    assert (len(data.rows.train), len(data.rows.validation), len(data.rows.test)) == (7, 1, 2)
    assert len(data.groups) == len(data.test)
    assert set(data.groups) == {0, 1}


def test_symbols_that_would_drop_spaces_are_refused(book):
    with pytest.raises(SpecError, match=r"tokens.kind was 'words': texts that go on are of characters or of subwords"):
        LANGUAGE_MODEL.prepare(settings(book, **{"tokens.kind": "words"}), None, unheard)
    with pytest.raises(DataError, match="expected shares below 1"):
        LANGUAGE_MODEL.prepare(settings(book, **{"data.test_rows": 5}), None, unheard)


def test_with_subwords_the_score_is_still_of_characters(book):
    data = LANGUAGE_MODEL.prepare(settings(book, **{"tokens.kind": "subwords", "tokens.size": 300}), None, unheard)
    assert sum(map(len, data.test.truths)) == len(data.rows.test[0].text)
    batch = data.test.batch(np.arange(len(data.test)))
    assert int(batch.scored.sum()) < len(data.rows.test[0].text)
    torch.manual_seed(0)
    assert LANGUAGE_MODEL.judge(LANGUAGE_MODEL.build(data.setup).eval(), batch, data.setup).losses.isfinite().all()


def test_it_tells_which_characters_the_next_one_came_from(run, capsys):
    assert main(["explain", str(run), "--text", "one, ab"]) == 0
    assert "one, ab: next: c (" in capsys.readouterr().out
    loaded = load_run(run)
    found = loaded.explain(loaded.typed(["one, ab"]), 0)
    assert [unit.name for unit in found.units] == ["0: <start>", "1: o", "2: n", "3: e", "4: ,", "5: ␣", "6: a", "7: b"]
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)
