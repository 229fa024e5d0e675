import io
import pickle

import pytest
import typer

from regard.app.failures import StoppedError, exit_code, report, sentence
from regard.spec import (
    CheckpointError,
    DataError,
    KernelError,
    MaskError,
    MissingExtraError,
    NonFiniteLossError,
    RegardError,
    RunError,
    ShapeError,
    SpecError,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RegardError, 1),
        (DataError, 1),
        (RunError, 1),
        (CheckpointError, 1),
        (NonFiniteLossError, 1),
        (KernelError, 1),
        (MissingExtraError, 1),
        (SpecError, 2),
        (ShapeError, 2),
        (MaskError, 2),
        (typer.BadParameter, 2),
        (ValueError, 1),
        (OSError, 1),
        (MemoryError, 1),
        (KeyboardInterrupt, 130),
        (StoppedError, 130),
    ],
)
def test_exit_codes(kind, code):
    assert exit_code(kind("some words")) == code


def test_a_message_of_several_lines_becomes_one():
    assert sentence(KernelError("no kernel:\n  exact: no\n  dense: no")) == "error: no kernel: exact: no dense: no"


def test_what_the_system_says_gets_a_remedy():
    error = PermissionError(13, "Permission denied", "/somewhere")
    assert sentence(error) == "error: /somewhere: Permission denied; give a path that exists and that you may use"
    assert sentence(MemoryError()).startswith("error: out of memory; ask for less")


def test_a_module_that_is_not_installed_is_told_from_one_of_ours():
    theirs = ModuleNotFoundError("No module named 'rich'", name="rich")
    assert sentence(theirs).endswith("needs rich, which is not installed; type: pip install 'regard[train]'")
    for name in ("transformers", "transformers.utils", "gguf"):
        theirs = ModuleNotFoundError(f"No module named {name!r}", name=name)
        assert sentence(theirs).endswith(
            f"needs {name}, which is not installed; type: pip install 'regard[transformers]'"
        )
    ours = ModuleNotFoundError("No module named 'regard.lost'", name="regard.lost")
    assert "a fault in regard" in sentence(ours)


def test_report_writes_the_line_and_gives_the_code(monkeypatch):
    monkeypatch.setenv("REGARD_TRACEBACK", "0")
    out = io.StringIO()
    assert report(DataError("row 3 is empty; remove it"), out) == 1
    assert out.getvalue() == "error: row 3 is empty; remove it\n"


def test_any_error_at_all_has_a_line():
    for error in (ZeroDivisionError(), pickle.PickleError("a\nb"), Exception(), RecursionError("deep")):
        assert "\n" not in sentence(error)
        assert sentence(error).startswith("error: ")
