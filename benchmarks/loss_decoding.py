"""A text that is read exactly up to a place, and on from there on a budget, as decoding would: what `loss` runs.

Some layers of a model are put on a budget, all others run exact. Of these layers a prompt keeps what policies go by:
its queries (from which `Focus` makes its sketch) and the mass that its keys received. Both are made of the prompt once
and kept up to date as the text goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import GateError
from benchmarks.watched import WRITTEN, ObservedEarlier
from regard.allocate.cut import at_heads, at_rows, each_key, reduced
from regard.allocate.sample import copied
from regard.allocate.used import Used
from regard.engine.attend import FEW_QUERIES
from regard.engine.observation import Wanted
from regard.engine.observe import statistics
from regard.engine.seam_reach import Reached
from regard.engine.seams import reach
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.spec.budget import Budget
from regard.spec.policy import Focus, HeavyHitters, ObservedWindow, Policy
from regard.spec.positional import Causal
from regard.spec.request import Request, request
from regard.spec.score import Score

PIECE = 2048  # tokens of a prompt that are read at once
STEP = FEW_QUERIES  # tokens of what follows it
LATEST = 64  # queries that are kept to see where the latest looked
Setting = Mapping[str, Sequence[Policy]]  # module path -> the policy of each of its key heads


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer on a budget, over what was read exactly. query: (1, heads, length, dim); key and value as they lie in
    the cache; received: (1, kv_heads, length), the mass that each key had from all queries."""

    query: Tensor
    key: Tensor
    value: Tensor
    score: Score
    received: Tensor


@dataclass(frozen=True, eq=False)
class Prompt:
    """What was read exactly. It stays as it is, whatever is read after it."""

    length: int = 0
    cache: Any = None
    layers: Mapping[str, Layer] = field(default_factory=dict)
    sketches: dict[tuple[str, range, Policy], Sketch] = field(default_factory=dict)

    def sketch(self, path: str, heads: range, policy: Focus) -> Sketch:
        """Of some key heads of one layer, made by the prompt's queries; without what later text added to it. One text
        is decoded with it at a time."""
        found = self.sketches.get((path, heads, policy))
        if found is None:
            layer = self.layers[path]
            groups = layer.query.shape[1] // layer.key.shape[1]
            own, asking = slice(heads.start, heads.stop), slice(heads.start * groups, heads.stop * groups)
            parts = layer.key[:, own], layer.value[:, own]
            found = self.sketches[path, heads, policy] = Sketch.of(*parts, query=layer.query[:, asking], policy=policy)
        found.cut(self.length)
        return found


class Exact:
    """Every layer reads everything. watch: of so many queries after the prompt it is kept where they looked: votes,
    module path -> (1, kv_heads, keys), the mass from them."""

    def __init__(self, watch: int = 0) -> None:
        self.votes: dict[str, Tensor] = {}
        self.watch = watch

    def answer(self, path: str, asked: Request) -> Tensor | None:
        if self.watch and path not in self.votes:
            self.votes[path] = mass(at_rows(asked, range(self.watch)))
        return None


@dataclass(eq=False)
class OnBudget:
    """Layers that read a share of the bytes that their queries may see, each by the policies of its key heads.

    votes: for SnapKV, where the queries looked that it goes by (`Exact.votes`); by default the prompt's last. read,
    full: bytes, as in a 16-bit cache, that were read, and that exact attention would have read.
    """

    prompt: Prompt
    setting: Setting
    share: float
    votes: Mapping[str, Tensor] | None = None
    read: float = 0.0
    full: float = 0.0
    _mass: dict[str, Tensor] = field(default_factory=dict)  # from all queries before the call
    _latest: dict[str, Tensor] = field(default_factory=dict)  # queries before the call
    _sketches: dict[tuple[str, range], Sketch] = field(default_factory=dict)

    def answer(self, path: str, asked: Request) -> Tensor | None:
        """(1, heads, queries, value_dim). Raises `KernelError` where a policy cannot do it for so little."""
        policies = self.setting[path]
        outputs, start = [], 0
        for policy, same in groupby(policies):
            heads = range(start, start := start + len(list(same)))
            told = _at(self._told(path, policy, asked), heads)
            outputs.append(self._spent(path, at_heads(asked, heads), heads, told))
        if any(isinstance(policy, HeavyHitters) for policy in policies):
            self._mass[path] = mass(asked) + self._padded(path, asked)
        self._latest[path] = torch.cat((self._before(path), asked.query), 2)[:, :, -LATEST:]
        return torch.cat(outputs, 1)

    def _spent(self, path: str, asked: Request, heads: range, policy: Policy) -> Tensor:
        budget = Budget(fraction=self.share, policy=policy)
        spent = spend(asked, budget, self._sketch(path, heads, policy))
        place, dims = asked.place, (asked.key.shape[3], asked.value.shape[3])
        seen = range(place.query_start + 1, place.query_start + 1 + place.query_len)
        most, read = sum(budget.bytes(each, *dims) for each in seen) * len(heads), float(spent.bytes.sum())
        if not 0 <= read <= most * (1 + 1e-9):
            raise GateError(f"{path}: {policy} read {read:,.0f} bytes of {most:,.0f}")
        self.read += read
        self.full += sum(seen) * each_key(asked) * len(heads)
        return spent.output

    def _sketch(self, path: str, heads: range, policy: Policy) -> Sketch | None:
        if not isinstance(policy, Focus):
            return None
        if (path, heads) not in self._sketches:
            self._sketches[path, heads] = self.prompt.sketch(path, heads, policy)
        return self._sketches[path, heads]

    def _told(self, path: str, policy: Policy, asked: Request) -> Policy:
        """The policy, with what it goes by of the queries before this call."""
        if isinstance(policy, HeavyHitters):
            return replace(policy, received=self._padded(path, asked))
        if isinstance(policy, ObservedWindow):
            query = self._before(path)[:, :, -policy.window :]
            key, value = (part[:, :, : asked.place.query_start] for part in (asked.key, asked.value))
            votes = mass(request(query, key, value, score=asked.score, mask=Causal()))
            return replace(policy, received=_filled(votes, asked.place.key_len))
        if isinstance(policy, ObservedEarlier):
            return ObservedWindow(policy.window, policy.pool, received=self._earlier(path, policy, asked))
        return policy

    def _earlier(self, path: str, policy: ObservedEarlier, asked: Request) -> Tensor:
        """The prompt's votes, and the keys since, which are all kept, up to half of what fits: a cache that may not
        grow has to part with something, and the paper's own rule would part with the prompt."""
        if self.votes is not None:
            votes = self.votes[path]
        else:
            layer = self.prompt.layers[path]
            query = layer.query[:, :, -policy.window :]
            votes = mass(request(query, layer.key, layer.value, score=layer.score, mask=Causal()))
        votes = _filled(votes[:, :, : self.prompt.length], asked.place.key_len)
        since = min(asked.place.key_len - self.prompt.length, int(self.share * asked.place.key_len / 2))
        votes[:, :, asked.place.key_len - since :] = WRITTEN
        return votes

    def _before(self, path: str) -> Tensor:
        return self._latest.get(path, self.prompt.layers[path].query[:, :, -LATEST:])

    def _padded(self, path: str, asked: Request) -> Tensor:
        return _filled(self._mass.get(path, self.prompt.layers[path].received), asked.place.key_len)


