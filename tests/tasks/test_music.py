"""Tunes: scores that count every note once, and tunes that go on."""

import json
import random

import numpy as np
import pytest
import torch

from regard.app.cli import main
from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.music import MUSIC
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.tasks.text_symbols import START_ID
from regard.tasks.tune_data import scored_notes, tune_blocks, tune_ids
from regard.train.run import load_run

ROUND = ("c4", "d4", "e4", "g4")  # each note follows the one before it, for ever
SMALL = {
    "tokens.longest": 16,
    "tokens.least": 1,
    "core.dim": 16,
    "core.hidden": 32,
    "core.layers": 1,
    "core.heads": 2,
    "core.dropout": 0.0,
    "core.block_dropout": 0.0,
    "train.epochs": 20,
    "train.batch": 16,
    "train.rate": 0.01,
}


def tune(draw):
    """A stretch of the round, from any of its notes on: 2 bits for the first note, and 0 for all others."""
    first = draw.randrange(len(ROUND))
    return [ROUND[(first + place) % len(ROUND)] for place in range(draw.randrange(18, 40))]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("tunes") / "tunes.jsonl"
    lines = [json.dumps({"symbols": " ".join(tune(draw)), "group": f"work {number // 2}"}) for number in range(80)]
    path.write_text("\n".join(lines) + "\n")
    return path


def settings(table, **more):
    return changed(MUSIC.settings(), {"data": DataSettings(path=str(table)).model_dump(), **SMALL, **more})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "tunes"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "music", "--data", str(table), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_the_round(run):
    metrics = json.loads((run / "metrics.json").read_text())
    bits, perplexity = metrics["scores"]
    assert (bits["name"], bits["better"], perplexity["name"]) == ("bits per symbol", "lower", "perplexity")
    assert bits["value"] < 0.4  # 2 bits evenly; of some 28 notes the first alone is open: 0.07
    assert perplexity["value"] == pytest.approx(2 ** bits["value"])
    (baseline,) = metrics["baselines"]
    assert baseline["name"] == "5-grams"
    assert "|unknown:0" in bits["protocol"]


def test_every_note_of_the_test_part_is_scored_once(table):
    data = MUSIC.prepare(settings(table), None, unheard)
    notes = [list(row.symbols) for row in data.rows.test]
    assert sum(map(len, data.test.truths)) == sum(map(len, notes))
    batch = data.test.batch(np.arange(len(data.test)))
    names = data.setup.facts["symbols"]
    told = [names[one - START_ID - 1] for one in batch.targets[batch.scored].tolist()]
    assert told == [one for row in notes for one in row]
    assert max(map(len, data.test.truths)) == 8  # of the 16 that a block reads: the others are what stood before
    (logs,) = MUSIC.baselines(data).values()
    assert list(map(len, logs)) == list(map(len, data.test.truths))


def test_tunes_of_a_work_stay_together_and_so_do_their_blocks(table):
    data = MUSIC.prepare(settings(table), None, unheard)
    parts = [{row.group for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert len(data.groups) == len(data.test)
    assert set(data.groups) == parts[2]
    cuts = scored_notes(data.rows.test, data.setup)
    assert [data.rows.test[place].group for place, _, _ in cuts] == list(data.groups)


def test_rare_notes_are_unknown_and_counted(tmp_path):
    lines = [json.dumps({"symbols": " ".join((*ROUND * 3, f"x{number}"))}) for number in range(40)]
    (tmp_path / "odd.jsonl").write_text("\n".join(lines) + "\n")
    heard = []
    odd = settings(tmp_path / "odd.jsonl", **{"tokens.least": 2})
    data = MUSIC.prepare(odd, None, lambda event: heard.append(event.text))
    assert sorted(data.setup.facts["symbols"]) == sorted(ROUND)
    assert any("4 symbols, from the training part only; 8 of 104 in the test part are none of them" in one
               for one in heard)  # fmt: skip
    assert data.protocol.endswith("|symbols:104|unknown:8")
    assert all(one[-1] == 1 for one in tune_ids(data.rows.test, data.setup))


def test_it_writes_tunes_on_the_same_each_time(run, table, tmp_path, capsys):
    for _ in range(2):
        assert main(["predict", str(run), "--text", "c4 d4 e4"]) == 0
    first, again = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == again
    assert first["symbols"] == "c4 d4 e4"
    written = first["written"].split()
    assert len(written) == 64
    assert written[:4] == ["g4", "c4", "d4", "e4"]
    (tmp_path / "few.jsonl").write_text("".join(table.read_text().splitlines(keepends=True)[:3]))
    assert main(["predict", str(run), "--data", str(tmp_path / "few.jsonl")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3  # one line a tune, however many blocks it has


def test_it_tells_which_notes_the_next_one_came_from(run):
    loaded = load_run(run)
    found = loaded.explain(loaded.typed(["c4 d4 e4"]), 0)
    assert found.answer.startswith("next: g4 (")
    assert [unit.name for unit in found.units] == ["0: <start>", "1: c4", "2: d4", "3: e4"]
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)


def test_other_tunes_are_scored_and_strange_notes_named(run, tmp_path):
    (tmp_path / "more.csv").write_text("symbols\n" + " ".join(ROUND * 5) + "\n")
    loaded = load_run(run)
    found = loaded.evaluate(tmp_path / "more.csv")
    assert found.scores[0].value < 0.5
    given = loaded.given(Asked(tmp_path / "more.csv"))
    assert sum(map(len, given.part.truths)) == 20
    with pytest.raises(DataError, match="text 1 of 1 has symbols unknown to this run: h9; those it knows are 4"):
        loaded.typed(["c4 h9"])


def test_blocks_that_learn_do_not_overlap(table):
    data = MUSIC.prepare(settings(table), None, unheard)
    model = MUSIC.build(data.setup).eval()
    batch = data.train.batch(np.arange(3))
    with torch.no_grad():
        assert MUSIC.judge(model, batch, data.setup).units == int(batch.scored.sum())
    notes = sum(len(row.symbols) for row in data.rows.train)
    assert sum(map(len, tune_blocks(data.rows.train, data.setup, overlapping=False).truths)) == notes


@pytest.mark.data
@pytest.mark.parametrize(("preset", "name"), [("bach", "bach"), ("folk", "folk-tunes")])
def test_named_sets_are_parted_by_work(needed, preset, name):
    needed(name)
    data = MUSIC.prepare(MUSIC.settings(preset), None, unheard)
    assert not {row.group for row in data.rows.test} & {row.group for row in data.rows.train}
    assert data.setup.facts["words"] is True
