"""Looks: a model and an input of one's own, by the routes."""

import json

import numpy as np
import pytest
import torch

from regard.app.studio.look import Looks
from regard.app.studio.refusals import RefusedError

TEXT = "The cat sat on the mat 😀. A dog ran to the cat."


@pytest.fixture(scope="module")
def bert(finished, subjects, client):
    """(job, what the page reads first)"""
    job = finished("look", subject=subjects["bert"], text=TEXT, top=4)
    return job, client.get(f"/api/looks/{job['result']['look']}").json()


def test_what_a_look_says(bert):
    job, look = bert
    assert job["result"]["heads"] == 4
    assert [(layer["kind"], layer["deepest"], len(layer["heads"])) for layer in look["layers"]] == [("self", 0, 2)] * 2
    assert len(look["ranked"]) == 4
    units = look["units"]
    assert units["count"] == len(units["texts"]) == len(units["spans"]) == len(units["mass"])
    assert sum(units["mass"]) == pytest.approx(1.0)
    assert "regard observe --model" in job["command"]


def test_spans_are_counted_as_a_browser_counts(bert):
    units = bert[1]["units"]
    source = units["source"].encode("utf-16-le")
    for text, (start, end) in zip(units["texts"], units["spans"], strict=True):
        if start < end:
            assert source[2 * start : 2 * end].decode("utf-16-le") == text
    assert units["spans"][-2][1] == len(source) // 2  # the last token is the special one


def test_weights_are_the_models_own(bert, client, root):
    from transformers import AutoModel, AutoTokenizer

    folder = root / "models" / "bert"
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokens = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")
    with torch.no_grad():
        weights = model(**tokens, output_attentions=True).attentions[1][0, 1].numpy()
    look = bert[1]["look"]
    asked = {"layer": bert[1]["layers"][1]["name"], "head": 1, "unit": 3, "top": 2}
    found = client.get(f"/api/looks/{look}/unit", params=asked).json()
    order = np.argsort(-weights[3])[:2]
    assert [place for place, _ in found["reads"]] == order.tolist()
    assert [weight for _, weight in found["reads"]] == pytest.approx(weights[3][order].tolist(), rel=1e-4)
    assert found["read_by"][0][1] == pytest.approx(weights[:, 3].max(), rel=1e-4)
    assert found["received"] == pytest.approx(weights[:, 3].sum(), rel=1e-4)
    received = client.get(f"/api/looks/{look}/received", params={"layer": 1, "head": 1})
    np.testing.assert_allclose(np.frombuffer(received.content, "<f4"), weights.sum(0), rtol=1e-4)


def test_a_tile_comes_with_what_it_needs_to_be_read(bert, client):
    address = f"/api/looks/{bert[1]['look']}/tile"
    answer = client.get(address, params={"layer": 0, "head": 0})
    count = bert[1]["units"]["count"]
    assert len(answer.content) == 65536
    assert max(answer.content) == 255
    assert float(answer.headers["x-regard-top"]) <= 1
    assert answer.headers["x-regard-queries"] == answer.headers["x-regard-keys"] == f"0-{count}"
    again = client.get(address, params={"layer": 0, "head": 0}, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("tile", {"layer": 0, "head": 9}, 404),
        ("tile", {"layer": "none", "head": 0}, 404),
        ("tile", {"layer": 0, "head": 0, "zoom": 1}, 422),
        ("tile", {"layer": 0, "head": 0, "zoom": "x"}, 422),
        ("tile", {"layer": 0, "head": 0, "zooom": 1}, 422),
        ("tile", {"head": 0}, 422),
        ("unit", {"layer": 0, "head": 0, "unit": 1000}, 422),
        ("unit", {"layer": 0, "head": 0, "unit": -1}, 422),
        ("received", {"layer": 0}, 422),
    ],
)
def test_what_is_not_there(path, params, status, bert, refused):
    assert refused("GET", f"/api/looks/{bert[1]['look']}/{path}", params=params)[0] == status


def test_a_decoder_looks_back_only(finished, subjects, client):
    job = finished("look", subject=subjects["gpt2"], text=TEXT, tokens=8, sinks=False)
    look = client.get(f"/api/looks/{job['result']['look']}").json()
    assert look["units"]["count"] == 8
    assert {layer["mask"] for layer in look["layers"]} == {"causal"}
    found = client.get(f"/api/looks/{look['look']}/unit", params={"layer": 0, "head": 0, "unit": 0}).json()
    assert found["reads"] == [[0, 1.0]]
    assert "--tokens 8" in job["command"]


def test_an_encoder_decoder_has_two_sides(finished, subjects, client):
    job = finished("look", subject=subjects["bart"], text=TEXT)
    look = client.get(f"/api/looks/{job['result']['look']}").json()
    sides = [look["units"], *look["others"]]
    assert len(sides) == 2
    cross = next(layer for layer in look["layers"] if layer["kind"] == "cross")
    assert cross["queries"] != cross["keys"]
    assert sides[cross["keys"]]["source"] == TEXT
    asked = {"layer": cross["name"], "head": 0, "unit": 0, "side": "keys"}
    found = client.get(f"/api/looks/{look['look']}/unit", params=asked).json()
    assert (found["reads"], found["text"]) == (None, sides[cross["keys"]]["texts"][0])
    assert found["read_by"]


