"""regard observe: any model of a folder, on a text or a picture, with one line for whatever is wrong."""

import json
import shutil

import pytest
import torch
from PIL import Image
from tests.data_sets import needed
from tests.model_folders import saved

from regard.app.observing import Asked
from regard.app.observing import observe as observed
from regard.app.screen import Screen
from regard.app.subject import is_run, text_subject
from regard.lens.trace import Trace
from regard.nn import Encoder
from regard.spec.errors import RunError
from regard.train.run import load_run

TEXT = "The cat sat on the mat. A dog ran to the cat."


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """name -> the folder of a tiny model, written once."""
    root = tmp_path_factory.mktemp("models")

    def find(name):
        return root / name if (root / name).is_dir() else saved(name, root / name)

    return find


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.radial_gradient("L").resize((48, 40)).save(path)
    return path


@pytest.fixture
def traced(regard, tmp_path):
    """Runs the command, and reads the trace that it wrote: (trace, what it said)."""

    def run(*arguments):
        path = tmp_path / "seen.trace"
        code, out, err = regard("observe", *arguments, "--trace", path)
        assert (code, err) == (0, "")
        return Trace.load(path), out

    return run


@pytest.mark.parametrize(
    ("name", "layers", "heads"), [("bert", 2, 4), ("gpt2", 2, 4), ("roberta", 2, 4), ("clip", 2, 4), ("gguf", 2, 8)]
)
def test_a_text_and_the_model_of_a_folder(name, layers, heads, folder_of, text, traced):
    trace, out = traced("--model", folder_of(name), "--text", text)
    assert (len(trace.layers), sum(len(layer.heads) for layer in trace.layers)) == (layers, heads)
    (units,) = trace.units
    assert units.source == TEXT
    assert f"{name}: {layers} layers, {heads} heads, {len(units)} tokens" in out
    for layer in trace.layers:
        assert layer.received.sum(-1).flatten().tolist() == pytest.approx([len(units)] * len(layer.heads), rel=1e-4)
    assert trace.unseen == ()
    assert "What receives most" in out


def test_the_figures_are_those_of_the_models_own_weights(folder_of, text, traced):
    from transformers import AutoModel, AutoTokenizer

    trace, _ = traced("--model", folder_of("bert"), "--text", text)
    model = AutoModel.from_pretrained(folder_of("bert"), attn_implementation="eager").eval()
    tokens = AutoTokenizer.from_pretrained(folder_of("bert"))(TEXT, return_tensors="pt")
    with torch.no_grad():
        weights = model(**tokens, output_attentions=True).attentions
    for layer, own in zip(trace.layers, weights, strict=True):
        torch.testing.assert_close(layer.received, own.sum(-2))
        torch.testing.assert_close(layer.entropy, -(own * own.log()).sum(-1))
        torch.testing.assert_close(layer.top_weights, own.sort(descending=True).values[..., :8])


def test_what_is_asked_for_is_what_is_kept(folder_of, text, traced):
    trace, _ = traced(
        *("--model", folder_of("gpt2"), "--text", text, "--layers", "1", "--heads", "1", "--queries", "3:7", "--top", 2)
    )
    (layer,) = trace.layers
    assert (layer.name, layer.heads, layer.positions.tolist(), layer.top) == ("h.1.attn", (1,), [3, 4, 5, 6], 2)
    trace, _ = traced("--model", folder_of("gpt2"), "--text", text, "--layers", "h.0.*", "--sample", 0.5)
    (layer,) = trace.layers
    assert layer.name == "h.0.attn"
    assert (layer.sampled, layer.population, len(layer.positions)) == (True, len(trace.units[0]), 8)


def test_only_the_first_tokens(folder_of, text, traced):
    trace, out = traced("--model", folder_of("gpt2"), "--text", text, "--tokens", 6)
    assert len(trace.units[0]) == 6
    assert "gpt2 reads 6 tokens" in out


def test_an_encoder_decoder_is_observed_on_what_it_writes(folder_of, text, traced):
    trace, out = traced("--model", folder_of("bart"), "--text", text)
    assert {layer.kind for layer in trace.layers} == {"self", "cross"}
    read = next(layer for layer in trace.layers if layer.kind == "cross")
    assert trace.units_of_keys(read)[0].source == TEXT
    assert trace.units_of_queries(read) is trace.units
    encoder = next(layer for layer in trace.layers if "encoder.layers" in layer.name)
    assert trace.units_of_queries(encoder)[0].source == TEXT
    assert f"answered with {len(trace.units[0])}" in out


