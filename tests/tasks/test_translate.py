"""Translation from files to answers that say where they looked, for both models."""

import json
import math

import numpy as np
import pytest
import torch
from tests.tasks.pair_files import sentences, settings, typed, write_pairs

from regard.app.cli import main
from regard.lens.explain import weigh
from regard.lens.methods import Asking
from regard.lens.units import placed
from regard.spec.errors import CheckpointError, SpecError
from regard.tasks.event import unheard
from regard.tasks.task import Setup
from regard.tasks.translate import TRANSLATE
from regard.train.run import load_run

CORES = ("transformer", "bilstm")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs") / "sentences.jsonl", sentences())


@pytest.fixture(scope="module", params=CORES)
def run(request, path, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / request.param
    asked = ["train", "translate", "--data", str(path), "--core", request.param, "--out", str(out)]
    assert main([*asked, *typed()]) == 0
    return out


def test_it_learns_to_translate_what_it_never_saw(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert [score["name"] for score in metrics["scores"]] == ["sacreBLEU", "chrF"]
    assert metrics["scores"][0]["value"] > 60
    assert "tok:13a" in metrics["scores"][0]["protocol"]
    (baseline,) = metrics["baselines"]
    assert baseline["name"] == "the nearest source's translation"
    assert baseline["gain"]["value"] > 5
    assert "best-epoch:validation-loss" in metrics["scores"][0]["protocol"]


def test_predict_writes_translations(run, capsys):
    pairs = sentences()[5], sentences()[70]
    assert main(["predict", str(run), "--text", pairs[0][0], "--text", pairs[1][0]]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["source"], first["written"]) == pairs[0]
    assert second["written"] == pairs[1][1]
    assert first["ended"] is True
    assert -1 < first["mean_log_probability"] < 0


def test_explain_tells_for_each_written_word_where_it_looked(run, capsys, tmp_path):
    page, (source, target) = tmp_path / "page.html", sentences()[5]
    assert main(["explain", str(run), "--text", source, "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert f"{source}: {target}" in out
    loaded = load_run(run)
    found = loaded.explain(loaded.typed([source]), 0)
    assert [unit.name for unit in found.units] == source.split()
    assert found.alignment.written == tuple(target.split())
    weights = np.array(found.alignment.weights)
    assert weights.shape == (5, 6)
    assert weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert weights.mean(0) == pytest.approx([unit.weight for unit in found.units])
    assert f'title="{weights[0].max():.3f}"' in page.read_text()
    heaviest = placed(source.split())[int(weights[2].argmax())]
    assert f"{target.split()[2]}  " in out
    assert f"{heaviest} {weights[2].max():.2f}" in out


def test_other_rows_are_scored_and_those_seen_in_training_counted(run, path, capsys):
    found = load_run(run).evaluate(path)
    assert (found.rows, found.seen) == (80, 64)
    assert main(["evaluate", str(run), "--data", str(path)]) == 0
    assert "sacreBLEU" in capsys.readouterr().out


def test_a_row_of_a_file_is_explained(run, path, capsys):
    assert main(["explain", str(run), "--data", str(path), "--row", "2"]) == 0
    assert sentences()[1][0] in capsys.readouterr().out


@pytest.mark.parametrize("core", CORES)
def test_losses_are_of_symbols_and_padding_has_no_part_in_them(path, core):
    data = TRANSLATE.prepare(settings(path, core), None, unheard)
    torch.manual_seed(0)
    model = TRANSLATE.build(data.setup).eval()
    alone = [TRANSLATE.judge(model, data.test.batch(np.array([row])), data.setup) for row in range(4)]
    together = TRANSLATE.judge(model, data.test.batch(np.arange(4)), data.setup)
    assert together.units == sum(one.units for one in alone) == sum(len(data.test.targets[row]) + 1 for row in range(4))
    assert together.losses.sum().item() == pytest.approx(sum(one.losses.sum().item() for one in alone), rel=1e-4)


def test_labels_are_smoothed_in_training_alone(path):
    data = TRANSLATE.prepare(settings(path, train__label_smoothing=0.1), None, unheard)
    model, batch = TRANSLATE.build(data.setup), data.test.batch(np.arange(4))
    plain = TRANSLATE.judge(model.eval(), batch, data.setup).losses.sum().item()
    smoothed = TRANSLATE.judge(model.train(), batch, data.setup).losses.sum().item()
    assert abs(plain - smoothed) > 1e-3


def test_two_vocabularies_are_two_tables_and_one_is_one(path):
    shared = TRANSLATE.prepare(settings(path, writing__vocabulary="shared"), None, unheard).setup
    own = TRANSLATE.prepare(settings(path, writing__vocabulary="own"), None, unheard).setup
    one, two = TRANSLATE.build(shared), TRANSLATE.build(own)
    assert one.front.embedding is one.decoder.embedding
    assert two.front.embedding is not two.decoder.embedding


def test_targets_without_spaces_are_scored_by_characters(path):
    setup = TRANSLATE.prepare(settings(path), None, unheard).setup
    chinese = Setup(setup.settings, {**setup.facts, "spaceless": True}, setup.kept)
    assert "tok:zh" in TRANSLATE.measures(chinese)[0](["一 二"], ["一 二"], protocol="p").protocol
    assert "tok:13a" in TRANSLATE.measures(setup)[0](["a b"], ["a b"], protocol="p").protocol


def test_the_baseline_is_the_translation_of_the_likest_source(path):
    data = TRANSLATE.prepare(settings(path), None, unheard)
    (answers,) = TRANSLATE.baselines(data).values()
    known = dict(sentences())
    assert set(answers) <= set(known.values())
    assert len(answers) == 16
    words = [set(row.source.split()) for row in data.rows.test]
    back = {target: set(source.split()) for source, target in sentences()}
    assert all(len(back[answer] & asked) >= 4 for answer, asked in zip(answers, words, strict=True))  # "in the" and two


def test_a_run_whose_vocabulary_was_altered_is_refused(path, tmp_path):
    out = tmp_path / "run"
    assert main(["train", "translate", "--data", str(path), "--out", str(out), *typed(), "--epochs", "1"]) == 0
    (out / "vocab" / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="the run's vocabulary cannot be read"):
        load_run(out)


def test_what_is_written_is_a_question_about_the_source_s_words(run):
    """Without a word of the source, what is written of the rest is asked for; what the word stood for becomes less
    probable."""
    loaded, (source, target) = load_run(run), sentences()[5]
    question = loaded.question(source)
    assert (question.target, question.units.texts) == (target, tuple(source.split()))
    keep = torch.ones(2, len(question.units), dtype=torch.bool)
    keep[0, -1] = False
    shorter = loaded.question(" ".join(source.split()[:-1]), target)
    expected = [math.log(shorter.probability), math.log(question.probability)]
    assert question.scores(keep, "delete").tolist() == pytest.approx(expected, rel=1e-3)
    assert float(weigh(question, "occlusion", Asking(way="delete")).weights.max()) > 0.1
    assert 0 < float(weigh(question, "rollout").weights.sum()) <= 1.0 + 1e-6
    ready = question.gradients
    assert ready.score(ready.leaf).item() == pytest.approx(math.log(question.probability), rel=1e-3, abs=1e-5)
    if loaded.settings.core.kind == "bilstm":  # its attention is told beside what it computes
        with pytest.raises(SpecError, match="does not pass through"):
            weigh(question, "gradient attention")
    with pytest.raises(SpecError, match="no target was given"):
        loaded.question(source, "")
