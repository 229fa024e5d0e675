"""What a person reads when something went wrong: one line that says what, and what to do; and the exit code."""

from __future__ import annotations

import os
import traceback
from typing import TextIO

WORK_FAILED = 1
BAD_COMMAND = 2
INTERRUPTED = 130  # 128 + SIGINT, which is what shells and schedulers expect of a command stopped by Ctrl-C
TRACEBACK = "REGARD_TRACEBACK"
_OF_TRANSFORMERS = ("transformers", "gguf")  # what the extra of this name brings; the others come with "train"


class StoppedError(Exception):
    """Ctrl-C, with a sentence that says how to go on."""


def report(error: BaseException, out: TextIO) -> int:
    """Writes the one line (and, with REGARD_TRACEBACK=1, the trace before it); returns the exit code."""
    if os.environ.get(TRACEBACK, "") not in ("", "0"):
        traceback.print_exception(error, file=out)
    print(sentence(error), file=out, flush=True)
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """0, 1 and 2 as `regard --help` explains them; 130 after Ctrl-C."""
    if isinstance(error, KeyboardInterrupt | StoppedError):
        return INTERRUPTED
    if _of_command_line(error) or _is(error, "SpecError"):
        return BAD_COMMAND
    return WORK_FAILED


def sentence(error: BaseException) -> str:
    """The error in one line, whatever it is."""
    if isinstance(error, StoppedError):
        return _one_line(f"stopped: {error}")
    if isinstance(error, KeyboardInterrupt):
        return "stopped: type the same command to begin again"
    return "error: " + _one_line(_told(error))


def _told(error: BaseException) -> str:
    if _of_command_line(error):
        number = _not_that_number(error)
        if number is not None:
            return f"{number}; see: {_help_command(error)}"
        return f"{_without_stop(error.format_message())}; see: {_help_command(error)}"  # type: ignore[attr-defined]
    if isinstance(error, ModuleNotFoundError) and not (error.name or "regard").startswith("regard"):
        extra = "transformers" if (error.name or "").partition(".")[0] in _OF_TRANSFORMERS else "train"
        return f"this command needs {error.name}, which is not installed; type: pip install 'regard[{extra}]'"
    if _is(error, "RegardError"):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory; ask for less at once (a smaller batch, shorter texts, fewer rows)"
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; give a path that exists and that you may use"
    return (
        f"{type(error).__name__}: {error} (unexpected: a fault in regard; the same command after "
        f"{TRACEBACK}=1 shows where, please report it)"
    )


def _not_that_number(error: BaseException) -> str | None:
    """Of an option that takes a number and was given none, or one out of range: typer leaves that to pydantic, whose
    sentence names neither what was typed nor the option's range. None for any other error."""
    errors = getattr(error.__context__, "errors", None)
    names = getattr(getattr(error, "param", None), "opts", ())
    if errors is None or not names:
        return None
    first = errors()[0]
    bounds = first.get("ctx", {})
    wanted = {
        "int_parsing": "a whole number",
        "int_from_float": "a whole number",
        "float_parsing": "a number",
        "greater_than_equal": f"{bounds.get('ge')} or more",
        "less_than_equal": f"{bounds.get('le')} or less",
    }.get(first["type"])
    return None if wanted is None else f"{names[0]} {first['input']}: expected {wanted}"


def _is(error: BaseException, name: str) -> bool:
    """Is it an error of regard's tree? By name: its module loads torch, which a typing error need not wait for."""
    return any(kind.__name__ == name and kind.__module__ == "regard.spec.errors" for kind in type(error).__mro__)


def _of_command_line(error: BaseException) -> bool:
    """True for typer's usage errors. By their looks: their class moved between the versions of typer."""
    return hasattr(error, "format_message") and getattr(error, "exit_code", None) == BAD_COMMAND


def _help_command(error: BaseException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context is not None else 'regard'} --help"


def _without_stop(text: str) -> str:
    return text.strip().rstrip(".")


def _one_line(text: str) -> str:
    return " ".join(text.split())
