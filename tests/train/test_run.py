"""A finished run answers: labels, probabilities, and weights that lie on the right characters."""

import json

import pytest

from regard.spec.errors import CheckpointError, DataError
from regard.tasks.task import Asked
from regard.train.folder import RunFolder
from regard.train.run import load_run
from regard.train.training import train_run


@pytest.fixture
def run(tiny, tmp_path):
    train_run(tiny(train__epochs=8), tmp_path / "run")
    return load_run(tmp_path / "run")


def test_predictions_are_in_order_with_probabilities_that_add_up(run):
    found = run.predict(["it was a superb film", "awful", "the plot was dull and the actor weak " * 3])
    assert [prediction.label for prediction in found] == ["good", "bad", "bad"]
    for prediction in found:
        assert sum(share for _, share in prediction.probabilities) == pytest.approx(1)
        assert prediction.probabilities[0] == (prediction.label, prediction.probability)
        assert prediction.probability >= prediction.probabilities[1][1]


def test_weights_lie_on_the_characters_of_the_given_text(run):
    text = "A  SUPERB<br />film, zzz"
    (prediction,) = run.predict([text])
    assert [text[token.start : token.end] for token in prediction.tokens] == ["A", "SUPERB", "film", ",", "zzz"]
    assert sum(token.weight for token in prediction.tokens) == pytest.approx(1, abs=1e-5)
    assert [token.known for token in prediction.tokens] == [True, True, True, False, False]


def test_a_text_gets_the_same_answer_alone_and_among_others(run):
    texts = ["a dull plot", "a very very long and superb film with a plot " * 4, "grand"]
    together = run.predict(texts)
    for text, prediction in zip(texts, together, strict=True):
        (alone,) = run.predict([text])
        assert alone.probability == pytest.approx(prediction.probability, abs=1e-6)


def test_tokens_beyond_what_is_read_are_counted(run):
    longest = run.vocabulary.longest
    (prediction,) = run.predict(["fine " * (longest + 7)])
    assert prediction.unread == 7
    assert len(prediction.tokens) == longest


def test_an_empty_text_is_refused_by_its_place(run):
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        run.predict(["a", "  "])
    assert run.predict([]) == ()


def test_a_row_that_it_was_trained_on_is_known(run, reviews):
    given = run.given(Asked(reviews, truths=False))
    known = [run.trained_on(given, row) for row in range(200)]
    assert (known.count(True), known.count(False)) == (160, 40)  # a fifth is the test part
    assert run.question(given, row=known.index(True)).trained_on is True
    assert run.question(given, row=known.index(False)).trained_on is False
    assert run.question("a superb film").trained_on is None


def test_a_run_that_lost_its_marks_does_not_know(run, reviews):
    RunFolder(run.folder).seen.unlink()
    assert run.trained_on(run.given(Asked(reviews, truths=False)), 0) is None
    with pytest.raises(CheckpointError, match=r"seen.safetensors cannot be read \(it is missing\)"):
        run.evaluate(reviews)


def test_evaluation_says_what_was_seen_in_training(run, reviews, tmp_path):
    whole = run.evaluate(reviews)
    assert (whole.rows, whole.seen, whole.refused) == (200, 160, 0)
    assert "seen-in-training:160" in whole.scores[0].protocol
    fresh = tmp_path / "fresh.csv"
    fresh.write_text("text,label\na superb film,good\na dull one,bad\nit was weak,good\n")
    found = run.evaluate(fresh)
    assert (found.seen, found.scores[0].value) == (0, pytest.approx(2 / 3))


def test_evaluation_reads_the_columns_it_is_told(run, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"review": "a superb film", "verdict": "good"}\n{"review": "", "verdict": "bad"}\n')
    with pytest.raises(DataError, match="no columns 'text', 'label'"):
        run.evaluate(path)
    found = run.evaluate(path, text="review", label="verdict", skip_refused=True)
    assert (found.rows, found.refused) == (1, 1)


def test_labels_the_run_does_not_know_are_named(run, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("text,label\na film,mediocre\n")
    with pytest.raises(DataError, match="labels unknown to this run: 'mediocre'; those it knows: 'bad', 'good'"):
        run.evaluate(path)


def test_loaded_weights_give_the_scores_that_were_written(run, reviews):
    recorded = json.loads((run.folder / "metrics.json").read_text())["scores"][0]["value"]
    seen = run.evaluate(reviews)
    # of the 200 rows 160 are training and validation rows; the other 40 are the test part
    from regard.tasks.classify import CLASSIFY

    data = CLASSIFY.prepare(run.settings, run.setup.kept, lambda _: None)
    found = run.predict([row.text for row in data.rows.test])
    right = [one.label == row.label for one, row in zip(found, data.rows.test, strict=True)]
    assert sum(right) / len(right) == recorded
    assert seen.rows == 200


def test_a_run_that_is_not_done_or_not_there(run, tmp_path):
    (run.folder / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match="not done; type the command that began it"):
        load_run(run.folder)
    with pytest.raises(CheckpointError, match=r"config.json cannot be read \(it is missing\)"):
        load_run(tmp_path / "nowhere")


def test_a_model_cut_in_half_or_of_another_shape(run):
    path = run.folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"model.safetensors cannot be read .*; copy the whole run here again"):
        load_run(run.folder)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError) as caught:
        load_run(run.folder)
    again = "copy the whole run here again, or train it again in a new folder"
    assert str(caught.value) == f"{path} cannot be read (it is empty, 0 bytes); {again}"
    vocabulary = run.folder / "vocab" / "tokenizer.json"
    words = vocabulary.read_bytes()
    vocabulary.unlink()
    with pytest.raises(CheckpointError, match=rf"tokenizer.json cannot be read \(it is missing\); {again}$"):
        load_run(run.folder)
    vocabulary.write_bytes(words)
    path.write_bytes(content)
    config = json.loads((run.folder / "config.json").read_text())
    config["settings"]["core"]["hidden"] = 9
    (run.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"does not fit") as caught:
        load_run(run.folder)
    assert "\n" not in str(caught.value)


def test_a_config_that_is_half_there_is_told_by_what_it_lacks(run):
    path = run.folder / "config.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for name in ("settings", "facts"):
        path.write_text(json.dumps({key: value for key, value in whole.items() if key != name}), encoding="utf-8")
        with pytest.raises(CheckpointError, match=rf"config.json lacks '{name}', which every run writes there"):
            load_run(run.folder)
