"""The sketches of a model's caches, kept while tokens follow one another."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.kernels.sketch import Sketch
from regard.spec.errors import RegardError
from regard.spec.policy import Focus
from regard.spec.request import Request

Place = tuple[str, int, int, Focus]  # module path, the key heads' range, policy


@dataclass(frozen=True, eq=False)
class _Held:
    """A sketch, and some keys of the cache it is of: (batch, kv_heads, 3, d), the first, the middle and the last."""

    sketch: Sketch
    marks: Tensor

    @classmethod
    def of(cls, request: Request, policy: Focus, query: Tensor | None) -> _Held:
        sketch = Sketch.of(request.key, request.value, query=query, policy=policy)
        return cls(sketch, _marks(request.key, sketch.length).clone())

    def is_of(self, request: Request) -> bool:
        """Whether these keys begin as those that were sketched. A cache that was reordered, cut or begun anew does not,
        nor does one whose first keys were dropped."""
        key, marks = request.key, self.marks
        if key.shape[2] < self.sketch.length or (key.shape[:2], key.dtype) != (marks.shape[:2], marks.dtype):
            return False
        return torch.equal(_marks(key, self.sketch.length), marks)

    def followed(self, request: Request) -> _Held:
        before = self.sketch.length
        self.sketch.follow(request.key, request.value)
        after = self.sketch.length
        return self if after == before else _Held(self.sketch, _marks(request.key, after).clone())


@dataclass(eq=False)
class Sketches:
    """One for each module, run of key heads and policy. A prompt's own queries teach what will be asked; where none was
    seen, nothing is assumed of it. Keys that begin otherwise at each call (a window that moves) are not sketched."""

    _held: dict[Place, _Held] = field(default_factory=dict)
    _shifting: set[Place] = field(default_factory=set)

    def learn(self, path: str, heads: range, request: Request, policy: Focus) -> None:
        """A prompt was read exactly: sketch its keys, for what follows."""
        place = (path, heads.start, heads.stop, policy)
        self._shifting.discard(place)
        try:
            self._held[place] = _Held.of(request, policy, request.query)
        except RegardError:  # too short, or nothing that can be sketched: the call that asks for it says why
            self._held.pop(place, None)

    def of(self, path: str, heads: range, request: Request, policy: Focus) -> Sketch | None:
        """The sketch for a call, brought up to date; None where the keys begin otherwise at each call.

        Raises what `Sketch.of` does.
        """
        place = (path, heads.start, heads.stop, policy)
        held = self._held.get(place)
        if held is None or not held.is_of(request):
            if held is not None and place in self._shifting:
                return None
            if held is not None:
                self._shifting.add(place)
            held = _Held.of(request, policy, None)
        else:
            held = held.followed(request)
        self._held[place] = held
        return held.sketch


def _marks(key: Tensor, length: int) -> Tensor:
    """(batch, kv_heads, 3, d): copies nothing but three keys of each head."""
    return key[:, :, [0, length // 2, max(0, length - 1)]]
