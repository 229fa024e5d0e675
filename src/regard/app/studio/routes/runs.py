"""The runs of the folders, and their logs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from regard.app.studio.refusals import Json
from regard.app.studio.runs import log, run_of, runs
from regard.app.studio.studio import Studio

Id = Annotated[str, Path(min_length=1, max_length=32)]


def router(studio: Studio) -> APIRouter:
    """GET /api/runs, /api/runs/{run}/log"""
    made = APIRouter(prefix="/api/runs")

    @made.get("")
    def all_runs() -> Response:
        return Json(runs(studio.folders, studio.limits, studio.training))

    @made.get("/{run}/log")
    def one(run: Id) -> Response:
        return Json(log(run_of(studio.folders, studio.limits, run)))

    return made
