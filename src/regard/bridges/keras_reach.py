"""Who may attend to whom, as Keras says it: masks of queries and of keys, a causal flag, a window, a bool array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.positional import Causal, Window


@dataclass(frozen=True)
class Reach:
    """What a call's masks come to, kept in parts: no part is query_len x key_len but the array that a caller gave.

    Query i and key j count from 0, both: with fewer queries than keys `causal` keeps to the upper left corner, as in
    Keras (in `regard.attend` the last query sits on the last key). Tensors are of the backend and bool.
    """

    causal: bool = False
    window: int | None = None  # |i - j| < window
    queries: Any = None  # (batch, query_len)
    keys: Any = None  # (batch, key_len)
    dense: Any = None  # (batch or 1, heads or 1, query_len or 1, key_len or 1)

    def tile(self, rows: Any, key_len: Any) -> Any:
        """bool, broadcastable to (batch, heads, len(rows), key_len), or None where all is allowed.

        `rows` (count,) int32: the queries of this tile. `queries` and `dense` are those of the tile already.
        """
        parts = []
        if self.causal or self.window is not None:
            ahead = ops.arange(key_len, dtype="int32")[None, :] - rows[:, None]
            if self.causal:
                parts.append((ahead <= 0)[None, None])
            if self.window is not None:
                parts.append((ops.absolute(ahead) < self.window)[None, None])
        if self.queries is not None:
            parts.append(self.queries[:, None, :, None])
        if self.keys is not None:
            parts.append(self.keys[:, None, None, :])
        if self.dense is not None:
            parts.append(self.dense)
        found = None
        for part in parts:
            found = part if found is None else ops.logical_and(found, part)
        return found

    def mask(self) -> Mask | None:
        """The same as one of our masks; the tensors are torch's. For calls with `query_start=0`."""
        parts: list[Mask] = [Causal()] if self.causal else []
        if self.window is not None:
            parts.append(Window(self.window - 1, self.window - 1))
        if self.queries is not None:
            parts.append(Dense(self.queries[:, None, :, None]))
        if self.keys is not None:
            parts.append(Dense(self.keys[:, None, None, :]))
        if self.dense is not None:
            parts.append(Dense(self.dense))
        found = None
        for part in parts:
            found = part if found is None else found & part
        return found
