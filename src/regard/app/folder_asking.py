"""Questions about the answers of a transformers model in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.app.asked import columns_from
from regard.app.explaining import Ask, split
from regard.bridges.transformers_folder import ModelFolder
from regard.bridges.transformers_heads import answering
from regard.lens.explain import ask
from regard.lens.explanation import Explanation
from regard.lens.page import page
from regard.lens.question import Question
from regard.lens.reading import Reading
from regard.spec.errors import SpecError
from regard.tasks.table import usable
from regard.tasks.table_reading import read_table

COLUMN = "text"  # of a file of rows, unless it is named: a folder says nothing of how columns are called


@dataclass(frozen=True, eq=False)
class FolderAsking:
    """name: of the model. model: with the head that answers. text: what is explained. data: texts to measure on."""

    name: str
    model: Any
    tokenizer: Any
    text: str
    data: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, text: str, data: Path | None, column: list[str]) -> FolderAsking:
        """column: what the texts of `data` are called, "NAME" or "text=NAME"; by default "text".

        Raises:
            SpecError: a column of anything else than texts.
            DataError: a model that cannot be read or has no head; a file without that column.
            MissingExtraError: transformers is not installed.
        """
        named = columns_from([one if "=" in one else f"{COLUMN}={one}" for one in column])
        if set(named) - {COLUMN}:
            raise SpecError(f"--column {column[0]!r}: a model reads texts alone; expected NAME, or text=NAME")
        name = named.get(COLUMN, COLUMN)
        rows = () if data is None else usable(read_table(data, text=name, label=None), skip_refused=True)
        place = ModelFolder.of(folder)
        return cls(place.name, answering(place), place.tokenizer(), text, tuple(row.text for row in rows))

    def question(self, target: str | None) -> Question:
        return self._asked(self.text, target)

    def others(self, count: int, *, choosing: bool) -> tuple[list[Ask], list[Ask]]:
        asks = [self._asker(text) for text in self.data if text != self.text] if count else []
        return split(asks, count, choosing=choosing)

    def reading(self, explanation: Explanation, question: Question) -> Reading:
        notes = tuple(f"{note}." for note in question.notes)
        return Reading(explanation, f"Read by {self.name} ({type(self.model).__name__})", notes=notes)

    def written(self) -> bool:
        return False  # of a model that writes the next words are explained

    def page(self, reading: Reading) -> str:
        return page(reading)

    def _asked(self, text: str, target: str | None = None) -> Question:
        return ask(self.model, text, target, tokenizer=self.tokenizer, words=True)

    def _asker(self, text: str) -> Ask:
        return lambda: self._asked(text)
