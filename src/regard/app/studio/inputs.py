"""An input as the page gives it: a typed text, a file, or a row of a file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Path_ = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Text = Annotated[str, StringConstraints(max_length=400_000)]  # as Limits.text_characters, which the page is told


class Input(BaseModel):
    """Exactly one of `text` and `file`; `row` (from 1) of a file of rows; `tokens`: read only so many."""

    model_config = STRICT

    text: Text | None = None
    file: Path_ | None = None
    row: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    tokens: Annotated[int, Field(ge=1, le=32_768)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Input:
        if (self.text is None) == (self.file is None):
            raise ValueError("give either text or file")
        if self.row is not None and self.file is None:
            raise ValueError("row goes with file")
        if self.text is not None and not self.text.strip():
            raise ValueError("the text is empty; give some words")
        return self


def input_of(asked: Input) -> Input:
    """The input alone, of a body that holds one among other things."""
    return Input(text=asked.text, file=asked.file, row=asked.row, tokens=asked.tokens)
