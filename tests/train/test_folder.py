"""A run's folder: new, begun, done, or somebody else's."""

import pytest
import torch

from regard.spec.errors import CheckpointError, DataError, RunError
from regard.tasks.classify import CLASSIFY
from regard.tasks.settings import changed
from regard.train.checkpoint import Checkpoint
from regard.train.folder import RunFolder, read_json, write_json

ASKED = changed(CLASSIFY.settings(), {"data.path": "reviews.csv"})
CONFIG = {"asked": ASKED.model_dump(), "data": {"digest": "abc"}}


@pytest.fixture
def begun(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(CONFIG, {"vocab/tokenizer.json": "{}"}, torch.tensor([1, 2]))
    return folder


def test_a_folder_that_is_not_there_or_empty_is_new(tmp_path):
    assert RunFolder(tmp_path / "run").status(ASKED, "abc") == "new"
    assert RunFolder(tmp_path).status(ASKED, "abc") == "new"


def test_begun_until_metrics_are_there(begun):
    assert begun.status(ASKED, "abc") == "begun"
    begun.model.write_bytes(b"weights")
    begun.finish({"scores": []})
    assert begun.status(ASKED, "abc") == "done"


def test_a_done_run_without_its_weights_is_broken_and_said_to_be(begun):
    begun.finish({"scores": []})
    with pytest.raises(RunError, match=r"is broken \(model.safetensors is missing\); name another folder"):
        begun.status(ASKED, "abc")


def test_a_run_killed_before_its_config_is_new(begun):
    begun.config.unlink()
    assert begun.status(ASKED, "abc") == "new"


def test_other_settings_are_refused_by_name(begun):
    with pytest.raises(RunError, match=r"other settings \(train.seed: 0 there, 1 here\); name another folder"):
        begun.status(changed(ASKED, {"train.seed": 1}), "abc")


def test_settings_that_change_no_number_may_differ(begun):
    moved = {"data.path": "elsewhere.csv", "train.checkpoint_seconds": 5}
    assert begun.status(changed(ASKED, moved), "abc") == "begun"


def test_other_data_are_refused(begun):
    with pytest.raises(RunError, match="on other data"):
        begun.status(ASKED, "abd")


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(RunError, match=r"holds other things \(thesis.tex\)"):
        RunFolder(tmp_path).status(ASKED, "abc")


def test_best_weights_stay_until_a_checkpoint_names_newer_ones(begun):
    begun.keep_best(1, {"w": torch.ones(1)})
    begun.keep_best(3, {"w": torch.zeros(1)})
    assert begun.best(1).tensors["w"].item() == 1
    begun.drop_older_bests(3)
    assert begun.best(3).tensors["w"].item() == 0
    with pytest.raises(CheckpointError, match=r"best-0001.safetensors cannot be read \(it is missing\)"):
        begun.best(1)


def test_finish_leaves_no_checkpoints(begun):
    begun.keep_best(1, {"w": torch.ones(1)})
    begun.checkpoints.write(5, Checkpoint({"w": torch.ones(1)}, {}))
    begun.finish({})
    assert not begun.checkpoints.path.exists()


def test_two_runs_cannot_share_a_folder(begun):
    with begun.locked(), pytest.raises(RunError, match="another run is at work"), begun.locked():
        pass
    with begun.locked():
        pass


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path):
    with pytest.raises(DataError), RunFolder(tmp_path / "runs" / "new").locked():
        raise DataError("no column 'verdict'")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays_also_if_it_is_empty(tmp_path):
    with RunFolder(tmp_path).locked():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_anything_in_it_stays(tmp_path):
    folder = RunFolder(tmp_path / "runs" / "new")
    with folder.locked():
        folder.record.add("begin", 0)
    assert [path.name for path in folder.path.iterdir()] == ["log.jsonl"]


def test_a_broken_json_file_is_named(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(CheckpointError, match=r"config.json cannot be read \(it is missing\)"):
        read_json(path)
    write_json(path, {"a": "ü"})
    assert read_json(path) == {"a": "ü"}
    path.write_text(path.read_text()[:4])
    with pytest.raises(CheckpointError, match=r"config.json cannot be read"):
        read_json(path)


def test_a_config_that_is_half_there_is_told(begun):
    write_json(begun.config, {"asked": ASKED.model_dump()})
    with pytest.raises(CheckpointError, match=r"config.json lacks 'data.digest', which every run writes there; name"):
        begun.status(ASKED, "abc")


def test_a_file_that_is_lost_is_named(begun):
    assert begun.lost({}) is None  # older runs do not say that they keep a tokenizer
    assert begun.lost({"kept": ["vocab/tokenizer.json", "vocab/words.txt"]}) == "vocab/words.txt"