@pytest.mark.parametrize(("name", "special", "grid"), [("vit", 1, (4, 4)), ("dinov2", 1, (4, 4)), ("clip", 1, (4, 4))])
def test_a_picture(name, special, grid, folder_of, picture, traced, tmp_path):
    if name == "clip":
        (folder_of("clip") / "preprocessor_config.json").write_bytes(
            (folder_of("vit") / "preprocessor_config.json").read_bytes()
        )
    trace, out = traced("--model", folder_of(name), "--image", picture, "--out", tmp_path / "page.html")
    (units,) = trace.units
    assert (units.kind, units.special, units.grid) == ("patch", special, grid)
    assert len(trace.layers) == 2
    assert f"{name} reads 4 x 4 patches" in out
    assert "data:image/jpeg;base64," in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_run_of_a_recurrent_classifier_has_its_pooling(trained, text, traced):
    assert is_run(trained)
    trace, _ = traced("--model", trained, "--text", text)
    (layer,) = trace.layers
    (prediction,) = load_run(trained).predict([TEXT])
    assert (layer.name, layer.kind) == ("pooling", "cross")
    assert layer.received[0, 0].tolist() == pytest.approx([token.weight for token in prediction.tokens], abs=1e-6)
    assert trace.units_of_queries(layer)[0].texts == ("the whole text",)
    assert trace.units_of_keys(layer)[0].texts == tuple(TEXT[token.start : token.end] for token in prediction.tokens)


def test_a_run_of_a_transformer_has_its_core_and_its_pooling(train_command, text, traced, tmp_path, regard):
    folder = tmp_path / "run"
    assert regard(*train_command, "--core", "transformer", "--set", "core.heads=2", "--out", folder)[0] == 0
    trace, _ = traced("--model", folder, "--text", text)
    assert [(layer.kind, len(layer.heads)) for layer in trace.layers] == [("self", 2), ("cross", 1)]
    assert isinstance(text_subject(folder, TEXT).model.encoder.encoder, Encoder)


def test_a_longer_text_than_a_run_reads(trained, tmp_path, regard, one_line, traced):
    longest = load_run(trained).settings.tokens.longest
    path = tmp_path / "long.txt"
    path.write_text("fine " * (longest + 3))
    code, _, err = regard("observe", "--model", trained, "--text", path)
    assert code == 1
    assert f"the text has {longest + 3} tokens, and the model reads {longest}" in one_line(err)
    trace, _ = traced("--model", trained, "--text", path, "--tokens", 5)
    assert len(trace.units[0]) == 5
    assert regard("observe", "--model", trained, "--text", path, "--tokens", longest + 1)[0] == 1


