"""Where the keys of a foreign model's attention call are kept between its calls: one layer of its cache.

A library whose models keep a cache has a bridge for it, loaded by its name when the library itself has been imported
already. The bridge has `slot(reaching)`, which is asked while a call is being answered.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Protocol

from regard.engine.seam_reach import Reaching

LIBRARIES = {"transformers": "regard.bridges.transformers_cache"}


class Slot(Protocol):
    """One layer of a model's cache.

    cache: the cache that it is a layer of. index: of the layer. left: why it stays as it is, or None. held: what `hold`
    put in its place before, or None.
    """

    cache: object
    index: int
    left: str | None

    @property
    def held(self) -> Any: ...

    def hold(self, held: Any) -> None:
        """From now on the layer's keys and values are in `held`; what the library kept of them is let go."""
        ...

    def full(self) -> list[int]:
        """Indices of the layers that hold every token, or held it until `hold` came."""
        ...

    def every(self) -> list[Any]:
        """What is held in the layers of this cache, in order."""
        ...

    def others(self) -> int:
        """Bytes of the layers in which nothing is held."""
        ...


def slot(reaching: Reaching) -> Slot | None:
    """The cache's layer behind the call that is being answered; None where the model runs without a cache.

    Raises `SpecError` for a cache of which nothing can be evicted.
    """
    for library, bridge in LIBRARIES.items():
        if library in sys.modules:
            found: Slot | None = importlib.import_module(bridge).slot(reaching)
            if found is not None:
                return found
    return None
