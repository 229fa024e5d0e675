"""A model in use whose cache is cut back: each call attends over what is held, and what is held is seen to after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from regard.allocate.eviction import Eviction
from regard.allocate.held import Held
from regard.allocate.shares import chosen, filled, worth
from regard.allocate.sketched import Sketched
from regard.allocate.storage import Run, Storage
from regard.engine import seam_cache
from regard.engine.seam_cache import Slot
from regard.engine.seam_reach import Reached, Reaching
from regard.spec.errors import KernelError, SpecError
from regard.spec.positional import Causal
from regard.spec.request import Request
from regard.spec.value import described

_EVICTING: ContextVar[Evicting | None] = ContextVar("evicting", default=None)


@dataclass(frozen=True)
class Layer:
    """What a layer of the cache held last. seen: tokens. sizes: keys of each key head. bytes: of its tensors, as
    allocated. full: bytes of all keys and values it has seen."""

    seen: int
    sizes: tuple[int, ...]
    bytes: int
    full: int


@dataclass(eq=False)
class Evicting:
    """layers: module path -> what its cache held last. left: module path -> why its cache stays as it is.

    peak: the most bytes that the layers in `layers` held at once, with the keys that had just come; others: the bytes
    of the layers in `left` at the last call. A whole cache is `bytes + others`, of `full + others`.
    """

    eviction: Eviction
    reaching: Reaching
    layers: dict[str, Layer] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    peak: int = 0
    others: int = 0
    _now: WeakKeyDictionary[Any, dict[str, Layer]] = field(default_factory=WeakKeyDictionary)  # by cache
    _held: WeakKeyDictionary[Any, dict[str, Storage]] = field(default_factory=WeakKeyDictionary)  # by cache
    _waits: bool = False  # new keys were handed out, and are to be attended over together with those before them

    def __post_init__(self) -> None:
        if not isinstance(self.eviction, Eviction):
            raise SpecError(
                f"eviction={described(self.eviction)}: expected an Eviction, such as Eviction(fraction=0.25)"
            )

    @property
    def bytes(self) -> int:
        """Held by the layers that are cut back, as of the last call."""
        return sum(layer.bytes for layer in self.layers.values())

    @property
    def full(self) -> int:
        """What these layers would hold of all keys and values."""
        return sum(layer.full for layer in self.layers.values())

    def slot(self, reached: Reached) -> Slot | None:
        """The cache's layer behind a call, where its keys are to be cut back; None for any other call."""
        found = None if reached.kind == "cross" else seam_cache.slot(self.reaching)
        if found is None:
            return None
        if found.left is not None:
            self.left[reached.name] = found.left
            self.others = found.others()
            return None
        return found

    def expect(self) -> None:
        """New keys of a layer are about to be handed out alone: `answer` is to be called for them.

        Raises `KernelError` where it was not for those before.
        """
        self.check()
        self._waits = True

    def check(self) -> None:
        """Raise `KernelError` where a layer's attention ran over new keys alone."""
        if self._waits:
            raise self._missed()

    def answer(self, slot: Slot, reached: Reached, run: Run) -> Tensor:
        """The output of a call over what is held of its layer; then the layer is cut back, if it is due.

        Raises `KernelError` where the call is not causal self-attention without biases, or wants a gradient.
        """
        asked = reached.request
        real = _real(reached)
        held: Storage | None = slot.held
        self._waits = False
        if held is None:
            held = self._storage(asked, real)
            slot.hold(held)
        elif len(slot.every()) < len(slot.full()):
            raise self._missed()
        elif real is not None:
            held.mark(real)
        output = held.attend(asked, run)
        named = self._held.setdefault(slot.cache, {})
        named[reached.name] = held
        self._note(slot.cache, {reached.name: held})
        self.peak = max(self.peak, sum(layer.bytes for each in self._now.values() for layer in each.values()))
        self._note(slot.cache, named if self._see_to(slot, held, asked) else {reached.name: held})
        return output

    def __str__(self) -> str:
        if not self.layers:
            return "cache     nothing was held: call the model with a cache (use_cache=True, or generate)"
        sizes = [size for layer in self.layers.values() for size in layer.sizes]
        seen = max(layer.seen for layer in self.layers.values())
        told = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
        lines = [
            f"cache     {told} of {seen:,} keys a head in {len(self.layers)} layer(s): {_mb(self.bytes)} of "
            f"{_mb(self.full)}, at most {_mb(self.peak)}"
        ]
        if self.left:
            lines.append(
                f"cache     as ever in {len(self.left)} layer(s), {_mb(self.others)}: {next(iter(self.left.values()))}"
            )
        return "\n".join(lines)

    def _storage(self, asked: Request, real: Tensor | None) -> Storage:
        """The place for another kind."""
        step, half_life, periphery = self.eviction.step, self.eviction.half_life, self.eviction.periphery
        held = Held.of(asked.key, asked.value, room=step, half_life=half_life, real=real)
        return held if periphery is None else Sketched.of(held, periphery, asked)

    def _missed(self) -> KernelError:
        unread = {**self.reaching.unseen, **self.reaching.unread} or {"a layer": "it ran out of sight"}
        named = "; ".join(f"{path}: {why}" for path, why in unread.items())
        return KernelError(
            "attention could not be taken over, and would miss the keys that regard holds: the model cannot run with a "
            f"cache that is cut back ({named})"
        )

    def _note(self, cache: Any, named: Mapping[str, Storage]) -> None:
        told = {name: Layer(held.seen, tuple(held.sizes), held.bytes, held.full) for name, held in named.items()}
        self._now.setdefault(cache, {}).update(told)
        self.layers.update(told)

    def _see_to(self, slot: Slot, held: Storage, asked: Request) -> bool:
        """Account for the queries, and cut back where that is due: this layer, or, where all share, every layer after
        the last of them; then True."""
        together = self.eviction.sizes == "layers"
        layers, size = slot.every() if together else [held], held.size(self.eviction)
        # those behind this layer are still to get their new keys
        total = sum(sum(each.sizes) + (held.seen - each.seen) * len(each.sizes) for each in layers)
        due = total > (size + self.eviction.step) * sum(len(each.sizes) for each in layers)
        if due or held.waiting >= self.eviction.step:
            held.account(asked)
        cuts = due and (not together or slot.index == slot.full()[-1])
        if cuts:
            self._cut(layers, size)
        return cuts and together

    def _cut(self, layers: list[Storage], size: int) -> None:
        """All heads of `layers`, to `size` keys on average."""
        worths = [worth(self.eviction, mass, size) for held in layers for mass in held.masses()]
        sizes = [min(size, each.shape[1]) for each in worths]
        if self.eviction.sizes != "even":
            sizes = filled(self.eviction, worths, size)
        kept = iter([chosen(each, count) for each, count in zip(worths, sizes, strict=True)])
        for held in layers:
            held.keep([next(kept) for _ in held.sizes])


