"""What is in the folders, and what the studio is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from regard.app.studio.folders import kind_of_file
from regard.app.studio.refusals import Json, RefusedError
from regard.app.studio.studio import Studio

Given = Annotated[str, StringConstraints(max_length=4096)]
_KINDS = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif",
    ".bmp": "image/bmp", ".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg",
}  # fmt: skip


class FolderQuery(BaseModel):
    """GET /api/folder"""

    model_config = ConfigDict(extra="forbid")

    path: Given | None = None


class FileQuery(BaseModel):
    """GET /api/file"""

    model_config = ConfigDict(extra="forbid")

    path: Given


def router(studio: Studio) -> APIRouter:
    """GET /api/about, /api/folder, /api/file"""
    made = APIRouter(prefix="/api")

    @made.get("/about")
    def about() -> Response:
        from regard import __version__
        from regard.tasks.catalogue import TASKS

        return Json(
            {
                "version": __version__,
                "language": studio.language,
                "folders": [{"name": root.name or str(root), "path": str(root)} for root in studio.folders.roots],
                "limits": studio.limits.plain(),
                "tasks": [task.name for task in TASKS],
                "models": len(studio.subjects.all()),
            }
        )

    @made.get("/folder")
    def folder(query: Annotated[FolderQuery, Query()]) -> Response:
        return Json(_roots(studio) if query.path is None else _listed(studio, query.path))

    @made.get("/file")
    def file(query: Annotated[FileQuery, Query()]) -> Response:
        path = studio.folders.file(query.path, studio.limits.preview_bytes, where="path")
        kind = _KINDS.get(path.suffix.lower())
        if kind is None and kind_of_file(path) not in ("text", "table"):
            raise RefusedError(422, "path: no picture, sound or text", where="path", do="choose one of those")
        # texts are plain text, also those that end in .html: nothing of a folder ever runs as a page
        return Response(path.read_bytes(), media_type=kind or "text/plain; charset=utf-8")

    return made


def _roots(studio: Studio) -> dict[str, Any]:
    entries = [
        {"name": root.name or str(root), "path": str(root), "kind": "folder", "bytes": None}
        for root in studio.folders.roots
    ]
    return {"path": None, "parent": None, "entries": entries, "left_out": 0}


def _listed(studio: Studio, given: str) -> dict[str, Any]:
    path, entries, left = studio.folders.listed(given, studio.limits.listed)
    return {
        "path": str(path),
        "parent": None if path in studio.folders.roots else str(path.parent),
        "entries": [{"name": one.name, "path": str(one.path), "kind": one.kind, "bytes": one.bytes} for one in entries],
        "left_out": left,
    }
