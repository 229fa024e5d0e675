"""The command line that gives what a job of the page gave."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.app.studio.inputs import Input
from regard.app.studio.subjects import Found

_INPUT = "input.txt"
_LONGEST = 400  # characters of a text that are written out


def look_line(found: Found, given: Input, *, top: int, pictures: bool = False) -> str:
    """`regard observe`, or for a row of a run's kind of data `regard explain`."""
    if found.kind == "run" and not _is_text(found, given):
        return explain_line(found, given)
    before, name = _file(given)
    option = "--image" if pictures else "--text"
    parts = ["regard", "observe", "--model", str(found.path), option, name, "--top", str(top)]
    if given.tokens is not None:
        parts += ["--tokens", str(given.tokens)]
    return before + shlex.join([*parts, "--out", "report.html"])


def explain_line(
    found: Found,
    given: Input,
    methods: Sequence[str] = (),
    target: str | None = None,
    *,
    sample: tuple[str, str | None, int] | None = None,
    html: bool = True,
) -> str:
    """`regard explain`, a line a method. sample: (file, column, how many) to measure on too."""
    parts = ["regard", "explain", *(["--model"] if found.kind == "model" else []), str(found.path)]
    if given.text is not None:
        parts += ["--text", given.text]
    elif given.row is None and _is_text(found, given):
        parts += ["--file", str(given.file)]
    else:
        parts += ["--data", str(given.file), *(() if given.row is None else ("--row", str(given.row)))]
    if target is not None:
        parts += ["--target", target]
    if sample is not None and (given.text is not None or sample[0] == given.file):
        file, column, count = sample
        parts += [] if "--data" in parts else ["--data", file]
        parts += [] if column is None or found.kind == "model" else ["--column", f"text={column}"]
        parts += ["--evidence", str(count)]
    each = [["--method", method] for method in methods] or [[]]
    page = ["--html", "page.html"] if html else []
    return "\n".join(shlex.join([*parts, *one, *page]) for one in each)


def spend_line(found: Found, given: Input, fractions: Sequence[float], tokens: int) -> str:
    """`regard compare`"""
    before, name = _file(given)
    shares = ",".join(f"{share:g}" for share in fractions)
    parts = ["regard", "compare", "--model", str(found.path), "--text", name, "--budget", shares]
    return before + shlex.join([*parts, "--tokens", str(tokens), "--samples", "1", "--out", "cost.html"])


def train_line(
    task: str, preset: str | None, data: str | None, columns: Mapping[str, str], settings: Mapping[str, Any], out: Path
) -> list[str]:
    """The words of `regard train`, after `regard`."""
    parts = ["train", task, "--out", str(out)]
    if preset is not None:
        parts += ["--core", preset]
    if data is not None:
        parts += ["--data", data]
    for role, name in columns.items():
        parts += ["--column", f"{role}={name}"]
    for name, value in settings.items():
        parts += ["--set", f"{name}={json.dumps(value, ensure_ascii=False)}"]
    return parts


def _file(given: Input) -> tuple[str, str]:
    """(what to type before, the file's name): a typed text is put into a file first."""
    if given.file is not None:
        return "", given.file
    text = str(given.text)
    if len(text) > _LONGEST:
        return f"# {_INPUT}: your text, {len(text):,} characters\n", _INPUT
    return f"printf %s {shlex.quote(text)} > {_INPUT}; ", _INPUT


def _is_text(found: Found, given: Input) -> bool:
    return found.takes == "text" and (given.text is not None or given.row is None)
