"""A share as it is typed: of tokens, or of bytes."""

from __future__ import annotations

import typer


def share(text: str) -> float:
    """Above 0 and at most 1. Raises `typer.BadParameter` for anything else."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise typer.BadParameter(f"{text}: expected a share, above 0 and at most 1")
    return found
