"""What the page sends, each body checked once; an unknown key is refused, so that a slip is never silently nothing."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from regard.app.studio.inputs import STRICT, Input, Name, Path_, Text

POLICIES = ("focus", "window", "allocated", "tokens")
_MOST = 10**12  # numbers of a tensor that is planned for
_SMALL = 16  # rows and columns of a walk: every number is shown
Share = Annotated[float, Field(gt=0, le=1)]
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
Row = Annotated[list[Number], Field(min_length=1, max_length=_SMALL)]
Matrix = Annotated[list[Row], Field(min_length=1, max_length=_SMALL)]
Expression = Annotated[str, StringConstraints(max_length=1000)]
Size = Annotated[int, Field(ge=1, le=1_048_576)]
Shape = Annotated[list[Size], Field(min_length=4, max_length=4)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Setting = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_A-Z0-9+-]+){1,3}$", max_length=80)]


class LookBody(Input):
    """POST /api/jobs/look"""

    subject: Name
    top: Annotated[int, Field(ge=1, le=64)] = 8
    sinks: bool = True
    budget: Share | None = None


class WhyBody(Input):
    """POST /api/jobs/why. sample: a file of rows to measure on too; column: its texts', where that is called otherwise
    than in training; own: instead of a file, the run's own test part; inputs: of its rows at most so many."""

    subject: Name
    target: Name | None = None
    methods: Annotated[list[Name], Field(min_length=1, max_length=12)] = Field(default_factory=lambda: ["best"])
    sample: Path_ | None = None
    column: Name | None = None
    own: bool = False
    inputs: Annotated[int, Field(ge=2, le=200)] = 30

    @model_validator(mode="after")
    def _sampled(self) -> WhyBody:
        if self.column is not None and self.sample is None:
            raise ValueError("column goes with sample")
        if self.own and self.sample is not None:
            raise ValueError("give sample or own, not both")
        return self


class SpendBody(Input):
    """POST /api/jobs/spend"""

    subject: Name
    fractions: Annotated[list[Share], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: [0.05, 0.1, 0.2, 0.5]
    )
    policy: Literal["focus", "window", "allocated", "tokens"] = "focus"


class CompareBody(BaseModel):
    """POST /api/jobs/compare: two models on one input (`subjects`), or one on two (`subject`, `inputs`).

    A `part` is that of the first of them.
    """

    model_config = STRICT

    subjects: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None
    subject: Name | None = None
    inputs: Annotated[list[Input], Field(min_length=2, max_length=2)] | None = None
    text: Text | None = None
    file: Path_ | None = None
    part: Literal["test"] | None = None
    row: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    tokens: Annotated[int, Field(ge=1, le=32_768)] | None = None
    top: Annotated[int, Field(ge=1, le=64)] = 8

    @model_validator(mode="after")
    def _two(self) -> CompareBody:
        if (self.subjects is None) == (self.subject is None):
            raise ValueError("give either subjects (two, on one input) or subject (one, on two inputs)")
        if (self.subject is None) != (self.inputs is None):
            raise ValueError("subject and inputs go together")
        if self.inputs is not None and (self.text, self.file, self.part, self.row, self.tokens) != (None,) * 5:
            raise ValueError("beside inputs, text, file, part, row and tokens stand in each of them")
        self.pairs()  # raises where there is no input
        return self

    def pairs(self) -> list[tuple[str, Input]]:
        """The two (subject, input)."""
        if self.subject is not None and self.inputs is not None:
            return [(self.subject, one) for one in self.inputs]
        own = Input(text=self.text, file=self.file, part=self.part, row=self.row, tokens=self.tokens)
        return [(one, own) for one in self.subjects or ()]


class TrainBody(BaseModel):
    """POST /api/jobs/train"""

    model_config = STRICT

    task: Name
    preset: Name | None = None
    data: Path_ | None = None
    columns: dict[Name, Name] = Field(default_factory=dict, max_length=20)
    settings: dict[Setting, Any] = Field(default_factory=dict, max_length=50)
    folder: Path_
    probe: Annotated[str, StringConstraints(max_length=20_000)] | None = None

    @model_validator(mode="after")
    def _plain(self) -> TrainBody:
        for name, value in self.settings.items():
            if not isinstance(value, str | int | float | bool | None) or (isinstance(value, str) and len(value) > 4096):
                raise ValueError(f"settings.{name}: expected a text, a number, true, false or null")
        return self


class WalkBody(BaseModel):
    """POST /api/learn/walk: words; or query, keys and values; or the name of a worked example."""

    model_config = STRICT

    words: Annotated[list[Word], Field(min_length=1, max_length=_SMALL)] | None = None
    query: Matrix | None = None
    keys: Matrix | None = None
    values: Matrix | None = None
    example: Name | None = None
    score: Expression = "ScaledDot()"

    @model_validator(mode="after")
    def _one(self) -> WalkBody:
        tables = [one is not None for one in (self.query, self.keys, self.values)]
        if any(tables) and not all(tables):
            raise ValueError("query, keys and values go together")
        ways = (self.example is not None, any(tables), self.words is not None and not any(tables))
        if sum(ways) != 1:
            raise ValueError("give words, or query, keys and values, or example")
        return self


class MaskBody(BaseModel):
    """POST /api/learn/mask"""

    model_config = STRICT

    expression: Expression
    queries: Annotated[int, Field(ge=1, le=256)] = 16
    keys: Annotated[int, Field(ge=1, le=256)] = 16


class PlanBody(BaseModel):
    """POST /api/learn/plan"""

    model_config = STRICT

    query: Shape
    key: Shape | None = None
    value: Shape | None = None
    mask: Expression | None = None
    score: Expression | None = None
    dtype: Literal["float64", "float32", "bfloat16", "float16"] = "float32"
    gradients: bool = False

    @model_validator(mode="after")
    def _countable(self) -> PlanBody:
        for name in ("query", "key", "value"):
            if math.prod(getattr(self, name) or ()) > _MOST:
                raise ValueError(f"{name} has more than {_MOST:.0e} numbers")
        return self