def test_the_files_that_were_asked_for(folder_of, text, tmp_path, regard):
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    code, out, err = regard("observe", "--model", folder_of("bert"), "--text", text, "--out", page, "--json", figures)
    assert (code, err) == (0, "")
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert json.loads(figures.read_text(encoding="utf-8"))
    assert [line.split(" (")[0] for line in out.splitlines()[-2:]] == [f"written to {page}", f"written to {figures}"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--text", "{text}", "--image", "{text}"], 2, "give either --text FILE or --image FILE"),
        ([], 2, "give either --text FILE or --image FILE"),
        (["--image", "{text}", "--tokens", "3"], 2, "it goes with --text"),
        (["--text", "{text}", "--sample", "1.5"], 2, "1.5 is no share"),
        (["--text", "{text}", "--heads", "x"], 2, "--heads: 'x' is no number"),
        (["--text", "{text}", "--heads", "0,2"], 2, "heads=(0, 2): expected different numbers from 0 to 1"),
        (["--text", "{text}", "--layers", "0,5"], 2, "layers=5: no such attention layer ran"),
        (["--text", "{text}", "--queries", "5:900"], 2, "queries=range(5, 900)"),
        (["--text", "{text}", "--tokens", "33"], 1, "--tokens 33: the model has 32 positions"),
        (["--text", "{missing}"], 1, "No such file or directory"),
        (["--text", "{empty}"], 1, "is empty; it needs some words"),
        (["--text", "{long}"], 1, "the text has 102 tokens, and the model has 32 positions"),
        (["--image", "{text}"], 1, "is no picture that can be read"),
        (["--image", "{missing}"], 1, "give the path of a picture"),
        (["--text", "{text}", "--out", "{missing}/page.html"], 1, "there is no folder"),
        (["--text", "{text}", "--json", "{folder}"], 1, "is a folder; name a file in it"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments, code, said, folder_of, text, tmp_path, regard, one_line):
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "long.txt").write_text("cat " * 100)
    names = {"text": text, "folder": tmp_path, "missing": tmp_path / "missing"}
    names |= {"empty": tmp_path / "empty.txt", "long": tmp_path / "long.txt"}
    typed = [argument.format(**names) for argument in arguments]
    found, _, err = regard("observe", "--model", folder_of("bert"), *typed)
    assert found == code
    assert said in one_line(err)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("missing", "no such folder; give a model's folder, or one of the names minilm, gemma3-270m"),
        (".", "holds no model; expected a folder with config.json"),
    ],
)
def test_what_is_no_model_is_one_line(model, said, text, tmp_path, regard, one_line):
    (tmp_path / "nothing").mkdir()
    code, _, err = regard("observe", "--model", tmp_path / "nothing" / model, "--text", text)
    assert code == 1
    assert said in one_line(err)


def test_a_model_without_attention_is_one_line(folder_of, text, regard):
    code, _, err = regard("observe", "--model", folder_of("mamba"), "--text", text)
    assert code == 2
    assert "no attention was seen in MambaModel" in err.splitlines()[-1]


def test_attention_that_does_not_run_over_the_picture_is_one_line(folder_of, picture, regard, one_line):
    code, _, err = regard("observe", "--model", folder_of("swin"), "--image", picture)
    assert code == 1
    assert "does not run over the whole grid of patches" in one_line(err)


def test_a_picture_for_a_run_is_one_line(trained, picture, regard, one_line):
    code, _, err = regard("observe", "--model", trained, "--image", picture)
    assert code == 2
    assert "is a run of a text classifier; give it a text" in one_line(err)


def test_a_model_that_fails_by_itself_is_one_line(folder_of, tmp_path, text):
    folder = shutil.copytree(folder_of("bert"), tmp_path / "bert")
    subject = text_subject(folder, TEXT)
    subject.model.embeddings.word_embeddings = torch.nn.Embedding(3, 16)  # its tokenizer knows more words
    with pytest.raises(RunError, match=r"bert failed on this input \(IndexError: "):
        observed(Screen(), subject, Asked())


def test_a_model_by_name_is_fetched(folder_of, text, regard, monkeypatch):
    asked = []
    monkeypatch.setattr("regard.tasks.sources.obtain", lambda source, _: asked.append(source.name) or folder_of("bert"))
    assert regard("observe", "--model", "minilm", "--text", text)[0] == 0
    assert asked == ["minilm"]


@pytest.mark.data
def test_a_real_model_shows_what_is_known_of_it(text, traced):
    trace, _ = traced("--model", needed("minilm"), "--text", text)
    assert (len(trace.layers), len(trace.layers[0].heads)) == (6, 12)
    keys = trace.layers[0].top_keys[0, 2, :, 0]  # this head of MiniLM looks at the token before
    assert keys[1:].tolist() == list(range(len(keys) - 1))
    assert "[CLS]" in {sink.text for sink in trace.sinks()}


def test_nothing_is_written_over_what_is_read_or_over_another_output(folder_of, text, tmp_path, regard, one_line):
    asked = ("observe", "--model", folder_of("bert"), "--text", text)
    code, _, err = regard(*asked, "--out", text)
    assert (code, one_line(err)) == (1, f"error: --out {text} is the file of --text as well; name another")
    assert text.read_text(encoding="utf-8") == TEXT
    code, _, err = regard(*asked, "--json", tmp_path / "x", "--trace", tmp_path / "." / "x")
    assert code == 1
    assert "--trace" in err
    assert "is the file of --json as well" in err
    assert not (tmp_path / "x").exists()
