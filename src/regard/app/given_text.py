"""Texts as they are given on the command line or in a file: checked to be readable before a model sees them."""

from __future__ import annotations

from pathlib import Path

from regard.spec.errors import DataError, SpecError


def typed(text: str, *, option: str = "--text") -> str:
    """A text from the command line.

    Raises:
        SpecError: it is empty, or its bytes are not UTF-8.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SpecError(f"{option}: the text is not UTF-8 after {error.start} characters; type it in UTF-8") from None
    if not text.strip():
        raise SpecError(f"{option} is empty; give some words")
    return text


def whole_file(path: Path) -> str:
    """A text file as one text.

    Raises:
        DataError: it cannot be read, is not UTF-8, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: broken UTF-8 at byte {error.start + 1}; save the file as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); give the path of a text file") from None
    if not text.strip():
        raise DataError(f"{path} is empty; it needs some words")
    return text
