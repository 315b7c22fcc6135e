"""Investigations that somebody asks for: a question about a time, how far it is, and the answer."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from hypocenter.api.query.events_stream import Listening, events_of
from hypocenter.api.query.paging import USUAL, Cursor, Limit, Page, key_of, page_of
from hypocenter.api.query.reports import report
from hypocenter.api.query.routing import PREFIX, READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import QuerySources, Sources
from hypocenter.api.query.verdict_shapes import VerdictJson
from hypocenter.api.refusals import AbsentError
from hypocenter.arguments import FIRST_YEAR, LAST_YEAR
from hypocenter.errors import InputError, SourceError
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.documents import microseconds, moment
from hypocenter.stores.identity import identity_of
from hypocenter.stores.investigations import AskedInvestigation, Place, Stage
from hypocenter.verdict_json import verdict_of_investigation, verdict_to_json

ORDER = "hypocenter.investigate_window"
LONGEST = timedelta(days=7)
MOST_COMPONENTS, MOST_MATCH, MOST_WAITING = 500, 20, 100
WAITING_WITHIN = timedelta(hours=1)
TRIES = 20
_LIVE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Name = Annotated[str, Field(min_length=1, max_length=300)]
Id = Annotated[
    str, Path(max_length=300, description="`investigation_id` of an investigation.", examples=["5f0c1a8be2d94c37"])
]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A text of yours: what is asked again with it is not investigated twice.",
    ),
]


class Symptom(BaseModel):
    """What users feel: a component, and where known its metric."""

    model_config = ConfigDict(extra="forbid")

    component: Name = Field(description="The component on which users feel it.", examples=["web"])
    metric: Name | None = Field(None, description="The metric that shows it, where that is known.")


class Question(BaseModel):
    """A question about a time: around a moment (`at`), or from `start` to `end`."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"at": "2026-03-01T12:00:00Z"}]}, allow_inf_nan=False
    )

    at: Time | None = Field(
        None, description="When the incident began; six hours before and 30 minutes after are read."
    )
    start: Time | None = Field(None, description="Where the time begins that is read; with `end`, instead of `at`.")
    end: Time | None = Field(None, description="Where it ends; at most seven days later.")
    onset: Time | None = Field(None, description="When the incident began, between both; found where it is left out.")
    components: list[Name] | None = Field(
        None, min_length=1, max_length=MOST_COMPONENTS, description="Look at nothing but these.", examples=[["cart"]]
    )
    match: list[Name] | None = Field(
        None, min_length=1, max_length=MOST_MATCH, description="Series selectors.", examples=[['{namespace="shop"}']]
    )
    target: Symptom | None = Field(None, description="What users feel; chosen by alerts where it is left out.")
    precision: float | None = Field(None, ge=0, le=1, description="How often a named cause must be right.")
    robustness: bool = Field(True, description="Try how robust the verdict is, which takes about as long again.")

    @model_validator(mode="after")
    def _is_one_question(self) -> "Question":
        times = filter(None, (self.at, self.start, self.end, self.onset))
        if not all(FIRST_YEAR <= time.year < LAST_YEAR for time in times):
            raise ValueError(f"times must lie in the years {FIRST_YEAR} to {LAST_YEAR - 1}")
        if (self.at is None) == (self.start is None and self.end is None):
            raise ValueError("give either `at`, or `start` and `end`")
        if self.at is None:
            self._check_span()
        elif self.onset is not None:
            raise ValueError("`at` is the onset; leave `onset` out")
        for text in self.match or ():
            _check_selector(text)
        return self

    def _check_span(self) -> None:
        if self.start is None or self.end is None:
            raise ValueError("give both, `start` and `end`")
        if not timedelta(0) < self.end - self.start <= LONGEST:
            raise ValueError("`end` must be after `start`, and at most seven days")
        if self.onset is not None and not self.start < self.onset < self.end:
            raise ValueError("`onset` must be between `start` and `end`")

    def as_request(self) -> dict[str, Any]:
        """Return what is kept of it and sent to a worker: what was given, as JSON."""
        asked = self.model_dump(mode="json", exclude_none=True)
        if self.target is not None:
            asked["target"] = [each for each in (self.target.component, self.target.metric) if each is not None]
        return asked


def _check_selector(text: str) -> None:
    try:
        parse_selector(text)
    except InputError as error:
        raise ValueError(f"match: {text!r:.60} is no series selector") from error


class Step(BaseModel):
    """One step that was done."""

    step: str = Field(description="What was done.", examples=["graph"])
    count: int = Field(description="To how many it was done.", examples=[50])
    at: Time = Field(description="When it was done.")


class Asked(Shape):
    """An investigation that somebody asked for, as it is now."""

    investigation_id: str = Field(description="What names it.", examples=["5f0c1a8be2d94c37"])
    asked_at: Time = Field(description="When it was asked for.")
    status: Stage = Field(validation_alias="stage", description="How far it is.")
    by: str = Field(description="Who asked, as the token is named.", examples=["grafana"])
    request: dict[str, Any] = Field(description="What was asked.")
    steps: list[Step] = Field(description="What was done so far.")
    error: str = Field(description="Why it failed; empty where it did not.", examples=[""])
    ended_at: Time | None = Field(description="When it was over; null before.")


class Answered(Asked):
    """An investigation with its answer."""

    verdict: VerdictJson | None = Field(None, description="What it came to; null until the status is `done`.")


