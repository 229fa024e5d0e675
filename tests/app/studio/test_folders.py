"""Nothing outside of the folders is listed, read or told of."""

import pytest

from regard.app.studio.folders import Folders
from regard.app.studio.refusals import RefusedError
from regard.spec.errors import DataError


@pytest.fixture
def place(tmp_path):
    """mine/ with a file, a folder and links; yours/ beside it."""
    mine, yours = tmp_path / "mine", tmp_path / "yours"
    (mine / "inner").mkdir(parents=True)
    yours.mkdir()
    (mine / "a.txt").write_text("mine", encoding="utf-8")
    (yours / "b.txt").write_text("yours", encoding="utf-8")
    (mine / "link.txt").symlink_to(yours / "b.txt")
    (mine / "link").symlink_to(yours)
    (mine / "loop").symlink_to(mine / "loop")
    (mine / "own.txt").symlink_to(mine / "a.txt")
    (mine / ".hidden").write_text("", encoding="utf-8")
    return mine


def test_what_is_inside(place):
    folders = Folders.of([place])
    assert folders.inside(str(place / "a.txt")) == (place / "a.txt").resolve()
    assert folders.inside(str(place / "own.txt")) == (place / "a.txt").resolve()
    assert folders.inside(str(place / "not" / "there")) == place.resolve() / "not" / "there"
    assert folders.inside(str(place)) == place.resolve()


@pytest.mark.parametrize(
    "path", ["{}/../yours/b.txt", "{}/link.txt", "{}/link/b.txt", "{}/link", "/etc/passwd", "/", "{}/loop", "{}x/a.txt"]
)
def test_what_leads_out(path, place):
    with pytest.raises(RefusedError) as told:
        Folders.of([place]).inside(path.format(place))
    assert told.value.status == 403
    assert "leads out" in told.value.what
    assert "yours" not in told.value.what


@pytest.mark.parametrize("path", ["", "a.txt", "./a.txt", "../yours/b.txt", "{}/a\0b", "{}/" + "a" * 5000])
def test_what_is_no_path(path, place):
    with pytest.raises(RefusedError) as told:
        Folders.of([place]).inside(path.format(place))
    assert told.value.status == 422


def test_dots_are_refused_even_where_they_come_back(place):
    with pytest.raises(RefusedError) as told:
        Folders.of([place]).inside(f"{place}/inner/../a.txt")
    assert told.value.status == 403


def test_a_file(place):
    folders = Folders.of([place])
    assert folders.file(str(place / "a.txt"), 4).name == "a.txt"
    for path, status in (("a.txt", 413), ("inner", 404), ("none.txt", 404)):
        with pytest.raises(RefusedError) as told:
            folders.file(str(place / path), 3)
        assert told.value.status == status


def test_a_list_leaves_out_what_leads_out_and_what_is_hidden(place):
    _, entries, left = Folders.of([place]).listed(str(place), 100)
    assert [(one.name, one.kind, one.bytes) for one in entries] == [
        ("a.txt", "text", 4),
        ("inner", "folder", None),
        ("own.txt", "text", 4),
    ]
    assert left == 0
    _, entries, left = Folders.of([place]).listed(str(place), 2)
    assert ([one.name for one in entries], left) == (["a.txt", "inner"], 4)


def test_a_folder_inside_another_counts_once(place):
    assert Folders.of([place / "inner", place, place]).roots == (place.resolve(),)


def test_what_is_no_folder(place):
    with pytest.raises(DataError, match="is no folder"):
        Folders.of([place / "a.txt"])


def test_the_routes_say_no_more(refused, client, root):
    assert refused("GET", "/api/folder", params={"path": str(root.parent)})[0] == 403
    assert refused("GET", "/api/folder", params={"path": str(root / "out")})[0] == 403
    assert refused("GET", "/api/folder", params={"path": str(root / "none")})[0] == 404
    assert refused("GET", "/api/file", params={"path": str(root.parent / "secret.txt")})[0] == 403
    assert refused("GET", "/api/file", params={"path": str(root / "out" / "secret.txt")})[0] == 403
    assert refused("GET", "/api/file", params={"path": str(root / "runs" / "reviews" / "model.safetensors")})[0] == 422
    assert refused("GET", "/api/folder", params={"paht": str(root)})[0] == 422
    found = client.get("/api/folder").json()
    assert [one["path"] for one in found["entries"]] == [str(root)]
    inner = client.get("/api/folder", params={"path": str(root)}).json()
    assert {one["name"]: one["kind"] for one in inner["entries"]} == {
        "data": "folder",
        "models": "folder",
        "runs": "folder",
        "story.txt": "text",
    }
    kinds = client.get("/api/folder", params={"path": str(root / "models")}).json()["entries"]
    assert {one["kind"] for one in kinds} == {"model"}


def test_a_page_of_a_folder_is_sent_as_plain_text(client, root):
    (root / "page.html").write_text("<script>alert(1)</script>", encoding="utf-8")
    answer = client.get("/api/file", params={"path": str(root / "page.html")})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    (root / "page.html").unlink()
