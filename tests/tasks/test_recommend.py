"""Recommendation: sequences by hand, ranking without what was had, a chain that must be learned."""

import json

import numpy as np
import pytest
import torch

from regard.app.cli import main
from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.event_data import EventBatch, histories
from regard.tasks.recommend import RECOMMEND, shuffled
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.train.run import load_run

# Row by row; ann's last two are at one time: the file's order says which came last.
ROWS = """user,item,time
ben,x,5
ann,a,1
ann,b,2
ben,y,6
ann,d,9
ann,c,9
ben,a,7
ann,x,3
ben,b,8
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.csv"
    path.write_text(ROWS)
    return settings(path)


def settings(path, **more):
    values = {"data": DataSettings(path=str(path)).model_dump(), "core.dim": 16, "core.hidden": 16, "core.layers": 1}
    return changed(RECOMMEND.settings(), values | {name.replace("__", "."): value for name, value in more.items()})


def words(data, part):
    batch = part.batch(np.arange(len(part)))
    names = np.array([*data.setup.facts["items"], "-"])
    read = [names[row[:length]].tolist() for row, length in zip(batch.items.numpy(), batch.lengths, strict=True)]
    told = [names[row[:length]].tolist() for row, length in zip(batch.targets.numpy(), batch.lengths, strict=True)]
    return list(zip(map("".join, read), map("".join, told), strict=True)), batch


def test_each_ones_last_is_tested_and_the_one_before_chooses(small):
    data = RECOMMEND.prepare(small, None, unheard)
    assert data.setup.facts["items"] == ["a", "b", "c", "d", "x", "y"]
    assert words(data, data.train)[0] == [("ab", "bx"), ("x", "y")]
    assert words(data, data.validation)[0] == [("abx", "--d"), ("xy", "-a")]
    tested, batch = words(data, data.test)
    assert tested == [("abxd", "---c"), ("xya", "--b")]
    assert [row.tolist() for row in batch.before] == [[], []]
    assert data.counts == {"train": 5, "validation": 2, "test": 2}
    assert "equal-times:file-order|had-items:left-out|items:6" in data.protocol
    before, truths = histories(data.rows)
    assert ([one.tolist() for one in before], truths.tolist()) == ([[0, 1, 4, 3], [4, 5, 0]], [2, 1])


def test_long_histories_are_cut_and_every_item_but_the_first_is_told_once(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("user,item,time\n" + "".join(f"ann,{chr(97 + place)},{place}\n" for place in range(12)))
    data = RECOMMEND.prepare(settings(path, events__longest=4), None, unheard)
    assert words(data, data.train)[0] == [("fghi", "ghij"), ("bcde", "cdef"), ("a", "b")]
    assert words(data, data.test)[0] == [("hijk", "---l")]
    assert data.test.batch(np.array([0])).before[0].tolist() == list(range(7))
    assert [row.tolist() for row in words(data, data.train)[1].before] == [[0, 1, 2, 3, 4], [0], []]


def test_what_was_had_is_left_out_of_the_ranking_unless_it_may_come_again(small):
    class Fixed(torch.nn.Module):
        def forward(self, *inputs):
            return torch.tensor([[9.0, 8.0, 7.0, 1.0, 2.0, 3.0]])  # a and b, which ann has had, before c

    for again, place in ((False, 1), (True, 3)):
        data = RECOMMEND.prepare(changed(small, {"events.again": again}), None, unheard)
        batch = data.test.batch(np.array([0]))
        assert RECOMMEND.judge(Fixed().eval(), batch, data.setup).answers.tolist() == [place]


def test_an_item_never_looks_at_those_after_it(small):
    data = RECOMMEND.prepare(small, None, unheard)
    model = RECOMMEND.build(data.setup).eval()
    batch = data.test.batch(np.array([0]))
    everywhere = torch.ones_like(batch.items, dtype=torch.bool)
    first = model(batch.items, batch.times, batch.lengths, everywhere)
    changed_last = batch.items.clone()
    changed_last[0, -1] = 0
    second = model(changed_last, batch.times, batch.lengths, everywhere)
    assert torch.equal(first[:-1], second[:-1])
    assert not torch.equal(first[-1], second[-1])


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Everyone goes on by two: item n, then n + 2, then n + 4; which none of them has had before."""
    path = tmp_path_factory.mktemp("events") / "chain.csv"
    draw = np.random.default_rng(0)
    lines = ["who,what,when"]
    for user in range(80):
        start, many = draw.integers(0, 30), draw.integers(4, 9)
        lines += [f"u{user},i{(start + 2 * step) % 30:02d},{step}" for step in range(many)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(chain, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "chain"
    small = ["core.dim=32", "core.hidden=32", "core.layers=1", "core.dropout=0", "core.block_dropout=0"]
    more = ["events.gaps=3", "events.unit=1", "train.epochs=15", "train.batch=16", "train.rate=0.01"]
    sets = [word for one in (*small, *more) for word in ("--set", one)]
    columns = [word for one in ("user=who", "item=what", "time=when") for word in ("--column", one)]
    assert main(["train", "recommend", "--data", str(chain), "--out", str(out), *columns, *sets]) == 0
    return out


def test_a_chain_is_learned_and_the_baselines_are_there(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["scores"][0]["value"] > 0.8
    assert [one["name"] for one in metrics["scores"]] == ["NDCG@10", "HR@10"]
    assert "|ranking:full|ties:against|" in metrics["scores"][0]["protocol"]
    popular, followed = (one["scores"][0]["value"] for one in metrics["baselines"])
    assert popular < 0.5 < followed


def test_a_trained_run_answers_scores_and_explains(run, chain, tmp_path, capsys):
    loaded = load_run(run)
    found = loaded.evaluate(chain)
    assert (found.rows, found.seen) == (80, 0)  # each one's last event was neither trained nor validated on
    path = tmp_path / "new.csv"
    path.write_text("who,what,when\nzoe,i04,1\nzoe,i06,2\nzoe,i08,3\nyan,i11,1\n")
    assert main(["predict", str(run), "--data", str(path)]) == 0
    yan, zoe = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (zoe["user"], zoe["item"], len(zoe["items"])) == ("zoe", "i10", 10)
    assert not {"i04", "i06", "i08"} & set(zoe["items"])
    assert (yan["user"], yan["item"]) == ("yan", "i13")
    assert main(["explain", str(run), "--data", str(path), "--row", str(zoe["row"])]) == 0
    said = capsys.readouterr().out
    assert said.startswith("zoe: i10 (")
    assert "past item" in said
    units = loaded.explain(loaded.given(Asked(path, truths=False)), 1).units
    assert [unit.name for unit in units] == ["i04", "i06", "i08"]
    assert sum(unit.weight for unit in units) == pytest.approx(1, abs=1e-5)


def test_an_item_that_training_never_had_is_named(run, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("who,what,when\nzoe,i04,1\nzoe,i99,2\n")
    with pytest.raises(DataError, match=r"row 2 .*item 'i99' occurs in no training row"):
        load_run(run).given(Asked(path, truths=False))


def test_users_of_few_events_are_refused_by_row(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text(ROWS + "cem,a,1\n")
    with pytest.raises(DataError, match=r"row 10 .*user 'cem' has one event, expected at least 3"):
        RECOMMEND.prepare(settings(path), None, unheard)
    kept = RECOMMEND.prepare(settings(path, data__skip_refused=True), None, unheard)
    assert len(kept.test) == 2


def test_events_of_one_time_are_told_in_any_order_in_training():
    """Row 0: b and c at time 2, in both orders, each before what then follows; its last target, d, stays. Row 1, whose
    times differ, and what is padded stay as they are."""
    batch = EventBatch(
        items=torch.tensor([[0, 1, 2, 5], [3, 4, 0, 0]]),
        times=torch.tensor([[1, 2, 2, 7], [1, 2, 0, 0]]),
        lengths=torch.tensor([4, 2]),
        targets=torch.tensor([[1, 2, 5, 9], [4, 8, -1, -1]]),
        truths=np.array([9, 8]),
        before=None,
    )
    torch.manual_seed(0)
    found = {(str(one.items.tolist()), str(one.targets.tolist())) for one in (shuffled(batch) for _ in range(40))}
    assert found == {
        ("[[0, 1, 2, 5], [3, 4, 0, 0]]", "[[1, 2, 5, 9], [4, 8, -1, -1]]"),
        ("[[0, 2, 1, 5], [3, 4, 0, 0]]", "[[2, 1, 5, 9], [4, 8, -1, -1]]"),
    }
