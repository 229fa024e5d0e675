"""Questions about texts: from files to parts of tokens, the same for training and for a trained run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from regard.spec.errors import DataError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.origin import digest_of
from regard.tasks.parting import parted, prepared
from regard.tasks.question_part import Asking, QuestionPart, places_of
from regard.tasks.readers.questions import Question, read_questions
from regard.tasks.sections import AnswerSettings, TokenSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.text_data import TOKENIZER, vocabulary_of
from regard.tasks.vocabulary import Pieces, chosen_kind, train_vocabulary

_NEARLY_ALL = 0.95  # of the training answers stand in their text or question: then answers are read out there
_ASKED = re.compile(r"(?P<context>.*[.!?。！？])\s*(?P<question>\S[^.!?。！？]*[?？]?)\s*", re.DOTALL)


def digest_questions(settings: Settings, listen: Listener) -> str:
    """What the bytes of the questions come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "questions", listen)


def prepare_questions(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that answers questions; those of one group (a story) go to one part.

    The facts hold the answers of the training part, and of how many tokens the longest is that is read out. Training
    questions whose answer cannot be read out are left out where answers are; and told.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted, or there is no question to learn from.
    """
    parts = parted(settings.data, "questions", _reader(settings, {}), listen)
    texts = [text for row in parts.train for text in (row.context, row.question)]
    tokens = settings.section(TokenSettings)
    settings = changed(settings, {"tokens.kind": chosen_kind(texts, tokens)})
    if kept is None:
        vocabulary = train_vocabulary(texts, tokens, chosen_kind(texts, tokens))
        kept = {TOKENIZER: vocabulary.tokenizer.to_str()}
        listen(Note(f"vocabulary of {len(vocabulary):,} tokens, from the training part only"))
    answers = sorted({row.answer for row in parts.train})
    setup = Setup(settings, {"answers": answers}, kept)
    train = encode_questions(parts.train, setup)
    setup = replace(setup, settings=_decided(settings, train, answers, listen))
    train = _learnable(train, setup, listen)
    longest = max((last - first + 1 for row in train.rows for first, last in row.places), default=1)
    facts = {"answers": answers, "longest": longest, "vocabulary": len(vocabulary_of(setup))}
    setup = Setup(decided_epochs(setup.settings, train, listen), facts, kept)
    found = prepared(setup, parts, lambda rows: train if rows is parts.train else encode_questions(rows, setup))
    return replace(found, counts={**found.counts, "not_learnable": len(parts.train) - len(train)})


def encode_questions(rows: Sequence[Question], setup: Setup) -> QuestionPart:
    """Texts and questions as tokens: of either, when it is longer than `tokens.longest`, those that `tokens.keep`
    says."""
    vocabulary, classes = vocabulary_of(setup), {one: place for place, one in enumerate(setup.facts["answers"])}
    contexts = vocabulary.pieces([row.context for row in rows])
    questions = vocabulary.pieces([row.question for row in rows])
    made = [
        _asking(row, context, question, classes)
        for row, context, question in zip(rows, contexts, questions, strict=True)
    ]
    return QuestionPart(made, [row.answer for row in rows])


def read_more_questions(asked: Asked, setup: Setup) -> Given:
    """Questions for a trained run: with `asked.truths` their answers too.

    Raises:
        DataError: they cannot be read, or a row cannot be used.
    """
    found = _reader(setup.settings, asked.columns, answered=asked.truths)(asked.path)
    return _given(found.name, usable(found, skip_refused=asked.skip_refused), setup, refused=len(found.refused))


def typed_questions(texts: Sequence[str], setup: Setup) -> Given:
    """Typed texts whose last sentence is the question.

    Raises:
        DataError: a text has no two sentences.
    """
    rows = []
    for place, text in enumerate(texts, start=1):
        found = _ASKED.fullmatch(text)
        if found is None:
            said = f"text {place} of {len(texts)} is {text!r}"
            raise DataError(f"{said}, expected a text and, as its last sentence, the question")
        rows.append(Question(place, found["context"], found["question"], ""))
    return _given("typed", rows, setup)


def _asking(row: Question, context: Pieces, question: Pieces, classes: Mapping[str, int]) -> Asking:
    begins = len(row.context) + 1  # the question's first character in the joined string
    moved = tuple((start + begins, end + begins) for start, end in question.spans)
    spans, text = (*context.spans, *moved), f"{row.context} {row.question}"
    return Asking(
        ids=np.array((*context.ids, *question.ids), dtype=np.int64),
        spans=spans,
        first=len(context.ids),
        text=text,
        question=row.question,
        places=places_of(row.answer, text, spans),
        target=classes.get(row.answer, -1),
    )


def _decided(settings: Settings, train: QuestionPart, answers: Sequence[str], listen: Listener) -> Settings:
    """The settings with `answers.by` "auto" replaced by what it means for the training part."""
    if settings.section(AnswerSettings).by != "auto":
        return settings
    share = sum(bool(row.places) for row in train.rows) / len(train)
    by = "place" if share >= _NEARLY_ALL else "class"
    how = "read out where they stand" if by == "place" else f"chosen from {len(answers):,}"
    listen(Note(f"{share:.0%} of the training answers stand in their text or question: answers are {how}"))
    return changed(settings, {"answers.by": by})


def _learnable(train: QuestionPart, setup: Setup, listen: Listener) -> QuestionPart:
    if setup.settings.section(AnswerSettings).by == "class":
        return train
    chosen = [place for place, row in enumerate(train.rows) if row.places]
    if not chosen:
        raise DataError("no training answer stands in its text or question; train with --set answers.by=class")
    if len(chosen) < len(train):
        listen(Note(f"{len(train) - len(chosen):,} training questions left out: their answers do not stand there"))
    return QuestionPart([train.rows[place] for place in chosen], [train.truths[place] for place in chosen])


def _given(name: str, rows: Sequence[Question], setup: Setup, *, refused: int = 0) -> Given:
    marks = np.array([row.identity.given for row in rows], dtype=np.int64)
    shown = tuple(row.context for row in rows)
    return Given(name, encode_questions(rows, setup), tuple(row.number for row in rows), shown, refused, marks)


def _reader(
    settings: Settings, columns: Mapping[str, str], *, answered: bool = True
) -> Callable[[Path], Reading[Question]]:
    named = {**settings.data.columns, **columns}
    return lambda path: read_questions(
        path,
        context=named.get("context", "context"),
        question=named.get("question", "question"),
        answer=named.get("answer", "answer") if answered else None,
        group=named.get("group"),
    )
