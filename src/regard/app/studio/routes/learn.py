"""Small things to learn from, answered at once: the four steps, a mask, a plan."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from regard.app.studio.bodies import MaskBody, PlanBody, WalkBody
from regard.app.studio.learning import masked, planned, walked
from regard.app.studio.refusals import Json
from regard.app.studio.studio import Studio


def router(_: Studio) -> APIRouter:
    """POST /api/learn/walk, mask, plan"""
    made = APIRouter(prefix="/api/learn")

    @made.post("/walk")
    def walk(body: WalkBody) -> Response:
        return Json(walked(body))

    @made.post("/mask")
    def mask(body: MaskBody) -> Response:
        return Json(masked(body))

    @made.post("/plan")
    def plan(body: PlanBody) -> Response:
        return Json(planned(body))

    return made
