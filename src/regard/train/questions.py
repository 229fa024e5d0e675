"""Questions about a run's answers: which kind of model is asked how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from regard.lens.question import Question
from regard.nn.front_ends import ConvFrontEnd, PatchFrontEnd, TextFrontEnd
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.spec.errors import RunError, SpecError
from regard.spec.value import described
from regard.tasks.classifier import Classifier
from regard.tasks.forecaster import Forecaster
from regard.tasks.picture_question import picture_question
from regard.tasks.series_question import series_question
from regard.tasks.sound_question import sound_question
from regard.tasks.symbols import SymbolReader
from regard.tasks.task import Given
from regard.tasks.text_classifier import TextClassifier
from regard.tasks.text_question import symbol_question, text_question
from regard.tasks.transcriber import Transcriber
from regard.tasks.written_question import written_question

if TYPE_CHECKING:
    from regard.train.run import Run

__all__ = ["question_of"]

_EXPLAINED = "texts and symbols with labels, pictures with labels, forecasts, translations, summaries, and speech"


def question_of(
    run: Run,
    inputs: str | Given,
    target: Any = None,
    *,
    row: int = 0,
    words: bool = False,
    others: Sequence[str | Given] = (),
    seed: int = 0,
) -> Question:
    """The question about a run's answer to a typed text, or to row number `row` (from 0) of rows that were read
    (`Run.given`, `Run.typed`). target: by default the run's own answer; a label, a step to come (from 1), a text.
    words: of a text, units are words. others: more inputs, to draw from what stands in the place of what is taken away.

    Raises:
        SpecError: a target or a row that is not there.
        DataError: an empty text.
        RunError: a run of a task whose answers are of another kind.
    """
    model, setup = run.model, run.setup
    if isinstance(model, TextClassifier):
        drawn = [_text(run, one, row) for one in others]
        return text_question(model, setup, _text(run, inputs, row), target, others=drawn, words=words, seed=seed)
    if isinstance(model, Classifier) and isinstance(model.front, SymbolReader):
        batches = [_batch(run, one, row) for one in others]
        return symbol_question(model, setup, _batch(run, inputs, row), target, others=batches, seed=seed)
    if isinstance(model, Classifier) and isinstance(model.front, ConvFrontEnd | PatchFrontEnd):
        pictures = [_batch(run, one, row).inputs[0] for one in others]
        return picture_question(model, setup, _batch(run, inputs, row).inputs[0], target, others=pictures)
    if isinstance(model, Forecaster):
        return series_question(model, setup, _batch(run, inputs, row), target)
    if isinstance(model, SequenceToSequence) and isinstance(model.front, TextFrontEnd):
        return written_question(model, setup, _batch(run, inputs, row), target)
    if isinstance(model, Transcriber):
        return sound_question(model, setup, _batch(run, inputs, row), target)
    raise RunError(f"a run of {run.task.name} cannot be explained by taking units away; those that can: {_EXPLAINED}")


def _text(run: Run, inputs: str | Given, row: int) -> str:
    if isinstance(inputs, str):
        return run.typed([inputs]).shown[0]
    if isinstance(inputs, Given) and 0 <= row < len(inputs.shown):
        return inputs.shown[row]
    raise _wrong(run, inputs, row)


def _batch(run: Run, inputs: str | Given, row: int) -> Any:
    """The batch of the one row that is meant."""
    given, place = (run.typed([inputs]), 0) if isinstance(inputs, str) else (inputs, row)
    if not isinstance(given, Given) or not 0 <= place < len(given.part):
        raise _wrong(run, inputs, row)
    return given.part.batch(np.array([place]))


def _wrong(run: Run, inputs: object, row: int) -> SpecError:
    if isinstance(inputs, Given):
        return SpecError(f"row={row}: {inputs.name} has the rows 0 to {len(inputs.part) - 1}")
    return SpecError(
        f"inputs={described(inputs)}: expected a text, or rows that the run has read (run.given(...), run.typed([...]))"
    )
