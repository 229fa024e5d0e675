"""Which models are offered, and what each is said to take."""

import json
import shutil

import pytest
from tests.app.studio.sentences import chinese

from regard.app.studio.folders import Folders
from regard.app.studio.limits import Limits
from regard.app.studio.refusals import RefusedError, of_validation, plain_json, told
from regard.app.studio.subjects import Subjects, input_of
from regard.spec.errors import DataError, MissingExtraError, RunError


def test_what_there_is(client):
    found = {one["name"]: one for one in client.get("/api/subjects").json()}
    assert set(found) >= {"bert", "gpt2", "bart", "vit", "reviews"}
    assert (found["bert"]["takes"], found["bert"]["can"], found["bert"]["layers"]) == ("text", ["look", "spend"], 2)
    assert found["gpt2"]["policies"] == ["focus", "window", "allocated"]
    assert (found["vit"]["takes"], found["vit"]["typed"]) == ("picture", False)
    run = found["reviews"]
    assert (run["kind"], run["task"], run["typed"], run["roles"]) == ("run", "classify", True, ["text", "label"])
    assert run["can"] == ["look", "why"]
    assert len(run["labels"]) == 2


def test_ids_stay_and_others_are_unknown(root):
    one, other = (Subjects(Folders.of([root]), Limits()) for _ in range(2))
    assert [found.id for found in one.all()] == [found.id for found in other.all()]
    with pytest.raises(RefusedError) as said:
        one["none"]
    assert said.value.status == 404


def test_a_model_whose_weights_lie_elsewhere_is_not_offered(root, tmp_path):
    mine = tmp_path / "mine" / "bert"
    shutil.copytree(root / "models" / "bert", mine)
    assert len(Subjects(Folders.of([tmp_path / "mine"]), Limits()).all()) == 1
    (tmp_path / "elsewhere").mkdir()
    shutil.move(mine / "model.safetensors", tmp_path / "elsewhere" / "model.safetensors")
    (mine / "model.safetensors").symlink_to(tmp_path / "elsewhere" / "model.safetensors")
    assert Subjects(Folders.of([tmp_path / "mine"]), Limits()).all() == []


@pytest.mark.parametrize(
    "config", ["", "[]", "{", '{"settings": 1, "asked": 1, "regard": 1}', '{"num_hidden_layers": []}']
)
def test_a_damaged_folder_is_passed(config, root, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text(config, encoding="utf-8")
    (tmp_path / "broken" / "metrics.json").write_text("", encoding="utf-8")
    for found in Subjects(Folders.of([tmp_path]), Limits()).all():
        assert json.loads(plain_json(found.plain()))


def test_only_so_many_are_offered(root):
    assert len(Subjects(Folders.of([root]), Limits(subjects=2)).all()) == 2


@pytest.mark.parametrize(
    ("settings", "takes"),
    [
        ({"tokens": {}}, "text"),
        ({"image": {}}, "picture"),
        ({"image": {}, "tokens": {}}, "picture and text"),
        ({"sound": {}}, "sound"),
        ({"series": {}}, "series"),
        ({"table": {}}, "table"),
        ({"members": {}, "tokens": {}}, "text"),
    ],
)
def test_what_a_task_reads(settings, takes):
    assert input_of(settings) == takes


@pytest.mark.parametrize(
    ("error", "status", "what", "do"),
    [
        (RefusedError(403, "no", do="go"), 403, "no", "go"),
        (DataError("rows.csv is empty; give rows"), 422, "rows.csv is empty", "give rows"),
        (RunError("the disk is full"), 409, "the disk is full", "change it, and try again"),
        (MissingExtraError("it needs x; type: pip install x"), 409, "it needs x", "type: pip install x"),
        (MemoryError(), 413, "out of memory", "ask for less at once (a smaller batch, shorter texts, fewer rows)"),
        (FileNotFoundError(2, "No such file", "a.txt"), 404, "a.txt: No such file", None),
        (ZeroDivisionError("x"), 500, None, "see the window in which regard studio runs"),
    ],
)
def test_every_error_has_one_form(error, status, what, do):
    code, body = told(error)
    assert (code, set(body)) == (status, {"what", "where", "do"})
    assert what is None or body["what"] == what
    assert do is None or body["do"] == do


def test_numbers_and_texts_that_json_has_not():
    assert plain_json({"a": float("nan"), "b": [float("inf"), 1.5]}) == b'{"a":null,"b":[null,1.5]}'
    assert json.loads(plain_json({"a": "\ud800 é"})) == {"a": "\ud800 é"}


def test_a_long_message_is_cut():
    answer = of_validation([{"loc": ("body", "text"), "msg": "x" * 1000, "type": "any"}])
    assert len(json.loads(answer.body)["error"]["what"]) == 300


@pytest.mark.parametrize(
    ("loc", "where", "what"),
    [
        (("body",), "body", "give one of text, file and part"),
        (("body", "inputs", 0), "inputs.0", "in inputs.0: give one of text, file and part"),
    ],
)
def test_what_our_own_checks_say_is_told_without_the_name_of_the_error(loc, where, what):
    one = {"loc": loc, "msg": "Value error, give one of text, file and part", "type": "value_error"}
    error = json.loads(of_validation([one]).body)["error"]
    assert (error["what"], error["where"]) == (what, where)
    assert chinese(what) is not None
    several = json.loads(of_validation([one, one, one]).body)["error"]["what"]
    assert several == f"{what} (and 2 more)"
    assert chinese(several).endswith("（另有 2 处）")


def test_a_body_that_is_no_object_is_told_the_header():
    for kind in ("model_attributes_type", "dict_type"):
        answer = of_validation([{"loc": ("body",), "msg": "Input should be a valid dictionary", "type": kind}])
        assert answer.status_code == 422
        assert "Content-Type: application/json" in json.loads(answer.body)["error"]["do"]