def routers() -> Routers:
    """Return the routers of investigations."""
    reading = new_router("investigations")
    one = "/investigations/{investigation_id}"
    reading.add_api_route("/investigations", ask, methods=["POST"], status_code=202)
    reading.add_api_route("/investigations", list_investigations)
    reading.add_api_route(one, get_investigation)
    reading.add_api_route(one, cancel_investigation, methods=["DELETE"])
    reading.add_api_route(one + "/report", get_investigation_report, response_class=HTMLResponse)
    reading.add_api_route(
        one + "/events",
        get_investigation_events,
        status_code=200,
        response_class=_EventStream,
        responses={204: {"description": "All events were told before."}},
    )
    return {READ: reading}


class _EventStream(StreamingResponse):
    """Events told to somebody who has a `seat` as long as that goes on."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], seat: AbstractContextManager[None]) -> None:
        super().__init__(events, headers=_LIVE)
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seat:
            await super().__call__(scope, receive, send)


def ask(sources: Sources, request: Request, response: Response, question: Question, key: Key = None) -> Asked:
    """Ask for an investigation of a time; it is done by the workers, and told of while it is."""
    now, by = sources.now(), _who(request)
    _check_waiting(sources, now)
    # Neither holds a line feed, so that nobody's name and key read as those of another.
    name = secrets.token_hex(8) if key is None else identity_of(f"{by}\n{key}")[:16]
    asked = AskedInvestigation(name, now, question.as_request(), by=by)
    if not sources.records.investigations.add(asked):
        asked = _asked_before(sources, asked)
    if asked.stage is Stage.QUEUED:
        sources.send(ORDER, name)
    response.headers["Location"] = f"{PREFIX}/investigations/{name}"
    return Asked.model_validate(asked)


def _who(request: Request) -> str:
    identity = request.scope.get("identity")
    return "" if identity is None else str(identity.name)


def _check_waiting(sources: QuerySources, now: datetime) -> None:
    waiting = len(sources.records.investigations.unfinished(now - WAITING_WITHIN, now))
    if waiting >= MOST_WAITING:
        raise SourceError(f"{waiting} investigations wait already, and {MOST_WAITING} may; come again later")


def _asked_before(sources: QuerySources, asked: AskedInvestigation) -> AskedInvestigation:
    before = _found(sources, asked.investigation_id)
    if before.request != asked.request:
        raise InputError("Idempotency-Key: another question was asked with it; take another key")
    return before


def list_investigations(sources: Sources, limit: Limit = USUAL, cursor: Cursor = None) -> Page[Asked]:
    """List the investigations that were asked for, newest first."""
    key = key_of(cursor)
    after = None if key is None else Place(moment(key[0]), key[1])
    rows = sources.records.investigations.investigations(limit + 1, after)
    return page_of(rows, limit, lambda each: (microseconds(each.asked_at), each.investigation_id), Asked.model_validate)


def get_investigation(sources: Sources, investigation_id: Id) -> Answered:
    """Return an investigation as it is now, with the verdict where it is done."""
    asked = _found(sources, investigation_id)
    document = sources.records.investigations.document(investigation_id) if asked.stage is Stage.DONE else None
    verdict = None if document is None else verdict_to_json(verdict_of_investigation(document))
    return Answered.model_validate(asked).model_copy(update={"verdict": verdict})


def get_investigation_report(sources: Sources, request: Request, investigation_id: Id) -> Response:
    """Return the report of an investigation that is done, as a page that holds all it needs."""
    asked = _found(sources, investigation_id)
    if asked.stage is not Stage.DONE:
        raise _without_report(investigation_id)
    of = f"asked {investigation_id} {asked.version} {asked.asked_at}"
    return report(request, of, lambda: _document(sources, investigation_id))


def _document(sources: QuerySources, investigation_id: str) -> Mapping[str, Any]:
    document = sources.records.investigations.document(investigation_id)
    if document is None:
        raise _without_report(investigation_id)
    return document


def _without_report(investigation_id: str) -> AbsentError:
    return AbsentError(f"investigation {investigation_id!r:.60} is not done, so that there is no report of it")


def cancel_investigation(sources: Sources, investigation_id: Id) -> Asked:
    """Cancel an investigation, and return it; one that is over stays as it is."""
    for _ in range(TRIES):
        asked = _found(sources, investigation_id)
        if asked.stage.is_final:
            return Asked.model_validate(asked)
        # A step that is told meanwhile is another version: then it is read anew.
        after = replace(asked, stage=Stage.CANCELLED, ended_at=sources.now(), version=asked.version + 1)
        if sources.records.investigations.save(after):
            return Asked.model_validate(after)
    raise SourceError(f"investigation {investigation_id!r:.60} changes all the time; try again")


async def get_investigation_events(
    sources: Sources,
    request: Request,
    investigation_id: Id,
    last: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=20, description="Number of the last event that was received."),
    ] = None,
) -> Response:
    """Tell what is done as server-sent events: `progress` for each step, then `done`, `failed` or `cancelled`."""
    asked = await run_in_threadpool(_found, sources, investigation_id)
    after = _number(last)
    if asked.stage.is_final and after >= len(events_of(asked)):
        # By this a client knows that it need not connect anew.
        return Response(status_code=204)
    listening: Listening = request.app.state.listening
    is_stopping = request.scope.get("is_stopping", lambda: False)
    return _EventStream(listening.events(asked, after, is_stopping), sources.seat())


def _number(last: str | None) -> int:
    if last is None or last == "":
        return 0
    if not (last.isascii() and last.isdecimal()):
        raise InputError("Last-Event-ID: give the `id` of an event as it was, or leave it out")
    return int(last)


def _found(sources: QuerySources, investigation_id: str) -> AskedInvestigation:
    asked = sources.records.investigations.investigation(investigation_id)
    if asked is None:
        raise AbsentError(f"there is no investigation {investigation_id!r:.60}")
    return asked
