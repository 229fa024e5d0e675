"""A sketch of a cache: what stands for the keys and values that a query does not read one by one.

The cache is cut into blocks of `grain` keys. Of each block: the mean key and the mean value. Of each key: a few 4-bit
numbers that tell in which directions it differs from its block's mean, and, where keys are read rounded, key and value
less their block's means at 8 or 4 bits. Keys behind the last whole block are not in the sketch; they are read as they
are. As tokens arrive a block is added whenever it is full, so that the cost of a token does not grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from regard.kernels import guard, sketch_basis
from regard.kernels.sketch_basis import Basis
from regard.spec.errors import ShapeError, SpecError
from regard.spec.policy import Focus
from regard.spec.value import described

LEARN = 1 << 15  # keys and queries at most that a basis is learnt from, spread evenly
CHUNK = 1 << 14  # keys that are sketched at once
LINE = 64  # bytes that a processor reads at once, about
LARGEST = torch.finfo(torch.half).max  # of a mean, as it is kept


@dataclass(eq=False)
class Sketch:
    """Made by `Sketch.of`, kept up to date by `follow`. `length` keys are in it, a multiple of `policy.grain`.

    Lanes are batch * kv_heads. codes: uint8 (lanes, rank / 2, room), two numbers to a byte. keys, values: uint8 (lanes,
    room, d) and (lanes, room, e) at 8 bits, half as wide at 4, empty at 16. means: float16 (lanes, room / grain, d+e).
    """

    policy: Focus
    basis: Basis
    shape: tuple[int, int, int, int]  # batch, kv_heads, d, e
    codes: Tensor
    keys: Tensor
    values: Tensor
    means: Tensor
    length: int = 0

    @classmethod
    def of(
        cls,
        key: Tensor,
        value: Tensor,
        *,
        query: Tensor | None = None,
        policy: Focus | None = None,
        basis: Basis | None = None,
    ) -> Sketch:
        """The sketch of a cache: key (batch, kv_heads, n, d), value (batch, kv_heads, n, e), and queries (batch, heads,
        m, d) such as will be asked, if there are any: the prompt's own. In their place a `basis` that was learnt
        elsewhere, from other texts of the same model (another sketch's `.basis`, or a profile's): nothing is learnt
        here then, and a block of keys is enough.

        Raises `ShapeError` where shapes do not fit, `SpecError` where there is no whole block of keys yet, for a basis
        of fewer directions or other bits than the policy has, for queries beside a basis, or where a number is not
        finite (even one that no query will see).
        """
        policy = Focus() if policy is None else policy
        if not isinstance(policy, Focus):
            raise SpecError(
                f"policy={described(policy)}: a sketch is for Focus(), other policies keep none; "
                "give Focus(...), or leave it out"
            )
        _check(key, value, query)
        batch, kv_heads, count, dim = key.shape
        if 0 in (batch, kv_heads, value.shape[3]):
            raise SpecError(
                f"key {tuple(key.shape)}, value {tuple(value.shape)}: there is nothing to sketch in a length of 0; "
                "give a cache without one"
            )
        if count < policy.grain:
            raise SpecError(f"{count} keys are no whole block of {policy.grain}: attend exactly until there are more")
        rank = sketch_basis.rank_of(policy.sketch, dim)
        if rank < 2:
            raise SpecError(f"keys of {dim} dimension(s) cannot be sketched: expected at least 2; attend exactly")
        shape = (batch, kv_heads, dim, value.shape[3])
        if basis is None:
            with plainly(key.device):
                basis = sketch_basis.learnt(*teaching(key, value, query, policy.grain), rank, policy.bits)
        else:
            basis = _given(basis, query, policy, shape, key.device)
        made = cls(policy, basis, shape, *_room(shape, rank, policy, 0, key.device))
        made.follow(key, value)
        return made

    def follow(self, key: Tensor, value: Tensor) -> None:
        """Take in the whole blocks of a cache that has grown; those already in it are not looked at again.

        Raises `ShapeError` for a cache that is not the one sketched, or has become shorter, `SpecError` for numbers
        that are not finite.
        """
        _check(key, value, None)
        if (*key.shape[:2], key.shape[3], value.shape[3]) != self.shape or key.shape[2] < self.length:
            raise ShapeError(
                f"key {tuple(key.shape)}, value {tuple(value.shape)}: expected the cache that was sketched, grown: "
                f"(batch, kv_heads, dim, value_dim) {self.shape} and at least {self.length} keys; sketch "
                "another with Sketch.of, or cut(length) first where this one was cut back"
            )
        whole = key.shape[2] // self.policy.grain * self.policy.grain
        if key.shape[2] == self.length:
            return
        step = max(1, CHUNK // self.policy.grain) * self.policy.grain
        with plainly(key.device):
            _finite([key[:, :, whole:].float(), value[:, :, whole:].float()])
            if whole > self.codes.shape[2]:
                self._grow(whole)
            for start in range(self.length, whole, step):
                some = slice(start, min(start + step, whole))
                self._add(key[:, :, some], value[:, :, some], start)
        self.length = max(self.length, whole)

    def cut(self, length: int) -> None:
        """Forget the keys from `length` on: the cache was cut back."""
        self.length = min(self.length, max(0, length) // self.policy.grain * self.policy.grain)

    @property
    def bytes(self) -> int:
        """What the sketch holds in memory, room to grow not counted."""
        blocks, (batch, kv_heads, dim, value_dim) = self.length // self.policy.grain, self.shape
        each = self.basis.rank // 2 + self.keys.shape[2] + self.values.shape[2]
        return batch * kv_heads * (self.length * each + blocks * (dim + value_dim) * 2)

    @property
    def middle(self) -> float:
        """What a rounded number of 0 is stored as; a stored number stands for the middle of its step."""
        return float(1 << (self.policy.bits - 1)) - 0.5

    def widened(self, rounded: Tensor, into: Tensor) -> Tensor:
        """Rows of `keys` or `values` (..., width) as numbers: `into` (..., d or e) float32."""
        if self.policy.bits == 8:
            return into.copy_(rounded)
        half = rounded.shape[-1]
        into[..., :half] = rounded >> 4
        into[..., half:] = (rounded & 15)[..., : into.shape[-1] - half]
        return into

    def _grow(self, least: int) -> None:
        held = self.codes.shape[2]
        room = -(-max(least, held + held // 2) // self.policy.grain) * self.policy.grain
        codes, keys, values, means = _room(self.shape, self.basis.rank, self.policy, room, self.codes.device)
        codes[:, :, :held], keys[:, :held], values[:, :held] = self.codes, self.keys, self.values
        means[:, : held // self.policy.grain] = self.means
        self.codes, self.keys, self.values, self.means = codes, keys, values, means

    def _add(self, key: Tensor, value: Tensor, start: int) -> None:
        """Whole blocks from key `start` on."""
        grain, basis = self.policy.grain, self.basis
        parts = [key.float(), value.float()]
        _finite(parts)
        (keys, mean_key), (values, mean_value) = (_residual(each, grain) for each in parts)
        where = slice(start, start + key.shape[2])
        self.codes[:, :, where] = _codes(keys @ basis.key, sketch_basis.CODE).flatten(0, 1).mT
        means = torch.cat((mean_key, mean_value), -1).flatten(0, 1)
        self.means[:, start // grain : (start + key.shape[2]) // grain] = means.half()
        if self.policy.bits == 16:
            return
        for numbers, step, into in ((keys, basis.key_step, self.keys), (values, basis.value_step, self.values)):
            into[:, where] = _codes(numbers / step, self.policy.bits).flatten(0, 1)


def teaching(key: Tensor, value: Tensor, query: Tensor | None, grain: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """What a basis is learnt from: residuals of keys (batch, kv_heads, n, d) and values (batch, kv_heads, n, e),
    float32, of whole blocks, of which there must be one, and queries; at most LEARN of each, evenly spread.

    Raises `SpecError` where a number among them is not finite. To be called within `plainly`.
    """
    whole = key.shape[2] // grain * grain
    stride = max(1, whole // LEARN) * grain  # whole blocks of so many are looked at
    # the first block, if there are others, teaches nothing: its first keys are often unlike all others
    usual = slice(grain if whole > grain else 0, whole)
    some = _every(key[:, :, usual], stride, grain), _every(value[:, :, usual], stride, grain)
    asked = None if query is None else query[:, :, :: max(1, query.shape[2] // LEARN)]
    parts = [each.float() for each in some]
    _finite(parts if asked is None else [*parts, asked])
    (keys, _), (values, _) = (_residual(each, grain) for each in parts)
    return keys, values, asked


def _given(
    basis: object, query: Tensor | None, policy: Focus, shape: tuple[int, int, int, int], device: torch.device
) -> Basis:
    if not isinstance(basis, Basis):
        raise SpecError(f"basis={described(basis)}: expected a Basis; give another sketch's, sketch.basis, or none")
    if query is not None:
        raise SpecError(
            "query and basis were both given: a basis has been learnt, queries would teach another; give one"
        )
    return basis.for_policy(policy, shape, device)


def _codes(numbers: Tensor, bits: int) -> Tensor:
    """Numbers in units of their steps, as they are stored."""
    most = 2 ** (bits - 1)
    codes = numbers.floor_().clamp_(-most, most - 1).add_(most).to(torch.uint8)
    return codes if bits == 8 else _packed(codes)


def _packed(codes: Tensor) -> Tensor:
    """(..., x) of 4 bits as (..., x / 2, rounded up) bytes: the first half above, the second below."""
    half = (codes.shape[-1] + 1) // 2
    low = torch.nn.functional.pad(codes[..., half:], (0, 2 * half - codes.shape[-1]))
    return codes[..., :half] << 4 | low


def _room(
    shape: tuple[int, int, int, int], rank: int, policy: Focus, room: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """codes, keys, values, means for `room` keys."""
    batch, kv_heads, dim, value_dim = shape
    lanes = batch * kv_heads
    widths = {16: (0, 0), 8: (dim, value_dim), 4: ((dim + 1) // 2, (value_dim + 1) // 2)}[policy.bits]
    sizes = ((rank // 2, room), *((room, width) for width in widths))
    codes, keys, values = (_empty((lanes, *size), torch.uint8, device) for size in sizes)
    return codes, keys, values, _empty((lanes, room // policy.grain, dim + value_dim), torch.half, device)


def _empty(size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Not filled. On a CPU of NumPy, which asks the system for large pages: rows are read here and there, and the
    addresses of a hundred megabytes in small pages would have to be looked up for nearly each of them."""
    if device.type != "cpu" or torch.compiler.is_compiling():
        return torch.empty(size, dtype=dtype, device=device)
    many = math.prod(size) * dtype.itemsize
    room = np.empty(many + LINE, np.uint8)
    start = -room.ctypes.data % LINE  # a row that begins within a line of memory would take two of them
    return torch.from_numpy(room[start : start + many]).view(dtype).view(size)


