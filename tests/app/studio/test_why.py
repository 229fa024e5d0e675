"""Why: several methods, each with its evidence beside random, position and reverse order."""

import pytest

TEXT = "Very good cake, I would come again. The tea was cold."


@pytest.fixture(scope="module")
def asked(finished, subjects):
    return finished("why", subject=subjects["reviews"], text=TEXT, methods=["best"])


def test_every_method_says_how_faithful_it_is(asked):
    found = asked["result"]
    count = found["units"]["count"]
    assert found["targets"][0] == [found["target"], pytest.approx(found["probability"], abs=1e-6)]
    assert sum(probability for _, probability in found["targets"]) == pytest.approx(1, abs=1e-5)
    assert {one["method"] for one in found["explanations"]} >= {"occlusion", "gradient x input", "last attention"}
    for one in found["explanations"]:
        assert len(one["weights"]) == count
        assert one["evidence"]["lines"]
        for row in one["evidence"]["rows"]:
            assert {"value", "random", "position", "reverse", "low", "high", "replacement"} <= set(row)


def test_the_chosen_one_is_the_most_faithful(asked):
    """Comprehensiveness less sufficiency, the mean over the ways that units were taken away."""

    def balance(one):
        rows = one["evidence"]["rows"]
        needed, enough = (
            [row["value"] for row in rows if row["measure"] == name] for name in ("comprehensiveness", "sufficiency")
        )
        return sum(needed) / len(needed) - sum(enough) / len(enough)

    explanations = asked["result"]["explanations"]
    chosen = [one["method"] for one in explanations if one["chosen"]]
    assert chosen == [asked["result"]["best"]]
    best = max(explanations, key=balance)
    assert balance(best) == pytest.approx(balance(next(one for one in explanations if one["chosen"])))


def test_one_method_and_another_target(finished, subjects, asked):
    other = asked["result"]["targets"][1][0]
    found = finished("why", subject=subjects["reviews"], text=TEXT, methods=["occlusion"], target=other)
    assert (found["result"]["target"], len(found["result"]["explanations"])) == (other, 1)
    assert found["command"].endswith(f"--target {other} --method occlusion --html page.html")


def test_a_row_of_a_file(finished, subjects, root):
    rows = {"file": str(root / "data" / "reviews.csv"), "row": 3}
    found = finished("why", subject=subjects["reviews"], methods=["occlusion"], **rows)
    assert "--row 3" in found["command"]


@pytest.mark.parametrize(
    ("body", "words"),
    [({"methods": ["astrology"]}, "astrology"), ({"target": "purple"}, "purple"), ({"file": "story.png"}, "")],
)
def test_what_cannot_be_asked(body, words, client, subjects, ended):
    given = {} if "file" in body else {"text": TEXT}
    answer = client.post("/api/jobs/why", json={"subject": subjects["reviews"], **given, **body})
    if answer.status_code == 202:
        found = ended(answer.json()["job"])
        assert found["state"] == "failed"
        assert words in found["error"]["what"]
    else:
        assert answer.status_code == 422


def test_a_model_without_a_head_is_not_offered(client, subjects, refused):
    found = next(one for one in client.get("/api/subjects").json() if one["name"] == "bert")
    if "why" not in found["can"]:
        assert refused("POST", "/api/jobs/why", json={"subject": subjects["bert"], "text": TEXT})[0] == 422


def test_it_is_saved_as_a_page_and_as_json(asked, client):
    page = client.get(f"/api/saved/{asked['job']}")
    assert page.headers["content-disposition"] == f'attachment; filename="regard-why-{asked["job"]}.html"'
    assert "default-src 'none'" in page.text
    for words in ("occlusion", "comprehensiveness", "regard explain", "(the most faithful)"):
        assert words in page.text
    found = client.get(f"/api/saved/{asked['job']}", params={"as": "json"}).json()
    assert found["result"] == asked["result"]


def test_methods_are_listed(client):
    found = client.get("/api/methods").json()
    assert found[0]["name"] == "best"
    assert all(one["about"] for one in found)
