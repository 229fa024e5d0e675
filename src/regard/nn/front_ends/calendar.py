"""Times as numbers: how far into the day, the week and the year each is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError, SpecError
from regard.spec.value import described

_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0


def calendar(
    times: NDArray[np.datetime64], fields: Sequence[str] = ("hour", "weekday", "month")
) -> NDArray[np.float32]:
    """times (len,) datetime64 -> (len, 2 * fields) float32: sine and cosine of each field's place on its circle, so
    that midnight follows 23 h, Monday Sunday, and January December.

    "hour" is the time of day to the second, "weekday" starts with Monday, "month" with January. Times are taken as they
    stand: give local time where people's habits matter.

        >>> calendar(np.array(["2024-01-01T06:00"], dtype="datetime64[m]"), ["hour"]).round(3).tolist()
        [[1.0, 0.0]]

    Raises `SpecError` for a field there is not, `DataError` for something else than times, or a time that is missing.
    """
    unknown = [field for field in fields if field not in _SHARES]
    if unknown or isinstance(fields, str) or not fields:
        raise SpecError(f"calendar(fields={described(fields)}): expected some of {', '.join(_SHARES)}")
    if not isinstance(times, np.ndarray) or times.dtype.kind != "M" or times.ndim != 1:
        raise DataError(f"calendar: got {described(times)}, expected a 1-D array of datetime64")
    missing = np.flatnonzero(np.isnat(times))
    if len(missing):
        raise DataError(f"calendar: time {missing[0]} is missing ({len(missing)} of {len(times)} are)")
    angles = np.stack([2 * np.pi * _SHARES[field](times) for field in fields], -1)
    return np.stack((np.sin(angles), np.cos(angles)), -1).reshape(len(times), 2 * len(fields)).astype(np.float32)


def _hour(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return (seconds % 86_400) / 86_400


def _weekday(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    days = times.astype("datetime64[D]").astype(np.int64)
    return ((days + _EPOCH_WEEKDAY) % 7) / 7


def _month(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    return (times.astype("datetime64[M]").astype(np.int64) % 12) / 12


_SHARES = {"hour": _hour, "weekday": _weekday, "month": _month}
