"""What a request is told that does not fit the schema: what was sent, where, what is expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from regard.app.studio.refusals import Json, refusal
from regard.spec.errors import DataError, RegardError

_SEE = "GET /docs says what a request holds"
_BRANCH = re.compile(r"int|float|str|bool|constrained-\w+|\w+\[.*\]|Why")  # of a union: no place in what was sent
_NAMED = 3  # further places
_TYPES = ("a number", "a text", "true or false", "a list", "an object")
_EXPECTED = {"float": 0, "int": 0, "string": 1, "bool": 2, "list": 3, "dict": 4, "model": 4, "tuple": 3}
# pydantic's type of an error -> what is told, and what to do
_SAID = {
    "missing": ("{place} is missing", "send it; " + _SEE),
    "extra_forbidden": ("{place} is nothing that is known here", "leave it out; " + _SEE),
    "too_long": (
        "{place} holds {actual_length:,} items, and {max_length:,} are taken",
        "send the others by themselves",
    ),
    "too_short": ("{place} is empty", "send one item at least"),
    "string_too_long": ("{place} has more than {max_length:,} characters", "send less of it"),
    "string_too_short": ("{place} is empty, or too short to be anything", "send something; " + _SEE),
    "literal_error": ("{place} is not among {expected}", "name one of those"),
    "string_unicode": ("{place} holds a character that is half of one (a lone surrogate)", "send whole characters"),
}
_NO_NUMBER = ("finite_number", "less_than_equal", "greater_than_equal", "int_parsing_size", "float_parsing")
_READER = re.compile(r"request\.jsonl: .* rows cannot be used: row \d+ \(line \d+\): (.*)\. correct them")
_FILES = {
    "png": ("the picture", "a whole PNG, JPEG, GIF, BMP, WebP or TIFF file"),
    "wav": ("the sound", "a whole WAV file"),
}
_FILE = re.compile(r"^\d+\.(png|wav)\b")


def of_schema(errors: Sequence[Mapping[str, Any]]) -> Json:
    """What pydantic found: the first of it, and at which other places something is wrong."""
    if errors[0]["type"] == "json_invalid":
        return refusal(400, "the body is no JSON", where="body", do="send one JSON object")
    errors = _deepest(errors)
    first = errors[0]
    places = list(dict.fromkeys(_place(one) for one in errors))
    if not places[0]:
        what = f"the body is {_kind(first.get('input'))}, not a JSON object"
        return refusal(422, what, where="body", do=f"send one JSON object; {_SEE}")
    what, do = _told(first, [one for one in errors if _place(one) == places[0]], places[0])
    others = places[1:]
    if others:
        named = ", ".join(others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
        what += f"; wrong too: {named}"
    return refusal(422, what, where=places[0], do=do)


def of_media(kind: str) -> Json:
    """A body that does not say that it is JSON; kind: its Content-Type, "" where there is none."""
    given = f"says {kind}" if kind else "is missing"
    what = f"the header Content-Type {given}, and application/json is expected"
    return refusal(415, what, where="Content-Type", do="send the header Content-Type: application/json")


def of_reader(error: RegardError) -> RegardError:
    """What the reader of files says of one item, without the file and the line that only it knows of."""
    found = _READER.fullmatch(str(error))
    if found is None:
        return error
    kind = _FILE.match(found[1])
    if kind is None:
        return DataError(f"{found[1]}; send another")
    name, expected = _FILES[kind[1]]
    return DataError(f"{_FILE.sub(name, found[1])}, and {expected} is expected; send all of its bytes, in base64")


def _deepest(errors: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Without those of a place inside which something is wrong too: there another branch of a union was meant."""
    places = list(map(_place, errors))
    return [
        one for one, place in zip(errors, places, strict=True) if not any(p.startswith(f"{place}.") for p in places)
    ]


def _told(first: Mapping[str, Any], here: Sequence[Mapping[str, Any]], place: str) -> tuple[str, str]:
    """(what, what to do) of the first error; `here`: all at its place, one a branch where there are several."""
    kind, context = first["type"], first.get("ctx") or {}
    if kind in _SAID:
        what, do = _SAID[kind]
        return what.format(place=place, **context), do
    if kind in _NO_NUMBER:
        what = f"{place} is {_number(first.get('input'))}, and a finite number is expected, of at most 3.4e38 (float32)"
        return what, "send such a number, or null where a cell is empty"
    if kind == "string_pattern_mismatch" and "A-Za-z0-9" in context.get("pattern", ""):
        return f"{place} is no base64", "send the file's bytes in base64"
    if kind == "string_pattern_mismatch":
        return f"{place} holds spaces alone", "send a text"
    wanted = [_TYPES[_EXPECTED[name]] for one in here if (name := one["type"].partition("_")[0]) in _EXPECTED]
    if wanted:
        expected = " or ".join(dict.fromkeys(wanted))
        return f"{place} is {_kind(first.get('input'))}, and {expected} is expected", f"send {expected}"
    return f"{place}: {str(first['msg']).rstrip('.')}", _SEE


def _place(error: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"][1:] if not _BRANCH.fullmatch(str(part)))


def _number(given: Any) -> str:
    """A number as it was sent; of a whole one that has many digits how many."""
    if isinstance(given, int) and not isinstance(given, bool):
        return f"a whole number of {len(str(abs(given)))} digits"
    return f"{given:g}".replace("nan", "NaN").replace("inf", "Infinity") if isinstance(given, float) else _kind(given)


def _kind(given: Any) -> str:
    """What JSON calls it."""
    if given is None:
        return "null"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float):
        return "a number"
    if isinstance(given, str):
        return "a text"
    return "a list" if isinstance(given, list | tuple) else "an object"
