"""`Periphery`: what stays of the keys that a cache lets go of."""

from __future__ import annotations

from dataclasses import dataclass

from regard.kernels.sketch_basis import CODE, rank_of
from regard.spec.budget import BITS
from regard.spec.errors import SpecError
from regard.spec.value import Value, described, is_number

LEARNT = 2  # blocks that are to be there before a key is let go of: directions are learnt from them
MAP = 16  # bits of a number of the two maps between keys, queries and directions


@dataclass(frozen=True, eq=False, repr=False)
class Periphery(Value):
    """A sketch of the keys that are let go of, in memory instead of them: nothing is dropped, and the far past is read
    at low resolution.

    sketch: bits for each dimension of a key, by which each of them is judged, 4 to a direction that is looked at.
    grain: neighbours that share a mean key and a mean value.

    Raises `SpecError` for numbers out of range.
    """

    sketch: float = 0.125
    grain: int = 128

    def __post_init__(self) -> None:
        if not is_number(self.sketch) or not 0 < self.sketch <= 4:
            raise SpecError(
                f"Periphery(sketch={described(self.sketch)}): expected bits a dimension, above 0 and at most 4"
            )
        if not isinstance(self.grain, int) or isinstance(self.grain, bool) or self.grain < 1:
            raise SpecError(f"Periphery(grain={described(self.grain)}): expected a whole number, at least 1")

    @property
    def share(self) -> float:
        """Of a 16-bit cache whose keys are as wide as its values: what the sketch of a long text takes of it."""
        return self.sketch / (2 * BITS) + 1 / self.grain

    def keys(self, seen: int, dim: int, value_dim: int) -> float:
        """How many keys and values of one head of a 16-bit cache take as much memory as the sketch of `seen` tokens,
        with the maps that it is made by."""
        rank, whole = rank_of(self.sketch, dim), BITS * (dim + value_dim)
        blocks = seen // self.grain
        return blocks + (blocks * self.grain * rank * CODE + 2 * rank * dim * MAP) / whole
