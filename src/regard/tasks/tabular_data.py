"""Rows of a table: from files to features as numbers, categories, and which of them are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regard.nn.front_ends import FeatureFrontEnd
from regard.spec.errors import DataError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.memory_part import MemoryPart, TensorBatch
from regard.tasks.origin import data_paths, digest_of
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.features import Column, Thing, TypedAs, columns_of, read_features
from regard.tasks.readers.records import listed, records_of
from regard.tasks.sections import TableSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup

UNSEEN = 0  # the number of a category that training has not seen: it has no row in the table
FAR = 1e12  # deviations from the mean: what the model makes of a number is squared, and float32 ends at 3e38


def digest_table(settings: Settings, listen: Listener) -> str:
    """What the bytes of the table come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "tables", listen)


def prepare_table(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run on a table. Facts: its columns with their categories and constants, and the labels, or level
    and spread of the number that is told; all of the training part.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, say not what is to be told, or cannot be parted.
    """
    path = data_paths(settings.data, "tables", listen)[0]
    settings = _decided_answer(settings, path)
    told = _told(settings, {})
    columns, notes = columns_of(path, besides=list(told.values()), typed=_typed(settings))
    for note in notes:
        listen(Note(note))

    def read(one: Path) -> Reading[Thing]:
        return read_features(one, columns, typed=_typed(settings), **told)

    parts = parted(settings.data, "tables", read, listen)
    facts: dict[str, Any] = {"columns": _described(columns, parts.train)}
    if "label" in told:
        facts["labels"] = sorted({row.label for row in parts.train})
    else:
        numbers = np.array([row.target for row in parts.train], dtype=np.float64)
        facts["level"], facts["spread"] = float(numbers.mean()), float(numbers.std()) or 1.0
    setup = Setup(settings, facts)
    train = encode_things(parts.train, setup)
    setup = Setup(decided_epochs(settings, train, listen), facts)
    return prepared(setup, parts, lambda rows: train if rows is parts.train else encode_things(rows, setup))


def read_more_things(asked: Asked, setup: Setup) -> Given:
    """Rows of a table for a trained run: with `asked.truths` what is true of them too. A category that training has not
    seen is told as missing.

    Raises:
        DataError: the table cannot be read, lacks a column, a row cannot be used, or a label is unknown to the run.
    """
    columns = [Column(one["name"], one["kind"]) for one in setup.facts["columns"]]
    told = _told(setup.settings, asked.columns) if asked.truths else {}
    found = read_features(asked.path, columns, typed=_typed(setup.settings), **told)
    rows = usable(found, skip_refused=asked.skip_refused)
    part = encode_things(rows, setup)
    shown = tuple(f"row {row.number}" for row in rows)
    marks = np.array([row.identity.given for row in rows], dtype=np.int64)
    return Given(found.name, part, tuple(row.number for row in rows), shown, len(found.refused), marks)


def encode_things(rows: Sequence[Thing], setup: Setup) -> MemoryPart:
    """numbers (rows, numbers) float32, categories (rows, columns) int64, present (rows, features) bool.

    Raises:
        DataError: a label is unknown to the run, or a number is so far from those it was trained on that float32 cannot
            hold what the model makes of it.
    """
    ordered = in_order(setup)
    scaled = [one for _, one in ordered if one["kind"] == "number"]
    numbers = np.array([[_number(row.values[at]) for at, one in ordered if one["kind"] == "number"] for row in rows])
    _refuse_far(rows, scaled, numbers.reshape(len(rows), -1))
    places = [{name: at for at, name in enumerate(one.get("categories", ()))} for _, one in ordered]
    categories = np.array(
        [
            [there.get(str(row.values[at]), -1) for (at, one), there in zip(ordered, places, strict=True)
             if one["kind"] == "category"]
            for row in rows
        ],
        dtype=np.int64,
    )  # fmt: skip
    return table_part(numbers.reshape(len(rows), -1), categories.reshape(len(rows), -1), _truths(rows, setup))


def _refuse_far(rows: Sequence[Thing], columns: Sequence[Mapping[str, Any]], numbers: NDArray[Any]) -> None:
    for at, one in enumerate(columns):
        with np.errstate(over="ignore"):
            far = np.abs((numbers[:, at] - one["mean"]) / one["deviation"]) > FAR
        if far.any():
            place = int(far.argmax())
            raise DataError(
                f"row {rows[place].number}: column {one['name']!r} holds {numbers[place, at]:g}, more than {FAR:.0e} "
                f"times as far from the mean {one['mean']:g} as numbers there usually are ({one['deviation']:g}): "
                "correct it, or leave the cell empty"
            )


def table_part(numbers: NDArray[Any], categories: NDArray[np.int64], truths: NDArray[Any]) -> MemoryPart:
    """Encoded rows: numbers (rows, numbers), NaN where empty; categories (rows, columns), -1 where empty or not known;
    truths (rows,)."""
    present = np.concatenate([~np.isnan(numbers), categories >= 0], 1)
    inputs = (
        torch.from_numpy(np.nan_to_num(numbers).astype(np.float32)),
        torch.from_numpy(np.maximum(categories, UNSEEN)),
        torch.from_numpy(present),
    )
    features = present.shape[1]

    def collate(wanted: NDArray[np.int64]) -> TensorBatch:
        chosen = torch.from_numpy(wanted)
        count = features * len(wanted)
        return TensorBatch(tuple(one[chosen] for one in inputs), torch.from_numpy(truths[wanted]), count, count)

    return MemoryPart(np.full(len(truths), features), collate, truths)


def in_order(setup: Setup) -> list[tuple[int, Mapping[str, Any]]]:
    """The features as the model reads them, numbers first: each one's place in the table's columns, and what is known
    of it."""
    return sorted(enumerate(setup.facts["columns"]), key=lambda pair: pair[1]["kind"] != "number")


def feature_front_end(setup: Setup) -> FeatureFrontEnd:
    """What makes a token of each feature; numbers are standardised by the facts."""
    numbers = [one for one in setup.facts["columns"] if one["kind"] == "number"]
    categories = [len(one["categories"]) for one in setup.facts["columns"] if one["kind"] == "category"]
    front = FeatureFrontEnd(len(numbers), categories, setup.settings.core.dim)
    if front.standard is not None:
        front.standard.set([one["mean"] for one in numbers], [one["deviation"] for one in numbers])
    return front


def plain_features(part: MemoryPart, setup: Setup) -> NDArray[np.float64]:
    """Rows for methods that take numbers alone: standardised numbers, 0 where missing; a column of ones and zeros for
    each category, and one that says what is missing, where anything is."""
    numbers, categories, present = (one.numpy() for one in part.batch(np.arange(len(part))).inputs)
    known = [one for _, one in in_order(setup)]
    found: list[NDArray[Any]] = []
    for at, one in enumerate(known):
        there = present[:, at]
        if one["kind"] == "number":
            found.append(np.where(there, (numbers[:, at] - one["mean"]) / one["deviation"], 0.0)[:, None])
        else:
            mine = categories[:, at - numbers.shape[1], None] == np.arange(len(one["categories"]))
            found.append(mine & there[:, None])
        if one["missing"]:
            found.append(~there[:, None])
    return np.concatenate(found, 1).astype(np.float64)


def _decided_answer(settings: Settings, path: Path) -> Settings:
    """What is to be told: the class of the column `label` or the number of the column `target`, the one that was named
    or else the one that is there."""
    answer = settings.section(TableSettings).answer
    if answer != "auto":
        return settings
    there, data = records_of(path).columns, settings.data
    roles = sorted((("label", "class"), ("target", "number")), key=lambda pair: pair[0] not in data.columns)
    for role, found in roles:
        if data.column(role) in there:
            return changed(settings, {"table.answer": found})
    raise DataError(
        f"{path.name} has neither a column {data.column('label')!r} nor {data.column('target')!r}; name what is to be "
        f"told: --column label=NAME (a class) or --column target=NAME (a number); its columns are: {listed(there)}"
    )


def _told(settings: Settings, columns: Mapping[str, str]) -> dict[str, str]:
    role = "target" if settings.section(TableSettings).answer == "number" else "label"
    return {role: columns.get(role, settings.data.column(role))}


def _typed(settings: Settings) -> TypedAs:
    table = settings.section(TableSettings)
    return TypedAs(table.numbers, table.categories, table.skip, table.empty)


def _described(columns: Sequence[Column], rows: Sequence[Thing]) -> list[dict[str, Any]]:
    """Of each column what the training part says: mean and deviation, or categories; and whether cells are empty."""
    found = []
    for at, column in enumerate(columns):
        cells = [row.values[at] for row in rows if row.values[at] is not None]
        one: dict[str, Any] = {"name": column.name, "kind": column.kind, "missing": len(cells) < len(rows)}
        if column.kind == "number":
            numbers = np.array(cells or [0.0], dtype=np.float64)
            one |= {"mean": float(numbers.mean()), "deviation": float(numbers.std()) or 1.0}
        else:
            one["categories"] = sorted(set(map(str, cells))) or [""]
        found.append(one)
    return found


def _truths(rows: Sequence[Thing], setup: Setup) -> NDArray[Any]:
    if "labels" not in setup.facts:
        return np.array([0.0 if row.target is None else row.target for row in rows], dtype=np.float64)
    places = {name: at for at, name in enumerate(setup.facts["labels"])}
    unknown = sorted({row.label for row in rows} - {*places, ""})
    if unknown:
        raise DataError(f"labels unknown to this run: {', '.join(unknown)}; those it knows: {', '.join(places)}")
    return np.array([places.get(row.label, 0) for row in rows], dtype=np.int64)


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
