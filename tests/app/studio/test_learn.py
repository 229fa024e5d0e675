"""The four steps, masks and plans, by the routes."""

import pytest


def learn(client, what, **body):
    answer = client.post(f"/api/learn/{what}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_worked_example_of_half(client):
    found = learn(client, "walk", query=[[0.5]], keys=[[1], [1]], values=[[1], [2]])
    assert (found["weights"], found["context"], found["output"]) == ([[0.5, 0.5]], [[1.5]], [[2.0]])
    assert found["difference"] < 1e-12


def test_ones_own_words(client):
    found = learn(client, "walk", words=["我", "喜欢", "吃", "苹果"])
    assert found["key_names"] == ["我", "喜欢", "吃", "苹果"]
    assert found["shared"]
    assert [sum(row) for row in found["weights"]] == pytest.approx([1.0] * 4)
    assert found["command"] == "regard walk '我 喜欢 吃 苹果'"


def test_an_example_by_its_name(client):
    found = learn(client, "walk", example="cat-dog-pig")
    assert found["weights"][0][0] == pytest.approx(0.386, abs=5e-4)
    assert "cat-dog-pig" in found["examples"]


def test_another_score(client):
    plain = learn(client, "walk", query=[[2.0]], keys=[[1], [0]], values=[[1], [2]], score="Dot()")
    assert plain["scores"] == [[2.0, 0.0]]
    soft = learn(client, "walk", query=[[2.0]], keys=[[1], [0]], values=[[1], [2]], score="ScaledDot(softcap=1)")
    assert soft["scores"][0][0] == pytest.approx(0.9640275)


def test_a_mask_is_drawn_as_it_is_composed(client):
    found = learn(client, "mask", expression="Causal() & Window(1, 0)", queries=4, keys=4)
    assert found["rows"] == ["1000", "1100", "0110", "0011"]
    assert (found["allowed"], found["of"], found["empty"]) == (7, 16, 0)
    assert "Causal" in found["names"]
    assert found["words"]
    later = learn(client, "mask", expression="Causal()", queries=2, keys=4)
    assert later["rows"] == ["1110", "1111"]  # the last query sits on the last key
    none = learn(client, "mask", expression="Causal() & ~Causal()", queries=2, keys=2)
    assert (none["allowed"], none["empty"]) == (0, 2)


def test_a_plan_is_explained(client):
    found = learn(client, "plan", query=[1, 8, 4096, 64], key=[1, 2, 4096, 64], mask="Causal() & Window(255, 0)")
    assert found["chosen"] == next(one["name"] for one in found["kernels"] if one["chosen"])
    assert f"kernel      {found['chosen']}" in found["text"]
    assert any(one["reason"] for one in found["kernels"])
    assert all((one["milliseconds"] is None) == bool(one["reason"]) for one in found["kernels"])
    assert found["command"] == ("regard plan --query 1,8,4096,64 --key 1,2,4096,64 --mask 'Causal() & Window(255, 0)'")


@pytest.mark.parametrize(
    ("what", "body", "where"),
    [
        ("walk", {}, "body"),
        ("walk", {"words": ["a"], "example": "half"}, "body"),
        ("walk", {"words": []}, "words"),
        ("walk", {"words": ["a b"]}, "words"),
        ("walk", {"words": ["a"] * 17}, "words"),
        ("walk", {"query": [[1]], "keys": [[1]]}, "body"),
        ("walk", {"query": [[1, 2]], "keys": [[1]], "values": [[1]]}, ""),
        ("walk", {"query": [[1], [1, 2]], "keys": [[1]], "values": [[1]]}, "query"),
        ("walk", {"query": [["x"]], "keys": [[1]], "values": [[1]]}, "query.0.0"),
        ("walk", {"query": [[1e9]], "keys": [[1]], "values": [[1]]}, "query.0.0"),
        ("walk", {"example": "none"}, ""),
        ("walk", {"words": ["a"], "score": "__import__('os')"}, ""),
        ("mask", {"expression": "Causal", "queries": 4}, ""),
        ("mask", {"expression": "Causal()", "queries": 257}, "queries"),
        ("mask", {"expression": "Documents.packed([1000000000])"}, "expression"),
        ("mask", {"expression": "Documents.packed([5, 5])", "queries": 4, "keys": 4}, ""),
        ("mask", {"expression": "(" * 900}, ""),
        ("plan", {"query": [1, 2, 3]}, "query"),
        ("plan", {"query": [1, 2, 3, 0]}, "query.3"),
        ("plan", {"query": [1048576] * 4}, "body"),
        ("plan", {"query": [1, 2, 3, 4], "mask": "ones(100000, 100000)"}, "mask"),
        ("plan", {"query": [1, 2, 3, 4], "dtype": "int8"}, "dtype"),
        ("plan", {"query": [1, 3, 8, 4], "key": [1, 2, 8, 4]}, ""),
    ],
)
def test_what_makes_no_sense(what, body, where, refused):
    status, _, place = refused("POST", f"/api/learn/{what}", json=body)
    assert (status, place) == (422, where)
