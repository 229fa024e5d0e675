"""`regard export`: a folder that answers without this package, or nothing at all."""

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.optional_packages import package

from regard.bridges import onnx_files

TEXT = "A warm and witty script. I loved the ending, great fun."
ALONE = "import sys, runpy; sys.modules['torch'] = sys.modules['regard'] = None; sys.argv = sys.argv[1:]; "


@pytest.fixture(scope="module", autouse=True)
def _packages():
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        package(needed, "regard[onnx]")


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    from regard.app.cli import main

    out = tmp_path_factory.mktemp("out") / "exported"
    assert main(["export", str(trained), "--out", str(out)]) == 0
    return out


def run_py(folder, *words):
    """What run.py says, line by line, where neither torch nor this package can be imported."""
    program = f"{ALONE}runpy.run_path({str(folder / 'run.py')!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program, "run.py", *words], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_folder_has_all_that_answering_needs(exported):
    there = {one.name for one in exported.iterdir()}
    assert there == {"model.onnx", "config.json", "example.npz", "run.py", "README.md", "vocab"}
    config = json.loads((exported / "config.json").read_text())
    (part,) = config["parts"]
    assert part["graphs"]["model.onnx"]["inputs"] == {"ids": ["batch", "length"], "lengths": ["batch"]}
    assert len({one["length"] for one in part["checked"]}) == onnx_files.LENGTHS
    assert "ids" in (exported / "README.md").read_text()


def test_it_answers_as_predict_does_without_this_package(exported, trained, regard):
    _, out, _ = regard("predict", trained, "--text", TEXT)
    (line,) = run_py(exported, TEXT)
    found, wanted = json.loads(line), json.loads(out)
    assert found["label"] == wanted["label"]
    assert found["probability"] == pytest.approx(wanted["probability"], abs=2e-6)
    assert sum(found["weights"]) == pytest.approx(1, abs=1e-4)


def test_its_example_is_held_against_the_models_own_outputs(exported):
    *answers, last = run_py(exported)
    assert len(answers) == 3
    assert float(last.rpartition(": ")[2]) < onnx_files.TOLERANCE
    with np.load(exported / "example.npz") as held:
        assert set(held.files) == {"ids", "lengths", "expected.logits", "expected.weights"}


def test_a_failure_leaves_nothing_and_names_the_output(trained, tmp_path, regard, one_line, monkeypatch):
    monkeypatch.setattr(onnx_files, "TOLERANCE", -1.0)
    code, _, err = regard("export", trained, "--out", tmp_path / "deep" / "out")
    assert code == 1
    assert "model.logits by" in one_line(err)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_and_an_unknown_format_are_refused(trained, tmp_path, regard, one_line):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = regard("export", trained, "--out", tmp_path)
    assert code == 1
    assert "is not empty" in one_line(err)
    code, _, err = regard("export", trained, "--out", tmp_path / "new", "--format", "tflite")
    assert code == 2
    assert "expected one of onnx" in one_line(err)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_what_transformers_has_not_is_refused_before_anything_is_read(trained, tmp_path, regard, one_line):
    code, _, said = regard("export", trained, "--format", "transformers", "--out", tmp_path / "there")
    assert code == 1
    assert "is no standard architecture" in one_line(said)
    assert "--format onnx takes the others" in one_line(said)
    assert not (tmp_path / "there").exists()


def test_a_translation_is_written_by_the_same_beam(examples, tmp_path, regard):
    small = ["--set", "core.dim=16", "--set", "core.hidden=32", "--set", "core.layers=1", "--set", "core.heads=2"]
    quick = ["--epochs", "3", "--set", "train.batch=8", "--set", "writing.longest=12", *small]
    regard("train", "translate", "--data", examples / "pairs.csv", "--out", tmp_path / "run", *quick)
    assert regard("export", tmp_path / "run", "--out", tmp_path / "out")[0] == 0
    texts = ["The cat sleeps.", "Where is the old house?"]
    _, out, _ = regard("predict", tmp_path / "run", *[word for text in texts for word in ("--text", text)])
    wanted = [json.loads(line)["written"] for line in out.splitlines()]
    assert [json.loads(line)["written"] for line in run_py(tmp_path / "out", *texts)] == wanted
