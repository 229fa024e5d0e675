"""Files of profiles and allocations: readable, of one format and version, and nothing unknown in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from regard.allocate import stored
from regard.allocate.policy_form import budget_of, plain, plain_budget, policies, policy_of
from regard.spec import DataError, HeavyHitters, LowBits, RunError, SpecError, WindowSinks
from regard.spec.budget import Budget
from regard.spec.policy import Policy

FORM = "regard thing 1"


def test_what_fits_takes_one_line_and_so_does_a_list_of_numbers(tmp_path: Path) -> None:
    long = [0.1] * 40
    body = {"row": long, "rows": [long, [3.0]], "heads": {"a": {"fraction": 0.1, "keys": []}, "b": "x" * 100}}
    stored.write(tmp_path / "a", FORM, body)
    row = "[" + ", ".join(["0.1"] * 40) + "]"
    assert (tmp_path / "a").read_text().splitlines() == [
        "{",
        ' "format": "regard thing 1",',
        f' "row": {row},',
        ' "rows": [',
        f"  {row},",
        "  [3.0]",
        " ],",
        ' "heads": {',
        '  "a": {"fraction": 0.1, "keys": []},',
        f'  "b": "{"x" * 100}"',
        " }",
        "}",
    ]
    assert stored.read(tmp_path / "a", FORM, tuple(body)) == body


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no thing"),
        ("{", "is no thing"),
        ("[1]", "it is no JSON object, expected"),
        ("{}", "its format is None, expected"),
        ('{"format": "regard thing 2", "a": 1}', "its format is 'regard thing 2', expected \"regard thing 1\""),
        ('{"format": "regard thing 1", "a": 1, "b": 2}', "expected the entries a; found a, b"),
        ('{"format": "regard thing 1"}', "expected the entries a; found none"),
        ('{"format": "regard thing 1", "a": NaN}', "holds NaN, which is no number"),
        ('{"format": "regard thing 1", "a": -Infinity}', "holds -Infinity"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a").write_text(content)
    with pytest.raises(DataError, match=said):
        stored.read(tmp_path / "a", FORM, ("a",))


def test_broken_text_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is no thing"):
        stored.read(tmp_path / "a", FORM, ("a",))
    with pytest.raises(DataError, match=r"cannot be read .*expected a file of format"):
        stored.read(tmp_path / "none", FORM, ("a",))


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        stored.write(tmp_path / "a", FORM, {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        stored.write(tmp_path / "none" / "a", FORM, {})


@pytest.mark.parametrize("kind", list(policies().values()), ids=lambda kind: kind.__name__)
def test_every_policy_comes_back(kind: type[Policy]) -> None:
    policy = kind()
    assert policy_of(json.loads(json.dumps(plain(policy))), "here") == policy


def test_a_policy_in_plain_values() -> None:
    assert plain(LowBits(group=64)) == {"name": "LowBits", "group": 64, "latest": 32}
    assert plain(HeavyHitters())["received"] is None


def test_a_tensor_is_no_parameter_for_a_file() -> None:
    with pytest.raises(SpecError, match="holds a tensor"):
        plain(HeavyHitters(received=torch.ones(1, 1, 3)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "the policy None is not known"),
        ({"name": "Best"}, "the policy 'Best' is not known; those there are: Focus, WindowSinks"),
        ({"name": "WindowSinks"}, "here, WindowSinks: expected the entries name, first; found name"),
        ({"name": "WindowSinks", "first": 4, "last": 1}, "found name, first, last"),
        ({"name": "WindowSinks", "first": -1}, r"here: WindowSinks\(first=-1\)"),
        ({"name": "WindowSinks", "first": "x"}, r"here: WindowSinks\(first='x'\)"),
    ],
)
def test_policies_that_are_none(given: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        policy_of(given, "here")


@pytest.mark.parametrize(
    "budget",
    [
        Budget(fraction=0.1, policy=WindowSinks(2)),
        Budget(keys=7, policy=WindowSinks()),
        Budget(tolerance=0.1, confidence=0.9),
    ],
)
def test_a_budget_comes_back(budget: Budget) -> None:
    assert budget_of(json.loads(json.dumps(plain_budget(budget))), "here") == budget


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "expected one of fraction, keys, tolerance, and a policy; found 3"),
        ({"policy": plain(WindowSinks())}, "expected one of fraction"),
        ({"fraction": 0.1, "keys": 2, "policy": plain(WindowSinks())}, "expected one of fraction"),
        ({"fraction": 2, "policy": plain(WindowSinks())}, r"here: Budget\(fraction=2\)"),
        ({"fraction": 0.1, "confidence": 0.9, "policy": plain(WindowSinks())}, "expected the entries fraction, policy"),
        ({"fraction": 0.1}, "expected the entries fraction, policy; found fraction"),
    ],
)
def test_budgets_that_are_none(given: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        budget_of(given, "here")
