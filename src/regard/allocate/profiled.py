"""What a profile holds: for every layer where its heads look, and what each policy does to them at each budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regard.allocate.fingerprint import Fingerprint
from regard.allocate.lessons import Lessons
from regard.allocate.policy_form import plain, policy_of
from regard.allocate.running import Running
from regard.allocate.stored import exactly, read, write
from regard.spec.errors import DataError, SpecError
from regard.spec.policy import Policy
from regard.spec.value import is_number

FORMAT = "regard profile 2"
SIGHTS = ("breadth", "distance", "lse", "first", "latest")  # a number for each query head
HEADS = ("full", "weight")  # a number for each key head
POINTS = ("share", "error", "square", "cost")  # for each key head, policy and fraction
_ENTRIES = ("model", "policies", "fractions", "queries", "unit", "samples", "kept", "layers", "lessons")
_OLDER = {"regard profile 1": _ENTRIES[:-1]}  # taught no basis


@dataclass(frozen=True, eq=False)
class Layer:
    """The figures of one attention module, means over samples (`Running`), by name.

    (heads,): breadth, the effective number of keys a query looks at; distance, in keys; lse; first and latest, the
    shares of its weight on the first 4 keys and on the latest 64.
    (kv_heads,): full, the bytes of the keys and values that a query may attend to, at 16 bits a number; weight, what a
    squared relative error of 1 in the head's output costs, if it points anywhere (see `regard.allocate.weighing`).
    (kv_heads, policies, fractions): share of `full` that was read; error, the mean relative error of the output,
    |output - exact| / |exact|; square, the mean of its square; cost, what these errors, as they point, cost.

    lessons: sums that bases of sketches are learnt from; None where no policy has a sketch, or no text was long enough.
    """

    figures: Mapping[str, Running]
    lessons: Lessons | None = None

    @property
    def heads(self) -> int:
        return self.figures["breadth"].mean.shape[0]

    @property
    def kv_heads(self) -> int:
        return self.figures["full"].mean.shape[0]

    def __getitem__(self, name: str) -> Tensor:
        """The mean of a figure, float64."""
        return self.figures[name].mean

    def merged(self, other: Layer) -> Layer:
        """Both layers' observations."""
        known = [each for each in (self.lessons, other.lessons) if each is not None]
        lessons = known[0].plus(known[1]) if len(known) == 2 else next(iter(known), None)
        return Layer({name: own.merged(other.figures[name]) for name, own in self.figures.items()}, lessons)