@contextmanager
def opened(evicting: Evicting) -> Iterator[None]:
    """In this block, layers of a cache hand the new keys alone to the model in use: regard attends over the others."""
    token = _EVICTING.set(evicting)
    try:
        yield
        evicting.check()
    finally:
        _EVICTING.reset(token)


def attended() -> Evicting | None:
    """Who attends over what is held, for the model that runs right now; None where its own attention does."""
    evicting = _EVICTING.get()
    return None if evicting is None or evicting.reaching.inside is None else evicting


def _real(reached: Reached) -> Tensor | None:
    """(batch, key_len): False for keys that are padding; None where none is. Raises `KernelError` for a call that is
    not causal self-attention, beside padding."""
    asked = reached.request
    if asked.biases:
        raise _refused(reached, "its scores have a bias, which goes by the places that keys had")
    if asked.wants_gradient():
        raise _refused(reached, "a gradient is wanted: run the model in torch.no_grad() or inference_mode()")
    place, mask = asked.place, asked.mask
    if place.query_start + place.query_len != place.key_len or (mask is None and place.query_len > 1):
        raise _refused(reached, "its last query does not stand on the last key under a causal mask")
    if mask is None or isinstance(mask, Causal):
        return None
    real: Tensor | None = None
    keys = torch.arange(place.key_len, device=place.device)
    for row in sorted({place.query_len - 1, place.query_len // 2, 0}, reverse=True):
        tile = mask.tile(range(row, row + 1), place.cols, place)
        shown = tile[(None,) * (4 - tile.dim())].expand(place.batch, -1, -1, place.key_len)
        real = shown[:, 0, 0] if real is None else real
        if shown.shape[1] > 1 or not torch.equal(shown[:, 0, 0], real & (keys <= place.query_start + row)):
            raise _refused(reached, f"its mask is [{mask.words()}]: expected a causal one, beside padding")
    assert real is not None
    return None if bool(real.all()) else real


def _refused(reached: Reached, why: str) -> KernelError:
    return KernelError(f"{reached.name}: keys of its cache cannot be let go of: {why}")


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"


def outside(sizes: list[int]) -> SpecError:
    """To refuse a cache where no one attends to each of its heads by itself: they hold different numbers of keys, or a
    sketch of others."""
    if min(sizes) == max(sizes):
        return SpecError(
            "this cache holds a sketch of the keys that were let go of, which the model's own attention cannot read: "
            "call the model in `with regard.use(model, eviction=...)`"
        )
    return SpecError(
        f"the key heads of this cache hold different numbers of keys ({min(sizes):,} to {max(sizes):,}), which the "
        "model's own attention cannot read: call the model in `with regard.use(model, eviction=...)`"
    )
