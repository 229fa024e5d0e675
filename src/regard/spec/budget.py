"""A budget: how much of a cache each query may read, or how far its output may be off."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from regard.spec.errors import SpecError
from regard.spec.policy import Focus, Policy
from regard.spec.value import Value, described, is_number

BITS = 16  # of a number in the cache that budgets are counted against

# What rounding alone does to an output, relative to it: 2,048 keys on a CPU. A tolerance below it means nothing.
ROUNDING = {torch.float64: 1e-15, torch.float32: 4e-7, torch.float16: 5e-4, torch.bfloat16: 3.7e-3}


@dataclass(frozen=True, eq=False, repr=False)
class Budget(Value):
    """How much may be spent on a query: exactly one of `fraction`, `keys` and `tolerance`.

    fraction: of the bytes that keys and values take in a cache of 16-bit numbers; what a policy reads beside them
    (sketches, summaries, block bounds) counts too. keys: the bytes of so many keys with their values. tolerance: of the
    output, |output - exact| / |exact|; as much is read as that takes, with the given `confidence`, up to everything.
    policy: how the budget is spent.

    Raises `SpecError` for none or several of the three, and for numbers out of range.
    """

    fraction: float | None = None
    keys: int | None = None
    tolerance: float | None = None
    confidence: float = 0.95
    policy: Policy = field(default_factory=Focus)

    def __post_init__(self) -> None:
        given = [name for name in ("fraction", "keys", "tolerance") if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(f"{name}={getattr(self, name)!r}" for name in given) or "none of them"
            raise SpecError(
                f"Budget takes one of fraction=, keys= and tolerance=, got {told}; give one, such as fraction=0.1"
            )
        if self.fraction is not None and not (is_number(self.fraction) and 0 < self.fraction <= 1):
            told = f"fraction={described(self.fraction)}"
            raise SpecError(f"Budget({told}): expected a share, above 0 and at most 1; give one, such as 0.1")
        if self.keys is not None and (not isinstance(self.keys, int) or isinstance(self.keys, bool) or self.keys < 1):
            told = f"keys={described(self.keys)}"
            raise SpecError(f"Budget({told}): expected a whole number, at least 1; give one, such as 2048")
        if self.tolerance is not None and not (is_number(self.tolerance) and 0 < self.tolerance < 1):
            told = f"tolerance={described(self.tolerance)}"
            raise SpecError(f"Budget({told}): expected a number above 0 and below 1; give one, such as 0.02")
        if not is_number(self.confidence) or not 0.5 <= self.confidence < 1:
            told = f"confidence={described(self.confidence)}"
            raise SpecError(f"Budget({told}): expected a number from .5 to below 1; give one, such as 0.95")
        if not isinstance(self.policy, Policy):
            raise SpecError(
                f"Budget(policy={described(self.policy)}): expected a policy such as Focus() or WindowSinks(); "
                "give one, or leave it out for Focus()"
            )
        if self.tolerance is not None and not isinstance(self.policy, Focus):
            name = type(self.policy).__name__
            raise SpecError(f"Budget(tolerance=..., policy={name}): only Focus() can tell its error; give fraction=")

    def bytes(self, key_len: int, dim: int, value_dim: int) -> float:
        """Bytes that one query may read of one key head's cache, all its keys' bytes at most; all where a tolerance
        decides."""
        each = (dim + value_dim) * BITS / 8
        if self.keys is not None:
            return min(self.keys, key_len) * each
        return (1.0 if self.fraction is None else self.fraction) * key_len * each

    def pays_for_all(self, key_len: int) -> bool:
        """Whether a query that sees so many keys may read all of them as they are. A tolerance decides by itself."""
        return self.tolerance is None and (self.fraction == 1 or (self.keys is not None and self.keys >= key_len))

    def check(self, dtype: torch.dtype) -> None:
        """Raise `SpecError` where the tolerance is below what rounding does in `dtype`."""
        if self.tolerance is not None and self.tolerance < ROUNDING[dtype]:
            raise SpecError(
                f"Budget(tolerance={self.tolerance}): below the error of {str(dtype)[6:]} itself, {ROUNDING[dtype]:g}; "
                "ask for more, or compute in a wider dtype"
            )
