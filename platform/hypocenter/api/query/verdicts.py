"""Verdicts on an incident: each revision, its suspects with their evidence, and its report."""

from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from hypocenter.api.query.incidents import IncidentId, Judgement, known_incident
from hypocenter.api.query.paging import Page, Paged, told
from hypocenter.api.query.reports import report
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import QuerySources, Sources
from hypocenter.api.query.verdict_shapes import SuspectJson, VerdictJson
from hypocenter.api.refusals import AbsentError
from hypocenter.stores.live_incidents import Revision
from hypocenter.verdict_json import verdict_of_investigation, verdict_part_to_json, verdict_to_json

MOST_NUMBER = 2**31
OfRevision = Annotated[
    int | None,
    Query(alias="revision", ge=1, le=MOST_NUMBER, description="Number of a verdict; the last where it is left out."),
]
RevisionNumber = Annotated[
    int, Path(ge=1, le=MOST_NUMBER, description="Number of a verdict on the incident.", examples=[1])
]


class Suspects(Shape):
    """The suspects of one verdict, the likeliest first."""

    revision: int = Field(description="Number of the verdict.", examples=[2])
    at: Time = Field(description="When it was given.")
    cause: str | None = Field(description="The cause; null where no cause was sure enough.", examples=["cart-db"])
    abstained: bool = Field(description="Whether it names no cause.")
    suspects: list[SuspectJson] = Field(description="The suspects.")


class RevisionTold(Shape):
    """One verdict as a whole."""

    revision: int = Field(description="Number of the verdict.", examples=[2])
    at: Time = Field(description="When it was given.")
    incident_version: int = Field(description="The version of the incident that it is on.", examples=[3])
    verdict: VerdictJson = Field(description="The verdict; docs/verdict.md tells more of its fields.")


def routers() -> Routers:
    """Return the router of verdicts."""
    reading = new_router("incidents")
    reading.add_api_route("/incidents/{incident_id}/suspects", list_suspects)
    reading.add_api_route("/incidents/{incident_id}/revisions", list_revisions)
    reading.add_api_route("/incidents/{incident_id}/revisions/{number}", get_revision)
    reading.add_api_route("/incidents/{incident_id}/report", get_report, response_class=HTMLResponse)
    return {READ: reading}


def list_suspects(sources: Sources, incident_id: IncidentId, number: OfRevision = None) -> Suspects:
    """Return the suspects of a verdict on an incident, with the evidence for and against each."""
    revision = _revision(sources, incident_id, number)
    shown = verdict_part_to_json(revision.document, ("cause", "abstained", "suspects"))
    return Suspects.model_validate({"revision": revision.number, "at": revision.at, **shown})


def list_revisions(sources: Sources, incident_id: IncidentId, part: Paged) -> Page[Judgement]:
    """List the verdicts on an incident in brief, the last first."""
    known_incident(sources, incident_id)
    return told(sources.records.incidents.judgements(incident_id, part), part, Judgement.model_validate)


def get_revision(sources: Sources, incident_id: IncidentId, number: RevisionNumber) -> RevisionTold:
    """Return one verdict on an incident as a whole."""
    found = _revision(sources, incident_id, number)
    return RevisionTold(
        revision=found.number,
        at=found.at,
        incident_version=found.incident_version,
        verdict=verdict_to_json(verdict_of_investigation(found.document)),
    )


def get_report(sources: Sources, request: Request, incident_id: IncidentId, number: OfRevision = None) -> Response:
    """Return the report of a verdict on an incident, as a page that holds all it needs."""
    found = _revision(sources, incident_id, number)
    of = f"{incident_id} {found.number} {found.at}"
    return report(request, of, lambda: _revision(sources, incident_id, found.number, charts=True).document)


def _revision(sources: QuerySources, incident_id: str, number: int | None, *, charts: bool = False) -> Revision:
    found = sources.records.incidents.revision(incident_id, number, charts=charts)
    if found is None:
        raise AbsentError(f"there is no incident {incident_id!r:.60}, or no such verdict on it yet")
    return found
