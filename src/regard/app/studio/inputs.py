"""An input as the page gives it: a typed text, a file, a row of a file, or a row of a run's own test part."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Path_ = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Text = Annotated[str, StringConstraints(max_length=400_000)]  # as Limits.text_characters, which the page is told


class Input(BaseModel):
    """Exactly one of `text`, `file` and `part`: "test", the run's own test part; `row` (from 1) of a file of rows or of
    the part; `tokens`: read only so many."""

    model_config = STRICT

    text: Text | None = None
    file: Path_ | None = None
    part: Literal["test"] | None = None
    row: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    tokens: Annotated[int, Field(ge=1, le=32_768)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Input:
        if [self.text, self.file, self.part].count(None) != 2:
            raise ValueError("give one of text, file and part")
        if self.row is not None and self.text is not None:
            raise ValueError("row goes with file or part")
        if self.text is not None and not self.text.strip():
            raise ValueError("the text is empty; give some words")
        return self


def input_of(asked: Input) -> Input:
    """The input alone, of a body that holds one among other things."""
    return Input(text=asked.text, file=asked.file, part=asked.part, row=asked.row, tokens=asked.tokens)
