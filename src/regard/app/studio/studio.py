"""One studio: what it was started with, and all that it holds while it runs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore, Event

from regard.app.studio.folders import Folders
from regard.app.studio.jobs import Job, Jobs
from regard.app.studio.limits import Limits
from regard.app.studio.look import Looks
from regard.app.studio.models import Held
from regard.app.studio.readying import Desk
from regard.app.studio.subjects import Subjects
from regard.app.studio.tiles import Tiles


@dataclass(eq=False)
class Studio:
    """folders: what may be read, and where runs are written. language: of the page. token: of this session."""

    folders: Folders
    limits: Limits
    language: str = "en"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    subjects: Subjects = field(init=False)
    jobs: Jobs = field(init=False)
    looks: Looks = field(init=False)
    desk: Desk = field(init=False)
    tiles: Tiles = field(default_factory=Tiles)
    drawing: BoundedSemaphore = field(init=False)
    closing: Event = field(default_factory=Event)
    looks_of: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.subjects = Subjects(self.folders, self.limits)
        self.looks = Looks(self.limits.looks_bytes, self.limits.looks)
        self.desk = Desk(self.folders, self.limits, Held(self.limits.models))
        self.drawing = BoundedSemaphore(self.limits.tiles)
        self.jobs = Jobs(self.limits, forget=self._forget)

    @classmethod
    def of(cls, folders: Sequence[Path], *, language: str = "en", limits: Limits | None = None) -> Studio:
        """Raises `DataError` for what is no folder."""
        return cls(Folders.of(folders), Limits.here() if limits is None else limits, language)

    def keep(self, job: Job, look: str) -> None:
        """Notes that a look belongs to a job, so that it goes when the job is forgotten."""
        self.looks_of.setdefault(job.id, []).append(look)

    @property
    def training(self) -> dict[Path, str]:
        """The folders in which something is being trained now, and the job that does."""
        return {Path(job.place): job.id for job in self.jobs.all() if job.place is not None and not job.is_over}

    def close(self) -> None:
        """Stops every job."""
        self.jobs.close()

    def _forget(self, job: Job) -> None:
        for look in self.looks_of.pop(job.id, []):
            self.looks.drop(look)
