"""Requests drawn from the server's own description, at random; `python -m benchmarks.studio_load` sends 10,000."""

import contextlib

import pytest

pytest.importorskip("schemathesis")

from benchmarks.studio_fuzz import Fuzz, foreign, made_folder
from benchmarks.studio_load import at_once
from benchmarks.studio_served import served


@pytest.mark.slow
def test_nothing_breaks_hangs_or_leads_out(tmp_path):
    parent, opened = tmp_path / "place", tmp_path / "opened.txt"
    parent.mkdir()
    folder = made_folder(parent)
    with served(folder, opened) as server, contextlib.closing(Fuzz(server, folder)) as fuzz:
        fuzz.run(400)
        together = at_once(server, 50, each=2)
    assert sum(fuzz.statuses.values()) >= 400
    assert fuzz.broken == []
    assert {200, 202, 404, 422} <= set(fuzz.statuses)
    assert together["statuses"] == {200: 100}
    assert foreign(opened, parent) == []
    assert sorted(one.name for one in parent.iterdir()) == ["mine", "secret.txt"]


def test_what_leads_out_would_be_seen(tmp_path):
    parent, opened = tmp_path / "place", tmp_path / "opened.txt"
    (parent / "mine").mkdir(parents=True)
    opened.write_text(f"{parent.resolve()}/mine/a.txt\n{parent.resolve()}/secret.txt\n/etc/passwd\n", encoding="utf-8")
    assert foreign(opened, parent) == [f"{parent.resolve()}/secret.txt", "/etc/passwd"]
