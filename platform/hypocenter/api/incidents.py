"""Incidents as they are kept: listed, one with its verdict, and the report of a verdict as a page."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route

from hypocenter.errors import InputError
from hypocenter.report import render
from hypocenter.stores.documents import to_text
from hypocenter.stores.live_incidents import Status
from hypocenter.verdict_json import investigation_from_json, verdict_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from hypocenter.model import Investigation
    from hypocenter.stores.live_incidents import IncidentStore, LiveIncident, Revision

PATH, REPORT_PATH = "/api/v1/incidents", "/api/v1/incidents/report"
MOST = 1000
# The report brings its own style and pictures, and asks nothing of anybody.
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}


def routes(store: IncidentStore) -> list[Route]:
    """Return the routes of incidents.

    `GET /api/v1/incidents` lists them, newest first, `?status=open` those that last; `?id=ID` is one with its last
    verdict. `GET /api/v1/incidents/report?id=ID` is the report of that, `&revision=NUMBER` that of an earlier one.
    """

    def answering(answer: Callable[[IncidentStore, Mapping[str, str]], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await asyncio.to_thread(answer, store, request.query_params)

        return endpoint

    return [
        Route(PATH, answering(_incidents), methods=["GET"]),
        Route(REPORT_PATH, answering(_report), methods=["GET"]),
    ]


def _incidents(store: IncidentStore, asked: Mapping[str, str]) -> Response:
    if "id" in asked:
        return _one(store, asked["id"])
    found = store.incidents(_status(asked))
    listed = [_told(incident) for incident in reversed(found[-MOST:])]
    return JSONResponse({"incidents": listed, "left_out": len(found) - len(listed)})


def _status(asked: Mapping[str, str]) -> Status | None:
    try:
        return Status(asked["status"]) if "status" in asked else None
    except ValueError as error:
        raise InputError(f"status: {asked['status']!r:.40} is none; choose from {', '.join(Status)}") from error


def _one(store: IncidentStore, incident_id: str) -> Response:
    incident = store.incident(incident_id)
    if incident is None:
        return _unknown(incident_id)
    revisions = store.revisions(incident_id)
    listed = [{"number": each.number, "at": each.at.isoformat()} for each in revisions]
    verdict = verdict_to_json(_investigation(revisions[-1]).verdict) if revisions else None
    return JSONResponse({"incident": _told(incident), "revisions": listed, "verdict": verdict})


def _report(store: IncidentStore, asked: Mapping[str, str]) -> Response:
    if "id" not in asked:
        raise InputError("id: say of which incident the report is, as id=3a83faf42cc901f6")
    incident_id = asked["id"]
    revisions = {str(revision.number): revision for revision in store.revisions(incident_id)}
    wanted = asked.get("revision", next(reversed(revisions), ""))
    if wanted not in revisions:
        return _unknown(f"{incident_id} {wanted}".strip())
    return HTMLResponse(render(_investigation(revisions[wanted])), headers=_HEADERS)


def _unknown(what: str) -> Response:
    return PlainTextResponse(f"there is no incident, or no verdict on it yet: {what!r:.60}\n", 404)


def _investigation(revision: Revision) -> Investigation:
    return investigation_from_json(revision.document)


def _told(incident: LiveIncident) -> Mapping[str, Any]:
    told: dict[str, Any] = json.loads(to_text(incident))
    return told
