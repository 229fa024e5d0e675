"""A look at a sketched cache in compiled loops: torch's tensors in and out."""

from __future__ import annotations

import ctypes
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from regard.kernels.compiled.handed import handed, words
from regard.kernels.compiled.lanes import Terms, looking
from regard.kernels.compiled.pool import at_work, workers
from regard.kernels.compiled.rows import KINDS, Cache
from regard.kernels.focus_look import Look
from regard.kernels.focus_pick import outnumbered
from regard.kernels.sketch import Sketch

_STOCKS: WeakKeyDictionary[Sketch, tuple[Tensor, list[Tensor], list[int]]] = WeakKeyDictionary()
SHARE = 1 << 15  # scores that a thread should have to make, at least


def looked(look: Look) -> tuple[Tensor, Tensor]:
    """As `regard.kernels.focus_look.looked`, on a CPU. Raises `KernelError` as `regard.kernels.focus_pick.picked`."""
    sketch, (lanes, rows, groups, _) = look.sketch, look.query.shape
    terms = _terms(look)
    # tensors are held until the threads are done, who are told addresses
    asked, made = _asked(look), _made((lanes, rows, groups, sketch.shape[3]), terms)
    key, value, (_held, kept) = _contiguous(look.key), _contiguous(look.value), _kept(sketch)
    tasks, refused = ctypes.c_int64(0), ctypes.c_int64(0)
    numbers = (*terms, *_cache(key), *_cache(value), ctypes.addressof(tasks), ctypes.addressof(refused))
    threads = min(workers(), lanes * rows, max(1, lanes * rows * groups * terms.length // SHARE))
    at_work(looking(), handed((*numbers, *words(asked), *kept, *words(made))), threads)
    if refused.value:
        raise outnumbered(sketch.policy)
    return made[0], made[1]


def _asked(look: Look) -> list[Tensor]:
    """In the order of `lanes.Asked`."""
    if look.allowed is None:
        allowed = torch.empty((1, look.query.shape[1], 0), dtype=torch.uint8)
    else:
        allowed = look.allowed.contiguous().view(torch.uint8)
    return [look.query.detach().contiguous(), allowed, look.allotted.most, look.allotted.latest]


def _kept(sketch: Sketch) -> tuple[list[Tensor], list[int]]:
    """The sketch's tensors and their words, made once as long as it keeps them."""
    found = _STOCKS.get(sketch)
    if found is None or found[0] is not sketch.codes:
        stock = _stock(sketch)
        found = _STOCKS[sketch] = sketch.codes, stock, words(stock)
    return found[1:]


def _stock(sketch: Sketch) -> list[Tensor]:
    """In the order of `lanes.Stock`."""
    basis = sketch.basis
    found = (
        *(sketch.codes, sketch.keys, sketch.values, sketch.means.view(torch.int16)),
        *(basis.query, basis.key_step[:, 0], basis.value_step[:, 0]),
    )
    return [tensor.detach().contiguous() for tensor in found]


def _terms(look: Look) -> Terms:
    sketch, policy = look.sketch, look.sketch.policy
    exact = sketch.length if policy.bits == 16 else policy.exact
    most = min(sketch.length, max(0, look.allotted.largest))
    return Terms(sketch.length, policy.grain, policy.bits, exact, policy.first, look.key.shape[1], most)


def _made(shape: tuple[int, int, int, int], terms: Terms) -> list[Tensor]:
    """In the order of `lanes.Made`, not filled. shape: (lanes, rows, groups, e)."""
    lanes, rows = shape[:2]
    return [
        torch.empty(shape),
        torch.empty(shape[:3]),
        torch.empty((lanes, rows, terms.most), dtype=torch.int32),
        torch.empty((lanes, rows), dtype=torch.int64),
        torch.empty((lanes, rows, min(terms.most, terms.exact)), dtype=torch.int32),
        torch.empty((lanes, rows), dtype=torch.int64),
    ]


def _contiguous(rows: Tensor) -> Tensor:
    """(lanes, n, x), each row's numbers one after the other."""
    rows = rows.detach()
    return rows if rows.stride(2) == 1 else rows.contiguous()


def _cache(rows: Tensor) -> Cache:
    kind = KINDS.index(str(rows.dtype)[6:])
    return Cache(rows.data_ptr(), kind, rows.stride(0), rows.stride(1), rows.shape[2])
