"""Why a cell cannot be used, in words; "" where it can. Nothing is repaired."""

from __future__ import annotations

import math
from typing import Any


def text_fault(value: Any, column: str) -> str:
    """Of a cell that must be text with at least one sign."""
    if value is None:
        return f"no text in column {column!r}"
    if not isinstance(value, str):
        return f"column {column!r} holds a {type(value).__name__}, expected text"
    return utf8_fault(value, column) or ("" if value.strip() else f"empty text in column {column!r}")


def label_fault(value: Any, column: str, what: str = "label") -> str:
    """Of a cell that must be a name: text, or a whole number. `what` it names: a label, a group, a user."""
    if value is None or value == "":
        return f"no {what} in column {column!r}"
    if not isinstance(value, str | int):  # bool is an int: True is the label "True"
        return f"column {column!r} holds a {type(value).__name__}, expected text or a whole number as {what}"
    if isinstance(value, str):
        return utf8_fault(value, column) or ("" if value.strip() else f"empty {what} in column {column!r}")
    return ""


def utf8_fault(value: str, column: str) -> str:
    """Of text with bytes that were no UTF-8."""
    bad = bad_byte(value)
    return f"broken UTF-8 in column {column!r}: {bad}" if bad else ""


def bad_byte(value: str) -> str:
    """Where the first byte stands that was no UTF-8."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        character = ord(value[error.start])
        byte = f"byte 0x{character - 0xDC00:02x}" if 0xDC80 <= character <= 0xDCFF else f"\\u{character:04x}"
        return f"{byte} after {error.start} characters"
    return ""


def number_of(value: Any, column: str) -> tuple[float, str]:
    """(the number, "") of a cell that must be a finite number, or (NaN, why it is none)."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan, f"no number in column {column!r}"
    if isinstance(value, bool):
        return math.nan, f"column {column!r} holds {value}, expected a number"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan, f"column {column!r} holds {str(value)[:40]!r}, expected a number"
    return (
        (number, "") if math.isfinite(number) else (math.nan, f"column {column!r} holds {number}, which is no number")
    )
