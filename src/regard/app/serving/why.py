"""What a request may say of the explanation that it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from regard.lens.explain import BEST
from regard.lens.methods import METHODS

if TYPE_CHECKING:
    _Name = str
else:
    _Name = Literal[(BEST, *(method.name for method in METHODS))]  # the schema lists them
_Target = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Why(BaseModel):
    """How an answer is to be explained, as `regard explain --method --target` and what it measures."""

    model_config = ConfigDict(extra="forbid", strict=True)
    method: _Name = Field(default=BEST, description="a method's name, or the most faithful one on this input")
    target: _Target | None = Field(default=None, description="the answer to explain; by default the run's own")
    evidence: bool = Field(default=False, description="with how faithful the explanation is on this input")
