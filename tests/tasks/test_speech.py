"""Recordings of tones that stand for words: from files through training to text, and to where each letter listened."""

import json

import numpy as np
import pytest
import torch
from tests.tasks.sound_files import RATE, recordings, tones, write_wav

from regard.app.cli import main
from regard.lens.explain import weigh
from regard.spec.errors import DataError, RunError
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.speech import SPEECH
from regard.tasks.task import Asked
from regard.train.run import load_run
from regard.train.training import train_run

SMALL = {
    "sound.mels": 12,
    "sound.speed": 0.03,
    "sound.masks": 0,
    "core.dim": 32,
    "core.hidden": 64,
    "core.layers": 2,
    "core.heads": 2,
    "core.dropout": 0.0,
    "core.block_dropout": 0.0,
    "train.epochs": 40,
    "train.batch": 8,
    "train.rate": 0.005,
    "train.label_smoothing": 0.0,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return recordings(tmp_path_factory.mktemp("sounds"), 60)


def settings(table, **more):
    return changed(SPEECH.settings(), {"data": DataSettings(path=str(table)).model_dump(), **SMALL, **more})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "tones"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "speech", "--data", str(table), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_to_write_down_what_it_hears(run):
    metrics = json.loads((run / "metrics.json").read_text())
    cer, wer = metrics["scores"]
    assert (cer["name"], cer["better"]) == ("CER", "lower")
    assert cer["value"] < 0.2
    assert wer["value"] < 0.4
    assert "text:spoken" in cer["protocol"]
    names = [one["name"] for one in metrics["baselines"]]
    assert names[0].startswith("always '")
    assert names[1] == "the text of the recording nearest in mean log-mel"
    assert all(one["gain"]["value"] > 0 for one in metrics["baselines"])


def test_letters_listened_where_their_word_is(run, tmp_path):
    """The last word's letters look, on the mean, later than the first word's."""
    (tmp_path / "rows.csv").write_text("path\na.wav\n")
    write_wav(tmp_path / "a.wav", tones("sol ti do"))
    loaded = load_run(run)
    found = loaded.explain(loaded.given(Asked(tmp_path / "rows.csv", truths=False)), 0)
    assert found.kind == "moment"
    assert found.units[0].name == "0.00-0.02 s"
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-4)
    weights = np.array(found.alignment.weights)
    assert weights.sum(1) == pytest.approx(1, abs=1e-4)
    when = weights @ np.arange(weights.shape[1]) / weights.shape[1]
    words = "".join(found.alignment.written).split("␣")
    assert len(words) > 1
    assert when[: len(words[0])].mean() < when[-len(words[-1]) :].mean()
    assert found.answer == " ".join(words)


