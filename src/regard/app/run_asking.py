"""Questions about the answers of a trained run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.app.asked import columns_of
from regard.app.explaining import Ask, split
from regard.app.scores import SHARE
from regard.lens.explanation import Explanation
from regard.lens.page import page
from regard.lens.picture_page import picture_page
from regard.lens.question import Question
from regard.lens.reading import LIMITS, Reading
from regard.lens.units import Units
from regard.spec.errors import SpecError
from regard.tasks.explained import Explained, Picture
from regard.tasks.masked_text import MaskedText
from regard.tasks.task import Asked, Given
from regard.train.run import Run, load_run


@dataclass(frozen=True, eq=False)
class RunAsking:
    """rows, row: what is explained, the row from 0; or the text itself, of a run that hides a word of it. piece: which
    piece of the answer, from 1, None for all of it. data: rows to measure on, None where there are none; of these each
    is asked about the whole of its own answer."""

    run: Run
    rows: Given | str
    row: int
    data: Given | None
    piece: int | None = None

    @classmethod
    def of(
        cls,
        folder: Path,
        text: str | None,
        data: Path | None,
        column: list[str],
        row: int | None,
        *,
        piece: int | None = None,
        budget: float | None = None,
    ) -> RunAsking:
        """A text; or without one, a row of the file by its number in it (from 1), by default the first. Rows of the
        file that cannot be used are left out, and the reading says how many. budget: another share of the tokens to
        process than in training.

        Raises:
            CheckpointError: there is no such run. DataError: the file cannot be read.
            SpecError: it has no such row.
        """
        run = load_run(folder, budget=budget)
        given = None
        if data is not None:
            given = run.given(Asked(data, columns_of(run, column), truths=False, skip_refused=True))
        if text is not None:
            hiding = isinstance(run.model, MaskedText)  # it has no typed texts of its own: a word is hidden here
            return cls(run, text if hiding else run.typed([text]), 0, given, piece)
        assert given is not None
        place = given.place(row)
        if place is None:
            others = " (regard check says what is wrong with the others)" if given.refused else ""
            there = f"ask for one of {given.few_numbers}{others}"
            raise SpecError(f"--row {row}: {given.name} has no such row that can be used; {there}")
        return cls(run, given, place, given, piece)

    def question(self, target: str | None) -> Question:
        more = {} if self.piece is None else {"piece": self.piece}
        return self.run.question(self.rows, target, row=self.row, words=True, **more)

    def others(self, count: int, *, choosing: bool) -> tuple[list[Ask], list[Ask]]:
        if self.data is None or not count:
            return [], []
        places = [place for place in range(len(self.data.part)) if self.data is not self.rows or place != self.row]
        return split([self._asker(self.data, place) for place in places], count, choosing=choosing)

    def reading(self, explanation: Explanation, question: Question) -> Reading:
        ranked = self._told().get("probabilities")
        notes = tuple(f"{note}." for note in question.notes)
        if self.run.settings.core.budget < 1:
            notes += (f"{SHARE.format(self.run.settings.core.budget)}.",)
        if self.data is not None and self.data.refused:
            one = self.data.refused == 1
            rows = "1 row" if one else f"{self.data.refused:,} rows"
            notes += (f"{rows} of {self.data.name} cannot be used and {'is' if one else 'are'} left out.",)
        looked = self.looked() if explanation.units.kind == "part" else None
        seen = None if looked is None else looked.picture
        return Reading(
            explanation=explanation,
            model=self._model(),
            answers=tuple(ranked.items()) if isinstance(ranked, Mapping) else (),
            notes=notes,
            beside=None if seen is None else (seen.rows, seen.columns),
            said=self._said(ranked, text=explanation.units.source is not None),
        )

    def written(self) -> bool:
        """Whether the answer is written piece by piece, so that each piece looked somewhere."""
        looked = self.looked()
        return looked is not None and looked.alignment is not None

    def looked(self) -> Explained | None:
        """Where the run looked, by its attention alone; None of one that does not tell."""
        if self.run.task.explain is None or isinstance(self.rows, str):
            return None
        return self.run.explain(self.rows, self.row)

    def page(self, reading: Reading) -> str:
        """The picture with its patches where there is one; what is beside it (the words of a text) in a table."""
        found, looked = reading.explanation, self.looked()
        seen = None if looked is None else looked.picture
        if seen is None or not _of_patches(found.units, seen):
            return page(reading)
        weights = found.weights.tolist()
        patches = [max(0.0, weight) for weight in weights[seen.patches]]
        beside = [*range(seen.first), *range(seen.patches.stop, len(weights))]
        return picture_page(
            answer=reading.title,
            png=seen.png,
            grid=(seen.rows, seen.columns),
            looks=[(f"for {found.target}", patches)],
            others=[(found.units.placed[place], weights[place]) for place in beside],
            how=f"{found.method}: {found.how}; patches that speak against the answer stay as they are",
            model=reading.model,
            limits=LIMITS,
            evidence=found.evidence,
        )

    def _asker(self, rows: Given, row: int) -> Ask:
        return lambda: self.run.question(rows, row=row, words=True)

    def _said(self, ranked: object, *, text: bool) -> str:
        """Which row was given, and the answer in the task's own words. Nothing of a text (which is shown itself) whose
        answers have their probabilities beside them, or whose task says nothing more."""
        looked = None if text and isinstance(ranked, Mapping) else self.looked()
        if isinstance(self.rows, str) or (text and looked is None):
            return ""
        shown = self.rows.shown[self.row]
        return shown if looked is None else f"{shown}: {looked.answer}"

    def _told(self) -> Mapping[str, Any]:
        """What `regard predict` says of the row; nothing of a task that says the bare answer."""
        if self.run.task.tell is None or isinstance(self.rows, str):
            return {}
        with torch.inference_mode():
            return self.run.task.tell(self.run.model, self.rows.part.batch(np.array([self.row])), self.run.setup)[0]

    def _model(self) -> str:
        core, folder = self.run.settings.core, self.run.folder.name
        return f"Read by the {core.kind} of the run {folder!r}, task {self.run.task.name}"


def _of_patches(units: Units, seen: Picture) -> bool:
    """Whether units are the picture's patches, and perhaps words beside them."""
    if units.grid is not None:
        return units.grid == (seen.rows, seen.columns) and not units.special
    return units.kind == "part" and len(units) >= seen.patches.stop
