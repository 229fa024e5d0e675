"""The kinds of data there are, how each is told from its file, and what reports on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.spec.errors import DataError, SpecError
from regard.tasks.readers.check_media import check_captions, check_images, check_scenes, check_speech
from regard.tasks.readers.check_tables import check_measurements
from regard.tasks.readers.check_texts import check_documents, check_pairs, check_questions, check_symbols, check_tagged
from regard.tasks.readers.check_times import check_events, check_series
from regard.tasks.readers.digest import files_below
from regard.tasks.readers.faults import number_of
from regard.tasks.readers.findings import Findings
from regard.tasks.readers.picture import SUFFIXES as PICTURES
from regard.tasks.readers.records import SUFFIXES, Records, records_of
from regard.tasks.readers.scenes import FILE

Check = Callable[[Path, Path | None, Mapping[str, str], Mapping[str, Any]], Findings]


@dataclass(frozen=True)
class Kind:
    """One kind. needs, optional: what columns are for; the first tell it from others. rules: what `--set` may say."""

    name: str
    about: str
    needs: tuple[str, ...]
    optional: tuple[str, ...]
    check: Check | None  # None: `tasks.check` has the report
    rules: tuple[str, ...] = ()


# In this order: a file is of the first kind whose columns it has.
KINDS = (
    Kind("scenes", "pictures with boxes and masks", ("image", "boxes", "labels"), ("mask",), check_scenes),
    Kind("pairs", "pairs of texts", ("source", "target"), ("group",), check_pairs),
    Kind("questions", "questions about a text", ("context", "question", "answer"), ("group",), check_questions),
    Kind("speech", "recordings and what is said", ("path", "text"), ("group",), check_speech,
         ("rate", "channels", "other_rate")),
    Kind("captions", "pictures with texts", ("image", "text"), ("label", "group"), check_captions),
    Kind("images", "pictures with classes", ("image", "label"), (), check_images),
    Kind("events", "users, items and times", ("user", "item", "time"), ("value",), check_events, ("least",)),
    Kind("series", "numbers over time", ("time",), ("series", "value"), check_series, ("unsorted", "covariates")),
    Kind("symbols", "sequences of symbols", ("symbols",), ("label", "group"), check_symbols, ("alphabet",)),
    Kind("tagged", "words with tags", ("tokens", "tags"), ("group",), check_tagged),
    Kind("labelled", "texts with labels", ("text", "label"), (), None),
    Kind("texts", "texts to write on from", ("text",), (), check_documents),
    Kind("measurements", "numbers and categories of each thing", (), ("label", "target"), check_measurements,
         ("numbers", "categories", "skip", "empty")),
)  # fmt: skip


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise SpecError(f"no kind of data is named {name!r}; those there are: {', '.join(one.name for one in KINDS)}")


def kind_of(path: Path, columns: Mapping[str, str]) -> tuple[Kind, str]:
    """(the kind of a file or folder, why it is taken for that). `columns`: the names that roles were given.

    A table that has no kind's columns is taken for labelled texts, whose report then says which columns it lacks.

    Raises:
        DataError: there is nothing there, or a folder holds neither pictures nor texts.
    """
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == ".txt":
        return kind_named("texts"), "it ends in .txt"
    records = records_of(path)
    there = records.columns
    for kind in KINDS:
        roles = (*kind.needs, *kind.optional)
        named_all = all(columns.get(role, role) in there for role in kind.needs)
        if kind.needs and named_all and all(role in roles for role in columns):
            return kind, f"it has the columns {', '.join(columns.get(role, role) for role in kind.needs)}"
    if _measured(records, columns):
        return kind_named("measurements"), "half or more of its columns are numbers"
    return kind_named("labelled"), "no other kind has its columns"


def named(kind: Kind, path: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns to give to a kind's reader: those that were named, and "label" where a table has one that it may use.

    Raises:
        SpecError: a role that this kind does not have.
    """
    roles = (*kind.needs, *kind.optional)
    odd = [role for role in columns if role not in roles]
    if odd:
        raise SpecError(f"{kind.name} have no column for {', '.join(odd)}; theirs are for: {', '.join(roles)}")
    found = dict(columns)
    for role in ("label", "value", "target"):
        if role in kind.optional and role not in found and path.is_file() and role in records_of(path).columns:
            found[role] = role
    return found


def _measured(records: Records, columns: Mapping[str, str]) -> bool:
    """Has a table's first row numbers: beside a label or a target in half or more of its cells, without one in all?"""
    told = {columns.get(role, role) for role in ("label", "target")}
    first = next(records.each(), None)
    if first is None or not set(columns) <= {"label", "target"}:
        return False
    others = [column for column in records.columns if column not in told]
    numbers = sum(not number_of(first.fields.get(one), one)[1] for one in others)
    least = len(others) / 2 if told & set(records.columns) else len(others)
    return numbers > 0 and numbers >= least


def _folder(path: Path) -> tuple[Kind, str]:
    if (path / FILE).is_file():
        return kind_named("scenes"), f"the folder has a {FILE}"
    files = files_below(path)
    suffixes = {file.suffix.lower() for file in files}
    if not suffixes.isdisjoint(PICTURES):
        return kind_named("images"), "the folder holds pictures"
    if ".txt" in suffixes:
        return kind_named("texts"), "the folder holds .txt files"
    tables = [file.name for file in files if file.suffix.lower() in SUFFIXES]
    there = f"but {tables[0]}: give that" if tables else "give a folder of one of them, or a table"
    raise DataError(f"{path} holds neither pictures nor .txt files, {there}")
