"""The rows of `loss`: facts counted by depth, another interpreter's rows kept, and tables that say both."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.allocate.small import llama, text

from benchmarks import loss, loss_facts, loss_study, spend_tables
from benchmarks.captured import LAYERS
from benchmarks.harness import Report
from benchmarks.loss_beside import beside, wanted
from benchmarks.loss_decoding import Decoder
from benchmarks.loss_facts import Fact
from benchmarks.loss_study import Kept, Study, facts
from benchmarks.loss_table import fact_rows, press_rows
from benchmarks.loss_ways import EARLIER, QUESTION, Way
from benchmarks.watched import ObservedEarlier
from regard.spec import Focus, WindowSinks

PATHS = ("model.layers.0.self_attn", "model.layers.1.self_attn")
# tells one row for each that is wanted, and one that failed
TELLER = """#!{python}
import json, sys
job = json.load(open(sys.argv[2]))
print(json.dumps({{"versions": {{"kvpress": "9"}}}}))
for number, ids in enumerate(job["texts"]):
    print(json.dumps({{"text": number, "press": "exact", "kept": job["prompt"], "nats": [1.0, 2.0]}}))
    for text, press, kept in job["wanted"]:
        if text != number: continue
        row = {{"text": number, "press": press, "kept": kept}}
        row |= {{"failed": "E: no"}} if press == "TOVAPress" else {{"nats": [1.5, 2.5], "kl": [0.25, 0.75]}}
        print(json.dumps(row))
"""


class Signs:
    """A tokenizer of 30 words: every sign is one, a new line is 29."""

    def __call__(self, text: str, **more: Any) -> dict[str, list[int]]:
        return {"input_ids": [29 if sign == "\n" else ord(sign) % 29 for sign in text]}

    def decode(self, ids: list[int]) -> str:
        return "\n" if ids[0] == 29 else "x"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setitem(LAYERS, "tiny", (0, 1))
    monkeypatch.setitem(loss.FACTS_EACH, "tiny", 1)
    earlier = ObservedEarlier(8, 1)
    setting = {name: dict.fromkeys(PATHS, (policy, policy)) for name, policy in (("w", WindowSinks()), ("e", earlier))}
    small = dict.fromkeys(PATHS, (Focus(),) * 2)
    many = (Way("WindowSinks", 1.0, setting["w"]), Way(EARLIER, 0.2, setting["e"]), Way("regard", 0.05, small))
    tokens = [*text(200)[0].tolist()]
    tokens[9::10] = [29] * 20
    parts = {"length": 120, "scored": 1, "starts": [0, 7], "ways": many, "kept": Kept(tmp_path / "kept.jsonl")}
    return Study("tiny", tmp_path, Decoder(llama(), PATHS), Signs(), tokens, [], **parts)  # type: ignore[arg-type]


def test_facts_are_counted_by_depth(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything read finds what exact attention finds, and the question's votes are another way than the prompt's."""
    monkeypatch.setattr(loss_study, "FACTS", (("ab", "1"), ("c", "2")))
    monkeypatch.setattr(loss_facts, "FACTS", (("ab", "1"), ("c", "2")))
    monkeypatch.setattr(loss_facts, "STATED", "\n{0}{1}")
    monkeypatch.setattr(loss_facts, "ASKED", "\n{0}")
    facts(study, [0, 5], 2)
    rows = {(row["policy"], row["share"]): row for row in fact_rows(study, [0, 5], 2)}
    whole = rows["WindowSinks", 1.0]
    assert whole["asked"] == 4
    assert whole["found_at"] == whole["exact_found_at"]
    assert len(whole["found_at"]) == 2
    assert whole["nats"] == pytest.approx(whole["exact_nats"], abs=1e-3)
    assert whole["bytes"] == 1
    assert rows[EARLIER, 0.2]["nats"] != rows[QUESTION, 0.2]["nats"]
    assert "sketch" in rows["regard", 0.05]["failed"]
    count = len(study.kept.rows)
    facts(study, [0, 5], 2)
    assert len(study.kept.rows) == count == 4 * 4


def test_facts_take_turns() -> None:
    assert loss_facts.asked([0, 1, 5], 1) == [(0, 0), (1, 1), (5, 1)]
    assert loss_facts.asked([3], 4) == [(3, 3), (3, 0), (3, 1), (3, 2)]


def test_a_question_must_fit_into_one_step() -> None:
    with pytest.raises(SystemExit, match="at most"):
        Fact.of(Signs(), "a very long name", "1")


