"""regard bench: a model by itself and in use, gated, timed in turns; one line for whatever is wrong."""

from __future__ import annotations

import json

import pytest
from tests.data_sets import needed
from tests.model_folders import saved

from regard.app import benching
from regard.app.benching import Bench, Found, measured, show
from regard.app.screen import Screen
from regard.spec.errors import RunError


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """name -> the folder of a tiny model, written once."""
    root = tmp_path_factory.mktemp("models")

    def find(name):
        return root / name if (root / name).is_dir() else saved(name, root / name)

    return find


def test_an_encoder_is_timed_on_its_prompt(regard, folder_of, tmp_path):
    place = tmp_path / "found.json"
    code, out, err = regard("bench", "--model", folder_of("bert"), "--tokens", 16, "--rounds", 2, "--json", place)
    assert (code, err) == (0, "")
    assert "bert, 16 tokens, float32" in out
    assert "same output: the largest difference is" in out
    assert "BertModel: 2 of 2 attention calls taken over" in out
    assert "one more token" not in out
    found = json.loads(place.read_text())
    assert {name: len(times) for name, times in found["prompt"].items()} == {"own": 2, "used": 2}
    assert found["difference"] <= found["tolerance"] == 1e-4
    assert (found["kept"], found["unseen"], found["tokens"]) == ({}, {}, 16)
    assert "shown" not in found


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_a_decoder_is_timed_token_by_token_as_well(regard, folder_of, dtype):
    code, out, err = regard(
        *("bench", "--model", folder_of("gpt2"), "--tokens", 10, "--rounds", 1, "--decode", 3, "--dtype", dtype)
    )
    assert (code, err) == (0, "")
    assert "one more token" in out


def test_a_text_is_read_from_its_beginning(folder_of):
    folder = folder_of("gpt2")
    bench = Bench.of(folder, "the cat sat on the mat", tokens=4, dtype="float32", decode=1)
    tokenizer = benching_tokenizer(folder)
    assert bench.ids.tolist() == [tokenizer("the cat sat on the mat")["input_ids"][:4] + bench.ids[0, 4:].tolist()]
    assert (bench.tokens, bench.ids.shape[1]) == (4, 5)


def benching_tokenizer(folder):
    from regard.bridges.transformers_folder import ModelFolder

    return ModelFolder.of(folder).tokenizer()


def test_an_encoder_decoder_is_timed_on_what_it_reads(regard, folder_of):
    code, out, err = regard("bench", "--model", folder_of("bart"), "--tokens", 8, "--rounds", 1)
    assert (code, err) == (0, "")
    assert "2 of 2 attention calls" in out


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("bert", ["--tokens", 33], "has 32 positions; ask for fewer"),
        ("gpt2", ["--tokens", 30, "--decode", 5], "--tokens 30 and --decode 5: gpt2 has 32 positions"),
        ("bert", ["--tokens", 8, "--decode", 2], "bert writes no text token by token"),
        ("vit", ["--tokens", 8], "vit reads no text; from Python, regard.use(model)"),
        ("nothing", [], "no such folder"),
    ],
)
def test_what_cannot_be_timed_is_one_line(regard, folder_of, tmp_path, model, options, said):
    folder = tmp_path / "nothing" if model == "nothing" else folder_of(model)
    code, _, err = regard("bench", "--model", folder, *options)
    assert code == 1
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_short_text_is_one_line(regard, folder_of, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat")
    code, _, err = regard("bench", "--model", folder_of("bert"), "--text", text, "--tokens", 20)
    assert code == 1
    assert "tokens, and 20 were asked for" in err


def test_options_that_make_no_sense(regard, folder_of):
    assert regard("bench", "--model", folder_of("bert"), "--dtype", "int8")[0] == 2
    assert regard("bench", "--model", folder_of("bert"), "--tokens", 0)[0] == 2


def test_another_output_is_an_error(folder_of, monkeypatch):
    """In use the model gives half of what it gives by itself."""
    bench = Bench.of(folder_of("bert"), None, tokens=8, dtype="float32", decode=0)
    real = benching._in_use
    monkeypatch.setattr(benching, "_in_use", lambda *args: (real(*args)[0] / 2, real(*args)[1]))
    with pytest.raises(RunError, match="gives another output: off by 5"):
        measured(Screen(), bench, 1)


def found(own: float, used: float, **more: object) -> Found:
    sides = {"own": [own, own * 3, own], "used": [used, used, used * 3]}
    empty = {"own": [], "used": []}
    parts = {"model": "m", "tokens": 8, "dtype": "float32", "threads": 1, "difference": 1e-7, "tolerance": 1e-4}
    parts |= {"prompt": sides, "token": empty, "extra_bytes": {"own": 2_000_000, "used": 1_000_000}}
    return Found(**{**parts, "calls": {}, "kept": {}, "unseen": {}, "shown": "M: shown", **more})


def test_the_table_holds_medians_and_says_when_nothing_is_gained(capsys):
    show(Screen(), found(3.0, 1.5))
    said = capsys.readouterr().out
    assert ["prompt", "3.00", "s", "1.50", "s", "2.00"] in [line.split() for line in said.splitlines()]
    assert ["peak", "extra", "memory", "2", "MB", "1", "MB"] in [line.split() for line in said.splitlines()]
    assert "gains no time" not in said
    show(Screen(), found(0.0030, 0.0030, extra_bytes={"own": None, "used": None}))
    said = capsys.readouterr().out
    assert ["prompt", "3.0", "ms", "3.0", "ms", "1.00"] in [line.split() for line in said.splitlines()]
    assert "gains no time on this model at this length" in said
    assert "peak" not in said


def test_a_gain_in_single_tokens_alone_is_a_gain(capsys):
    show(Screen(), found(1.0, 1.0, token={"own": [2.0], "used": [1.0]}))
    assert "gains no time" not in capsys.readouterr().out


@pytest.mark.data
def test_a_real_model(regard):
    needed("minilm")
    code, out, err = regard("bench", "--model", "minilm", "--tokens", 64, "--rounds", 1)
    assert (code, err) == (0, "")
    assert "6 of 6 attention calls taken over" in out
