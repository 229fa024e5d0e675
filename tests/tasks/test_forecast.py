"""Forecasting from files through training to answers: covariates, gaps, rows of times to come."""

import json

import numpy as np
import pytest
import torch

from regard.app.asked import asked_settings
from regard.app.cli import main
from regard.lens.explain import explain, weigh
from regard.spec.errors import DataError, SpecError
from regard.tasks.event import unheard
from regard.tasks.forecast import FORECAST
from regard.tasks.sections import DataSettings, SeriesSettings
from regard.tasks.series_data import series_front_end
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.train.run import load_run

DAYS = 210
FIRST = np.datetime64("2024-01-01")
FREE = {*np.flatnonzero(np.random.default_rng(0).random(DAYS) < 0.12).tolist(), 203}  # holidays, on no one day


def visitors(name, day):
    """A week that comes again, more people on holidays, each series at its own level."""
    level = {"castle": 100, "mill": 20}[name]
    return level * (1 + 0.3 * np.sin(day * 2 * np.pi / 7) + (1.0 if day in FREE else 0.0)) + day % 3


def rows(names=("castle", "mill"), days=DAYS, missing=(), ahead=0):
    lines = ["series,time,value,holiday,heat"]
    for name in names:
        for day in range(days + ahead):
            if day not in missing:
                value = f"{visitors(name, day):.3f}" if day < days else ""
                lines.append(f"{name},{FIRST + day},{value},{int(day in FREE)},{day % 17}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("series") / "visitors.csv"
    path.write_text(rows())
    return path


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "visitors"
    small = ["series.context=14", "core.dim=32", "core.hidden=32", "core.layers=1", "core.dropout=0"]
    data = ["data.test_rows=35", "data.validation_rows=21", 'series.known=["holiday"]']
    fast = ["train.epochs=20", "train.batch=16", "train.rate=0.005"]
    sets = [word for one in (*small, *data, *fast) for word in ("--set", one)]
    assert main(["train", "forecast", "--data", str(file), "--out", str(out), *sets]) == 0
    return out


def settings(path, **more):
    small = {"data": DataSettings(path=str(path)).model_dump(), "core.dim": 16}
    small |= {"series.known": (), "series.zone": None, "series.stride": 1}  # as with a file of one's own
    return changed(FORECAST.settings(), small | {name.replace("__", "."): value for name, value in more.items()})


def test_it_learns_what_a_week_alone_does_not_tell(run):
    metrics = json.loads((run / "metrics.json").read_text())
    (score, *_), names = metrics["scores"], [one["name"] for one in metrics["baselines"]]
    assert names == ["the season of 7 steps again", "DLinear"]
    assert all(score["value"] < 0.8 * one["scores"][0]["value"] for one in metrics["baselines"])
    assert score["protocol"].startswith("part:test(last in time,35 steps)|rows:10|every:7|horizon:7|past:14|series:2")
    assert "|season:7|point:quantile 0.5|" in score["protocol"]
    assert [one["name"] for one in metrics["scores"]] == ["MASE", "pinball", "CRPS", "coverage gap of 90%"]
    config = json.loads((run / "config.json").read_text())
    assert config["data"] | {"digest": ""} == {"digest": "", "train": 268, "validation": 6, "test": 10}
    assert sorted(config["facts"]["scales"]) == ["castle", "mill"]


def test_parts_follow_each_other_in_time(file):
    data = FORECAST.prepare(
        settings(file, series__context=14, data__test_rows=35, data__validation_rows=21), None, unheard
    )
    ends = []
    for part in (data.train, data.validation, data.test):
        times = part.batch(np.arange(len(part))).times[:, -7:]
        ends.append((times.min().item(), times.max().item()))
    assert ends[0][1] < ends[1][0] <= ends[1][1] < ends[2][0]
    assert ends[2][1] == int((FIRST + DAYS - 1).astype("datetime64[s]").astype(np.int64))


def test_a_measured_column_is_read_only_where_the_user_says_so(file):
    data = FORECAST.prepare(settings(file), None, unheard)
    batch = data.test.batch(np.array([0]))
    assert (batch.past.shape[2], batch.known.shape[2]) == (0, 4)  # the calendar's week and year
    data = FORECAST.prepare(settings(file, series__past=["heat"]), None, unheard)
    batch = data.test.batch(np.array([0]))
    assert (batch.past.shape[1:], batch.known.shape[2]) == ((batch.values.shape[1], 1), 4)
    front = series_front_end(data.setup)
    assert front.past_standard.mean.item() == pytest.approx(data.setup.facts["past"]["mean"][0])


def test_gaps_are_masked_and_told(tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text(rows(missing=range(60, 63)))
    heard = []
    data = FORECAST.prepare(settings(path, series__context=14), None, heard.append)
    assert "windows of 14 steps and the 7 after them; 18 left out for gaps" in " ".join(map(str, heard))  # 9 of each
    whole = data.train.batch(np.arange(len(data.train)))
    assert (~whole.observed).any()
    model = FORECAST.build(data.setup).eval()
    outcome = FORECAST.judge(model, whole, data.setup)
    assert outcome.losses.isfinite().all()
    assert all(np.isfinite(found).all() for found in FORECAST.baselines(data).values())


@torch.no_grad()
def test_a_line_from_the_past_is_added_to_every_quantile(file):
    """A line that takes the past's last value over, 1 in deviations: all quantiles rise by last value - mean."""
    data = FORECAST.prepare(settings(file, series__context=14), None, unheard)
    model, batch = FORECAST.build(data.setup).eval(), data.test.batch(np.arange(3))
    without = model(batch)
    model.line.weight[:, -1] = 1.0
    risen = batch.values[:, -1, 0] - batch.values[..., 0].mean(1)
    torch.testing.assert_close(model(batch) - without, risen[:, None, None].expand_as(without), rtol=1e-3, atol=1e-2)
    batch.observed[:, -1] = False  # a value that is not there adds nothing
    hidden = model(batch)
    model.line.weight.zero_()
    torch.testing.assert_close(hidden, model(batch))


def test_what_comes_next_is_told_from_rows_without_a_value(run, tmp_path):
    path = tmp_path / "now.csv"
    path.write_text(rows(days=200, ahead=7))
    loaded = load_run(run)
    given = loaded.given(Asked(path, truths=False))
    assert given.shown == ("castle from 2024-07-19 00:00", "mill from 2024-07-19 00:00")
    told = list(loaded.told(given))
    for name, said in zip(("castle", "mill"), told, strict=True):
        came = np.array([visitors(name, day) for day in range(200, 207)])
        assert np.abs(np.array(said["forecast"]) - came).mean() < 0.25 * came.mean()
        assert (said["from"], said["to"]) == ("2024-07-19 00:00", "2024-07-25 00:00")
        assert all(low < high for low, high in zip(said["quantile 0.05"], said["quantile 0.95"], strict=True))
    assert int(np.argmax(told[0]["forecast"])) == 3  # the holiday, which no season has


def test_rows_to_come_must_be_there_and_whole(run, tmp_path):
    path = tmp_path / "short.csv"
    loaded = load_run(run)
    path.write_text(rows(days=200))
    with pytest.raises(
        DataError, match="nothing is known of series 'castle' after its last value; the run needs holiday"
    ):
        loaded.given(Asked(path, truths=False))
    path.write_text(rows(days=200, ahead=5))
    with pytest.raises(DataError, match="needs holiday of 7 times after its last value, and has them of 5"):
        loaded.given(Asked(path, truths=False))
    path.write_text(rows(days=200, ahead=7).replace(f"castle,{FIRST + 50},", f"castle,{FIRST + 50},x"))
    with pytest.raises(DataError, match="row 51"):
        loaded.given(Asked(path, truths=False))
    path.write_text(rows(days=10, ahead=7))
    with pytest.raises(DataError, match="series 'castle' has 10 times, and the run reads 14"):
        loaded.given(Asked(path, truths=False))


def test_the_commands_evaluate_and_explain(run, file, tmp_path, capsys):
    assert main(["evaluate", str(run), "--data", str(file)]) == 0
    assert "MASE" in capsys.readouterr().out
    path = tmp_path / "now.csv"
    path.write_text(rows(days=200, ahead=7))
    assert main(["explain", str(run), "--data", str(path), "--row", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("mill from 2024-07-19 00:00: 7 steps from 2024-07-19 00:00: mean ")
    assert "2024-07-05 00:00 to 2024-07-11 00:00" in said
    assert "the mean of 7 steps from 2024-07-19 00:00\n" in said  # a number has no probability
    assert "taking away the 10% heaviest" in said
    assert main(["predict", str(run), "--data", str(path)]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["row"], len(first["forecast"])) == (1, 7)


def test_times_that_are_otherwise_apart_are_refused(run, tmp_path):
    path = tmp_path / "months.csv"
    path.write_text(
        "time,value,holiday\n"
        + "".join(f"20{year}-0{month}-01,1,0\n" for year in range(10, 20) for month in range(1, 9))
    )
    with pytest.raises(DataError, match="apart every month, and the run was trained on every day"):
        load_run(run).evaluate(path)


def test_series_are_not_parted_by_rows_of_another_file(file):
    with pytest.raises(SpecError, match="series are parted by time"):
        FORECAST.prepare(settings(file, data__test_path=str(file)), None, unheard)


def test_a_wide_table_without_dates(tmp_path):
    path = tmp_path / "wide.csv"
    lines = [f"{step},{np.sin(step):.4f},{step % 5}" for step in range(90)]
    path.write_text("\n".join(["time,a,b", *lines]) + "\n")
    data = FORECAST.prepare(settings(path, series__season=5), None, unheard)
    assert data.settings.series.calendar == ()
    front = series_front_end(data.setup)
    batch = data.test.batch(np.array([0]))
    assert (front.horizon, front.known) == (8, 1)  # of the steps to come their places alone
    assert FORECAST.judge(FORECAST.build(data.setup), batch, data.setup).answers.shape == (1, 8, 11)
    assert data.groups is None


def test_what_the_named_set_is_like_says_nothing_of_other_files():
    assert asked_settings(FORECAST).series.known == ("holiday",)
    assert asked_settings(FORECAST, path="x.csv").series == SeriesSettings()


def test_series_too_short_for_what_was_asked(file):
    with pytest.raises(DataError, match="the training part: no stretch of the data holds 200 times of past"):
        FORECAST.prepare(settings(file, series__context=200), None, unheard)


def test_stretches_of_the_past_are_weighed_by_how_far_the_forecast_moves(run, file, tmp_path):
    ahead = tmp_path / "ahead.csv"
    ahead.write_text(rows(ahead=7))
    loaded = load_run(run)
    given = loaded.given(Asked(ahead, truths=False))
    question = loaded.question(given)
    assert (question.probability, question.default, question.units.kind) == (1.0, "mask", "stretch")
    assert question.quantity.startswith("nearness")
    every = torch.zeros(1, len(question.units), dtype=torch.bool)
    assert question.scores(~every).item() == 0.0
    assert question.scores(every).item() < -0.1  # nothing observed: another forecast
    for name in ("rollout", "gradient x input", "gradient attention", "occlusion"):
        assert float(weigh(question, name).weights.min()) >= 0.0  # sizes, for a number has no side
    assert explain(loaded, given, 3, method="occlusion").target.startswith("step 3 from ")
    with pytest.raises(SpecError, match="1 to 7"):
        loaded.question(given, 8)
