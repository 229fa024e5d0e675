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
from regard.lens.explanation import Explanation
from regard.lens.page import page
from regard.lens.picture_page import picture_page
from regard.lens.question import Question
from regard.lens.reading import LIMITS, Reading
from regard.spec.errors import SpecError
from regard.tasks.task import Asked, Given
from regard.train.run import Run, load_run


@dataclass(frozen=True, eq=False)
class RunAsking:
    """rows, row: what is explained, the row from 0. data: rows to measure on, None where there are none."""

    run: Run
    rows: Given
    row: int
    data: Given | None

    @classmethod
    def of(cls, folder: Path, text: str | None, data: Path | None, column: list[str], row: int) -> RunAsking:
        """A text; or without one, a row (from 1) of the file.

        Raises:
            CheckpointError: there is no such run. DataError: the file cannot be read.
            SpecError: it has not so many rows.
        """
        run = load_run(folder)
        given = None if data is None else run.given(Asked(data, columns_of(run, column), truths=False))
        if text is not None:
            return cls(run, run.typed([text]), 0, given)
        assert given is not None
        if row > len(given.part):
            raise SpecError(
                f"--row {row}: {given.name} has {len(given.part):,} rows that can be used; ask for one of them"
            )
        return cls(run, given, row - 1, given)

    def question(self, target: str | None) -> Question:
        return self.run.question(self.rows, target, row=self.row, words=True)

    def others(self, count: int) -> tuple[list[Ask], list[Ask]]:
        if self.data is None or not count:
            return [], []
        places = [place for place in range(len(self.data.part)) if self.data is not self.rows or place != self.row]
        return split([self._asker(self.data, place) for place in places], count)

    def reading(self, explanation: Explanation, question: Question) -> Reading:
        ranked = self._told().get("probabilities")
        return Reading(
            explanation=explanation,
            model=self._model(),
            answers=tuple(ranked.items()) if isinstance(ranked, Mapping) else (),
            notes=tuple(f"{note}." for note in question.notes),
            said="" if explanation.units.source is not None else self._said(),
        )

    def written(self) -> bool:
        """Whether the answer is written piece by piece, so that each piece looked somewhere."""
        return self.run.task.explain is not None and self.run.explain(self.rows, self.row).alignment is not None

    def page(self, reading: Reading) -> str:
        found = reading.explanation
        if found.units.grid is None or self.run.task.explain is None:
            return page(reading)
        seen = self.run.explain(self.rows, self.row).picture
        if seen is None or (seen.rows, seen.columns) != found.units.grid:
            return page(reading)
        weights = found.weights[found.units.special :].clamp(min=0).tolist()
        return picture_page(
            answer=reading.title,
            png=seen.png,
            grid=found.units.grid,
            looks=[(f"for {found.target}", weights)],
            how=f"{found.method}: {found.how}; patches that speak against the answer stay as they are",
            model=reading.model,
            limits=LIMITS,
            evidence=found.evidence,
        )

    def _asker(self, rows: Given, row: int) -> Ask:
        return lambda: self.run.question(rows, row=row, words=True)

    def _said(self) -> str:
        """Which row was given, and the answer in the task's own words."""
        shown = self.rows.shown[self.row]
        return shown if self.run.task.explain is None else f"{shown}: {self.run.explain(self.rows, self.row).answer}"

    def _told(self) -> Mapping[str, Any]:
        """What `regard predict` says of the row; nothing of a task that says the bare answer."""
        if self.run.task.tell is None:
            return {}
        with torch.inference_mode():
            return self.run.task.tell(self.run.model, self.rows.part.batch(np.array([self.row])), self.run.setup)[0]

    def _model(self) -> str:
        core, folder = self.run.settings.core, self.run.folder.name
        told = f"Read by the {core.kind} of the run {folder!r}, task {self.run.task.name}"
        # a word that attention gives 0 may be one that was never processed: then the page says so
        return told if core.budget == 1 else f"{told}; budget {core.budget:g}, words that were dropped get no attention"
