"""Layers, heads and queries as they are typed: `0,3`, `2-5`, `100:200`, `*.self_attn`."""

from __future__ import annotations

import re

from regard.spec.errors import SpecError

_LARGEST = 4096  # numbers in one range; more is a slip of the keyboard


def layers_from(text: str) -> tuple[int | str, ...]:
    """Places in the order the layers run, and patterns on their paths, with commas between: "0,2-3,*.cross_attn".

    Raises:
        SpecError: an empty part, or a range that goes backwards.
    """
    found: list[int | str] = []
    for part in _parts(text, "--layers"):
        if part[0].isdigit() and part.replace("-", "").isdigit():
            found += _numbers(part, "--layers")
        else:
            found.append(part)
    return tuple(found)


def heads_from(text: str) -> tuple[int, ...]:
    """Head numbers from 0: "0,2-3" -> (0, 2, 3).

    Raises:
        SpecError: anything else than whole numbers.
    """
    return tuple(number for part in _parts(text, "--heads") for number in _numbers(part, "--heads"))


def queries_from(text: str) -> range:
    """A stretch of tokens (or patches) from 0, its end left out: "100:200".

    Raises:
        SpecError: it is none, or empty.
    """
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text.strip(), re.ASCII)
    if found is None or int(found[1]) >= int(found[2]):
        raise SpecError(f"--queries {text!r}: expected FIRST:END, such as 100:200 for the queries 100 to 199")
    return range(int(found[1]), int(found[2]))


def _parts(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise SpecError(f"{option} {text!r}: there is nothing between two commas; expected such as 0,2-3")
    return parts


def _numbers(part: str, option: str) -> list[int]:
    found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part, re.ASCII)
    if found is None:
        raise SpecError(f"{option}: {part!r} is no number; expected such as 0,2-3")
    first, last = int(found[1]), int(found[2] or found[1])
    if not first <= last < first + _LARGEST:
        raise SpecError(f"{option}: {part!r} is no range; expected the smaller number first, such as 2-5")
    return list(range(first, last + 1))