@dataclass(frozen=True, eq=False)
class Profile:
    """A model's heads, measured on samples. `regard.profile` makes it; `save` and `load` keep it in one JSON file.

    queries: how many of each sample were measured. unit: of costs, "nats a token" or "share of the output". samples: a
    hash of each sample, in the order they were seen. layers: module path -> its figures. kept: module path -> why its
    attention cannot be budgeted.
    """

    model: Fingerprint
    policies: tuple[Policy, ...]
    fractions: tuple[float, ...]
    queries: int
    unit: str = ""
    samples: tuple[str, ...] = ()
    layers: Mapping[str, Layer] | None = None
    kept: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.policies or not all(isinstance(each, Policy) for each in self.policies):
            raise SpecError(f"policies={self.policies!r}: expected at least one, such as (WindowSinks(),)")
        if len(set(self.policies)) < len(self.policies):
            raise SpecError(f"policies={self.policies!r}: one is there twice")
        shares = [each for each in self.fractions if is_number(each) and 0 < each < 1]
        rising = all(low < high for low, high in pairwise(shares))
        if not shares or not rising or len(shares) < len(self.fractions):
            raise SpecError(f"fractions={self.fractions!r}: expected ascending shares between 0 and 1")
        if isinstance(self.queries, bool) or not isinstance(self.queries, int) or self.queries < 1:
            raise SpecError(f"queries={self.queries!r}: expected a whole number, at least 1")

    @property
    def full(self) -> float:
        """Bytes that one token reads when every head reads all it may attend to."""
        return float(sum(layer["full"].sum() for layer in (self.layers or {}).values()))

    def lessons(self) -> dict[str, Lessons]:
        """What bases of sketches are learnt from, for each layer that has some."""
        layers = self.layers or {}
        return {path: layer.lessons for path, layer in layers.items() if layer.lessons is not None}

    @property
    def size(self) -> tuple[int, int]:
        """(policies, fractions)"""
        return len(self.policies), len(self.fractions)

    def further(self, sample: str, unit: str, layers: Mapping[str, Layer], kept: Mapping[str, str]) -> Profile:
        """With one more sample's figures. Raises `SpecError` where the sample ran other layers than those before."""
        before = self.layers
        if before is not None and set(before) != set(layers):
            odd = sorted(set(before) ^ set(layers))
            raise SpecError(f"sample {len(self.samples) + 1} ran other layers than those before it: {', '.join(odd)}")
        merged = layers if before is None else {path: before[path].merged(layer) for path, layer in layers.items()}
        return replace(
            self,
            unit=unit,
            samples=(*self.samples, sample),
            layers=merged,
            kept={**(self.kept or {}), **kept},
        )

    def __repr__(self) -> str:
        heads = sum(layer.kv_heads for layer in (self.layers or {}).values())
        sizes = f"{len(self.layers or {})} layers, {heads} key heads, {len(self.policies)} policies"
        return f"<profile of {self.model.kind}: {sizes}, {len(self.samples)} samples>"

    def save(self, path: str | Path) -> None:
        """Writes the profile whole, or not at all. Raises `RunError` where it cannot be written."""
        layers = {
            path: {name: layer.figures[name].plain() for name in (*SIGHTS, *HEADS, *POINTS)}
            for path, layer in (self.layers or {}).items()
        }
        body = {
            "model": self.model.plain(),
            "policies": [plain(policy) for policy in self.policies],
            "fractions": list(self.fractions),
            "queries": self.queries,
            "unit": self.unit,
            "samples": list(self.samples),
            "kept": dict(self.kept or {}),
            "layers": layers,
            "lessons": {path: each.plain() for path, each in self.lessons().items()},
        }
        write(Path(path), FORMAT, body)

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Reads what `save` wrote. Raises `DataError` for any other file, and for figures that are not finite."""
        place = Path(path)
        found = read(place, FORMAT, _ENTRIES, _OLDER)
        policies = tuple(policy_of(each, f"{place}, policy {at}") for at, each in enumerate(_list(place, found, 1), 1))
        fractions = tuple(_list(place, found, 2))
        texts = (found["unit"], *_list(place, found, 5))
        if not all(isinstance(each, str) for each in texts) or not isinstance(found["layers"], dict):
            raise DataError(f"{place}: expected texts under unit and samples, and an object under layers")
        lessons = _lessons(found, policies, place)
        layers = {
            name: _layer(given, (len(policies), len(fractions)), f"{place}, {name}", lessons.get(name))
            for name, given in found["layers"].items()
        }
        model = Fingerprint.from_plain(found["model"], f"{place}, model")
        kept = found["kept"]
        if not isinstance(kept, dict):
            raise DataError(f"{place}: expected an object under kept")
        try:
            return cls(
                *(model, policies, fractions, found["queries"], found["unit"], tuple(found["samples"])),
                *(layers or None, kept),
            )
        except SpecError as error:
            raise DataError(f"{place}: {error}") from None


def _list(path: Path, found: dict[str, Any], place: int) -> list[Any]:
    name = _ENTRIES[place]
    if not isinstance(found[name], list):
        raise DataError(f"{path}: expected a list under {name}")
    return list(found[name])


def _lessons(found: dict[str, Any], policies: tuple[Policy, ...], place: Path) -> dict[str, Lessons]:
    """None in a file of an earlier version: allocations made from it let sketches learn from each prompt."""
    given = found.get("lessons", {})
    if not isinstance(given, dict) or set(given) - set(found["layers"]):
        raise DataError(f"{place}: expected under lessons an object, its names among those of layers")
    return {path: Lessons.from_plain(each, policies, f"{place}, lessons of {path}") for path, each in given.items()}


def _layer(given: Any, size: tuple[int, int], where: str, lessons: Lessons | None) -> Layer:
    found = exactly(given, (*SIGHTS, *HEADS, *POINTS), where)
    heads, kv_heads = (_length(found[name], f"{where}, {name}") for name in ("breadth", "full"))
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(SIGHTS, (heads,))
    shapes |= dict.fromkeys(HEADS, (kv_heads,)) | dict.fromkeys(POINTS, (kv_heads, *size))
    figures = {name: Running.from_plain(found[name], shape, f"{where}, {name}") for name, shape in shapes.items()}
    if any(bool((figures[name].mean < 0).any()) for name in (*HEADS, *POINTS)):
        raise DataError(f"{where}: a figure is below 0; make the profile again")
    if lessons is not None and lessons.asked.total.shape[0] != kv_heads:
        raise DataError(
            f"{where}: its lessons are of {lessons.asked.total.shape[0]} key heads, its figures of {kv_heads}"
        )
    return Layer(figures, lessons)


def _length(given: Any, where: str) -> int:
    mean = given.get("mean") if isinstance(given, dict) else None
    if not isinstance(mean, list) or not mean:
        raise DataError(f"{where}: expected a list of numbers, one a head")
    return len(mean)


def finite(layer: Layer) -> bool:
    """Whether every figure is a number."""
    return all(bool(torch.isfinite(each.mean).all()) for each in layer.figures.values())
