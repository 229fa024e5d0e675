"""A file that one process at a time can hold."""

import pytest

from regard.train.lock import held

fcntl = pytest.importorskip("fcntl")


def test_one_holds_it_and_the_next_may_have_it_afterwards(tmp_path):
    path = tmp_path / ".lock"
    with held(path) as first, held(path) as second:
        assert (first, second) == (True, False)
        assert path.is_file()  # the one that was refused removes nothing
    assert not path.exists()
    with held(path) as again:
        assert again


def test_what_a_killed_process_left_stops_nobody(tmp_path):
    (tmp_path / ".lock").write_text("")
    with held(tmp_path / ".lock") as alone:
        assert alone


def test_it_is_let_go_of_when_the_block_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path / ".lock"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_lock_on_a_file_that_was_just_removed_counts_for_nothing(tmp_path, monkeypatch):
    """Another run ends between our opening the file and locking it: its file goes, a third may make one."""
    path, real, tries = tmp_path / ".lock", fcntl.flock, []

    def flock(file, how):
        if not tries:
            path.unlink()
        tries.append(how)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with held(path) as alone:
        assert alone
        assert path.is_file()
        assert len(tries) == 2
