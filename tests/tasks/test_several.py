"""Two tasks on one core: what is shared, what is each one's own, and scores that are those of each alone."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from regard.app.cli import main
from regard.spec.errors import SpecError
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import unheard
from regard.tasks.scores.classes import accuracy
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.metric import Metric
from regard.tasks.scores.symbols import perplexity
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.several import Several, several
from regard.tasks.several_scores import measures_of_several
from regard.tasks.translate import TRANSLATE
from regard.train.run import load_run
from regard.train.training import train_run


@pytest.fixture
def both(tmp_path):
    """Reviews that are good or bad, and questions that are about cats, dogs or cows."""
    good = ["text,label"] + [
        f"a {'fine' if n % 2 else 'dull'} film {n},{'good' if n % 2 else 'bad'}" for n in range(120)
    ]
    kinds = ("cat", "dog", "cow")
    pets = ["text,label"] + [f"where does the {kinds[n % 3]} sleep {n},{kinds[n % 3]}" for n in range(90)]
    (tmp_path / "reviews.csv").write_text("\n".join(good) + "\n")
    (tmp_path / "pets.csv").write_text("\n".join(pets) + "\n")
    settings = Settings(
        task="both",
        members={
            "review": DataSettings(path=str(tmp_path / "reviews.csv")),
            "pet": DataSettings(path=str(tmp_path / "pets.csv")),
        },
        tokens=TokenSettings(kind="words", least=1, longest=16),
        core=CoreSettings(kind="transformer", dim=16, hidden=32, heads=2, dropout=0.1),
        train=TrainSettings(epochs=12, batch=16, rate=0.01),
    )
    return several(
        {"review": CLASSIFY, "pet": CLASSIFY},
        {"transformer": settings},
        name="both",
        about="two",
        example="regard train both",
        takes="seconds",
    )


@pytest.fixture
def data(both):
    return both.prepare(both.settings(), None, unheard)


def test_front_end_and_core_are_one_and_heads_are_each_its_own(both, data):
    model = both.build(data.setup)
    review, pet = model.models["review"], model.models["pet"]
    assert review.embedding is pet.embedding
    assert review.encoder is pet.encoder
    assert review.pooling is not pet.pooling
    assert (review.classes.out_features, pet.classes.out_features) == (2, 3)
    assert sum(name.endswith("embedding.table") for name, _ in model.named_parameters()) == 1


def test_parts_of_other_sizes_are_not_shared():
    wide, narrow = (nn.ModuleDict({"body": nn.Linear(2, size), "head": nn.Linear(3, 3)}) for size in (4, 5))
    two = Several({"a": wide, "b": narrow}, {"a": ("head",), "b": ("head",)})
    assert two.models["a"]["body"] is not two.models["b"]["body"]
    assert two.models["a"]["head"] is not two.models["b"]["head"]


def test_one_vocabulary_is_of_both_training_parts(data):
    from regard.tasks.text_data import vocabulary_of

    known = vocabulary_of(data.setup).tokenizer.get_vocab()
    assert {"film", "sleep", "fine", "cow"} <= set(known)
    facts = data.setup.facts["members"]
    assert facts["review"]["vocabulary"] == facts["pet"]["vocabulary"] == len(known)


def test_a_batch_of_both_is_judged_as_each_alone(both, data):
    model = both.build(data.setup).eval()
    rows = np.array([0, len(data.test) - 1, 3, len(data.test) - 2])
    with torch.no_grad():
        whole = both.judge(model, data.test.batch(rows), data.setup)
        said = both.answer(model, data.test.batch(rows), data.setup)
        each = [both.judge(model, data.test.batch(rows[[place]]), data.setup).losses.item() for place in range(4)]
    assert whole.units == 4
    assert sorted(whole.losses.tolist()) == pytest.approx(sorted(each), abs=1e-5)
    assert [name for name, _ in said] == ["review", "pet", "review", "pet"]
    assert len(data.test.batch(rows)) == 4
    assert data.test.batch(rows).tokens == data.test.lengths[rows].sum()


def test_a_run_learns_both_and_scores_each(both, tmp_path):
    result = train_run(both.settings(), tmp_path / "run", tasks=(both,))
    scores = {score.name: score for score in result.scores}
    assert list(scores) == [
        "mean over tasks", "review: accuracy", "review: macro F1", "pet: accuracy", "pet: macro F1",
    ]  # fmt: skip
    assert scores["review: accuracy"].value > 0.9
    assert scores["pet: accuracy"].value > 0.9
    assert scores["review: accuracy"].rows + scores["pet: accuracy"].rows == scores["mean over tasks"].rows
    mean = (scores["review: accuracy"].value + scores["pet: accuracy"].value) / 2
    assert scores["mean over tasks"].value == pytest.approx(mean)
    assert result.baselines[0].name == "review: always 'bad'; pet: always 'cat'"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "review: train" in config["data"]
    run = load_run(tmp_path / "run", tasks=(both,))
    (said,) = run.told(run.typed(["where does the dog sleep"]))
    assert set(said) == {"review", "pet"}
    assert said["pet"]["label"] == "dog"


def test_the_score_of_one_among_several_is_its_score_alone():
    draw = np.random.default_rng(0)
    truths = [("a", one) for one in draw.integers(0, 2, 50)] + [("b", one) for one in draw.integers(0, 3, 30)]
    answers = [(name, int(draw.integers(0, 2))) for name, _ in truths]
    mean, first, second = measures_of_several({"a": (accuracy,), "b": (accuracy,)}, {"a": True, "b": True})
    alone = {}
    for name in "ab":
        mine, right = ([value for one, value in values if one == name] for values in (answers, truths))
        alone[name] = accuracy(np.array(mine), np.array(right), protocol="p")
    for found, name in ((first(answers, truths, protocol="p"), "a"), (second(answers, truths, protocol="p"), "b")):
        assert isinstance(found, Metric)
        assert (found.value, found.low, found.high, found.rows) == (
            alone[name].value, alone[name].low, alone[name].high, alone[name].rows,
        )  # fmt: skip
        assert found.name == f"{name}: accuracy"
    together = mean(answers, truths, protocol="p")
    assert together.value == pytest.approx((alone["a"].value + alone["b"].value) / 2)
    assert together.low < together.value < together.high


def test_scores_that_point_different_ways_have_no_mean():
    with pytest.raises(SpecError, match="have no mean: a, b"):
        measures_of_several({"a": (accuracy,), "b": (perplexity,)}, {"a": True, "b": False})
    assert isinstance(accuracy, Measure)


def test_a_file_typed_for_several_tasks_is_refused_in_words(capsys, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    assert main(["train", "sentiment+spam", "--data", str(tmp_path / "a.csv")]) == 2
    assert "--set members.NAME.path=FILE, with a name among sentiment, spam" in capsys.readouterr().err


def test_the_data_of_each_can_be_changed(both):
    asked = changed(both.settings(), {"members.pet.train_rows": 7})
    assert asked.members["pet"].train_rows == 7
    assert asked.members["review"] == both.settings().members["review"]


def test_a_task_that_decodes_is_refused_by_name(both):
    with pytest.raises(SpecError, match=r"both: words decodes its answers in passes of its own.*--init"):
        several(
            {"review": CLASSIFY, "words": TRANSLATE},
            {"transformer": both.settings()},
            name="both",
            about="two",
            example="regard train both",
            takes="seconds",
        )