def test_a_picture(finished, subjects, client, root, tmp_path):
    from PIL import Image

    Image.radial_gradient("L").resize((48, 40)).save(root / "picture.png")
    job = finished("look", subject=subjects["vit"], file=str(root / "picture.png"))
    look = client.get(f"/api/looks/{job['result']['look']}").json()
    assert (look["units"]["kind"], look["units"]["grid"], look["units"]["special"]) == ("patch", [4, 4], 1)
    assert look["picture"].startswith("data:image/png;base64,")
    assert "--image" in job["command"]
    assert client.get(f"/api/saved/{job['job']}").status_code == 200


def test_a_run_says_its_answer(finished, subjects, client, root):
    for given in ({"text": "Very good."}, {"file": str(root / "story.txt")}):
        job = finished("look", subject=subjects["reviews"], **given)
        look = client.get(f"/api/looks/{job['result']['look']}").json()
        assert look["answer"].partition(" ")[0] in ("good", "bad", "positive", "negative", "yes", "no")
        pooling = look["layers"][-1]
        assert (pooling["kind"], pooling["query_count"]) == ("cross", 1)
    rows = {"file": str(root / "data" / "reviews.csv"), "row": 2}
    assert finished("look", subject=subjects["reviews"], **rows)["result"]["look"]


def test_two_beside_each_other(finished, subjects, client):
    job = finished("compare", subject=subjects["bert"], inputs=[{"text": TEXT}, {"text": TEXT.replace("cat", "dog")}])
    assert len(job["result"]["looks"]) == 2
    assert job["result"]["changes"][0]["variation"] > 0
    same = finished("compare", subject=subjects["bert"], inputs=[{"text": TEXT}, {"text": TEXT}])
    assert {change["variation"] for change in same["result"]["changes"]} == {0.0}
    apart = finished("compare", subjects=[subjects["bert"], subjects["gpt2"]], text=TEXT)
    assert (apart["result"]["changes"], len(apart["result"]["looks"])) == ([], 2)
    assert "no layer of the same name" in apart["result"]["note"]


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"text": "a"}, 422, "subject"),
        ({"subject": "none", "text": "a"}, 404, "subject"),
        ({"subject": "bert"}, 422, "body"),
        ({"subject": "bert", "text": " "}, 422, "body"),
        ({"subject": "bert", "text": "a", "file": "/b"}, 422, "body"),
        ({"subject": "bert", "text": "a", "row": 1}, 422, "body"),
        ({"subject": "bert", "text": "a", "tops": 1}, 422, "tops"),
        ({"subject": "bert", "text": "a", "top": 0}, 422, "top"),
        ({"subject": "bert", "text": "a", "budget": 0.5}, 422, "budget"),
        ({"subject": "bert", "text": "\ud800"}, 422, "text"),
        ({"subject": "bert", "file": "/etc/passwd"}, 403, "file"),
        ({"subject": "bert", "file": "story.txt"}, 422, "file"),
    ],
)
def test_what_cannot_be_looked_at(body, status, where, refused, subjects):
    body = body | {"subject": subjects.get(body.get("subject"), body.get("subject"))}
    sent = json.dumps({name: value for name, value in body.items() if value is not None})
    answer = refused("POST", "/api/jobs/look", content=sent, headers={"Content-Type": "application/json"})
    assert (answer[0], answer[2]) == (status, where)


def test_no_json(refused):
    answer = refused("POST", "/api/jobs/look", content=b"{", headers={"Content-Type": "application/json"})
    assert answer == (400, "the body is no JSON", "body")


def test_a_text_that_is_too_long_for_the_model(client, subjects, ended):
    job = client.post("/api/jobs/look", json={"subject": subjects["bert"], "text": "cat " * 2000}).json()["job"]
    found = ended(job)
    assert found["state"] == "failed"
    assert "positions" in found["error"]["what"]
    assert found["error"]["do"] == "read only the first with tokens 32"


def test_a_look_goes_with_its_job(finished, subjects, client, refused):
    job = finished("look", subject=subjects["bert"], text="one two")
    look = job["result"]["look"]
    assert client.get(f"/api/looks/{look}").status_code == 200
    assert client.delete(f"/api/jobs/{job['job']}").json()["state"] == "forgotten"
    assert refused("GET", f"/api/looks/{look}")[0] == 404
    assert refused("GET", f"/api/jobs/{job['job']}")[0] == 404


class Fixed:
    """Stands for a look of so many bytes."""

    def __init__(self, name, size):
        self.id, self.size = name, size


def test_the_memory_of_looks_is_bounded():
    looks = Looks(100, 24)
    for name in "abc":
        looks.put(Fixed(name, 40), b"")
        looks["a"] if name == "b" else None  # asked for again, so that it stays longer
    assert looks.size == 80
    assert looks["a"].id == "a"
    with pytest.raises(RefusedError, match="no longer in memory"):
        looks["b"]
    looks.put(Fixed("large", 1000), b"")
    assert looks.size == 1000
