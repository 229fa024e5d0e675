"""One layer over one text: what the output of every setting is off by, at every share of the bytes."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from benchmarks import record
from benchmarks.captured import Captured, load
from benchmarks.harness import GateError
from benchmarks.spending_table import Found
from benchmarks.watched import Watched
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.spec.budget import Budget
from regard.spec.errors import KernelError
from regard.spec.policy import Focus, HeavyHitters, Policy
from regard.spec.request import Request

Settings = Mapping[float, tuple[Policy, ...]]  # share of the bytes -> the policies to measure
NOTHING: Found = {"errors": {}, "bytes": {}}


@dataclass(frozen=True, eq=False)
class Job:
    """One layer over one text. own: of regard's own policy; its settings and the others' are never in one job."""

    model: str
    length: int
    layer: int
    text: str
    queries: int
    settings: Settings
    own: bool

    @property
    def key(self) -> str:
        where = f"{self.model}, {self.length:,} tokens of {self.text}, layer {self.layer}"
        return f"{where}, {self.queries} queries, {'regard' if self.own else 'peers'}, {code(own=self.own)}"

    def without(self, known: Found) -> Job:
        """What is left to measure."""
        left = {
            share: tuple(policy for policy in many if str(policy) not in known["errors"].get(str(share), {}))
            for share, many in self.settings.items()
        }
        return replace(self, settings=left)

    def only(self, known: Found) -> Found:
        """Of what is known, this job's settings."""
        names = {str(share): [str(policy) for policy in many] for share, many in self.settings.items() if many}
        return {
            "errors": {share: {name: known["errors"][share][name] for name in each} for share, each in names.items()},
            "bytes": {share: {name: known["bytes"][share][name] for name in each} for share, each in names.items()},
        }


def places(length: int, count: int) -> list[int]:
    """`count` positions, evenly over the second half of a text."""
    half = length // 2
    return [half + (2 * number + 1) * (length - half) // (2 * count) for number in range(count)]


def exact(asked: Request) -> Tensor:
    """(heads, value_dim) float64: what one query gets from all its keys."""
    scale = asked.score.prepare(asked.query, asked.key).scale
    query = asked.query[0, :, 0].double().unflatten(0, (-1, asked.groups))  # (kv_heads, groups, dim)
    weights = (query @ asked.key[0].double().mT * scale).softmax(-1)
    return (weights @ asked.value[0].double()).flatten(0, 1)


def error(asked: Request, budget: Budget, truth: Tensor, sketch: Sketch | None = None) -> tuple[list[float], float]:
    """(each key head's mean over its query heads, the share of the cache's bytes that was read).

    Raises `GateError` where more was read than the budget allows, or what came out are no numbers.
    """
    spent = spend(asked, budget, sketch)
    key_len, dim, value_dim = asked.place.key_len, asked.key.shape[3], asked.value.shape[3]
    most, read = budget.bytes(key_len, dim, value_dim), float(spent.bytes.max())
    if not 0 <= read <= most * (1 + 1e-9):
        raise GateError(f"{budget.policy} read {read:,.0f} bytes of a cache of {key_len:,} keys, of {most:,.0f}")
    off = (spent.output[0, :, 0].double() - truth).norm(dim=-1) / truth.norm(dim=-1)
    if not off.isfinite().all():
        raise GateError(f"{budget.policy} gave numbers that are not finite")
    return off.unflatten(0, (-1, asked.groups)).mean(-1).tolist(), float(spent.bytes.mean()) / spent.full


def measured(layer: Captured, job: Job) -> Found:
    """Every setting at every share. One that the budget is too small for (it has no bit for every number) has
    an infinite error."""
    errors: dict[str, dict[str, list[list[float]]]] = {}
    read: dict[str, dict[str, list[float]]] = {}
    positions, sketches = places(job.length, job.queries), dict[Policy, Sketch]()
    watching = any(isinstance(policy, HeavyHitters) for many in job.settings.values() for policy in many)
    masses = layer.received(positions) if watching else (torch.zeros(len(layer.key), each + 1) for each in positions)
    for position, everything in zip(positions, masses, strict=True):
        asked, watched = layer.at(position), Watched(layer, position, everything)
        truth = exact(asked)
        for share, policy in ((share, policy) for share, many in job.settings.items() for policy in many):
            try:
                if isinstance(policy, Focus) and policy not in sketches:
                    sketches[policy] = sketched(layer, policy)
                budget = Budget(fraction=share, policy=watched.told(policy))
                each, taken = error(asked, budget, truth, sketches.get(policy))
            except KernelError:
                each, taken = [float("inf")] * layer.key.shape[0], 0.0
            errors.setdefault(str(share), {}).setdefault(str(policy), []).append(each)
            read.setdefault(str(share), {}).setdefault(str(policy), []).append(taken)
    return {
        "errors": {
            share: {name: [statistics.fmean(head) for head in zip(*each, strict=True)] for name, each in many.items()}
            for share, many in errors.items()
        },
        "bytes": {share: {name: statistics.fmean(each) for name, each in many.items()} for share, many in read.items()},
    }


def sketched(layer: Captured, policy: Focus) -> Sketch:
    """Of the first half of the text, its queries included."""
    parts = (part[None, :, : layer.length // 2] for part in (layer.key, layer.value, layer.query))
    key, value, query = parts
    return Sketch.of(key, value, query=query, policy=policy)


def run(job: Job) -> Found:
    """In a process of its own, which has one thread: the calls are too small to gain from more."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        return measured(load(job.model, job.text, job.layer, length=job.length), job)


def joined(left: Found, right: Found) -> Found:
    """What two jobs over one layer found."""
    shares = [*left["errors"], *(share for share in right["errors"] if share not in left["errors"])]
    return {
        "errors": {share: left["errors"].get(share, {}) | right["errors"].get(share, {}) for share in shares},
        "bytes": {share: left["bytes"].get(share, {}) | right["bytes"].get(share, {}) for share in shares},
    }


@lru_cache(maxsize=2)
def code(*, own: bool) -> str:
    """A mark of the code that the figures of regard's own policy, or of the others, depend on."""
    source, here = record.HERE.parent / "src" / "regard", record.HERE
    kernels = (source / "kernels").rglob("*.py") if own else (source / "kernels" / "policies").glob("[!_]*.py")
    files = [
        *kernels,
        source / "spec" / "budget.py",
        *(here / f"{name}.py" for name in ("captured", "watched", "spending_job")),
    ]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
