"""What requests hold, by the kind of data that a run reads: strict schemas, and how items become rows."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from regard.app.serving.limits import Limits
from regard.app.serving.why import Why
from regard.spec.errors import DataError, RunError
from regard.tasks.task import Asked, Given
from regard.train.run import Run

STRICT = ConfigDict(extra="forbid", strict=True)
_PICTURES = ("images", "caption", "detect", "segment")
_ROWS = 4096  # of a table that is sent
_LARGEST = 3.4e38


@dataclass(frozen=True)
class Kind:
    """field: where the items stand in a request; schema: the request. length: of an item, for who batches. given:
    items -> the rows that they are. together: whether several items make one reading."""

    field: str
    schema: type[BaseModel]
    length: Callable[[Any], int]
    given: Callable[[Run, Sequence[Any]], Given]
    together: bool = True


def kind_of(run: Run, limits: Limits) -> Kind:
    """How requests to this run look.

    Raises:
        RunError: the task answers nothing of its own.
    """
    task = run.task
    if task.tell is None:
        raise RunError(f"a run of {task.name} answers nothing by itself: it is there for others to begin with")
    if task.typed is not None:
        return Kind("texts", _schema("texts", _text(limits), limits), len, lambda run, texts: run.typed(list(texts)))
    if task.name in _PICTURES:
        return Kind("pictures", _schema("pictures", _file(limits), limits), lambda one: 1, _media("image", "png"))
    if task.name == "speech":
        return Kind("sounds", _schema("sounds", _file(limits), limits), len, _media("path", "wav"))
    if task.name == "image-text":
        pair = create_model("Pair", __config__=STRICT, picture=(_file(limits), ...), text=(_text(limits), ...))
        return Kind("pairs", _schema("pairs", pair, limits), lambda one: len(one["text"]), _pairs)
    if task.name == "tabular":
        return Kind("rows", _schema("rows", _columns(run), limits), lambda one: 1, _table)
    row = dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], _Cell]
    table = Annotated[list[row], Field(min_length=1, max_length=_ROWS)]
    return Kind("tables", _schema("tables", table, limits), len, _one_table, together=False)


_Text = Annotated[str, StringConstraints(max_length=1000)]
# what float32 holds; further digits of a whole number, such as an item's, are kept where a cell may be either
_Number = Annotated[float, Field(allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST)]
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Cell = _Text | _Whole | _Number | None


def _schema(field: str, item: Any, limits: Limits) -> type[BaseModel]:
    items = Annotated[list[item], Field(min_length=1, max_length=limits.items)]
    explain = Field(default=False, description="true: with what was looked at; or by which method, as regard explain")
    fields: dict[str, Any] = {field: (items, ...), "explain": (bool | Why, explain)}
    made: type[BaseModel] = create_model("Request", __config__=STRICT, **fields)
    return made


def _text(limits: Limits) -> Any:
    return Annotated[str, StringConstraints(min_length=1, max_length=limits.characters, pattern=r"\S")]


def _file(limits: Limits) -> Any:
    """A file's bytes in base64."""
    return Annotated[str, StringConstraints(min_length=4, max_length=limits.body, pattern=r"^[A-Za-z0-9+/]+=*$")]


def _columns(run: Run) -> type[BaseModel]:
    """A row of a table: exactly the columns that the run was trained on; a cell may be null where one was empty."""
    fields: dict[str, Any] = {}
    for place, column in enumerate(run.setup.facts["columns"]):
        kind: Any = _Number if column["kind"] == "number" else _Text
        fields[f"column_{place}"] = (kind | None, Field(alias=column["name"]))
    made: type[BaseModel] = create_model("Row", __config__=STRICT, **fields)
    return made


def _media(role: str, suffix: str) -> Callable[[Run, Sequence[Any]], Given]:
    def given(run: Run, items: Sequence[Any]) -> Given:
        with TemporaryDirectory(prefix="regard-") as folder:
            rows = [{role: _kept(Path(folder) / f"{place}.{suffix}", one)} for place, one in enumerate(items)]
            return _read(run, Path(folder), rows, {role: role})

    return given


def _pairs(run: Run, items: Sequence[Any]) -> Given:
    with TemporaryDirectory(prefix="regard-") as folder:
        rows = [
            {"image": _kept(Path(folder) / f"{place}.png", one["picture"]), "text": one["text"]}
            for place, one in enumerate(items)
        ]
        return _read(run, Path(folder), rows, {"image": "image", "text": "text"})


def _table(run: Run, items: Sequence[Any]) -> Given:
    with TemporaryDirectory(prefix="regard-") as folder:
        return _read(run, Path(folder), items, {})


def _one_table(run: Run, items: Sequence[Any]) -> Given:
    with TemporaryDirectory(prefix="regard-") as folder:
        return _read(run, Path(folder), items[0], {})


def _read(run: Run, folder: Path, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Given:
    """Rows through the run's own reader of files, so that they are checked as a file's are."""
    path = folder / "request.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return run.given(Asked(path, columns, truths=False))


def _kept(path: Path, given: str) -> str:
    try:
        path.write_bytes(base64.b64decode(given, validate=True))
    except (binascii.Error, ValueError):
        raise DataError("a file is no base64; send its bytes in base64") from None
    return path.name
