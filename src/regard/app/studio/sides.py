"""Two looks beside each other: which heads changed most."""

from __future__ import annotations

from typing import Any

from regard.app.studio.look import Look
from regard.lens.compare import Change, compare
from regard.spec.errors import SpecError

_LISTED = 100


def changes(a: Look, b: Look) -> dict[str, Any]:
    """The heads of both by how differently they look, the biggest change first; none where no layers match."""
    try:
        found = compare(a.trace, b.trace)
    except SpecError as error:
        names = [[layer.name for layer in one.trace.layers] for one in (a, b)]
        return {"changes": [], "only_a": names[0], "only_b": names[1], "note": str(error)}
    return {
        "changes": [_plain(change) for change in found.changes[:_LISTED]],
        "only_a": list(found.only_a),
        "only_b": list(found.only_b),
        "note": found.note,
    }


def _plain(change: Change) -> dict[str, Any]:
    return {
        "layer": change.layer,
        "layer_b": change.layer_b,
        "head": change.head,
        "variation": change.variation,
        "correlation": change.correlation,
        "breadth": [change.a.breadth, change.b.breadth],
        "distance": [change.a.distance, change.b.distance],
    }
