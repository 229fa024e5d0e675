"""Work that takes long: each route checks what it can at once, and puts a job into its lane."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from regard.app.studio.bodies import CompareBody, LookBody, SpendBody, TrainBody, WhyBody
from regard.app.studio.folders import kind_of_file
from regard.app.studio.inputs import Input, input_of
from regard.app.studio.jobs import Job
from regard.app.studio.look import Look
from regard.app.studio.looking import look, summary
from regard.app.studio.picture import picture
from regard.app.studio.readying import title
from regard.app.studio.refusals import Json, RefusedError
from regard.app.studio.sides import changes
from regard.app.studio.spending import spend
from regard.app.studio.studio import Studio
from regard.app.studio.subjects import Found
from regard.app.studio.training import asked_for, train
from regard.app.studio.typed import explain_line, look_line
from regard.app.studio.why import why


def router(studio: Studio) -> APIRouter:
    """POST /api/jobs/look, compare, why, spend, train"""
    made, work = APIRouter(prefix="/api/jobs"), _Work(studio)
    for answer in (work.look, work.compare, work.why, work.spend, work.train):
        made.post(f"/{answer.__name__}", status_code=202)(answer)
    return made


@dataclass(frozen=True)
class _Work:
    """The routes, each a method of its name; inside one, `look`, `why`, ... are still the work itself."""

    studio: Studio

    def look(self, body: LookBody) -> Response:
        found, given = _checked(self.studio, body.subject, input_of(body), "look")
        if body.budget is not None and (found.kind != "run" or "tokens" not in found.policies):
            raise RefusedError(
                422, "budget goes with a text run of a transformer core", where="budget", do="leave it out"
            )

        def work(job: Job) -> Any:
            began = time.monotonic()
            seen = look(job, self.studio.desk, found, given, top=body.top, sinks=body.sinks, budget=body.budget)
            return summary(seen, _keep(self.studio, job, seen), began)

        job = self.studio.jobs.submit("look", title(found, given), body.model_dump(exclude_none=True), work)
        pictures = given.file is not None and kind_of_file(self.studio.desk.file_of(given)) == "picture"
        job.command = look_line(found, given, top=body.top, pictures=pictures)
        return _made(job)

    def compare(self, body: CompareBody) -> Response:
        pairs = [_checked(self.studio, subject, given, "look") for subject, given in body.pairs()]

        def work(job: Job) -> Any:
            seen = [
                look(job, self.studio.desk, found, given, top=body.top, tell=_half(job, place))
                for place, (found, given) in enumerate(pairs)
            ]
            for one in seen:
                _keep(self.studio, job, one)
            return {"looks": [one.id for one in seen], **changes(seen[0], seen[1])}

        names = " beside ".join(title(found, given) for found, given in pairs)
        job = self.studio.jobs.submit("compare", names, body.model_dump(exclude_none=True), work)
        job.command = "\n".join(look_line(found, given, top=body.top) for found, given in pairs)
        return _made(job)

    def why(self, body: WhyBody) -> Response:
        found, given = _checked(self.studio, body.subject, input_of(body), "why")

        def work(job: Job) -> Any:
            return why(job, self.studio.desk, found, given, target=body.target, methods=body.methods)

        job = self.studio.jobs.submit("why", title(found, given), body.model_dump(exclude_none=True), work)
        job.command = explain_line(found, given, [] if body.methods == ["best"] else body.methods, body.target)
        return _made(job)

    def spend(self, body: SpendBody) -> Response:
        found, given = _checked(self.studio, body.subject, input_of(body), "spend")
        if body.policy not in found.policies:
            raise RefusedError(
                422,
                f"policy {body.policy!r}: {found.name} has {', '.join(found.policies) or 'none'}",
                where="policy",
                do="choose one of them",
            )

        def work(job: Job) -> Any:
            return spend(job, self.studio.desk, found, given, fractions=body.fractions, policy=body.policy)

        job = self.studio.jobs.submit("spend", title(found, given), body.model_dump(exclude_none=True), work)
        return _made(job)

    def train(self, body: TrainBody) -> Response:
        asked = asked_for(self.studio, body)

        def work(job: Job) -> Any:
            return train(job, asked)

        about = f"{body.task} in {asked.folder.name}"
        job = self.studio.jobs.submit("train", about, body.model_dump(exclude_none=True), work, lane="training")
        job.command, job.place = asked.line, str(asked.folder)
        return _made(job)


def _made(job: Job) -> Response:
    return Json({"job": job.id}, status_code=202)


def _checked(studio: Studio, subject: str, given: Input, room: str) -> tuple[Found, Input]:
    """The model and the input, as far as can be told before anything is read."""
    found = studio.subjects[subject]
    if room not in found.can:
        raise RefusedError(
            422,
            f"{found.name} cannot be used here ({', '.join(found.can) or 'nowhere'})",
            where="subject",
            do="choose another model",
        )
    if given.text is not None and not found.typed:
        raise RefusedError(422, f"{found.name} reads no typed text", where="text", do="give a file, and a row of it")
    if given.file is not None:
        studio.desk.file_of(given)
    return found, given


def _keep(studio: Studio, job: Job, seen: Look) -> int:
    size = studio.looks.put(seen, picture(seen))
    studio.keep(job, seen.id)
    return size


def _half(job: Job, place: int) -> Any:
    return lambda fraction, line: job.tell((place + fraction) / 2, line)
