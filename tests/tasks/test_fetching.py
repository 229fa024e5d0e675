"""Packages fetched by the registries' own tools, which are played here: no network."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.tasks.test_packages import DEB, INDEX, MOVING, NPM, SOURCE, WHEEL

from regard.spec.errors import DataError
from regard.tasks.fetching import fetch
from regard.tasks.packages import command


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tools(monkeypatch):
    """Plays pip, npm and apt-get: notes what they are asked, in which folder, and lets `bring` write files there."""
    asked = []

    def play(bring):
        def run(arguments, cwd, **_):
            asked.append((arguments, cwd))
            bring(arguments, cwd)
            return subprocess.CompletedProcess(arguments, 0, "", "")

        monkeypatch.setattr(subprocess, "run", run)
        return asked

    return play


def test_pip_is_asked_for_the_very_files(cache, tools):
    wanted = []

    def bring(arguments, folder):
        wanted.append(Path(arguments[arguments.index("--requirement") + 1]).read_text())
        (folder / (WHEEL, SOURCE)[len(wanted) - 1].file).write_text("")

    asked = tools(bring)
    fetch((WHEEL, SOURCE))
    assert wanted == [f"words==1.0 --hash=sha256:{'a' * 64}\n", f"lines==2.0 --hash=sha256:{'b' * 64}\n"]
    for arguments, _ in asked:
        assert arguments[1:4] == ["-m", "pip", "download"]
        assert {"--no-deps", "--require-hashes"} < set(arguments)
        assert arguments[arguments.index("--dest") + 1] == str(cache / "partial")
        assert not Path(arguments[arguments.index("--requirement") + 1]).exists()
    assert "--no-binary" not in asked[0][0]
    assert asked[1][0][asked[1][0].index("--no-binary") + 1] == "lines"
    assert sorted(path.name for path in cache.iterdir()) == ["lines-2.0.tar.gz", "words-1.0.whl"]


@pytest.mark.parametrize(
    ("package", "words"),
    [
        (DEB, ["apt-get", "download", "--quiet", "r-cran-words=3.0-1"]),
        (NPM, ["npm", "pack", "--ignore-scripts", "--silent", "@scope/words@4.0"]),
    ],
)
def test_apt_and_npm_are_asked_for_the_version_and_work_beside_the_cache(cache, tools, package, words):
    asked = tools(lambda _, folder: (folder / package.file).write_text("whole"))
    fetch((package,))
    assert asked == [(words, cache / "partial")]
    assert package.path.read_text() == "whole"


def test_what_is_not_pinned_is_asked_for_without_a_version(cache, tools):
    asked = tools(lambda _, folder: (folder / "help_9.9_all.deb").write_text("newer"))
    fetch((MOVING,))
    assert asked == [(["apt-get", "download", "--quiet", "help"], cache / "partial")]
    assert MOVING.path.read_text() == "newer"


def test_of_the_indexes_the_largest_is_taken(cache, tools):
    def bring(arguments, folder):
        for name, content in (("security_main_i18n_Translation-en", "a"), ("debian_main_i18n_Translation-en", "abc")):
            (folder / "lists" / name).write_text(content)

    asked = tools(bring)
    fetch((INDEX,))
    ((arguments, _),) = asked
    assert arguments[0] == "apt-get"
    assert "Acquire::Languages=en" in arguments
    assert arguments[-1] == "update"
    assert INDEX.path.read_text() == "abc"
    assert not (cache / "partial").exists()


def test_a_cut_fetch_goes_on_with_what_is_missing(cache, tools, monkeypatch):
    second = replace(DEB, name="more-words", file="more-words.deb")

    def cut(arguments, folder):
        if arguments[-1].startswith("more-words"):
            (folder / second.file).write_text("hal")
            raise KeyboardInterrupt
        (folder / DEB.file).write_text("whole")

    tools(cut)
    with pytest.raises(KeyboardInterrupt):
        fetch((DEB, second))
    assert DEB.path.is_file()
    assert not second.path.exists()  # half a file is never taken for a whole one
    told = []
    asked = tools(lambda _, folder: (folder / second.file).write_text("whole"))
    before = len(asked)
    fetch((DEB, second), told.append)
    assert told == [second]  # the first is not fetched again
    assert len(asked) == before + 1
    assert second.path.read_text() == "whole"


@pytest.mark.parametrize(
    ("package", "said", "told"),
    [
        (WHEEL, "WARNING: slow\nERROR: No matching distribution for words==1.0\n", "ERROR: No matching distribution"),
        (DEB, "W: slow\nE: Unable to locate package r-cran-words\n", "E: Unable to locate package r-cran-words"),
        (NPM, "npm error code E404\nnpm error 404 Not Found\n\n", "npm error 404 Not Found"),
        (INDEX, "E: Could not get lock\n", "E: Could not get lock"),
    ],
)
def test_what_a_tool_says_on_failure_is_told_with_the_command(cache, monkeypatch, package, said, told):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", said))
    with pytest.raises(DataError) as caught:
        fetch((package,))
    message = str(caught.value)
    assert message.startswith(f"{package.name} could not be fetched: {told}")
    first = ", and after apt-get update" if package is DEB else ""
    assert message.endswith(f". With a network{first}, type: {command((package,))}")


def test_a_machine_without_apt_is_told_which_file_to_put_where(cache, monkeypatch):
    def nowhere(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", nowhere)
    with pytest.raises(DataError, match=rf"there is no apt-get on this machine.*put the file {DEB.file} into {cache}"):
        fetch((DEB,))


def test_a_fetch_that_brings_something_else_is_an_error(cache, tools):
    tools(lambda *_: None)
    with pytest.raises(DataError, match=r"words-1.0.whl was not among what was fetched; type: "):
        fetch((WHEEL,))
