"""Another run's weights: what fits is taken, token by token where rows are tokens, and all of it is said."""

import json

import pytest
import torch
from safetensors.torch import load_file

from regard.spec.errors import CheckpointError, RunError
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import Note, unheard
from regard.train.training import train_run
from regard.train.transfer import take_over


@pytest.fixture
def before(tiny, tmp_path):
    train_run(tiny(train__epochs=2), tmp_path / "before")
    return tmp_path / "before"


@pytest.fixture
def others(reviews, tmp_path):
    """The same texts with one more word in each, and a third label: another vocabulary, other classes."""
    path = tmp_path / "others.csv"
    lines = [f"newly {line}" for line in reviews.read_text().splitlines()[1:]]
    more = [f"newly odd film {number},odd" for number in range(40)]
    path.write_text("text,label\n" + "\n".join(lines + more) + "\n")
    return path


def prepared(settings):
    data = CLASSIFY.prepare(settings, None, unheard)
    torch.manual_seed(7)
    return data, CLASSIFY.build(data.setup)


def test_rows_go_by_token_and_the_rest_by_name_and_shape(tiny, before, others):
    data, model = prepared(tiny(data__path=str(others)))
    drawn = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    taken = take_over(model, before, data.setup)
    there = load_file(before / "model.safetensors")
    kept = data.setup.kept["vocab/tokenizer.json"], (before / "vocab" / "tokenizer.json").read_text()
    ours, theirs = (json.loads(text)["model"]["vocab"] for text in kept)
    table = model.state_dict()["embedding.table"]
    both = ours.keys() & theirs.keys()
    assert {"film", "<unknown>", "superb"} <= both
    assert "newly" in ours.keys() - theirs.keys()
    for token in both:
        assert torch.equal(table[ours[token]], there["embedding.table"][theirs[token]]), token
    for token in ours.keys() - both:
        assert torch.equal(table[ours[token]], drawn["embedding.table"][ours[token]]), token
    assert taken.rows == {"embedding.table": len(both)}
    assert taken.left == {"classes.weight": "(2, 16) there, (3, 16) here", "classes.bias": "(2,) there, (3,) here"}
    for name, tensor in model.state_dict().items():
        if name in taken.left:
            assert torch.equal(tensor, drawn[name])
        elif name not in taken.rows:
            assert torch.equal(tensor, there[name]), name
    assert taken.unused == ()


def test_a_run_begun_so_says_it_and_keeps_it(tiny, before, tmp_path):
    heard = []
    settings = tiny(train__init=str(before), train__epochs=1, train__rate=1e-9)
    train_run(settings, tmp_path / "after", listen=heard.append)
    told = [event.text for event in heard if isinstance(event, Note)]
    (line,) = [text for text in told if text.startswith("weights of")]
    config = json.loads((tmp_path / "after" / "config.json").read_text())
    assert f"{len(config['init']['taken'])} of {len(config['init']['taken'])} fit" in line
    assert config["init"]["left"] == {}
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / "after", before))
    for name, tensor in ours.items():  # at a rate of next to nothing it is where it began
        assert torch.allclose(tensor, theirs[name], atol=1e-4), name


def test_the_same_start_gives_the_same_numbers_also_after_a_kill_before_the_first_step(
    tiny, before, tmp_path, monkeypatch
):
    settings = tiny(train__init=str(before), train__epochs=1)
    train_run(settings, tmp_path / "whole")

    def stop(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("regard.train.loop.Loop.run", stop)
        with pytest.raises(KeyboardInterrupt):
            train_run(settings, tmp_path / "run")
    assert train_run(settings, tmp_path / "run").status == "begun"
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]


def test_other_weights_in_the_same_place_are_refused(tiny, before, tmp_path, monkeypatch):
    settings = tiny(train__init=str(before), train__epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr("regard.train.loop.Loop.run", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_run(settings, tmp_path / "run")
    for file in before.rglob("*"):
        if file.is_file():
            file.unlink()
    train_run(tiny(train__epochs=1), before)
    with pytest.raises(RunError, match="began with other weights than"):
        train_run(settings, tmp_path / "run")


def test_a_run_that_is_not_done_or_has_nothing_to_give(tiny, before, tmp_path):
    data, model = prepared(tiny())
    (before / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match="not done; give a finished one"):
        take_over(model, before, data.setup)
    with pytest.raises(CheckpointError, match="it is missing"):
        take_over(model, tmp_path / "nowhere", data.setup)
    (before / "metrics.json").write_text("{}")
    with pytest.raises(RunError, match="fits this model by name and shape"):
        take_over(torch.nn.Linear(3, 3), before, data.setup)
