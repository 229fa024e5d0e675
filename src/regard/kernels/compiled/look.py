"""A look at a sketched cache in compiled loops: torch's tensors in and out."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.kernels.compiled.compiler import Array
from regard.kernels.compiled.handed import handed
from regard.kernels.compiled.lanes import Asked, Found, Plain, Stock, Terms, picking, summing
from regard.kernels.compiled.pool import at_work, workers
from regard.kernels.compiled.rows import copying_loop
from regard.kernels.focus_look import Look
from regard.kernels.focus_pick import outnumbered, reserved
from regard.kernels.sketch import Sketch

SHARE = 1 << 15  # scores that a thread should have to make, at least


def looked(look: Look) -> tuple[Tensor, Tensor]:
    """As `regard.kernels.focus_look.looked`, on a CPU. Raises `KernelError` as `regard.kernels.focus_pick.picked`."""
    sketch, (lanes, rows, groups, _) = look.sketch, look.query.shape
    asked, stock, terms = _asked(look), _stock(sketch), _terms(sketch)
    found = _room(lanes, rows, groups, terms, min(terms.length, max(0, int(look.most.max()))))
    output, lse = (torch.empty(lanes, rows, groups, *size) for size in ((sketch.shape[3],), ()))
    threads = min(workers(), lanes * rows, max(1, lanes * rows * groups * terms.length // SHARE))
    _run(picking(), terms, (*asked, *stock, *found), threads)
    if (found.many < 0).any():
        raise outnumbered(sketch.policy)
    _run(summing(), terms, (*asked, *stock, *found, *_plain(look, found), output.numpy(), lse.numpy()), threads)
    return output, lse


def _run(loop: Any, terms: Terms, arrays: Sequence[Array], threads: int) -> None:
    counter = ctypes.c_int64(0)  # tasks taken
    at_work(loop, handed((*terms, ctypes.addressof(counter)), arrays), threads)


def _asked(look: Look) -> Asked:
    allowed = np.empty((1, look.query.shape[1], 0), np.uint8)
    if look.allowed is not None:
        allowed = look.allowed.contiguous().view(torch.uint8).numpy()
    latest = reserved(look.most, look.sketch.policy)
    return Asked(_numbers(look.query), allowed, _numbers(look.most), _numbers(latest))


def _stock(sketch: Sketch) -> Stock:
    basis = sketch.basis
    return Stock(
        codes=_numbers(sketch.codes),
        keys=_numbers(sketch.keys),
        values=_numbers(sketch.values),
        means=_numbers(sketch.means.view(torch.int16)),
        turn=_numbers(basis.query),
        key_step=_numbers(basis.key_step[:, 0]),
        value_step=_numbers(basis.value_step[:, 0]),
    )


def _numbers(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


def _terms(sketch: Sketch) -> Terms:
    policy = sketch.policy
    exact = sketch.length if policy.bits == 16 else policy.exact
    return Terms(sketch.length, policy.grain, policy.bits, exact, policy.first)


def _room(lanes: int, rows: int, groups: int, terms: Terms, most: int) -> Found:
    """For `most` keys of each query; not filled."""
    shape = lanes, rows
    return Found(
        np.empty((*shape, most), np.int32),
        np.empty(shape, np.int64),
        np.empty((*shape, groups, most), np.float32),
        np.empty((*shape, groups, terms.length // terms.grain), np.float32),
        np.empty((*shape, groups), np.float32),
        np.zeros((*shape, min(most, terms.exact)), np.int32),
        np.empty(shape, np.int64),
    )


def _plain(look: Look, found: Found) -> Plain:
    """What is read as it is. Where there are fewer than there is room for, key 0 fills it, and is not used."""
    some = np.arange(found.best.shape[2]) < found.again[..., None]
    keys = np.where(some, np.take_along_axis(found.picks, found.best, 2), np.int32(0))
    read = (_copied(part, keys) for part in (look.key, look.value))
    late = (_numbers(part[:, look.sketch.length :].float()) for part in (look.key, look.value))
    return Plain(*read, *late)


def _copied(rows: Tensor, keys: Array) -> Array:
    """rows (lanes, n, x) in their own dtype, keys (lanes, rows, some): float32 (lanes, rows, some, x)."""
    rows = rows.detach() if rows.stride(2) == 1 else rows.detach().contiguous()
    into = torch.empty(*keys.shape, rows.shape[2], dtype=rows.dtype)
    lanes = len(keys)
    stored, kept = (each.view(torch.uint8).numpy() for each in (rows, into.view(lanes, -1, rows.shape[2])))
    copying_loop()(stored, keys.reshape(lanes, -1), kept)
    return _numbers(into.float())
