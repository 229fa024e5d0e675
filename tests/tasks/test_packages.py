"""Package files: fetched, held to a checksum, read. No network."""

import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from regard.spec.errors import DataError
from regard.tasks.packages import Package, cache_folder, command, fetch, member, members, verify

WHEEL = Package("words", "1.0", "words-1.0.whl", "a" * 64, 3)
SOURCE = Package("lines", "2.0", "lines-2.0.tar.gz", "b" * 64, 3, source_only=True)
DEB = Package("r-cran-words", "3.0-1", "r-cran-words_3.0-1_all.deb", "c" * 64, 3, registry="debian")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    return tmp_path


def debian_package(path: Path, name: str, text: str) -> Path:
    """An ar archive as Debian's are: a version, then two tars, each after a header of 60 bytes."""
    inner = path.parent / "inner.txt"
    inner.write_text(text)
    with tarfile.open(path.parent / "data.tar.xz", "w:xz") as tar:
        tar.add(inner, name)
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"odd",
        "data.tar.xz": (path.parent / "data.tar.xz").read_bytes(),
    }
    content = b"!<arch>\n"
    for part, data in parts.items():
        content += (
            f"{part:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    path.write_bytes(content)
    return path


def test_pip_is_asked_for_the_very_files(cache, monkeypatch):
    asked = []

    def pip(arguments, cwd, **_):
        asked.append(arguments)
        requirements = Path(arguments[arguments.index("--requirement") + 1]).read_text()
        assert requirements == f"words==1.0 --hash=sha256:{'a' * 64}\nlines==2.0 --hash=sha256:{'b' * 64}\n"
        for package in (WHEEL, SOURCE):
            (cache / package.file).write_text("")
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    fetch((WHEEL, SOURCE))
    (arguments,) = asked
    assert arguments[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes"} < set(arguments)
    assert arguments[arguments.index("--no-binary") + 1] == "lines"
    assert not Path(arguments[arguments.index("--requirement") + 1]).exists()


def test_apt_is_asked_for_the_version_in_the_cache(cache, monkeypatch):
    def apt(arguments, cwd, **_):
        assert (arguments[:2], arguments[-1], cwd) == (["apt-get", "download"], "r-cran-words=3.0-1", cache)
        DEB.path.write_text("")
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(subprocess, "run", apt)
    fetch((DEB,))


@pytest.mark.parametrize(
    ("package", "said", "told"),
    [
        (WHEEL, "WARNING: x\nERROR: No matching distribution\nnotice\n", "ERROR: No matching distribution"),
        (DEB, "W: unsandboxed\nE: Version '3.0-1' was not found\n", "E: Version '3.0-1' was not found"),
    ],
)
def test_a_fetch_that_fails_ends_with_the_command_to_type(cache, monkeypatch, package, said, told):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", said))
    with pytest.raises(DataError) as caught:
        fetch((package,))
    message = str(caught.value)
    assert message == f"{package.name} could not be fetched: {told}. With a network, type: {command((package,))}"


def test_a_machine_without_apt_is_told_which_file_to_put_where(cache, monkeypatch):
    def nowhere(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", nowhere)
    with pytest.raises(DataError, match=rf"there is no apt-get on this machine.*put the file {DEB.file} into {cache}"):
        fetch((DEB,))


def test_a_fetch_that_brings_something_else_is_an_error(cache, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "", ""))
    with pytest.raises(DataError, match=r"words-1.0.whl was not among what was fetched; type: "):
        fetch((WHEEL,))


def test_the_commands_to_type(cache):
    assert command((WHEEL,)) == f"python -m pip download --no-deps --dest {cache} words==1.0"
    assert command((WHEEL, SOURCE)).endswith(f"--no-deps --no-binary lines --dest {cache} words==1.0 lines==2.0")
    assert command((DEB,)) == f"(cd {cache} && apt-get download r-cran-words=3.0-1)"


def test_a_file_is_held_to_its_checksum(cache):
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc", as in FIPS 180-4
    WHEEL.path.write_bytes(b"abc")
    assert verify(Package("words", "1.0", "words-1.0.whl", abc, 3)) == cache / "words-1.0.whl"
    with pytest.raises(DataError, match=r"3 bytes with SHA-256 ba7816bf8f01..., expected 3 with aaaaaaaaaaaa..."):
        verify(WHEEL)


def test_members_of_wheels(tmp_path):
    path = tmp_path / "words.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("words/data/b.txt", "words/data/a.txt", "words/database.txt"):
            archive.writestr(name, name)
    assert member(path, "words/data/a.txt") == b"words/data/a.txt"
    assert members(path, "words/data") == ["words/data/a.txt", "words/data/b.txt"]
    with pytest.raises(DataError, match=r"words.whl holds no readable nothing.txt"):
        member(path, "nothing.txt")


def test_members_of_source_packages(tmp_path):
    inner = tmp_path / "pos.txt"
    inner.write_text("好\n")
    with tarfile.open(tmp_path / "package.tar.gz", "w:gz") as archive:
        archive.add(inner, "package/pos.txt")
    assert member(tmp_path / "package.tar.gz", "package/pos.txt").decode() == "好\n"
    with pytest.raises(DataError, match=r"holds no readable package/neg.txt"):
        member(tmp_path / "package.tar.gz", "package/neg.txt")


def test_members_of_debian_packages(tmp_path):
    path = debian_package(tmp_path / "words.deb", "./usr/share/words.txt", "Emma Woodhouse")
    assert member(path, "./usr/share/words.txt") == b"Emma Woodhouse"
    with pytest.raises(DataError, match=r"words.deb holds no readable ./etc/passwd"):
        member(path, "./etc/passwd")


@pytest.mark.parametrize("cut", [5, 100, 300])
def test_a_debian_package_cut_short_is_refused(tmp_path, cut):
    path = debian_package(tmp_path / "words.deb", "./usr/share/words.txt", "Emma Woodhouse")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"delete it and fetch it again"):
        member(path, "./usr/share/words.txt")


def test_the_cache_is_at_home_unless_said_otherwise(monkeypatch):
    monkeypatch.delenv("REGARD_CACHE", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "regard"
    monkeypatch.setenv("REGARD_CACHE", "~/data")
    assert cache_folder() == Path.home() / "data"
