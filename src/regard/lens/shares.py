"""Shares as a person reads them: what is not all of it is never shown as all of it."""

from __future__ import annotations

__all__ = ["percent"]


def percent(share: float, *, digits: int = 0) -> str:
    """A share from 0 to 1 as a percentage: 0.25 -> "25%". 100 % is written of 1 alone, and 0 % of 0 alone: where
    rounding would say so of another share, as many more digits are shown as tell it apart, up to six; and beyond them
    "more than" or "less than".

    >>> percent(0.996), percent(0.9996, digits=1), percent(1.0), percent(0.0)
    ('99.6%', '99.96%', '100%', '0%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    for more in range(digits, 7):
        told = f"{share:.{more}%}"
        if float(told[:-1]) not in (0.0, 100.0):
            return told
    return "more than 99.999999%" if share > 0.5 else "less than 0.000001%"
