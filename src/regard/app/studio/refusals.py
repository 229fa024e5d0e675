"""What a page is told when something cannot be done: what, where, and what to do; and the status that goes with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from regard.app.failures import sentence
from regard.spec.errors import MissingExtraError, RegardError, RunError

_AGAIN = "change it, and try again"
# options of the command line that are fields of the page
_OPTION = re.compile(r"--(mask|score|tokens|text|file|row|target|method|budget)\b")
_SHOWN = 300  # characters of a message that quotes what was sent


class RefusedError(Exception):
    """A request that is answered with a status of 400 to 429, and with these three sentences."""

    def __init__(self, status: int, what: str, *, where: str = "", do: str = _AGAIN) -> None:
        super().__init__(what)
        self.status, self.what, self.where, self.do = status, what, where, do


class Json(Response):
    """JSON of whatever was sent: a text that is no UTF-8 is answered in escapes, a number that is none with null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return plain_json(content)


def plain_json(content: Any) -> bytes:
    """Compact JSON; numbers that are not finite become null."""
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # a lone surrogate has no UTF-8; inside JSON its Python escape is JSON's own
    return text.encode("utf-8", "backslashreplace")


def refusal(status: int, what: str, *, where: str = "", do: str = _AGAIN) -> Json:
    """The response in the one form that all errors have."""
    headers = {"Retry-After": "1"} if status == 429 else None
    return Json({"error": body(what, where=where, do=do)}, status_code=status, headers=headers)


def body(what: str, *, where: str = "", do: str = _AGAIN) -> dict[str, str]:
    """The three sentences, each of a bounded length."""
    return {"what": _short(what), "where": _short(where), "do": _short(do)}


def told(error: BaseException) -> tuple[int, dict[str, str]]:
    """The status and the three sentences of an error, whatever it is; 500 for what nobody meant to raise."""
    if isinstance(error, RefusedError):
        return error.status, body(error.what, where=error.where, do=error.do)
    message = _OPTION.sub(r"\1", sentence(error).removeprefix("error: "))
    what, parted, do = message.rpartition("; ")
    known = body(what, do=do) if parted else body(message)
    if isinstance(error, RunError | MissingExtraError):
        return 409, known
    if isinstance(error, RegardError):
        return 422, known
    if isinstance(error, MemoryError):
        return 413, known
    if isinstance(error, OSError):
        return 404, known
    return 500, body(message, do="see the window in which regard studio runs")


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Json:
    """What pydantic found wrong: the first of it, and how many more there are."""
    first = errors[0] if errors else {"loc": (), "msg": "it cannot be read", "type": ""}
    place = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "json_invalid":
        return refusal(400, "the body is no JSON", where="body", do="send one JSON object")
    if tuple(first["loc"]) == ("body",) and first["type"] in ("model_attributes_type", "dict_type"):
        do = "send one JSON object, with the header Content-Type: application/json"
        return refusal(422, "the body is no JSON object", where="body", do=do)
    kind = first["loc"][0] if first["loc"] else "request"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    said = str(first["msg"]).rstrip(".")
    what = f"{place or kind}: {said}"
    if first["type"] == "value_error":  # what our own checks say is a sentence; pydantic puts its own name before it
        said = said.removeprefix("Value error, ")
        what = f"in {place}: {said}" if place else said
    return refusal(422, f"{what}{more}", where=place or str(kind))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