def test_another_interpreters_rows_are_kept(study: Study, tmp_path: Path) -> None:
    teller = tmp_path / "teller"
    teller.write_text(TELLER.format(python=sys.executable))
    teller.chmod(teller.stat().st_mode | stat.S_IXUSR)
    asked = wanted(study, (0.2,))
    beside(study, str(teller), asked)
    rows = {(row["press"], row["kept_of_prompt"]): row for row in press_rows(study, asked)}
    assert len(rows) == 12
    row = rows["SnapKVPress", 24]
    assert (row["increase"], row["kl"], row["versions"], row["places"]) == (0.5, 0.5, {"kvpress": "9"}, [2, 2])
    assert row["mean_share"] == pytest.approx(25 / 121)
    assert rows["TOVAPress", 24]["failed"] == "E: no"
    teller.unlink()
    beside(study, str(teller), asked)  # all is known: nothing runs
    del study.kept.rows[study.press_key(7, "SnapKVPress", 24)]
    (one,) = [one for one in press_rows(study, asked) if (one["press"], one["kept_of_prompt"]) == ("SnapKVPress", 24)]
    assert one["places"] == [1, 2]


def test_an_interpreter_that_fails_is_told_of(study: Study, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="kvpress ended with"):
        beside(study, "false", wanted(study, (0.2,)))


def test_what_is_recorded_of_other_models_stays(tmp_path: Path) -> None:
    path, none = tmp_path / "loss.json", {"goals": [], "loss": [], "facts": [], "kvpress": []}
    assert loss.recorded(path, ["a"]) == none
    goals = [{"text": "a, 8 tokens"}, {"text": "b, 8 tokens"}]
    rows = [{"model": "a", "loss": 1}, {"model": "b", "loss": 2}]
    start = {"goals": goals}
    path.write_text(json.dumps({**start, "losses": {**none, "loss": rows}}))
    others = loss.recorded(path, ["a"])
    assert others == {**none, "goals": goals[1:], "loss": rows[1:]}
    path.write_text(json.dumps({**start, "goals": [{"text": "a, again"}]}))
    loss._add(path, {"loss": [{"model": "a", "loss": 3}], "facts": [], "kvpress": []}, others)
    found = json.loads(path.read_text())
    assert [goal["text"] for goal in found["goals"]] == ["a, again", "b, 8 tokens"]
    assert [row["loss"] for row in found["losses"]["loss"]] == [3, 2]


def test_the_tables_say_what_was_measured() -> None:
    parts = {"exact": 2.5, "increase": 0.0125, "increase_error": 0.001, "kl": 0.5, "kl_error": None}
    lost: list[dict[str, Any]] = [{"model": "m", "title": "mine", "share": 0.1, "bytes": 0.0999, **parts}]
    lost.append({"model": "m", "title": "theirs", "share": 0.05, "failed": "too little"})
    press = [
        {
            "model": "m",
            "press": "P",
            "size": "s",
            "share": 0.1,
            "mean_share": 0.12,
            "versions": {"k": "1"},
            "places": [1, 2],
            **parts,
        }
    ]
    fact = {"model": "m", "title": "mine", "share": 0.2, "bytes": 0.2, "asked": 8, "found": 7, "found_at": [4, 3]}
    made = {"text": "emma", "tokens": 8192, "loss": lost, "kvpress": press, "facts": [{**fact, "exact_found": 8}]}
    first, second, third = ("\n".join(rows) for rows in spend_tables.losses({"losses": made}))
    assert "exact 2.5000" in first
    assert "| mine | 10.0% | +0.0125 ± 0.0010 | 0.5000 ± 0.0000 |" in first
    assert "| theirs | 5.0% | not to be had |  |" in first
    assert "| P, s, at 1 of 2 places | 12.0% |" in second
    assert "k 1" in second
    assert "8 of 8" in third
    assert "| mine | 20.0% | 7 | 4 3 |" in third


def test_a_part_that_is_not_asked_for_is_not_run(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    for part, name in (("losses", "loss"), ("facts", "facts"), ("beside", "kvpress")):
        monkeypatch.setattr(loss, part, lambda *given, name=name: ran.append(name))
    made: dict[str, Any] = {"loss": [], "facts": [], "kvpress": []}
    loss._measure(study, SimpleNamespace(only=["facts"], kvpress=None), [0], (0.2,), Report("loss"), made)
    assert ran == ["facts"]
    loss._measure(study, SimpleNamespace(only=None, kvpress=None), [0], (0.2,), Report("loss"), made)
    assert ran == ["facts", "loss", "facts"]
    assert torch.is_tensor(study.text(0))