@dataclass(frozen=True, eq=False)
class Decoder:
    """A model that writes text, and the paths of the layers that can be put on a budget; all others run exact."""

    model: nn.Module
    paths: tuple[str, ...]

    def read(self, prompt: Prompt, ids: Tensor) -> Prompt:
        """`prompt` and `ids` (1, length) after it, read exactly."""
        layers, cache, used = dict(prompt.layers), copied(prompt.cache), Used("prompt")

        def handle(reached: Reached) -> Any:
            if reached.name in self.paths:
                layers[reached.name] = _grown(layers.get(reached.name), reduced(reached.request))
            return used.handle(reached)

        with torch.inference_mode(), reach(self.model, handle, answers=True) as used.reaching:
            for start in range(0, ids.shape[1], PIECE):
                cache = self._call(ids[:, start : start + PIECE], cache, logits_to_keep=1).past_key_values
        if set(layers) != set(self.paths):
            raise SystemExit(f"the model made no call for {', '.join(sorted(set(self.paths) - set(layers)))}")
        return Prompt(prompt.length + ids.shape[1], cache, layers)

    def decode(self, prompt: Prompt, ids: Tensor, spender: Exact | OnBudget) -> Iterator[Tensor]:
        """Logits (tokens, words) of what follows each token of `ids` (1, length), `STEP` tokens at a time, each query
        on its own budget."""
        used, cache = Used("text"), copied(prompt.cache)

        def handle(reached: Reached) -> Any:
            if reached.name not in self.paths:
                return used.handle(reached)
            if reached.answer.kept is not None:
                raise SystemExit(f"{reached.name} cannot be answered: {reached.answer.kept}")
            output = spender.answer(reached.name, reduced(reached.request))
            return used.handle(reached) if output is None else reached.give(output)

        with torch.inference_mode(), reach(self.model, handle, answers=True) as used.reaching:
            for start in range(0, ids.shape[1], STEP):
                yield self._call(ids[:, start : start + STEP], cache).logits[0].float()

    def _call(self, ids: Tensor, cache: Any, **more: Any) -> Any:
        return self.model(input_ids=ids, past_key_values=cache, use_cache=True, **more)


def mass(asked: Request) -> Tensor:
    """(1, kv_heads, keys): what each key receives from these queries, its group of heads taken together."""
    received = statistics(asked, Wanted()).received
    return received.view(len(received), -1, asked.groups, received.shape[2]).sum(2)


def _grown(layer: Layer | None, asked: Request) -> Layer:
    """The layer, with the queries of one more call."""
    if asked.place.query_start + asked.place.query_len != asked.key.shape[2]:
        raise SystemExit(f"a layer on a budget sees {asked.key.shape[2]} keys: expected all, this one has a window")
    received = mass(asked)
    if layer is None:
        return Layer(asked.query, asked.key, asked.value, asked.score, received)
    query = torch.cat((layer.query, asked.query), 2)
    return Layer(query, asked.key, asked.value, asked.score, received + _filled(layer.received, asked.key.shape[2]))


def _filled(received: Tensor, length: int) -> Tensor:
    """With nothing for the keys that came since; a copy."""
    return torch.nn.functional.pad(received, (0, length - received.shape[2]))


def _at(policy: Policy, heads: range) -> Policy:
    """Of what the policy is told, the part of these key heads."""
    if not isinstance(policy, (HeavyHitters, ObservedWindow)) or policy.received is None:
        return policy
    return replace(policy, received=policy.received[:, heads.start : heads.stop])
