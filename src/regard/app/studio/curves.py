"""The curves of a training as a picture: losses by steps, in SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_WIDE, _HIGH, _EDGE = 640, 240, 44
_LINES = (("step", "loss", "training"), ("epoch", "validation_loss", "validation"))
_STROKES, _STYLES = ("none", "6 4"), ("solid", "dashed")


def curves(points: Sequence[Mapping[str, Any]]) -> str:
    """Empty where fewer than two losses were logged."""
    found = [(name, _spots(points, event, figure)) for event, figure, name in _LINES]
    every = [spot for _, spots in found for spot in spots]
    if len(every) < 2:
        return ""
    right, top = max(step for step, _ in every), max(loss for _, loss in every)
    parts = [_line(spots, right, top, stroke) for (_, spots), stroke in zip(found, _STROKES, strict=True) if spots]
    legend = "; ".join(f"{name}: {style}" for (name, spots), style in zip(found, _STYLES, strict=True) if spots)
    label = f"loss by step, {legend}"
    axis = (
        f'<text x="4" y="16">{top:.3g}</text><text x="4" y="{_HIGH - _EDGE}">0</text>'
        f'<text x="{_WIDE - 60}" y="{_HIGH - 16}">{right:,.0f} steps</text>'
    )
    size = f'viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" height="{_HIGH}"'
    told = f'role="img" aria-label="{escape(label)}" fill="currentColor" font-size="12"'
    drawn = f"<svg {size} {told}>{axis}{''.join(parts)}</svg>"
    return f'<figure class="scroll">{drawn}<figcaption>{escape(label)}</figcaption></figure>'


def _spots(points: Sequence[Mapping[str, Any]], event: str, figure: str) -> list[tuple[float, float]]:
    """(step, loss) of the rows of one event that have a number there."""
    own = [one for one in points if one["event"] == event and isinstance(one.get(figure), int | float)]
    return [(float(one["step"]), float(one[figure])) for one in own]


def _line(spots: Sequence[tuple[float, float]], right: float, top: float, stroke: str) -> str:
    """The polyline of one curve; losses from 0 to the largest."""
    wide, high = _WIDE - 2 * _EDGE, _HIGH - 2 * _EDGE + 20
    told = " ".join(
        f"{_EDGE + wide * step / max(right, 1):.1f},{_EDGE - 20 + high * (1 - loss / max(top, 1e-9)):.1f}"
        for step, loss in spots
    )
    return f'<polyline points="{told}" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="{stroke}"/>'
