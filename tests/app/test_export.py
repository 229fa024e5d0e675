"""`regard export`: a folder that answers without this package, or nothing at all."""

import json
import logging
import site
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.optional_packages import package

from regard.bridges import onnx_files

TEXT = "A warm and witty script. I loved the ending, great fun."
LEFT_OUT = ("regard", "torch", "transformers", "__editable__", "_editable")


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


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """What is installed, as a folder without this package, torch and transformers; none of it is on the path yet."""
    folder = tmp_path_factory.mktemp("packages")
    for packages in map(Path, site.getsitepackages()):
        for one in packages.iterdir():
            if not one.name.startswith(LEFT_OUT) and one.suffix != ".pth":
                (folder / one.name).symlink_to(one)
    return folder


@pytest.fixture
def run_py(elsewhere):
    """What a folder's run.py says, line by line, in a clean interpreter: no site, no environment, not started here."""

    def run(folder, *words):
        begin = f"import sys, runpy; from importlib.util import find_spec; sys.path.append({str(elsewhere)!r}); "
        check = "assert find_spec('regard') is find_spec('torch') is None; sys.argv = sys.argv[1:]; "
        program = f"{begin}{check}runpy.run_path({str(folder / 'run.py')!r}, run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, "run.py", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_the_folder_has_all_that_answering_needs(exported):
    there = {one.name for one in exported.iterdir()}
    assert there == {"model.onnx", "config.json", "example.npz", "run.py", "README.md", "vocab"}
    config = json.loads((exported / "config.json").read_text())
    (part,) = config["parts"]
    assert part["graphs"]["model.onnx"]["inputs"] == {"ids": ["batch", "length"], "lengths": ["batch"]}
    assert len({one["length"] for one in part["checked"]}) == onnx_files.LENGTHS
    assert "ids" in (exported / "README.md").read_text()


def test_it_answers_as_predict_does_without_this_package(exported, trained, regard, run_py):
    _, out, _ = regard("predict", trained, "--text", TEXT)
    (line,) = run_py(exported, TEXT)
    found, wanted = json.loads(line), json.loads(out)
    assert found["label"] == wanted["label"]
    assert found["probability"] == pytest.approx(wanted["probability"], abs=2e-6)
    assert sum(found["weights"]) == pytest.approx(1, abs=1e-4)


