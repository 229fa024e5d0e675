"""What a tokenizer's pieces say: the text under the marks of SentencePiece, WordPiece and byte-level BPE."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SPACE = "▁"  # SentencePiece: a space in front (Kudo and Richardson 2018)
_INSIDE = "##"  # WordPiece: goes on with the word before (Schuster and Nakajima 2012)
_BYTES = re.compile(r"(?:<0x[0-9A-Fa-f]{2}>)+")  # SentencePiece's byte fallback
_NAMED = re.compile(r"<(?!0x[0-9A-Fa-f]{2}>)[^<>\s]{1,40}>|\[[A-Z]{2,12}\d*\]")  # <s>, <|endoftext|>, [CLS]


def _byte_letters() -> dict[str, int]:
    """Byte-level BPE's alphabet (Radford et al. 2019): a printable letter for each byte.

    The visible bytes of Latin-1 stand for themselves; the others follow in order from the letter 256 on, so that
    a space (32) is "Ġ" and a line break (10) is "Ċ".
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + place): byte for place, byte in enumerate(hidden)}


_LETTERS = _byte_letters()


def is_named(text: str) -> bool:
    """True for a token that stands for no text: `<s>`, `<|endoftext|>`, `[SEP]`."""
    return _NAMED.fullmatch(text.strip()) is not None


@dataclass(frozen=True)
class Pieces:
    """The pieces of one text. `style`: "space" (▁), "byte" (Ġ), "inside" (##), or "plain" (spaces as they are)."""

    texts: tuple[str, ...]
    style: str

    @classmethod
    def of(cls, texts: Sequence[str]) -> Pieces:
        """The style is read off the marks that occur; byte-level only if every piece is in its alphabet."""
        own = [text for text in texts if not is_named(text)]
        if any(text.startswith(_SPACE) for text in own):
            style = "space"
        elif any(mark in text for text in own for mark in "ĠĊ") and all(set(text) <= _LETTERS.keys() for text in own):
            style = "byte"
        elif any(text.startswith(_INSIDE) and len(text) > len(_INSIDE) for text in own):
            style = "inside"
        else:
            style = "plain"
        return cls(tuple(texts), style)

    def text(self, places: Sequence[int]) -> str:
        """What the pieces at these places say together, in order."""
        return self._joined([self.texts[place] for place in places])

    def marks_words(self) -> bool:
        """True where a mark or a space says which pieces begin a word; False where each piece is its own word."""
        return self.style != "plain" or any(text[:1].isspace() for text in self.texts)

    def begins_inside(self, place: int) -> bool:
        """True for a piece that by its mark goes on where the one before it ended."""
        text = self.texts[place]
        if self.style == "inside":
            return text.startswith(_INSIDE)
        if self.style == "byte":
            return not text.startswith("Ġ")
        return not text.startswith(_SPACE) and not text[:1].isspace()

    def splits_a_letter(self, place: int) -> bool:
        """True for a piece that begins in the middle of a character's bytes, so that it cannot be read alone."""
        text = self.texts[place]
        if self.style == "byte" and text[:1] in _LETTERS:
            return 0x80 <= _LETTERS[text[0]] < 0xC0
        return _BYTES.match(text) is not None and 0x80 <= int(text[3:5], 16) < 0xC0

    def _joined(self, texts: Sequence[str]) -> str:
        if self.style == "byte" and not any(is_named(text) for text in texts):
            return bytes(_LETTERS[letter] for letter in "".join(texts)).decode("utf-8", "replace")
        if self.style == "inside":
            first = texts[0].removeprefix(_INSIDE)
            rest = [t.removeprefix(_INSIDE) if t.startswith(_INSIDE) else f" {t}" for t in texts[1:]]
            return "".join((first, *rest))
        joined = "".join(texts)
        return _BYTES.sub(_decoded, joined).replace(_SPACE, " ") if self.style == "space" else joined


def _decoded(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("<0x", "").replace(">", "")).decode("utf-8", "replace")
