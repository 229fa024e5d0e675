"""The sketches of a model's caches, kept while tokens follow one another."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from regard.allocate.marks import Marks
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import Basis
from regard.spec.errors import RegardError
from regard.spec.policy import Focus
from regard.spec.request import Request

Place = tuple[str, int, int, Focus]  # module path, the key heads' range, policy


@dataclass(frozen=True, eq=False)
class _Held:
    """A sketch, and what its cache is known by."""

    sketch: Sketch
    marks: Marks

    @classmethod
    def of(cls, request: Request, policy: Focus, query: Tensor | None, basis: Basis | None) -> _Held:
        query = query if basis is None else None
        sketch = Sketch.of(request.key, request.value, query=query, policy=policy, basis=basis)
        return cls(sketch, Marks.of(request.key, sketch.length))

    def followed(self, request: Request) -> _Held:
        before = self.sketch.length
        self.sketch.follow(request.key, request.value)
        after = self.sketch.length
        return self if after == before else _Held(self.sketch, Marks.of(request.key, after))


@dataclass(eq=False)
class Sketches:
    """One for each module, run of key heads and policy. Where no basis is given, a prompt's own queries teach what will
    be asked; where none was seen, nothing is assumed of it. Keys that begin otherwise at each call (a window that
    moves) are not sketched."""

    _held: dict[Place, _Held] = field(default_factory=dict)
    _shifting: set[Place] = field(default_factory=set)

    def learn(self, path: str, heads: range, request: Request, policy: Focus, basis: Basis | None = None) -> None:
        """A prompt was read exactly: sketch its keys, for what follows."""
        place = (path, heads.start, heads.stop, policy)
        self._shifting.discard(place)
        try:
            self._held[place] = _Held.of(request, policy, request.query, basis)
        except RegardError:  # too short, or nothing that can be sketched: the call that asks for it says why
            self._held.pop(place, None)

    def of(self, path: str, heads: range, request: Request, policy: Focus, basis: Basis | None = None) -> Sketch | None:
        """The sketch for a call, brought up to date; None where the keys begin otherwise at each call.

        Raises what `Sketch.of` does.
        """
        place = (path, heads.start, heads.stop, policy)
        held = self._held.get(place)
        if held is None or not held.marks.are_of(request.key):
            fresh = request.place.query_start == 0  # a text from its start, whose queries are all here
            shifting = held is not None and not fresh
            if shifting and place in self._shifting:
                return None
            if shifting:
                self._shifting.add(place)
            held = _Held.of(request, policy, request.query if fresh else None, basis)
        else:
            held = held.followed(request)
        self._held[place] = held
        return held.sketch