def test_the_commands_answer_score_and_explain(run, table, tmp_path, capsys):
    assert main(["predict", str(run), "--data", str(table)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 60
    assert {"row", "path", "written", "mean_log_probability"} == set(lines[0])
    assert lines[0]["path"] == "00.wav"
    assert main(["evaluate", str(run), "--data", str(table)]) == 0
    assert "CER" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert main(["explain", str(run), "--data", str(table), "--row", "5", "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "Where each character looked" in said
    assert " s 0." in said
    assert "0.00-0.02 s" in page.read_text()  # the first moment, a column


def test_other_recordings_are_brought_to_the_run_s_rate_only_where_that_was_asked_for(run, tmp_path):
    (tmp_path / "rows.csv").write_text("path,text\na.wav,do ti\n")
    write_wav(tmp_path / "a.wav", tones("do ti", rate=8000), rate=8000)
    with pytest.raises(DataError, match=r"row 1 \(line 2\): a.wav has 8,000 samples a second, expected 4,000"):
        load_run(run).given(Asked(tmp_path / "rows.csv"))


def test_bad_recordings_are_named_and_what_is_asked_for_is_done(table, tmp_path):
    folder = tmp_path / "bad"
    bad = recordings(folder, 20)
    write_wav(folder / "00.wav", np.zeros(4000, dtype="<i2"))
    write_wav(folder / "01.wav", np.repeat(tones("sol"), 2), channels=2)
    (folder / "02.wav").write_bytes((folder / "02.wav").read_bytes()[:500])
    deep = tones("do do").astype("<i4") * 256
    write_wav(folder / "03.wav", np.frombuffer(deep.tobytes(), np.uint8).reshape(-1, 4)[:, :3], width=3)
    with pytest.raises(DataError) as caught:
        SPEECH.prepare(settings(bad), None, unheard)
    said = str(caught.value)
    assert "3 of 20 rows cannot be used" in said
    assert "row 1 (line 2): 00.wav is silent for all of its 1.00 seconds" in said
    assert "row 2 (line 3): 01.wav has 2 channels, expected 1 (to mix them: sound.channels=mix)" in said
    assert "row 3 (line 4): 02.wav is cut short" in said
    asked = {"sound.channels": "mix", "data.skip_refused": True}
    heard = []
    data = SPEECH.prepare(settings(bad, **asked), None, lambda event: heard.append(event.text))
    assert sum(data.counts[part] for part in ("train", "validation", "test")) == 18
    assert any("1 recordings have several channels: they are mixed to one (rows 2)" in one for one in heard)
    assert any("1 recordings have other than 16 bits a sample" in one for one in heard)
    mixed = next(row for part in (data.rows.train, data.rows.validation, data.rows.test) for row in part
                 if row.number == 2)  # fmt: skip
    assert mixed.sound.channels == 2


def test_texts_too_long_to_write_are_left_out_of_training_and_told(table):
    heard = []
    data = SPEECH.prepare(settings(table, **{"writing.longest": 8}), None, lambda event: heard.append(event.text))
    assert data.counts["long_texts"] > 0
    assert all(len(text) < 8 for text in data.train.truths)
    assert max(map(len, data.test.truths)) >= 8  # what is scored is left as it is
    assert any("training recordings left out: texts of 8 characters or more" in one for one in heard)


def test_rows_are_as_long_as_their_tokens_and_texts(table):
    data = SPEECH.prepare(settings(table), None, unheard)
    batch = data.train.batch(np.arange(4))
    model = SPEECH.build(data.setup).eval()
    tokens = model.writer.front(*batch.given)
    assert tokens.counts.tolist() == data.train.read[:4].tolist()
    assert batch.given[0].dtype == torch.int16
    assert data.setup.facts["rate"] == RATE
    texts = data.train.truths[:4]
    assert data.train.lengths[:4].tolist() == [
        n + len(text) + 1 for n, text in zip(data.train.read, texts, strict=False)
    ]
    assert texts[0] == texts[0].lower().rstrip(".")


def test_bands_are_standardised_by_the_training_part(table):
    data = SPEECH.prepare(settings(table), None, unheard)
    model = SPEECH.build(data.setup).eval()
    audio = model.writer.front.audio
    frames = [
        audio.standard(audio.mel.frames(data.train.batch(np.array([row])).given[0])) for row in range(len(data.train))
    ]
    whole = torch.cat([one[0] for one in frames])
    torch.testing.assert_close(whole.mean(0), torch.zeros(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(whole.std(0), torch.ones(12), atol=1e-2, rtol=0)


def test_a_run_goes_on_with_the_same_recordings_only(table, tmp_path):
    folder = tmp_path / "sounds"
    mine = recordings(folder, 20)
    short = settings(mine, **{"train.epochs": 1, "sound.masks": 1})
    for name in ("a", "b"):
        train_run(short, tmp_path / name)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    write_wav(folder / "05.wav", tones("ti ti ti"))
    with pytest.raises(RunError, match="other data"):
        train_run(short, tmp_path / "a")


def test_the_recurrent_one_trains_too(table):
    asked = {"core.kind": "bilstm", "core.layers": 1}
    data = SPEECH.prepare(settings(table, **asked), None, unheard)
    torch.manual_seed(0)
    model = SPEECH.build(data.setup)
    outcome = SPEECH.judge(model, data.train.batch(np.arange(4)), data.setup)
    outcome.losses.sum().backward()
    assert all(one.grad is not None for one in model.parameters())
    answers = SPEECH.answer(model.eval(), data.test.batch(np.arange(2)), data.setup)
    assert len(answers) == 2


@pytest.mark.data
def test_the_prompts_of_the_named_set_are_parted(needed):
    needed("prompts-en")
    data = SPEECH.prepare(SPEECH.settings(), None, unheard)
    assert (len(data.rows.validation), len(data.test)) == (55, 110)
    assert len(data.train) + data.counts["long_texts"] == 386
    assert data.setup.facts["rate"] == 8000
    assert not {row.text for row in data.rows.test} & {""}


def test_moments_are_weighed_by_what_is_heard_without_them(run, table):
    """Of "sol ti": the last 50 ms are silence, and without a moment of the first tone the text is less probable."""
    loaded = load_run(run)
    write_wav(table.parent / "one.wav", tones("sol ti"))
    (table.parent / "one.csv").write_text("path,text\none.wav,Sol ti.\n")
    given = loaded.given(Asked(table.parent / "one.csv"))
    question = loaded.question(given, "sol ti")
    assert (question.target, question.units.kind, len(question.units)) == ("sol ti", "moment", 6)  # .55 s
    weights = weigh(question, "occlusion").weights
    assert float(weights[:5].max()) > float(weights[5])
    for name in ("rollout", "gradient attention", "gradient x input"):
        assert weigh(question, name).weights.shape == (6,)
    assert loaded.question(given).probability > 0.0
