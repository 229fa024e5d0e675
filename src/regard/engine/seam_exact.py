"""An attention call of a foreign model, computed exactly: over the keys in reach, on the planner's kernel."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from regard.engine.attend import choose
from regard.engine.seam_cut import cuts, fitted, over
from regard.kernels.row import Row
from regard.spec.mask import Mask
from regard.spec.request import Request

_REMEMBERED = 8


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A mask, cut to the keys in reach: `left` over `keys`."""

    mask: Mask
    sizes: tuple[Any, ...]
    keys: range
    left: Mask | None


@dataclass(eq=False)
class Exact:
    """Computes calls, and remembers what layers that share a mask have in common."""

    _fitted: list[_Fitted] = field(default_factory=list)
    _rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)  # the kernels for single queries

    def run(self, request: Request) -> Tensor:
        """(batch, heads, query_len, value_dim). Raises `KernelError` where no kernel can do it."""
        request = self.reduced(request)
        row = self.row(request)
        with torch._C.DisableTorchFunction(), plainly(request):
            return row.run(request)[0]

    def reduced(self, request: Request) -> Request:
        """The request over the keys that its queries can reach, in autocast's dtype."""
        with torch._C.DisableTorchFunction():
            if request.mask is not None and cuts(request):
                known = self._fit(request.mask, request)
                request = over(request, known.keys, known.left)
            return _cast(request)

    def row(self, request: Request) -> Row:
        """The kernel for a call. Raises `KernelError` where there is none."""
        with torch._C.DisableTorchFunction():
            if request.place.query_len > 1 or request.biases:
                return choose(request, None)
            kind = _kind(request)
            row = self._rows.get(kind)
            if row is None:
                row = self._rows[kind] = choose(request, None)
            return row

    def _fit(self, mask: Mask, request: Request) -> _Fitted:
        """Looked up once for the layers that share a mask."""
        place = request.place
        sizes = (place.batch, place.query_len, place.key_len, place.query_start, place.device)
        for known in self._fitted:
            if known.mask is mask and known.sizes == sizes:
                return known
        found = _Fitted(mask, sizes, *fitted(mask, place))
        self._fitted = [*self._fitted[1 - _REMEMBERED :], found]
        return found


def _kind(request: Request) -> tuple[Any, ...]:
    """What the choice for one query depends on; the number of keys counts by its magnitude, for it grows at each step
    of a generation, and the planner need not be asked at each."""
    query, key, value, mask = request.query, request.key, request.value, request.mask
    return (
        *(query.shape, key.shape[1], key.shape[2].bit_length(), key.shape[3], value.shape[3], query.dtype),
        *(query.device, request.score, request.sink is None, request.dropout),
        None if mask is None else (type(mask), mask.extent()),
        request.wants_gradient(),
    )


def _cast(request: Request) -> Request:
    """In the dtype in which autocast would have torch compute it."""
    kind = request.query.device.type
    if not torch.is_autocast_enabled(kind) or request.query.dtype == torch.float64:
        return request
    to = torch.get_autocast_dtype(kind)
    parts = {name: getattr(request, name).to(to) for name in ("query", "key", "value")}
    return replace(request, **parts)


def plainly(request: Request) -> Any:
    """Kernels choose their own dtypes."""
    kind = request.query.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
