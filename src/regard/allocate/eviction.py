"""`Eviction`: how much of a decoder's key-value cache stays, and by what it is chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regard.allocate.periphery import Periphery
from regard.spec.errors import SpecError
from regard.spec.value import Value, described, is_number

SIZES = ("even", "heads", "layers")
JUDGES = ("received", "total", "random")


@dataclass(frozen=True, eq=False, repr=False)
class Eviction(Value):
    """Which keys and values of a cache stay: those that receive most mass, with the first and the latest ones.

        with regard.use(model, eviction=Eviction(fraction=0.25)) as used:
            model.generate(**inputs)

    One of `fraction` and `keys` says how many keys of each key head stay: a share of all tokens seen so far, or a
    number; of a share, never fewer than `first` and one. Mass received is the sum of the weights that queries gave to a
    key, over the query heads that share it, exact and without a query x key array. A cache is cut back to its size
    whenever it is more than `step` keys above it: after the prompt, or each chunk of it, and then every so many
    generated tokens.

    first: keys at the start that always stay. latest: the share of the size that is kept for the latest keys; 1 leaves
    nothing to choose (StreamingLLM's window and sinks: Xiao et al. 2023, arXiv 2309.17453).
    sizes: "even", every key head of every layer keeps as many; "heads", the key heads of a layer share out what they
    keep, each key going where it received most mass (as in Ada-KV: Feng et al. 2024, arXiv 2407.11550), and "layers",
    those of all layers do. Sharing over layers waits for the last of them, so that a prompt read in one go is held in
    full until then. least: of an even share, what no head falls below.
    half_life: a query counts half as much as one that came so many tokens later; None counts all alike.
    pool: a key is judged by the mean of so many neighbours, itself in the middle (SnapKV: Li et al. 2024,
    arXiv 2404.14469). by: "received", mass for each query that came since the key did, which is what it may expect of
    the next one; "total", the sum of it, by which older keys are ahead (H2O: Zhang et al. 2023, arXiv 2306.14048); or
    "random", for comparison.
    periphery: keys that would be let go of stay as a sketch, through which queries read them (`Periphery`), in one
    softmax with those that are kept. What the sketch takes is part of `fraction`, counted as in a 16-bit cache: fewer
    keys stay as they are, and the memory is the same. Beside a number of `keys` it comes on top, and grows. None: they
    are gone.

    Raises `SpecError` for none or both of `fraction` and `keys`, for numbers out of range, for `keys` that are no
    more than the first, and for a periphery that leaves no room for keys as they are.
    """

    fraction: float | None = None
    keys: int | None = None
    first: int = 4
    latest: float = 0.25
    sizes: str = "even"
    least: float = 0.2
    half_life: float | None = None
    pool: int = 1
    by: str = "received"
    step: int = 64
    periphery: Periphery | None = None

    def __post_init__(self) -> None:
        if (self.fraction is None) == (self.keys is None):
            raise SpecError(
                f"Eviction(fraction={described(self.fraction)}, keys={described(self.keys)}): expected one of the two"
            )
        if self.fraction is not None and not (is_number(self.fraction) and 0 < self.fraction <= 1):
            raise SpecError(f"Eviction(fraction={described(self.fraction)}): expected a share, above 0 and at most 1")
        self._whole("first", 0)
        self._whole("pool", 1)
        self._whole("step", 1)
        if self.keys is not None:
            self._whole("keys", 1)
            if self.keys <= self.first:
                raise SpecError(
                    f"Eviction(keys={self.keys}, first={self.first}): the first keys stay, and so does the latest; "
                    f"give at least {self.first + 1} keys, or a smaller first="
                )
        for name in ("latest", "least"):
            given = getattr(self, name)
            if not is_number(given) or not 0 <= given <= 1:
                raise SpecError(f"Eviction({name}={described(given)}): expected a share, from 0 to 1")
        if self.pool % 2 == 0:
            raise SpecError(f"Eviction(pool={self.pool}): expected an odd number, the key itself in the middle")
        if self.half_life is not None and not (is_number(self.half_life) and self.half_life > 0):
            raise SpecError(f"Eviction(half_life={described(self.half_life)}): expected tokens, above 0, or None")
        self._one_of("sizes", SIZES)
        self._one_of("by", JUDGES)
        if self.periphery is not None:
            self._beside(self.periphery)

    def size(self, seen: int, beside: float = 0.0) -> int:
        """Keys that a key head keeps as they are, of `seen`; where sizes differ, their mean. beside: what else it
        holds, in keys that take as much memory."""
        if self.keys is not None:
            return min(self.keys, seen)
        assert self.fraction is not None
        whole = math.ceil(round(self.fraction * seen, 6))  # .1 x 30 is a little above 3 in floats
        if whole < seen and self.periphery is not None:
            whole = max(math.floor(whole - beside), self.first + self.periphery.grain)
        return min(max(whole, self.first + 1), seen)  # the first stay, and the very last

    def spared(self, size: int) -> tuple[int, int]:
        """(first, latest) keys that stay whatever they received. The very last key always does."""
        first = min(self.first, max(size - 1, 0))
        return first, min(size - first, max(1, round(self.latest * size)))

    def _beside(self, periphery: Periphery) -> None:
        if not isinstance(periphery, Periphery):
            raise SpecError(f"Eviction(periphery={described(periphery)}): expected a Periphery, or None")
        if self.keys is not None and self.keys < self.first + periphery.grain:
            raise SpecError(
                f"Eviction(keys={self.keys}, first={self.first}, periphery={periphery!r}): expected at least "
                f"{self.first + periphery.grain} keys, the first ones and a block of {periphery.grain}"
            )
        if self.fraction is not None and self.fraction <= periphery.share:
            raise SpecError(
                f"Eviction(fraction={self.fraction}, periphery={periphery!r}): the sketch alone takes "
                f"{periphery.share:.3f} of a 16-bit cache; give more, a coarser grain, or fewer bits"
            )

    def _whole(self, name: str, least: int) -> None:
        given = getattr(self, name)
        if not isinstance(given, int) or isinstance(given, bool) or given < least:
            raise SpecError(f"Eviction({name}={described(given)}): expected a whole number, at least {least}")

    def _one_of(self, name: str, known: tuple[str, ...]) -> None:
        given = getattr(self, name)
        if given not in known:
            names = ", ".join(map(repr, known))
            raise SpecError(f"Eviction({name}={described(given)}): expected one of {names}")
