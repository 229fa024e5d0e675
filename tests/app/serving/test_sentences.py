"""What is told of a request that does not fit: the place, what was sent, and what is expected, in words."""

import base64
import json
import math
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from regard.app.serving.answering import _told
from regard.app.serving.kinds import kind_of
from regard.app.serving.limits import Limits
from regard.app.serving.sentences import of_reader, of_schema
from regard.app.serving.server import Service
from regard.spec.errors import DataError
from regard.train.run import load_run

ROW = {"height": 26.7, "width": 9.5, "petals": 4}
JSON = {"Content-Type": "application/json"}


def of(schema, given):
    with pytest.raises(ValidationError) as found:
        schema.model_validate(given)
    # as FastAPI tells of it: the place begins with "body"
    errors = [one | {"loc": ("body", *one["loc"])} for one in found.value.errors()]
    return json.loads(of_schema(errors).body)["error"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"height": 1e308}, "rows.0.height is 1e+308, and a finite number is expected, of at most 3.4e38 (float32)"),
        ({"height": math.nan}, "rows.0.height is NaN, and a finite number is expected, of at most 3.4e38 (float32)"),
        (
            {"height": -math.inf},
            "rows.0.height is -Infinity, and a finite number is expected, of at most 3.4e38 (float32)",
        ),
        (
            {"height": 10**40},
            "rows.0.height is a whole number of 41 digits, and a finite number is expected, of at most 3.4e38 "
            "(float32)",
        ),
        ({"height": "tall"}, "rows.0.height is a text, and a number is expected"),
        ({"height": True}, "rows.0.height is true, and a number is expected"),
        ({"height": [1]}, "rows.0.height is a list, and a number is expected"),
        ({"colour": "red"}, "rows.0.colour is nothing that is known here"),
        (
            {"height": "tall", "petals": {}},
            "rows.0.height is a text, and a number is expected; wrong too: rows.0.petals",
        ),
    ],
)
def test_a_cell_is_told_with_its_place(table, given, what):
    schema = kind_of(table, Limits()).schema
    assert of(schema, {"rows": [ROW | given]})["what"] == what


def test_many_places_are_named_up_to_three(table):
    schema = kind_of(table, Limits()).schema
    rows = [{"height": 1.0}, {"height": 1.0}, {"height": 1.0}]
    told = of(schema, {"rows": rows})["what"]
    assert told == "rows.0.width is missing; wrong too: rows.0.petals, rows.1.width, rows.1.petals, ..."


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "texts is missing"),
        ({"texts": []}, "texts is empty"),
        ({"texts": "a"}, "texts is a text, and a list is expected"),
        ({"texts": [" "]}, "texts.0 holds spaces alone"),
        ({"texts": [""]}, "texts.0 is empty, or too short to be anything"),
        ({"texts": [None]}, "texts.0 is null, and a text is expected"),
        ({"texts": ["eleven sign"]}, "texts.0 has more than 10 characters"),
        ({"texts": ["a", "b", "c"]}, "texts holds 3 items, and 2 are taken"),
        ({"texts": ["a"], "explain": 1}, "explain is a number, and true or false or an object is expected"),
        ({"texts": ["a"], "explain": {"evidence": 1}}, "explain.evidence is a number, and true or false is expected"),
    ],
)
def test_what_is_wrong_with_texts_is_told(trained, given, what):
    assert of(kind_of(load_run(trained), Limits(characters=10, items=2)).schema, given)["what"] == what


def test_a_method_that_there_is_not_is_told_with_those_there_are(trained):
    schema = kind_of(load_run(trained), Limits()).schema
    told = of(schema, {"texts": ["a"], "explain": {"method": "guess"}})
    assert told["where"] == "explain.method"
    assert "'best'" in told["what"]
    assert "'occlusion'" in told["what"]


def test_what_a_files_reader_says_is_told_without_the_file():
    said = DataError("request.jsonl: 1 of 1 rows cannot be used: row 1 (line 1): 0.png is cut short. correct them")
    assert str(of_reader(said)) == (
        "the picture is cut short, and a whole PNG, JPEG, GIF, BMP, WebP or TIFF file is expected; send all of its "
        "bytes, in base64"
    )
    said = DataError("request.jsonl: 1 of 1 rows cannot be used: row 1 (line 1): it is empty. correct them")
    assert str(of_reader(said)) == "it is empty; send another"
    other = DataError("an odd text; send another")
    assert of_reader(other) is other


def test_a_body_that_does_not_say_that_it_is_json_is_told_of_the_header(table):
    with TestClient(Service(table, Limits()).app) as client:
        for kind, told in ((None, "is missing"), ("", "is missing"), ("text/plain; charset=utf-8", "says text/plain")):
            headers = {} if kind is None else {"Content-Type": kind}
            answer = client.post("/answer", content=json.dumps({"rows": [ROW]}), headers=headers)
            assert answer.status_code == 415
            what = f"the header Content-Type {told}, and application/json is expected"
            assert answer.json()["error"]["what"] == what
            assert answer.json()["error"]["where"] == "Content-Type"
            assert answer.json()["error"]["do"] == "send the header Content-Type: application/json"


@pytest.mark.parametrize(
    ("body", "status", "what"),
    [
        (b"{", 400, "the body is no JSON"),
        (b'{"rows": [{"height": ' + b"9" * 5000 + b"}]}", 400, "the body is no JSON that can be read"),
        (b"[]", 422, "the body is a list, not a JSON object"),
        (b"null", 422, "the body is null, not a JSON object"),
    ],
)
def test_bodies_that_are_none(table, body, status, what):
    with TestClient(Service(table, Limits()).app) as client:
        answer = client.post("/answer", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["what"]) == (status, what)


def test_a_number_far_from_all_that_were_trained_on_is_named(table):
    with TestClient(Service(table, Limits()).app) as client:
        answer = client.post("/answer", content=json.dumps({"rows": [ROW | {"height": 1e30}]}), headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["error"]["what"].startswith("row 1: column 'height' holds 1e+30, more than 1e+12 times")


def test_an_answer_that_is_no_finite_number_is_refused():
    run = SimpleNamespace(told=lambda given: [{"probability": float("nan")}])
    with pytest.raises(DataError, match="the model's answer is no finite number"):
        _told(run, None, None)


def test_addresses_that_there_are_not_are_named(table):
    with TestClient(Service(table, Limits()).app) as client:
        assert client.get("/nothing").json()["error"]["what"] == "there is nothing at /nothing"
        assert client.get("/answer").json()["error"]["what"] == "/answer takes no GET"


def test_half_a_picture_is_told_as_half_a_picture(pictures, examples):
    whole = next((examples / "pictures" / "disc").iterdir()).read_bytes()
    with TestClient(Service(pictures, Limits()).app) as client:
        for given, what in (
            (whole[: len(whole) // 2], "the picture is cut short or broken"),
            (b"a text", "the picture is no picture in a known format"),
        ):
            sent = {"pictures": [base64.b64encode(whole).decode(), base64.b64encode(given).decode()]}
            answer = client.post("/answer", json=sent)
            error, do = answer.json()["error"], "send all of its bytes, in base64"
            assert (answer.status_code, error["where"], error["do"]) == (422, "pictures.1", do)
            assert error["what"].startswith(what)
            assert error["what"].endswith(", and a whole PNG, JPEG, GIF, BMP, WebP or TIFF file is expected")
