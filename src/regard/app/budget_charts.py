"""Charts as SVG text: lines over a share of bytes, and heads by breadth and distance. No script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from regard.allocate.allocation import Allocation
from regard.allocate.profiled import Profile
from regard.app.budget_lines import Line

_WIDTH, _HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 44
_COLOURS = 7
_GRID = 4  # lines across


class _Axis:
    """Numbers onto pixels: even steps, or even factors (`logarithmic`)."""

    def __init__(self, values: Iterable[float], first: int, last: int, *, logarithmic: bool = False) -> None:
        self._logarithmic = logarithmic
        mapped = [self._map(value) for value in values]
        low, high = (min(mapped), max(mapped)) if mapped else (0.0, 1.0)
        self._low = low if logarithmic else min(0.0, low)
        self._span = (high - self._low) or 1.0
        self._first, self._last = first, last

    def __call__(self, value: float) -> float:
        return self._first + (self._map(value) - self._low) / self._span * (self._last - self._first)

    def ticks(self) -> list[float]:
        """Values at even steps along the axis."""
        places = [self._low + self._span * at / _GRID for at in range(_GRID + 1)]
        return [10.0**place if self._logarithmic else place for place in places]

    def _map(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self._logarithmic else value


def chart(lines: Sequence[Line], unit: str) -> str:
    """One line for each way of spending; bars of one standard error where it is known."""
    spots = [spot for line in lines for spot in line.spots]
    across = _Axis([100 * spot.share for spot in spots], _LEFT, _WIDTH - _RIGHT)
    up = _Axis([spot.cost + (spot.error or 0.0) for spot in spots], _HEIGHT - _BOTTOM, _TOP)
    parts = _frame(across, up, "% of bytes read", unit)
    for at, line in enumerate(lines):
        colour = at % _COLOURS
        places = [(across(100 * spot.share), up(spot.cost)) for spot in line.spots]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="s{colour}" points="{joined}"/>')
        for spot, (x, y) in zip(line.spots, places, strict=True):
            told = f"{line.name}: {100 * spot.share:.1f} %, {spot.cost:+.4f}"
            if spot.error is not None:
                low, high = up(spot.cost - spot.error), up(spot.cost + spot.error)
                parts.append(f'<path class="bar s{colour}" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
            parts.append(
                f'<circle class="f{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(told)}</title></circle>'
            )
    return _svg(parts, f"{unit} by the share of bytes read") + _legend(lines)


def _legend(lines: Sequence[Line]) -> str:
    """Which colour is which line; below the chart, for names may be long."""
    mark = '<svg viewBox="0 0 9 9"><rect class="f{}" width="9" height="9"/></svg>'
    rows = (f"<li>{mark.format(at % _COLOURS)}{escape(line.name)}</li>" for at, line in enumerate(lines))
    return f'<ul class="key">{"".join(rows)}</ul>'


def scatter(profile: Profile, allocation: Allocation | None) -> str:
    """Every query head by breadth and distance, as large as the fraction that its key head is given."""
    dots = []
    for place, (path, layer) in enumerate((profile.layers or {}).items()):
        groups = layer.heads // layer.kv_heads
        for head, (breadth, distance) in enumerate(
            zip(layer["breadth"].tolist(), layer["distance"].tolist(), strict=True)
        ):
            given = None if allocation is None else allocation.layers.get(path)
            fraction = None if given is None else given[head // groups].fraction
            dots.append((place, f"{path}, head {head}", breadth, distance, fraction))
    across = _Axis([dot[2] for dot in dots], _LEFT, _WIDTH - _RIGHT, logarithmic=True)
    up = _Axis([dot[3] for dot in dots], _HEIGHT - _BOTTOM, _TOP, logarithmic=True)
    parts = _frame(across, up, "breadth: keys a query looks at", "distance in keys")
    for place, name, breadth, distance, fraction in dots:
        told = f"{name}: breadth {breadth:.1f}, distance {distance:.0f}"
        told += "" if fraction is None else f", {100 * fraction:.1f} % of its bytes"
        size = 4.0 if fraction is None else 2.5 + 7 * math.sqrt(fraction)
        spot = f'cx="{across(breadth):.1f}" cy="{up(distance):.1f}" r="{size:.1f}"'
        parts.append(
            f'<circle class="f{place % _COLOURS}" fill-opacity=".7" {spot}><title>{escape(told)}</title></circle>'
        )
    return _svg(parts, "heads by breadth and distance")


def _frame(across: _Axis, up: _Axis, below: str, beside: str) -> list[str]:
    """Both axes, with their ticks and what they are of."""
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{floor}H{right}"/>']
    parts += [
        f'<text x="{across(tick):.1f}" y="{floor + 16}" text-anchor="middle">{_number(tick)}</text>'
        for tick in across.ticks()
    ]
    for tick in up.ticks():
        y = up(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    parts.append(f'<text x="{(_LEFT + right) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(below)}</text>')
    middle = (_TOP + floor) / 2
    parts.append(
        f'<text transform="translate(12 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(beside)}</text>'
    )
    return parts


def _svg(parts: list[str], title: str) -> str:
    inner = "\n".join(parts)
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">\n{inner}\n</svg>'


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.3g}"