def test_its_example_is_held_against_the_models_own_outputs(exported, run_py):
    *answers, last = run_py(exported)
    assert len(answers) == 3
    assert float(last.rpartition(": ")[2]) < onnx_files.TOLERANCE
    with np.load(exported / "example.npz") as held:
        assert set(held.files) == {"ids", "lengths", "expected.logits", "expected.weights"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arrays", "README.md"], "no arrays can be read (it holds none); give an .npz"),
        (["--arrays", "nothing.npz"], "no arrays can be read (No such file or directory)"),
        (["--arrays", "."], "no arrays can be read (Is a directory)"),
        (["--arrays", "one.npy"], "no arrays can be read (it holds none)"),
        (["--arrays", "floats.npz"], "model.onnx cannot read ids float32 (1, 3)"),
        (["--arrays", "few.npz"], "model.onnx reads ids, lengths; not given: lengths"),
        (["--arrays", "uneven.npz"], "not the same number of rows (ids 1, lengths 2); give one of each a row"),
        (["--arrays", "unknown.npz"], "extra holds NaN or infinity; give finite numbers"),
        (["--arrays", "below.npz"], "lengths holds -5; give numbers of 0 or more"),
        (["--task", "x"], "no task 'x' here; leave --task out"),
    ],
)
def test_what_run_py_cannot_read_is_one_line(exported, tmp_path, words, said):
    (tmp_path / "README.md").write_text("no arrays\n")
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "floats.npz", ids=np.zeros((1, 3), np.float32), lengths=np.array([3]))
    ids = np.zeros((1, 3), np.int64)
    np.savez(tmp_path / "few.npz", ids=ids)
    np.savez(tmp_path / "uneven.npz", ids=ids, lengths=np.array([3, 3]))
    np.savez(tmp_path / "unknown.npz", ids=ids, lengths=np.array([3]), extra=np.array([np.nan]))
    np.savez(tmp_path / "below.npz", ids=ids, lengths=np.array([-5]))
    done = subprocess.run(
        [sys.executable, str(exported / "run.py"), *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr


def test_the_known_warning_of_the_writer_is_not_said_and_any_other_is(caplog):
    from regard.app.exporting import _unfolded_unsaid

    writer = logging.getLogger("onnxscript.optimizer._constant_folding")
    with _unfolded_unsaid():
        writer.warning("Skipping constant folding for op %s with multiple outputs.", "Split")
        writer.warning("something else")
    writer.warning("Skipping constant folding for op %s with multiple outputs.", "Split")
    assert [one.getMessage()[:14] for one in caplog.records] == ["something else", "Skipping const"]


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


SMALL = ["--set", "core.dim=16", "--set", "core.hidden=32", "--set", "core.layers=1", "--set", "core.heads=2"]


def test_nothing_is_said_to_be_written_before_it_is_refused(trained, tmp_path, regard):
    (tmp_path / "mine.txt").write_text("mine")
    for more in (["--out", tmp_path], ["--out", tmp_path / "new", "--format", "transformers"]):
        code, out, _ = regard("export", trained, *more)
        assert (code, out) == (1, "")
    code, out, _ = regard("export", trained, "--out", tmp_path / "new", "--data", tmp_path / "nothing.csv")
    assert (code, out) == (1, "")


def test_a_table_says_how_its_columns_are_given(examples, tmp_path, regard, run_py):
    rows = tmp_path / "rows.csv"
    table = (examples / "plants.csv").read_text().splitlines()
    rows.write_text(
        "\n".join([f"{table[0]},soil", *(f"{one},{('clay', 'sand')[at % 2]}" for at, one in enumerate(table[1:]))])
    )
    regard("train", "tabular", "--data", rows, "--epochs", "1", "--out", tmp_path / "run", *SMALL)
    assert regard("export", tmp_path / "run", "--out", tmp_path / "out")[0] == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    (part,) = config["parts"]
    names = [one["name"] for one in part["columns"]]
    assert [one["kind"] for one in part["columns"]] == sorted((one["kind"] for one in part["columns"]), reverse=True)
    assert names[-1] == "soil"
    told = (tmp_path / "out" / "README.md").read_text()
    for at, one in enumerate(part["columns"][:-1]):
        assert f"| {at} | `{one['name']}` | {one['mean']:.6g} | {one['deviation']:.6g} |" in told
    assert "| 0 | `soil` | 0 `clay`, 1 `sand` |" in told
    assert "nothing is to be scaled before" in told
    with np.load(tmp_path / "out" / "example.npz") as held:  # unscaled, in this order
        cells = dict(zip(table[0].split(","), table[1].split(","), strict=True))
        assert held["numbers"][0].tolist() == pytest.approx([float(cells[name]) for name in names[:-1]])
        assert held["categories"][0].tolist() == [0]
        assert held["present"][0].tolist() == [True] * len(names)


def test_a_model_of_the_next_symbol_is_held_against_its_own_outputs(examples, tmp_path, regard, run_py):
    quick = ["--epochs", "1", "--set", "train.batch=8", *SMALL]
    regard("train", "language-model", "--data", examples / "tales.jsonl", "--out", tmp_path / "run", *quick)
    assert regard("export", tmp_path / "run", "--out", tmp_path / "out")[0] == 0
    with np.load(tmp_path / "out" / "example.npz") as held:
        arrays = dict(held)
    assert arrays["expected.logits"].shape[:2] == (len(arrays["ids"]), min(32, arrays["ids"].shape[1]))
    last = run_py(tmp_path / "out", "--steps", "2")[-1]
    assert float(last.removeprefix("largest difference to the model's own outputs: ")) < onnx_files.TOLERANCE
    np.savez(tmp_path / "out" / "example.npz", **arrays | {"expected.logits": arrays["expected.logits"] + 1})
    assert float(run_py(tmp_path / "out", "--steps", "2")[-1].rpartition(": ")[2]) == pytest.approx(1, abs=1e-3)


def test_what_transformers_has_not_is_refused_before_anything_is_read(trained, tmp_path, regard, one_line):
    code, _, said = regard("export", trained, "--format", "transformers", "--out", tmp_path / "there")
    assert code == 1
    assert "is no standard architecture" in one_line(said)
    assert "--format onnx takes the others" in one_line(said)
    assert not (tmp_path / "there").exists()


def test_a_translation_is_written_by_the_same_beam(examples, tmp_path, regard, run_py):
    small = ["--set", "core.dim=16", "--set", "core.hidden=32", "--set", "core.layers=1", "--set", "core.heads=2"]
    quick = ["--epochs", "3", "--set", "train.batch=8", "--set", "writing.longest=12", *small]
    regard("train", "translate", "--data", examples / "pairs.csv", "--out", tmp_path / "run", *quick)
    assert regard("export", tmp_path / "run", "--out", tmp_path / "out")[0] == 0
    texts = ["The cat sleeps.", "Where is the old house?"]
    _, out, _ = regard("predict", tmp_path / "run", *[word for text in texts for word in ("--text", text)])
    wanted = [json.loads(line)["written"] for line in out.splitlines()]
    assert [json.loads(line)["written"] for line in run_py(tmp_path / "out", *texts)] == wanted


def test_a_summariser_is_a_folder_that_transformers_opens(examples, tmp_path, regard):
    transformers = package("transformers", "regard[transformers]")
    small = ["--set", "core.dim=16", "--set", "core.hidden=32", "--set", "core.layers=1", "--set", "core.heads=2"]
    regard(
        "train", "summarise", "--data", examples / "notices.jsonl", "--out", tmp_path / "run", "--epochs", "1", *small
    )
    code, _, err = regard("export", tmp_path / "run", "--format", "transformers", "--out", tmp_path / "out")
    assert code == 0, err
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out")
    assert type(model).__name__ == "PegasusForConditionalGeneration"
