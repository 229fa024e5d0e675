"""Work that takes long: each route checks what it can at once, and puts a job into its lane."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
from regard.app.studio.own_part import own_row, without
from regard.app.studio.picture import picture
from regard.app.studio.readying import title
from regard.app.studio.refusals import Json, RefusedError
from regard.app.studio.sides import changes
from regard.app.studio.spending import spend
from regard.app.studio.studio import Studio
from regard.app.studio.subjects import Found
from regard.app.studio.training import asked_for, train
from regard.app.studio.typed import explain_line, look_line
from regard.app.studio.why import check_methods, why
from regard.app.studio.why_sample import SampleOf


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
            own = self._own(job, found, given, lambda one: look_line(found, one, top=body.top))
            seen = look(job, self.studio.desk, found, own, top=body.top, sinks=body.sinks, budget=body.budget)
            return summary(seen, _keep(self.studio, job, seen), began)

        job = self.studio.jobs.submit("look", title(found, given), body.model_dump(exclude_none=True), work)
        pictures = given.file is not None and kind_of_file(self.studio.desk.file_of(given)) == "picture"
        if given.part is None:
            job.command = look_line(found, given, top=body.top, pictures=pictures)
        return _made(job)

    def compare(self, body: CompareBody) -> Response:
        pairs = [_checked(self.studio, subject, given, "look") for subject, given in body.pairs()]

        def lines(inputs: Sequence[Input]) -> str:
            both = zip(pairs, inputs, strict=True)
            return "\n".join(look_line(found, given, top=body.top) for (found, _), given in both)

        def work(job: Job) -> Any:
            inputs = [self._own(job, pairs[0][0], given) for _, given in pairs]
            job.command = lines(inputs)
            seen = [
                look(job, self.studio.desk, found, given, top=body.top, tell=_half(job, place))
                for place, ((found, _), given) in enumerate(zip(pairs, inputs, strict=True))
            ]
            for one in seen:
                _keep(self.studio, job, one)
            return {"looks": [one.id for one in seen], **changes(seen[0], seen[1])}

        names = " beside ".join(title(found, given) for found, given in pairs)
        job = self.studio.jobs.submit("compare", names, body.model_dump(exclude_none=True), work)
        if all(given.part is None for _, given in pairs):
            job.command = lines([given for _, given in pairs])
        return _made(job)

    def why(self, body: WhyBody) -> Response:
        check_methods(body.methods)
        found, given = _checked(self.studio, body.subject, input_of(body), "why")
        sample = SampleOf(body.sample, body.column, body.inputs) if body.sample is not None or body.own else None
        if body.sample is not None:
            self.studio.folders.data(body.sample, self.studio.limits.file_bytes, where="sample")
        if body.own:
            _checked_part(self.studio, found, None)

        def line(own: Input) -> str:
            more = None if body.sample is None else (body.sample, body.column, body.inputs)
            return explain_line(found, own, [] if body.methods == ["best"] else body.methods, body.target, sample=more)

        def work(job: Job) -> Any:
            own = self._own(job, found, given, line)
            return why(job, self.studio.desk, found, own, target=body.target, methods=body.methods, sample=sample)

        job = self.studio.jobs.submit("why", title(found, given), body.model_dump(exclude_none=True), work)
        if given.part is None:
            job.command = line(given)
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
            own = self._own(job, found, given)
            return spend(job, self.studio.desk, found, own, fractions=body.fractions, policy=body.policy)

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

    def _own(self, job: Job, found: Found, given: Input, line: Callable[[Input], str] | None = None) -> Input:
        """The input; of a row of the run's own test part, that row of its file, which the command line names too."""
        if given.part is None:
            return given
        job.tell(0.0, "finding the rows of the test part")
        own = own_row(self.studio.desk, found, given)
        if line is not None:
            job.command = line(own)
        return own


def _made(job: Job) -> Response:
    return Json({"job": job.id}, status_code=202)


def _checked(studio: Studio, subject: str, given: Input, room: str) -> tuple[Found, Input]:
    """The model and the input, as far as can be told before anything is read."""
    found = studio.subjects[subject]
    if room not in found.can:
        raise RefusedError(
            422,
            f"{found.name} cannot be used here: {found.cannot[room]}",
            where="subject",
            do="choose another model",
        )
    if given.text is not None and not found.typed:
        raise RefusedError(422, f"{found.name} reads no typed text", where="text", do="give a file, and a row of it")
    if given.file is not None:
        studio.desk.file_of(given)
    if given.part is not None:
        _checked_part(studio, found, given.row)
    return found, given


def _checked_part(studio: Studio, found: Found, row: int | None) -> None:
    """A row that is in no part comes before a part that cannot be read here."""
    rows = studio.desk.config(found)["data"]["test"] if found.kind == "run" else None
    if isinstance(rows, int) and row is not None and row > rows:
        what = f"row {row}: the test part of {found.name} has {rows:,} rows"
        raise RefusedError(422, what, where="row", do="ask for one of them")
    if found.facts.get("test_rows") is None:
        raise without(studio.desk, found)


def _keep(studio: Studio, job: Job, seen: Look) -> int:
    size = studio.looks.put(seen, picture(seen))
    studio.keep(job, seen.id)
    return size


def _half(job: Job, place: int) -> Any:
    return lambda fraction, line: job.tell((place + fraction) / 2, line)
