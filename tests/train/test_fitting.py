"""Training in memory: the numbers of a run in a folder, nothing written, torch's random state as it was."""

from pathlib import Path

import torch

from regard.tasks.classify import CLASSIFY
from regard.tasks.event import Validated, unheard
from regard.train import load_run, train_run
from regard.train.fitting import fit
from regard.train.keeper import InMemory


def test_it_gives_the_weights_that_a_folder_gives(tiny, tmp_path, monkeypatch):
    settings = tiny()
    train_run(settings, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    state = torch.get_rng_state()
    heard = []
    found = fit(CLASSIFY, CLASSIFY.prepare(settings, None, unheard), listen=heard.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert sorted(tmp_path.rglob("*")) == before
    run = load_run(tmp_path / "run")
    for name, weights in run.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], weights), name
    told = [event for event in heard if isinstance(event, Validated)]
    assert (found.epochs, len(told), found.model.training) == (4, 4, False)
    assert found.best_epoch == max(event.epoch for event in told if event.best)


def test_the_best_weights_stay_as_they_were():
    keeper, weights = InMemory(), {"w": torch.zeros(2)}
    keeper.keep_best(1, weights)
    weights["w"] += 1
    keeper.record.add("epoch", 1)
    keeper.checkpoints.write(1, keeper.best(1))
    keeper.drop_older_bests(1)
    assert keeper.best(1).tensors["w"].tolist() == [0, 0]
    assert keeper.path == Path("memory")
