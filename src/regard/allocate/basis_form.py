"""The basis of a key head as plain values for a file."""

from __future__ import annotations

from typing import Any

from regard.allocate.numbers_form import packed, sizes, unpacked
from regard.allocate.stored import exactly
from regard.kernels.sketch_basis import Basis
from regard.spec.errors import DataError, RegardError

_SIZES = ("dim", "value_dim", "rank", "bits")


def plain_basis(basis: Basis) -> dict[str, Any]:
    """{"dim": 64, "value_dim": 64, "rank": 8, "bits": 8, "numbers": "..."}, of one key head, to the last bit."""
    shown = {name: getattr(basis, name) for name in _SIZES}
    return {**shown, "numbers": packed(basis.key, basis.query, basis.key_step, basis.value_step)}


def basis_of(given: Any, where: str) -> Basis:
    """What `plain_basis` was made of. Raises `DataError` for anything else."""
    dim, value_dim, rank, bits = sizes(exactly(given, (*_SIZES, "numbers"), where), _SIZES, where)
    shapes = [(1, dim, rank), (1, dim, rank), (1, 1, dim), (1, 1, value_dim)]
    try:
        return Basis(*unpacked(given["numbers"], shapes, where), bits=bits)
    except RegardError as error:
        raise DataError(str(error) if isinstance(error, DataError) else f"{where}: {error}") from None
