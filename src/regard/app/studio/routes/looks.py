"""What is in memory of a look: its picture, tiles of its maps, and what one unit reads."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from regard.app.studio.look import Look
from regard.app.studio.refusals import Json, RefusedError
from regard.app.studio.studio import Studio
from regard.app.studio.tiles import numbers
from regard.lens.trace import Layer

Id = Annotated[str, Path(min_length=1, max_length=32)]
LayerName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Whole = Annotated[int, Field(ge=0, le=1_000_000_000)]
_CONTENT = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
Bytes: dict[int | str, dict[str, Any]] = {200: {"content": _CONTENT}}


class TileQuery(BaseModel):
    """GET /api/looks/{look}/tile"""

    model_config = ConfigDict(extra="forbid")

    layer: LayerName
    head: Whole
    zoom: Annotated[int, Field(ge=0, le=30)] = 0
    row: Whole = 0
    col: Whole = 0
    sinks: bool = True


class UnitQuery(BaseModel):
    """GET /api/looks/{look}/unit"""

    model_config = ConfigDict(extra="forbid")

    layer: LayerName
    head: Whole
    unit: Whole
    side: Literal["queries", "keys"] = "queries"
    top: Annotated[int, Field(ge=1, le=64)] = 8
    sinks: bool = True


class ReceivedQuery(BaseModel):
    """GET /api/looks/{look}/received"""

    model_config = ConfigDict(extra="forbid")

    layer: LayerName | None = None
    head: Whole | None = None


def router(studio: Studio) -> APIRouter:
    """GET /api/looks/{look}, .../tile, .../unit, .../received"""
    made = APIRouter(prefix="/api/looks")

    @made.get("/{look}")
    def whole(look: Id) -> Response:
        return Response(studio.looks.page(look), media_type="application/json")

    @made.get("/{look}/tile", response_class=Response, responses=Bytes)
    def tile(
        look: Id,
        query: Annotated[TileQuery, Query()],
        if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        found = studio.looks[look]
        layer = found.layer(query.layer)
        found.head(layer, query.head)
        tag = _tag(look, query)
        if if_none_match == tag:
            return Response(status_code=304, headers={"ETag": tag})
        with studio.drawing:
            drawn = studio.tiles.get(found, layer, query.head, (query.zoom, query.row, query.col), sinks=query.sinks)
        headers = {
            "X-Regard-Top": f"{drawn.top:.9g}",
            "X-Regard-Queries": f"{drawn.queries.start}-{drawn.queries.stop}",
            "X-Regard-Keys": f"{drawn.keys.start}-{drawn.keys.stop}",
            "X-Regard-Bins": f"{drawn.bins[0]},{drawn.bins[1]}",
            "ETag": tag,
            "Cache-Control": "private, max-age=3600",
        }
        return Response(drawn.pixels, media_type="application/octet-stream", headers=headers)

    @made.get("/{look}/unit")
    def unit(look: Id, query: Annotated[UnitQuery, Query()]) -> Response:
        found = studio.looks[look]
        layer = found.layer(query.layer)
        found.head(layer, query.head)
        with studio.drawing:
            return Json(_unit(found, layer, query))

    @made.get("/{look}/received", response_class=Response, responses=Bytes)
    def received(look: Id, query: Annotated[ReceivedQuery, Query()]) -> Response:
        found = studio.looks[look]
        if (query.layer is None) != (query.head is None):
            raise RefusedError(422, "layer and head go together", where="layer", do="give both, or neither")
        if query.layer is None or query.head is None:
            mass = found.mass(0).numpy()
        else:
            layer = found.layer(query.layer)
            mass = layer.received[0, found.head(layer, query.head)].numpy()
        return Response(mass.astype("<f4").tobytes(), media_type="application/octet-stream")

    return made


def _tag(look: str, query: TileQuery) -> str:
    return f'"{hashlib.blake2b(f"{look} {query!r}".encode(), digest_size=12).hexdigest()}"'


def _unit(look: Look, layer: Layer, query: UnitQuery) -> dict[str, Any]:
    sides = look.places[layer.name]
    side = look.sides[sides[query.side == "keys"]]
    if query.unit >= len(side):
        raise RefusedError(422, f"unit {query.unit}: there are {len(side):,}", where="unit", do="count them from 0")
    place = look.head(layer, query.head)
    shared = sides[0] == sides[1]
    is_query = (query.side == "queries" or shared) and query.unit < len(layer.positions)
    is_key = (query.side == "keys" or shared) and query.unit < layer.keys
    hidden = [] if query.sinks else look.sink_keys(layer)
    mass = layer.received[0, place]
    return {
        "unit": query.unit,
        "text": side.texts[query.unit],
        "reads": _heaviest(look, layer, query, hidden) if is_query else None,
        "read_by": _heaviest(look, layer, query, None) if is_key else None,
        "received": float(mass[query.unit]) if is_key else None,
        "share": float(mass[query.unit] / mass.sum().clamp(min=1e-30)) if is_key else None,
        "breadth": float(layer.breadth[0, place, query.unit]) if is_query else None,
        "distance": float(layer.distance[0, place, query.unit]) if is_query else None,
    }


def _heaviest(look: Look, layer: Layer, query: UnitQuery, hidden: list[int] | None) -> list[list[float]]:
    """The heaviest keys of a query without those that are hidden; or, with None, the heaviest queries of a key."""
    weights = numbers(look, layer, query.head, query.unit, reads=hidden is not None)
    weights[hidden or []] = 0.0
    order = np.argsort(-weights, kind="stable")[: query.top]
    return [[int(place), float(weights[place])] for place in order if weights[place] > 0]
