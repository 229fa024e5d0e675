"""Questions about a run's answers: which kind of model is asked how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from regard.lens.question import Question
from regard.nn.decoding import LanguageModel
from regard.nn.front_ends import ConvFrontEnd, FeatureFrontEnd, PatchFrontEnd, TextFrontEnd
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.spec.errors import RunError, SpecError
from regard.spec.value import described
from regard.tasks.answer_question import answer_question
from regard.tasks.answerer import Choosing, Pointing
from regard.tasks.classifier import Classifier
from regard.tasks.forecaster import Forecaster
from regard.tasks.image_text import PictureAndText
from regard.tasks.image_text_question import image_text_question
from regard.tasks.masked_question import masked_question
from regard.tasks.masked_text import MaskedText
from regard.tasks.next_question import next_question
from regard.tasks.picture_question import picture_question
from regard.tasks.recommend import Recommender
from regard.tasks.recommend_question import recommend_question
from regard.tasks.scene_model import Finder, Outliner
from regard.tasks.scene_question import found_question, outlined_question
from regard.tasks.series_question import series_question
from regard.tasks.several import Several
from regard.tasks.sound_question import sound_question
from regard.tasks.symbols import SymbolReader
from regard.tasks.table_question import table_question
from regard.tasks.tag_question import tag_question
from regard.tasks.tagger import Tagger
from regard.tasks.task import Given, Setup
from regard.tasks.text_classifier import TextClassifier
from regard.tasks.text_question import symbol_question, text_question
from regard.tasks.transcriber import Transcriber
from regard.tasks.written_question import caption_question, written_question

if TYPE_CHECKING:
    from regard.train.run import Run

__all__ = ["question_of"]


@dataclass(frozen=True, eq=False)
class _Input:
    """One input of a run. inputs, row, others: as in `question_of`."""

    run: Run
    inputs: str | Given
    row: int
    others: Sequence[str | Given]
    target: Any
    piece: int | None
    words: bool
    seed: int

    def text(self) -> str:
        return _text(self.run, self.inputs, self.row)

    def texts(self) -> list[str]:
        return [_text(self.run, one, self.row) for one in self.others]

    def batch(self) -> Any:
        return _batch(self.run, self.inputs, self.row)

    def batches(self) -> list[Any]:
        return [_batch(self.run, one, self.row) for one in self.others]


def question_of(
    run: Run,
    inputs: str | Given,
    target: Any = None,
    *,
    row: int = 0,
    piece: int | None = None,
    words: bool = False,
    others: Sequence[str | Given] = (),
    seed: int = 0,
) -> Question:
    """The question about a run's answer to a typed text, or to row number `row` (from 0) of rows that were read
    (`Run.given`, `Run.typed`).

    target: by default the run's own answer; a label, an item, a step to come (from 1), a text, what comes next. piece:
    of an answer of several pieces, one of them, from 1: a word of what is written, the tag of a word, a thing that was
    found, the hidden word of a run that guesses them, one of several tasks on one core. words: of a text, units are
    words. others: more inputs, to draw from what stands in the place of what is taken away.

    Raises:
        SpecError: a target, a piece or a row that is not there.
        DataError: an empty text.
        RunError: a run of a task whose answers are of another kind.
    """
    given = _Input(run, inputs, row, others, target, piece, words, seed)
    return _asked(run.model, run.setup, given)


def _asked(model: nn.Module, setup: Setup, given: _Input) -> Question:
    if isinstance(model, Several):
        return _of_several(model, setup, given)
    for fits, ask, pieces in KINDS:
        if fits(model):
            if given.piece is not None and not pieces:
                raise SpecError(f"piece={given.piece}: an answer of {given.run.task.name} is of one piece")
            return ask(model, setup, given)
    raise RunError(_refusal(given.run))


Fits = Callable[[nn.Module], bool]
Ask = Callable[[Any, Setup, _Input], Question]


def _classifier_of(*fronts: type[nn.Module]) -> Fits:
    return lambda model: isinstance(model, Classifier) and isinstance(model.front, fronts)


def _writer_of(*fronts: type[nn.Module]) -> Fits:
    return lambda model: isinstance(model, SequenceToSequence) and isinstance(model.front, fronts)


def _is(*kinds: type[nn.Module]) -> Fits:
    return lambda model: isinstance(model, kinds)


# which model, how it is asked, and whether its answers are of several pieces
KINDS: tuple[tuple[Fits, Ask, bool], ...] = (
    (
        _is(TextClassifier),
        lambda model, setup, one: text_question(
            model, setup, one.text(), one.target, others=one.texts(), words=one.words, seed=one.seed
        ),
        False,
    ),
    (
        _classifier_of(SymbolReader),
        lambda model, setup, one: symbol_question(
            model, setup, one.batch(), one.target, others=one.batches(), seed=one.seed
        ),
        False,
    ),
    (
        _classifier_of(ConvFrontEnd, PatchFrontEnd),
        lambda model, setup, one: picture_question(
            model, setup, one.batch().inputs[0], one.target, others=[each.inputs[0] for each in one.batches()]
        ),
        False,
    ),
    (
        _classifier_of(FeatureFrontEnd),
        lambda model, setup, one: table_question(model, setup, one.batch(), one.target, others=one.batches()),
        False,
    ),
    (
        _classifier_of(PictureAndText),
        lambda model, setup, one: image_text_question(
            model, setup, one.batch(), one.text(), one.target, words=one.words
        ),
        False,
    ),
    (_is(Forecaster), lambda model, setup, one: series_question(model, setup, one.batch(), one.target), False),
    (
        _is(Pointing, Choosing),
        lambda model, setup, one: answer_question(
            model, setup, one.batch(), one.target, others=one.batches(), words=one.words, seed=one.seed
        ),
        False,
    ),
    (
        _is(LanguageModel),
        lambda model, setup, one: next_question(model, setup, one.batch(), one.target, words=one.words),
        False,
    ),
    (_is(Recommender), lambda model, setup, one: recommend_question(model, setup, one.batch(), one.target), False),
    (_is(Outliner), lambda model, setup, one: outlined_question(model, setup, one.batch(), one.target), False),
    (
        _is(Tagger),
        lambda model, setup, one: tag_question(model, setup, one.batch(), one.target, piece=one.piece),
        True,
    ),
    (
        _writer_of(TextFrontEnd),
        lambda model, setup, one: written_question(model, setup, one.batch(), one.target, piece=one.piece),
        True,
    ),
    (
        _writer_of(ConvFrontEnd, PatchFrontEnd),
        lambda model, setup, one: caption_question(model, setup, one.batch(), one.target, piece=one.piece),
        True,
    ),
    (
        _is(Transcriber),
        lambda model, setup, one: sound_question(model, setup, one.batch(), one.target, piece=one.piece),
        True,
    ),
    (
        _is(Finder),
        lambda model, setup, one: found_question(model, setup, one.batch(), one.target, piece=one.piece),
        True,
    ),
    (
        _is(MaskedText),
        lambda model, setup, one: masked_question(
            model, setup, one.text(), one.target, piece=one.piece, words=one.words
        ),
        True,
    ),
)


def _of_several(model: Several, setup: Setup, given: _Input) -> Question:
    """Asks the task of number `piece`, or the first that has the label `target`, or the first of all."""
    facts: Mapping[str, Mapping[str, Any]] = setup.facts["members"]
    names = list(model.models)
    if given.piece is not None and not 1 <= given.piece <= len(names):
        raise SpecError(f"piece={given.piece}: this run has {len(names)} tasks on one core: {', '.join(names)}")
    knowing = [name for name in names if given.target in facts[name].get("labels", ())]
    chosen = names[given.piece - 1] if given.piece is not None else (knowing or names)[0]
    settings = setup.settings.model_copy(update={"data": (setup.settings.members or {})[chosen], "members": None})
    found = _asked(model.models[chosen], Setup(settings, facts[chosen], setup.kept), replace(given, piece=None))
    return replace(found, target=f"{chosen}: {found.target}")


def _refusal(run: Run) -> str:
    """Why a run of this task cannot be asked, and what can be done instead."""
    if run.task.name == "masked-images":
        return (
            "a run of masked-images guesses pixels, which have no probability: train images with --init from it, and "
            "explain that run"
        )
    return f"a run of {run.task.name} cannot be explained by taking parts of its input away; see `regard observe`"


def _text(run: Run, inputs: str | Given, row: int) -> str:
    if isinstance(inputs, str):
        return inputs if run.task.typed is None else run.typed([inputs]).shown[0]
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
