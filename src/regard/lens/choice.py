"""Which layers of a model to record: by place in the order they run, or by pattern on their module path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from regard.spec.errors import SpecError
from regard.spec.value import described


@dataclass(frozen=True)
class Choice:
    """`parts`: None for every layer, else places (0 first) and patterns; a layer is chosen by any of them."""

    parts: tuple[int | str, ...] | None

    @classmethod
    def of(cls, layers: str | int | Sequence[int | str] | None) -> Choice:
        """Raises `SpecError` for what is neither a place nor a pattern."""
        if layers is None:
            return cls(None)
        parts = (layers,) if isinstance(layers, (str, int)) else tuple(layers)
        for part in parts:
            if isinstance(part, bool) or not isinstance(part, (int, str)) or (isinstance(part, int) and part < 0):
                raise SpecError(
                    f"layers={described(layers)}: expected places in the order the layers run (0, 1, ...) or patterns "
                    "on their module paths ('*.layers.3.*')"
                )
        return cls(parts)

    def takes(self, path: str, place: int) -> bool:
        return self.parts is None or any(_fits(part, path, place) for part in self.parts)

    def check(self, paths: Sequence[str]) -> None:
        """`paths`: the layers that ran, in order. Raises `SpecError` if a part of the choice fits none of them."""
        for part in self.parts or ():
            if not any(_fits(part, path, place) for place, path in enumerate(paths)):
                told = ", ".join(f"{place}: {path}" for place, path in enumerate(paths))
                raise SpecError(f"layers={part!r}: no such attention layer ran; those that did are {told or 'none'}")


def _fits(part: int | str, path: str, place: int) -> bool:
    return part == place if isinstance(part, int) else fnmatchcase(path, part)
