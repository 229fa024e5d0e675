"""What policies that go by earlier queries are told of them, while a model is in use.

A prompt is read exactly, and its queries' mass on each key is summed up exactly, tile by tile (`regard.allocate.mass`).
What follows is on the budget, and to know its mass exactly would mean to read everything: `HeavyHitters` adds up what
each query gave to the keys that it read, as its paper does; `ObservedWindow` keeps the prompt's votes, and puts the
keys that came later before them, as its paper does, the latest of them and up to half of what a query may read: its
paper lets the cache grow with them, and a budget that they filled would leave nothing of the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from regard.allocate import mass
from regard.allocate.cut import at_rows, each_key
from regard.allocate.marks import Marks
from regard.engine.attend import FEW_QUERIES
from regard.kernels.policies import spend
from regard.kernels.policies.kept import gathering
from regard.kernels.spent import Spent
from regard.spec.budget import Budget
from regard.spec.errors import KernelError
from regard.spec.policy import HeavyHitters, ObservedWindow, Policy
from regard.spec.request import Request

Watcher = HeavyHitters | ObservedWindow
Place = tuple[str, int, int, type[Policy], int]  # module path, the key heads' range, policy, its window


@dataclass(frozen=True, eq=False)
class _Held:
    """received: (batch, kv_heads, length), of a cache that is known by its marks; `prompt` of its keys are the
    prompt's."""

    received: Tensor
    marks: Marks
    prompt: int


def watches(policy: Policy) -> bool:
    """Whether a policy wants to be told."""
    return isinstance(policy, (HeavyHitters, ObservedWindow)) and policy.received is None


@dataclass(eq=False)
class Watching:
    """The mass that keys have received, for each module, run of key heads and policy."""

    _held: dict[Place, _Held] = field(default_factory=dict)

    def prompt(self, path: str, heads: range, request: Request, policy: Watcher) -> None:
        """A prompt, or a further part of one, is read exactly."""
        place = _place(path, heads, policy)
        held = self._held.pop(place, None)
        if request.biases:
            return
        length = request.place.key_len
        if isinstance(policy, ObservedWindow):
            count = request.place.query_len
            last = at_rows(request, range(max(0, count - policy.window), count))
            found = _front(mass.received(last), length)
        else:
            found = mass.received(request)
            if held is not None and held.marks.are_of(request.key):
                found += _longer(held.received, length)
        self._held[place] = _Held(found, Marks.of(request.key, length), length)

    def answer(self, path: str, heads: range, request: Request, budget: Budget) -> Spent:
        """One call on its budget.

        Raises `KernelError` where no prompt of this cache was seen, and what `spend` does.
        """
        policy, place = budget.policy, request.place
        assert isinstance(policy, (HeavyHitters, ObservedWindow))
        held = self._held.get(_place(path, heads, policy))
        if held is None or not held.marks.are_of(request.key):
            if place.query_start == 0 and place.query_len <= FEW_QUERIES:  # a short prompt, itself on the budget
                self.prompt(path, heads, request, policy)
            raise KernelError(_unseen(policy, request))
        received = _longer(held.received, place.key_len)
        if isinstance(policy, ObservedWindow):
            most = int(budget.bytes(place.key_len, request.key.shape[3], request.value.shape[3]) / each_key(request))
            # more than any key of the prompt can have, even where its neighbours have nothing
            received[:, :, max(held.prompt, place.key_len - most // 2) :] = 2 * policy.window * request.groups
            return spend(request, replace(budget, policy=replace(policy, received=received)))
        spent, given = gathering(request, replace(budget, policy=replace(policy, received=received)))
        marks = Marks.of(request.key, place.key_len)
        self._held[_place(path, heads, policy)] = _Held(received + given, marks, held.prompt)
        return spent


def _place(path: str, heads: range, policy: Watcher) -> Place:
    return path, heads.start, heads.stop, type(policy), getattr(policy, "window", 0)


def _longer(received: Tensor, length: int) -> Tensor:
    """A copy with 0 for the keys that came since."""
    return torch.nn.functional.pad(received, (0, length - received.shape[2]))


def _front(received: Tensor, length: int) -> Tensor:
    """With 0 for the first keys, which were out of reach."""
    return torch.nn.functional.pad(received, (length - received.shape[2], 0))


def _unseen(policy: Watcher, request: Request) -> str:
    name = type(policy).__name__
    if request.biases:
        return f"{name} goes by what a prompt's queries looked at, which is not watched where scores have biases"
    return (
        f"{name} goes by what a prompt's queries looked at, and no prompt of this cache was read exactly: let one be "
        f"read in the block, of more than {FEW_QUERIES} tokens, or give the mass as received="
    )
