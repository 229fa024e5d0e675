"""Writing: whole or not at all, and in words when the disk is full."""

import errno
import os

import pytest

from regard.disk import append_line, make_folder, remove_partials, write_atomically
from regard.spec.errors import RunError


def refuse(code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    return fail


def test_content_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_leaves_the_old_content_and_no_rest(tmp_path, monkeypatch, code):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "fsync", refuse(code))
    with pytest.raises(RunError) as caught:
        write_atomically(path, b"new content")
    said = str(caught.value)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    assert str(path) in said
    assert "11 bytes needed" in said
    assert "make room, then type the same command" in said
    assert "\n" not in said


def test_a_folder_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", refuse(errno.EACCES))
    with pytest.raises(RunError, match="choose a folder that you may write to"):
        write_atomically(tmp_path / "a", b"x")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        make_folder(tmp_path / "file" / "below")


def test_lines_are_added(tmp_path):
    append_line(tmp_path / "log", "one")
    append_line(tmp_path / "log", "zwei ü")
    assert (tmp_path / "log").read_bytes() == "one\nzwei ü\n".encode()
    with pytest.raises(RunError, match="cannot be written"):
        append_line(tmp_path / "nowhere" / "log", "x")


def test_rests_of_killed_runs_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "step.safetensors.123.partial").write_text("half")
    (tmp_path / "kept.json").write_text("{}")
    remove_partials(tmp_path)
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["kept.json"]
