"""Policies in plain NumPy, one query of one key head after the other, key by key: slow, and easy to check by eye.

Dot scores at the scale 1 / sqrt(dim), no biases. A query sees the keys `at`; its group of heads chooses together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from regard.kernels import reference
from regard.spec import Budget, LargestComponents, LowBits, MeanBlocks, MinMaxBlocks, Request

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Seen:
    """What one query of one key head sees."""

    query: Array  # (groups, dim)
    key: Array  # (seen, dim)
    value: Array  # (seen, value_dim)
    at: list[int]  # positions of the seen keys
    limit: float  # bytes

    @property
    def each(self) -> int:
        return 2 * (self.key.shape[1] + self.value.shape[1])

    @property
    def scale(self) -> float:
        return 1 / math.sqrt(self.query.shape[1])

    def attend(self, keys: list[int]) -> Array:
        """(groups, value_dim): softmax over these of the seen keys, by number."""
        return softmax(self.query @ self.key[keys].T * self.scale) @ self.value[keys]

    def few(self) -> list[int]:
        """Four first keys and the latest, as many as fit, at least the latest."""
        count = min(len(self.at), max(1, math.floor(self.limit / self.each + 1e-9)))
        first = min(4, count - 1)
        return list(range(first)) + list(range(len(self.at) - (count - first), len(self.at)))


Found = tuple[Array, float]  # output (groups, value_dim), bytes


def softmax(scores: Array) -> Array:
    parts = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(parts / parts.sum(-1, keepdims=True))


def every(request: Request, budget: Budget) -> tuple[Array, Array]:
    """(output (batch, heads, query_len, value_dim), bytes (batch, kv_heads, query_len)) of the budget's policy."""
    query, key, value = (reference.array(t) for t in (request.query, request.key, request.value))
    allowed = reference.steps(request).allowed
    output = np.zeros(request.output_shape)
    spent = np.zeros((key.shape[0], key.shape[1], query.shape[2]))
    one = POLICIES[type(budget.policy)]
    for item, head, row in np.ndindex(*spent.shape):
        group = slice(head * request.groups, (head + 1) * request.groups)
        at = [int(j) for j in np.flatnonzero(allowed[item, group, row].any(0))]
        if at:
            limit = budget.bytes(len(at), key.shape[3], value.shape[3])
            seen = Seen(query[item, group, row], key[item, head, at], value[item, head, at], at, limit)
            if len(at) * seen.each <= limit:
                found = seen.attend(list(range(len(at)))), float(len(at) * seen.each)
            else:
                found = one(seen, budget.policy)
            output[item, group, row], spent[item, head, row] = found
    return output, spent


def min_max(seen: Seen, policy: MinMaxBlocks) -> Found:
    def bound(query: Array, keys: Array) -> float:
        total = 0.0
        for channel in range(len(query)):
            low, high = keys[:, channel].min(), keys[:, channel].max()
            total += max(query[channel] * low, query[channel] * high)
        return total

    return _blocks(seen, policy.size, 2, bound)


def mean(seen: Seen, policy: MeanBlocks) -> Found:
    return _blocks(seen, policy.size, 1, lambda query, keys: float(query @ keys.mean(0)))


def _blocks(seen: Seen, size: int, vectors: int, judge: Callable[[Array, Array], float]) -> Found:
    members: dict[int, list[int]] = {}
    for number, position in enumerate(seen.at):
        members.setdefault(position // size, []).append(number)
    newest = max(members)
    beside = len(members) * vectors * seen.key.shape[1] * 2
    if seen.limit < beside + len(members[newest]) * seen.each:
        keys = seen.few()
        return seen.attend(keys), len(keys) * seen.each
    blocks = sorted(members)
    weights = np.zeros(len(blocks))
    for query in seen.query:
        weights += softmax(np.array([judge(query, seen.key[members[b]]) * seen.scale for b in blocks]))
    ranked = sorted(blocks, key=lambda b: (b != newest, b != blocks[0], -weights[blocks.index(b)]))
    fitting = math.floor((seen.limit - beside) / seen.each + 1e-9)
    keys = [number for b in ranked for number in members[b]][:fitting]
    return seen.attend(keys), beside + len(keys) * seen.each


def components(seen: Seen, policy: LargestComponents) -> Found:
    count, dim = seen.key.shape
    rank = min(policy.rank, dim)
    beside = (count * rank + seen.value.shape[1]) * 2
    if seen.limit < beside + seen.each:
        keys = seen.few()
        return seen.attend(keys), len(keys) * seen.each
    kept = np.argsort(-np.abs(seen.query).sum(0))[:rank]
    weights = np.zeros((len(seen.query), count))
    for head, query in enumerate(seen.query):
        temperature = math.sqrt(dim * np.abs(query[kept]).sum() / np.abs(query).sum())
        weights[head] = softmax(seen.key[:, kept] @ query[kept] / temperature)
    fitting = math.floor((seen.limit - beside) / seen.each + 1e-9)
    latest = max(1, int(fitting * 0.25))
    local = list(range(count - latest, count))
    ranked = sorted(set(range(count)) - set(local), key=lambda j: -weights[:, j].sum())
    keys = local + ranked[: fitting - latest]
    alpha = weights[:, keys].sum(1, keepdims=True)
    output = alpha * seen.attend(keys) + (1 - alpha) * seen.value.mean(0)
    return output, beside + len(keys) * seen.each


def nearest(numbers: list[float], bits: int) -> list[float]:
    """Each number at the nearest of 2^bits levels between the smallest and the largest."""
    low, high = min(numbers), max(numbers)
    levels = [low + (high - low) * step / (2**bits - 1) for step in range(2**bits)]
    return [min(levels, key=lambda level: abs(level - number)) for number in numbers]


def low(seen: Seen, policy: LowBits) -> Found:
    (count, dim), value_dim, size = seen.key.shape, seen.value.shape[1], policy.group
    members: dict[int, list[int]] = {}
    for number, position in enumerate(seen.at):
        members.setdefault(position // size, []).append(number)
    newest = max(members)
    rounded = {
        b: numbers
        for b, numbers in members.items()
        if numbers[-1] < count - policy.latest and not (b == newest and len(numbers) < size)
    }
    old = [number for b in sorted(rounded) for number in rounded[b]]
    overhead = 4 * (len(rounded) * dim + len(old) * math.ceil(value_dim / size))
    fixed = (count - len(old)) * seen.each + overhead
    spare = (seen.limit - fixed) * 8
    bits = math.floor(spare / (len(old) * (dim + value_dim)) + 1e-9)
    more = math.floor(spare / (dim + value_dim) + 1e-9) - len(old) * bits
    at_bits = {number: bits + (place >= len(old) - more) for place, number in enumerate(old)}
    key, value = seen.key.copy(), seen.value.copy()
    for numbers in rounded.values():
        for channel in range(dim):
            for level in {at_bits[number] for number in numbers}:
                made = nearest([float(x) for x in seen.key[numbers, channel]], level)
                for number, wanted in zip(numbers, made, strict=True):
                    key[number, channel] = wanted if at_bits[number] == level else key[number, channel]
    for number in old:
        for start in range(0, value_dim, size):
            group = [float(x) for x in seen.value[number, start : start + size]]
            value[number, start : start + size] = nearest(group, at_bits[number])
    output = softmax(seen.query @ key.T * seen.scale) @ value
    return output, fixed + (len(old) * bits + more) * (dim + value_dim) / 8


POLICIES: dict[type, Callable[[Seen, Any], Found]] = {
    MinMaxBlocks: min_max,
    MeanBlocks: mean,
    LargestComponents: components,
    LowBits: low,
}