def _residual(numbers: Tensor, grain: int) -> tuple[Tensor, Tensor]:
    """(batch, kv_heads, n, x) less its block's mean, and the means (batch, kv_heads, n / grain, x) as they are kept."""
    blocks = _blocks(numbers, grain)
    means = blocks.mean(3).clamp(-LARGEST, LARGEST)
    return (blocks - means.half().float()[:, :, :, None]).flatten(2, 3), means


def _blocks(numbers: Tensor, grain: int) -> Tensor:
    """(batch, kv_heads, n, x) as (batch, kv_heads, n / grain, grain, x)."""
    return numbers.reshape(*numbers.shape[:2], -1, grain, numbers.shape[3])


def _every(numbers: Tensor, stride: int, grain: int) -> Tensor:
    """The first `grain` of every `stride` rows."""
    return _blocks(numbers, grain)[:, :, :: stride // grain].flatten(2, 3)


def _finite(parts: list[Tensor]) -> None:
    if not all(guard.finite(part) for part in parts):
        raise SpecError("a key, value or query is not finite: such a cache cannot be sketched; attend exactly")


@contextmanager
def plainly(device: torch.device) -> Iterator[None]:
    """Without gradients and half precision; what is made may be written to later, in any mode."""
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(device.type, enabled=False):
        yield


def _check(key: Tensor, value: Tensor, query: Tensor | None) -> None:
    for name, given in (("key", key), ("value", value), *((("query", query),) if query is not None else ())):
        if not isinstance(given, Tensor) or given.dim() != 4 or not given.is_floating_point():
            raise ShapeError(f"{name} is {described(given)}: expected floats (batch, heads, length, dim); give those")
    fits = key.shape[:3] == value.shape[:3]
    if query is not None:
        fits = fits and query.shape[0] == key.shape[0] and query.shape[3] == key.shape[3]
        fits = fits and query.shape[1] % max(1, key.shape[1]) == 0
    if not fits:
        shapes = ", ".join(str(tuple(each.shape)) for each in (key, value, query) if each is not None)
        raise ShapeError(
            f"key, value and query of shapes {shapes} do not fit together; give those of one layer: (batch, "
            "kv_heads, n, d), (batch, kv_heads, n, e) and (batch, heads, m, d), heads a multiple of kv_heads"
        )
