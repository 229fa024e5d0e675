"""The routes, by what they are about; each file makes a router for one studio."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from regard.app.studio.routes import files, jobs, learn, looks, page, runs, subjects, work
from regard.app.studio.studio import Studio

ROUTES: tuple[Callable[[Studio], APIRouter], ...] = (
    page.router,
    files.router,
    subjects.router,
    work.router,
    jobs.router,
    looks.router,
    runs.router,
    learn.router,
)
