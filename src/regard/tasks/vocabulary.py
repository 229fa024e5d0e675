"""From text to token ids and back to places in the text: tokenizers trained on the training part only.

Every kind first reads a text the same way: HTML line breaks (`<br />`) become spaces, characters take their NFKC form,
and letters become lower case if so asked. Places are always counted in the text as it was given.

words:      runs of letters and digits (with one apostrophe inside: don't), and single signs. For languages with spaces.
subwords:   byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) inside those runs. For languages without spaces,
            such as Chinese, where a run is a whole phrase, and where word forms are many.
characters: one token for each character that is no space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from regard.spec.errors import AGAIN, CheckpointError
from regard.tasks.sections import TokenSettings

PADDING = "<padding>"
UNKNOWN = "<unknown>"
PADDING_ID = 0
UNKNOWN_ID = 1
LINE_BREAK = r"(?i:<br\s*/?>)"

Kind = Literal["words", "subwords", "characters"]

_PIECES = {
    "words": r"\w+(?:['’]\w+)*|[^\w\s]",
    "subwords": r"\w+(?:['’]\w+)*|[^\w\s]",
    "characters": r"\S",
}
# Scripts written without spaces between words: Thai to Myanmar, Khmer, kana, Han.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]"
)
_SPACELESS_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text's tokens, those that are read: ids, and [start, end) of each in the given text, in characters.

    unread: how many more tokens the text has.
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    unread: int


@dataclass(frozen=True)
class Vocabulary:
    """A trained tokenizer, and how much of a text it reads."""

    tokenizer: Tokenizer
    longest: int
    keep: Literal["first", "ends"]

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size())

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids that are read of each text, at most `longest`; [UNKNOWN_ID] where a text has no token."""
        found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [self._read(encoding.ids) or [UNKNOWN_ID] for encoding in found]

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """The same ids with their places in the texts."""
        result = []
        for text, encoding in zip(
            texts, self.tokenizer.encode_batch(list(texts), add_special_tokens=False), strict=True
        ):
            ids, spans = self._read(encoding.ids), self._read(encoding.offsets)
            if not ids:
                ids, spans = [UNKNOWN_ID], [(0, len(text))]
            result.append(Pieces(tuple(ids), tuple(spans), len(encoding.ids) - len(self._read(encoding.ids))))
        return result

    def save(self, path: Path) -> None:
        """Writes `tokenizer.json` (the format of the `tokenizers` library)."""
        self.tokenizer.save(str(path))

    def _read(self, items: list[Any]) -> list[Any]:
        if len(items) <= self.longest:
            return items
        if self.keep == "first":
            return items[: self.longest]
        tail = self.longest // 2
        return items[: self.longest - tail] + items[len(items) - tail :]


def train_vocabulary(
    texts: Iterable[str], settings: TokenSettings, kind: Kind, *, signs: Sequence[str] = ()
) -> Vocabulary:
    """A vocabulary of the given (training) texts. `kind` is `settings.kind` with "auto" decided (`chosen_kind`).

    `signs`: further entries that no text is cut into, such as one for the end of a text; their ids are 2, 3, ...
    """
    model: Any = models.BPE(unk_token=UNKNOWN) if kind == "subwords" else models.WordLevel(unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    steps: list[Any] = [normalizers.Replace(Regex(LINE_BREAK), " "), normalizers.NFKC()]
    if settings.lowercase:
        steps.append(normalizers.Lowercase())
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES[kind]), behavior="removed", invert=True)
    shape = trainers.BpeTrainer if kind == "subwords" else trainers.WordLevelTrainer
    trainer = shape(
        vocab_size=settings.size,
        min_frequency=settings.least,
        special_tokens=[PADDING, UNKNOWN, *signs],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Vocabulary(tokenizer, settings.longest, settings.keep)


def load_vocabulary(path: Path, settings: TokenSettings) -> Vocabulary:
    """The vocabulary that `save` wrote.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(path), error) from None
    return vocabulary_from(text, settings, where=str(path))


def vocabulary_from(text: str, settings: TokenSettings, *, where: str) -> Vocabulary:
    """The vocabulary that a `tokenizer.json` holds; `where` is the file's name for messages.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception for a broken file
        raise _unreadable(where, error) from None
    return Vocabulary(tokenizer, settings.longest, settings.keep)


def _unreadable(where: str, error: Exception) -> CheckpointError:
    return CheckpointError(f"{where} is no readable vocabulary ({error}); {AGAIN}")


def chosen_kind(texts: Sequence[str], settings: TokenSettings) -> Kind:
    """What "auto" means for these texts: subwords where at least a fifth of the characters are of spaceless scripts."""
    if settings.kind != "auto":
        return settings.kind
    return "subwords" if is_spaceless(texts) else "words"


def is_spaceless(texts: Sequence[str]) -> bool:
    """Whether spaces do not part words here: at least a fifth of the characters are of scripts written without."""
    return spaceless_share(texts) >= _SPACELESS_SHARE


def spaceless_share(texts: Sequence[str]) -> float:
    """The share of characters that belong to scripts written without spaces between words."""
    whole = sum(map(len, texts))
    return sum(len(_SPACELESS.findall(text)) for text in texts) / whole if whole else 0.0
