"""The entry point: runs a command, and turns whatever goes wrong into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from regard.app.failures import WORK_FAILED, report


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `regard` with these arguments (by default those of the process). Returns the exit code.

    0: done. 1: the work failed. 2: what was typed makes no sense. 130: stopped with Ctrl-C.
    """
    _print_safely()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone (`regard tasks | head -1`). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WORK_FAILED
    except (Exception, KeyboardInterrupt) as error:  # the one place where every error becomes a line
        return report(error, sys.stderr)
    return code


def _run(arguments: list[str]) -> int:
    from regard.app.root import command  # inside, so that a missing typer is one line too

    root = command()
    try:
        with root.make_context("regard", arguments) as context:
            root.invoke(context)
    except RuntimeError as error:
        # typer.Exit, raised after --help and --version; it carries the code and no message.
        if type(error).__name__ == "Exit":
            return int(getattr(error, "exit_code", 0))
        raise
    except Exception as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # in click since 8.2; before it, help and a plain exit
            raise
        print(error)
    return 0


def _print_safely() -> None:
    """A terminal that cannot show a character gets its escape, never an error half-way through the output; and a line
    is written when it is done, so that a log can be followed."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace", line_buffering=True)
