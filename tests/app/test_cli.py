"""The entry point: exit codes, one line of error and no trace, and nothing else on either stream."""

import signal
import subprocess
import sys

import pytest

from regard.app import cli
from regard.spec import DataError

PLAN = ("plan", "--query", "1,8,4,4", "--key", "1,8,4,4")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope"], 2, "error: No such command 'nope'; see: regard --help"),
        (["trian"], 2, "Did you mean 'train'?; see: regard --help"),
        (["walk", "--nope"], 2, "error: No such option: --nope; see: regard walk --help"),
        (["walk", "a b", "--example", "half"], 2, "give one of a sentence, --numbers and --example"),
        (["walk", "--example", "quarter"], 2, "those there are: apples, cat-dog-pig, half"),
        (["walk", "--numbers", "nothing.json"], 1, "nothing.json: no such file"),
        (["data", "get", "nothing"], 2, "error: no data set or model is named 'nothing'"),
        (["train"], 2, "error: Missing argument"),
        (["train", "nothing"], 2, "no task is named 'nothing'; those there are: sentiment, classify"),
        (["train", "classify"], 2, "classify has no data of its own: name a file with --data FILE"),
        (["train", "classify", "--data", "nothing.csv"], 1, "nothing.csv: no such file"),
        (["train", "classify", "--precision", "float8"], 2, "input should be 'float32', 'bfloat16' or 'float16'"),
        (["train", "classify", "--set", "rate"], 2, "expected NAME=VALUE"),
        (["train", "classify", "--epochs", "0"], 2, "train.epochs was 0: input should be greater than or equal to 1"),
        (["train", "classify", "--core", "lstm"], 2, "no preset 'lstm'; those there are: bilstm, transformer"),
        (["check", "nothing.csv"], 1, "nothing.csv: no such file"),
        (["explain", "nothing"], 2, "give one of --text, --file and --data"),
        (["explain", "nothing", "--text", "a film"], 1, "nothing/config.json cannot be read (it is missing)"),
        (["predict", "nothing"], 2, "give either --text, or --data FILE"),
        (["predict", "nothing", "--text", " "], 2, "--text is empty"),
        (["evaluate", "nothing", "--data", "nothing.csv"], 1, "it is missing"),
        ([*PLAN, "--mask", "Causal"], 2, "write the brackets"),
        ([*PLAN, "--kernel", "nope"], 1, "expected one of exact"),
        ([*PLAN, "--dtype", "int8"], 2, "'int8' is none of float64"),
        (["plan", "--query", "1,8,4", "--key", "1,8,4,4"], 2, "'1,8,4' is no shape"),
        (["plan", "--query", "1,8,4,4", "--key", "1,3,4,4"], 2, "8 query heads cannot share 3 key heads"),
    ],
)
def test_every_mistake_is_one_line_and_the_right_code(arguments, code, said, regard, one_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, out, err = regard(*arguments)
    assert (found, out) == (code, "")
    assert said in one_line(err)
    assert err.startswith("error: ")
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "runs"])


def test_the_same_as_a_process(process, one_line):
    wrong = process("walk", "--nope")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert one_line(wrong.stderr) == "error: No such option: --nope; see: regard walk --help"
    failed = process("check", "nothing.csv")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert one_line(failed.stderr).startswith("error: nothing.csv: no such file; ")
    fine = process("walk", "--example", "half")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "\x1b" not in fine.stdout


def test_the_installed_script_is_the_same_program(environment):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from regard.app.cli import main; sys.exit(main(['--version']))"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "regard 0.1.0\n", "")


def broken(*, error):
    def run(arguments):
        raise error

    return run


def test_an_unexpected_error_is_one_line_and_says_how_to_see_more(monkeypatch, capsys, one_line):
    monkeypatch.setattr(cli, "_run", broken(error=KeyError("lost\nkey")))
    monkeypatch.delenv("REGARD_TRACEBACK", raising=False)
    assert cli.main([]) == 1
    line = one_line(capsys.readouterr().err)
    assert line.startswith("error: KeyError: 'lost\\nkey'")
    assert "REGARD_TRACEBACK=1" in line


def test_the_trace_is_shown_when_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_run", broken(error=DataError("bad row 3; correct it")))
    monkeypatch.setenv("REGARD_TRACEBACK", "1")
    assert cli.main([]) == 1
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1] == "error: bad row 3; correct it"


def test_ctrl_c_is_one_line_and_130(monkeypatch, capsys, one_line):
    monkeypatch.setattr(cli, "_run", broken(error=KeyboardInterrupt()))
    assert cli.main([]) == 130
    assert one_line(capsys.readouterr().err).startswith("stopped: ")


@pytest.mark.parametrize("name", ["typer", "rich", "accelerate", "tokenizers", "pydantic", "sklearn"])
def test_a_missing_extra_gives_the_install_line(name, examples, environment, one_line):
    """`None` in sys.modules is what Python takes for a package that is not there."""
    code = f"import sys; sys.modules[{name!r}] = None; from regard.app.cli import main; sys.exit(main(sys.argv[1:]))"
    file = str(examples / "reviews.csv")
    command = ["train", "classify", "--data", file, "--text", "review", "--label", "verdict", "--epochs", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--out", "/dev/null/never"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert name in one_line(done.stderr)
    assert done.stderr.rstrip().endswith("pip install 'regard[train]'")


def test_a_reader_that_goes_away_is_no_error(environment):
    with subprocess.Popen(
        [sys.executable, "-m", "regard", "walk"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as walk:
        walk.stdout.close()  # long before the first line: Python is still loading torch
        assert walk.stderr.read() == b""
    assert walk.returncode == 1


def test_a_terminal_that_knows_no_chinese_gets_escapes(process):
    done = process("walk", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u559c\\u6b22" in done.stdout  # 喜欢


def test_ctrl_c_before_the_first_checkpoint_says_that_nothing_is_kept(tmp_path, monkeypatch):
    from regard.app import sitting
    from regard.app.failures import StoppedError
    from regard.app.screen import Screen
    from regard.tasks.classify import CLASSIFY

    def stopped(*asked, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(sitting, "train_run", stopped)

    def told():
        with pytest.raises(StoppedError) as error:
            sitting.sit(Screen(), CLASSIFY.settings(), tmp_path)
        return str(error.value)

    assert told() == "training had not begun; type the same command to begin again"
    (tmp_path / "config.json").write_text("{}")
    assert told() == "no checkpoint was kept yet; type the same command to begin again"
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "step-00000120.safetensors").touch()
    assert told() == f"the last checkpoint is kept in {tmp_path}; type the same command to go on from there"


def test_ctrl_c_in_training_says_how_to_go_on(examples, environment, tmp_path, one_line):
    columns = ["--text", "review", "--label", "verdict", "--epochs", "5000", "--set", "train.checkpoint_seconds=0"]
    with subprocess.Popen(
        [sys.executable, "-m", "regard", "train", "classify", "--data", str(examples / "reviews.csv"), *columns],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=tmp_path,
        # a suite that runs in a shell's background is started with Ctrl-C ignored, and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as training:
        for line in training.stdout:
            if line.startswith("epoch 2/"):
                break
        training.send_signal(signal.SIGINT)
        _, err = training.communicate(timeout=60)
    assert training.returncode == 130
    folder = "runs/classify-reviews-bilstm"
    assert (
        one_line(err) == f"stopped: the last checkpoint is kept in {folder}; type the same command to go on from there"
    )
    assert list((tmp_path / folder / "checkpoint").glob("step-*.safetensors"))
