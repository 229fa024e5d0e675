"""Texts for models that write on: from files to blocks of symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from regard.spec.errors import DataError, SpecError
from regard.tasks.blocks import Blocks, beginnings, cut
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.origin import data_paths, digest_of, held_out
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.documents import Document, cut_at_ends, read_documents
from regard.tasks.readers.parts import Parts
from regard.tasks.sections import DataSettings, TokenSettings
from regard.tasks.settings import Settings
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.text_data import TOKENIZER
from regard.tasks.text_symbols import START_ID, WrittenKind, symbols_from, train_symbols, written


def digest_texts(settings: Settings, listen: Listener) -> str:
    """What the bytes of the texts come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "texts", listen)


def prepare_texts(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that learns to write on. Several texts are parted as wholes, one text in stretches.

    Raises:
        SpecError: the settings name no data, both a named set and a file, or a kind of symbols that drops spaces.
        DataError: the data cannot be read, or cannot be parted.
    """
    parts = _parts(settings.data, listen)
    if kept is None:
        tokens = settings.section(TokenSettings)
        tokenizer = train_symbols(
            (row.text for row in parts.train), kind=_kind(tokens), size=tokens.size, least=tokens.least
        )
        kept = {TOKENIZER: tokenizer.to_str()}
        listen(Note(f"vocabulary of {tokenizer.get_vocab_size():,} {tokens.kind}, from the training part only"))
    setup = Setup(settings, {"vocabulary": symbols_from(kept[TOKENIZER]).get_vocab_size()}, kept)
    train = blocks(parts.train, setup, overlapping=False)
    setup = replace(setup, settings=decided_epochs(settings, train, listen))
    found = prepared(setup, parts, lambda rows: train if rows is parts.train else blocks(rows, setup, overlapping=True))
    texts = _cuts(parts.test, setup, overlapping=True)[1]
    groups = texts.texts.tolist() if len(parts.test) > 1 else None  # blocks of one text hang together
    characters = sum(len(row.text) for row in parts.test)
    return replace(found, protocol=f"{held_out(settings.data, len(found.test))}|characters:{characters}", groups=groups)


def blocks(rows: Sequence[Document], setup: Setup, *, overlapping: bool) -> Blocks:
    """Texts as blocks. Overlapping ones, which tell half of what they read, are for scores; truths are the number of
    characters that a block's symbols stand for, as a range, which has that length."""
    symbols, cuts = _cuts(rows, setup, overlapping=overlapping)
    flat = np.concatenate([np.append(np.int32(START_ID), one.ids) for one in symbols])
    ends = [np.append(0, one.ends) for one in symbols]
    truths = [range(int(ends[text][last] - ends[text][first])) for text, first, last in
              zip(cuts.texts, cuts.first, cuts.last, strict=True)]  # fmt: skip
    return Blocks(flat, cuts.begins, cuts.ends, cuts.skipped, truths)


def scored_symbols(rows: Sequence[Document], setup: Setup) -> list[tuple[int, int, int]]:
    """Of each overlapping block: its text (from 0), and the first and the last of the symbols that it is scored on."""
    cuts = _cuts(rows, setup, overlapping=True)[1]
    return list(zip(cuts.texts.tolist(), cuts.first.tolist(), cuts.last.tolist(), strict=True))


def symbols_of(setup: Setup) -> Tokenizer:
    """The run's vocabulary."""
    return symbols_from(setup.kept[TOKENIZER])


def read_documents_for(asked: Asked, setup: Setup) -> Given:
    """Texts of a file or folder for a trained run, in blocks.

    Raises:
        DataError: they cannot be read.
    """
    columns = {**setup.settings.data.columns, **asked.columns}
    found = read_documents(asked.path, text=columns.get("text", "text"))
    return _given(found.name, usable(found, skip_refused=asked.skip_refused), setup, refused=len(found.refused))


def typed_beginnings(texts: Sequence[str], setup: Setup) -> Given:
    """Typed beginnings, one block each: their last symbols, as many as the model reads at once.

    Raises:
        DataError: a text is empty.
    """
    if not all(texts):
        raise DataError(f"text {[bool(one) for one in texts].index(False) + 1} of {len(texts)} is empty; give a sign")
    symbols = written(symbols_of(setup), texts)
    longest = setup.settings.section(TokenSettings).longest
    part = beginnings([one.ids for one in symbols], start=START_ID, longest=longest)
    return Given("typed", part, tuple(range(1, len(texts) + 1)), tuple(texts))


def _given(name: str, rows: Sequence[Document], setup: Setup, *, refused: int) -> Given:
    part = blocks(rows, setup, overlapping=True)
    texts = [rows[text] for text, _, _ in scored_symbols(rows, setup)]
    shown = tuple(row.name or f"text {row.number}" for row in texts)
    marks = np.array([row.identity.given for row in texts], dtype=np.int64)
    return Given(name, part, tuple(row.number for row in texts), shown, refused, marks)


def _cuts(rows: Sequence[Document], setup: Setup, *, overlapping: bool):  # type: ignore[no-untyped-def]
    symbols = written(symbols_of(setup), [row.text for row in rows])
    longest = setup.settings.section(TokenSettings).longest
    stride = max(1, longest // 2) if overlapping else longest
    return symbols, cut([len(one.ids) for one in symbols], longest=longest, stride=stride)


def _kind(tokens: TokenSettings) -> WrittenKind:
    if tokens.kind not in ("characters", "subwords"):
        raise SpecError(f"tokens.kind was {tokens.kind!r}: texts that go on are of characters or of subwords")
    return tokens.kind


def _parts(data: DataSettings, listen: Listener) -> Parts[Document]:
    def read(path: Path) -> Reading[Document]:
        return read_documents(path, text=data.column("text"))

    paths = data_paths(data, "texts", listen)
    alone = usable(read(paths[0]), skip_refused=data.skip_refused) if len(paths) == 1 else ()
    if len(alone) != 1:
        return parted(data, "texts", read, listen)
    shares = (data.test_rows, data.validation_rows)
    if data.train_rows is not None or not all(share < 1 for share in shares):
        raise DataError(
            f"one text, whose parts are shares of it: data.test_rows and data.validation_rows were {shares[0]:g} and "
            f"{shares[1]:g}, expected shares below 1, and no data.train_rows"
        )
    texts = cut_at_ends(alone[0], test_share=shares[0], validation_share=shares[1])
    train, validation, test = (Document(alone[0].number, text, alone[0].name) for text in texts)
    listen(Note(f"one text of {len(alone[0].text):,} characters, parted in stretches: the last of it is the test part"))
    return Parts((train,), (validation,), (test,), 0, 0, 0, data.split_seed)
