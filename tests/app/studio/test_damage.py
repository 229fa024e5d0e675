"""What is wrong with the folder of a run or a model; a damaged one is shown with the reason, and used nowhere."""

import json
import shutil

import pytest
from tests.app.studio.sentences import chinese
from tests.model_folders import saved

from regard.app.studio.damage import damage
from regard.app.studio.folders import Folders, kind_of_folder
from regard.app.studio.limits import Limits
from regard.app.studio.refusals import RefusedError
from regard.app.studio.runs import log, runs
from regard.app.studio.subjects import ROOMS, Subjects


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "mine" / "films")
    return tmp_path / "mine" / "films"


def _cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def _told(run):
    """(the subject, the row among the runs)"""
    folders = Folders.of([run.parent])
    return Subjects(folders, Limits()).all(), runs(folders, Limits(), {})


def test_nothing_is_wrong(run):
    assert damage(run, "run") is None
    (subject,), (row,) = _told(run)
    assert (subject.can, row["state"], row["why"]) == (("look", "why"), "done", None)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("metrics.json", 40, "metrics.json is cut off or damaged"),
        ("config.json", 40, "config.json is cut off or damaged"),
        ("config.json", 0, "config.json is cut off or damaged"),
        ("model.safetensors", 2000, "model.safetensors is cut off: 2,000 bytes of "),
        ("model.safetensors", 20, "is no safetensors file, or is cut off"),
        ("model.safetensors", 0, "is no safetensors file, or is cut off"),
    ],
)
def test_a_file_that_is_cut_off(run, name, size, words):
    _cut(run / name, size)
    assert words in damage(run, "run")
    (subject,), (row,) = _told(run)
    assert (subject.kind, subject.can) == ("run", ())
    assert set(subject.cannot) == set(ROOMS)
    assert words in subject.plain()["cannot"]["look"]
    assert row["state"] == "damaged"
    assert words in row["why"]


def test_weights_that_are_missing(run):
    (run / "model.safetensors").unlink()
    assert damage(run, "run") == "model.safetensors is missing"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (("scores",), "metrics.json lacks 'scores'"),
        (("training", "epochs"), "metrics.json holds no usable 'training' (it lacks 'epochs')"),
        (("baselines", 0, "gain", "low"), "metrics.json lacks 'low' in baselines.0.gain"),
    ],
)
def test_metrics_that_lack_an_entry(run, entries, words):
    path = run / "metrics.json"
    values = held = json.loads(path.read_text(encoding="utf-8"))
    for entry in entries[:-1]:
        held = held[entry]
    del held[entries[-1]]
    path.write_text(json.dumps(values), encoding="utf-8")
    (subject,), (row,) = _told(run)
    assert (subject.can, row["state"], row["why"]) == ((), "damaged", words)
    assert chinese(words) is not None
    with pytest.raises(RefusedError, match=r"the run films is damaged \(.*metrics.json"):
        log(run)


@pytest.mark.parametrize(
    ("remains", "words"),
    [
        (None, "vocab/tokenizer.json is missing"),
        (0, "vocab/tokenizer.json is cut off or damaged"),
        (500, "vocab/tokenizer.json is cut off or damaged"),
    ],
)
def test_a_vocabulary_that_is_not_there_or_not_whole(run, remains, words):
    if remains is None:
        shutil.rmtree(run / "vocab")
    else:
        _cut(run / "vocab" / "tokenizer.json", remains)
    (subject,), (row,) = _told(run)
    assert (subject.can, row["state"], row["why"]) == ((), "damaged", words)
    assert chinese(subject.cannot["why"]) is not None


def test_a_config_that_lacks_its_settings(run):
    (run / "config.json").write_text('{"kept": []}', encoding="utf-8")
    assert damage(run, "run") == "config.json lacks 'settings'"


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ('["../../secret"]', "names the file '../../secret', expected one below vocab/"),
        ("3", "config.json says nothing that can be used of the files that it keeps"),
        ("[3]", "config.json says nothing that can be used of the files that it keeps"),
    ],
)
def test_a_config_that_names_files_elsewhere_or_none(run, kept, words):
    (run / "config.json").write_text(f'{{"settings": {{}}, "kept": {kept}}}', encoding="utf-8")
    assert words in damage(run, "run")
    assert chinese(damage(run, "run")) is not None


def test_a_run_that_is_not_done_is_not_damaged(run):
    (run / "metrics.json").unlink()
    assert damage(run, "run") is None
    subjects, (row,) = _told(run)
    assert (subjects, row["state"]) == ([], "begun")


def test_a_model(tmp_path):
    place = tmp_path / "bert"
    saved("bert", place)
    assert damage(place, "model") is None
    size = (place / "model.safetensors").stat().st_size
    _cut(place / "model.safetensors", size - 1)
    assert damage(place, "model") == f"model.safetensors is cut off: {size - 1:,} bytes of {size:,}"


def test_a_folder_of_other_things_is_no_run(tmp_path):
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    assert kind_of_folder(tmp_path) == "folder"
    (tmp_path / "log.jsonl").write_text("", encoding="utf-8")
    assert kind_of_folder(tmp_path) == "run"
