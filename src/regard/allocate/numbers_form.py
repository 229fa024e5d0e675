"""Many numbers as one text for a file: float32, little-endian, in base64 (RFC 4648)."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.spec.errors import DataError


def packed(*tensors: Tensor) -> str:
    """The numbers of all tensors, one after the other."""
    numbers = torch.cat([each.detach().to("cpu", torch.float32).flatten() for each in tensors])
    return base64.b64encode(numbers.numpy().astype("<f4").tobytes()).decode("ascii")


def unpacked(given: Any, shapes: Sequence[tuple[int, ...]], where: str) -> list[Tensor]:
    """Tensors of these shapes. Raises `DataError` for any other text, and for numbers that are not finite."""
    sizes = [math.prod(shape) for shape in shapes]
    try:
        raw = base64.b64decode(given.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error) as error:
        raise DataError(f"{where}: expected numbers as base64 ({error}); make the file again") from None
    if len(raw) != 4 * sum(sizes):
        raise DataError(f"{where}: found {len(raw):,} bytes, expected {4 * sum(sizes):,}; make the file again")
    numbers = torch.from_numpy(np.frombuffer(raw, "<f4").astype(np.float32))
    if not bool(torch.isfinite(numbers).all()):
        raise DataError(f"{where}: not all numbers are finite; make the file again")
    return [part.view(shape) for part, shape in zip(torch.split(numbers, sizes), shapes, strict=True)]


def sizes(given: Any, names: Sequence[str], where: str) -> list[int]:
    """The whole numbers, at least 1, under these names of an object. Raises `DataError` for others."""
    found = [given[name] for name in names]
    for name, each in zip(names, found, strict=True):
        if isinstance(each, bool) or not isinstance(each, int) or each < 1:
            raise DataError(f"{where}: {name} is {each!r}, expected a whole number, at least 1")
    return found
