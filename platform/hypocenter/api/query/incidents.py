"""Incidents as they live: a list, and each by itself."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import HTMLResponse

from hypocenter.api.query.paging import USUAL, Cursor, Key, Limit, Page, key_of, page_of
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.api.refusals import AbsentError
from hypocenter.report import render
from hypocenter.stores.documents import microseconds
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.verdict_json import investigation_from_json

IncidentId = Annotated[str, Path(description="`incident_id` of an incident.", examples=["3a83faf42cc901f6"])]
RevisionNumber = Annotated[
    int | None, Query(alias="revision", ge=1, description="Number of a verdict; the last one where it is left out.")
]
# The report brings its own style and pictures, and asks nothing of anybody.
_REPORT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}


class Incident(Shape):
    """One incident as it is now."""

    incident_id: str = Field(description="What names it.", examples=["3a83faf42cc901f6"])
    status: Status = Field(description="Whether it lasts.")
    onset: Time = Field(description="When the first sign of it was seen.")
    opened_at: Time = Field(description="When it was opened.")
    updated_at: Time = Field(description="When it changed last.")
    resolved_at: Time | None = Field(description="When it was over; null while it lasts.")
    components: list[str] = Field(description="What has anomalies or alerts that belong to it.", examples=[["cart"]])
    version: int = Field(description="Which change of it this is, from 1.", examples=[3])


def routers() -> Routers:
    """Return the routers of incidents."""
    reading = new_router("incidents")
    reading.add_api_route("/incidents", list_incidents)
    reading.add_api_route("/incidents/{incident_id}", get_incident)
    reading.add_api_route("/incidents/{incident_id}/report", get_report, response_class=HTMLResponse)
    return {READ: reading}


def list_incidents(
    sources: Sources, status: Status | None = None, limit: Limit = USUAL, cursor: Cursor = None
) -> Page[Incident]:
    """List incidents, newest first."""
    after = key_of(cursor)
    found = list(reversed(sources.records.incidents.incidents(status)))
    rows = found if after is None else [each for each in found if _key(each) < after]
    return page_of(rows[: limit + 1], limit, _key, Incident.model_validate)


def get_incident(sources: Sources, incident_id: IncidentId) -> Incident:
    """Return an incident as it is now."""
    found = sources.records.incidents.incident(incident_id)
    if found is None:
        raise AbsentError(f"there is no incident {incident_id!r:.60}")
    return Incident.model_validate(found)


def get_report(sources: Sources, incident_id: IncidentId, number: RevisionNumber = None) -> HTMLResponse:
    """Return the report of a verdict on an incident, as a page that holds all it needs."""
    investigation = investigation_from_json(_revision(sources, incident_id, number).document)
    return HTMLResponse(render(investigation), headers=_REPORT)


def _revision(sources: Sources, incident_id: str, number: int | None) -> Revision:
    found = sources.records.incidents.revisions(incident_id)
    wanted = [each for each in found if number in (None, each.number)]
    if not wanted:
        raise AbsentError(f"there is no incident {incident_id!r:.60}, or no such verdict on it yet")
    return wanted[-1]


def _key(incident: LiveIncident) -> Key:
    return microseconds(incident.onset), incident.incident_id
