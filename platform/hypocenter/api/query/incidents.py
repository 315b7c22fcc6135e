"""Incidents as they live: a list, and each with what belongs to it."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from hypocenter.api.query.alerts import Alert
from hypocenter.api.query.anomalies import Anomaly
from hypocenter.api.query.paging import Chosen, Page, Paged, told
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Number, Shape, Time
from hypocenter.api.query.sources import QuerySources, Sources
from hypocenter.api.refusals import AbsentError
from hypocenter.stores.live_incidents import JudgedIncident, Status

IncidentId = Annotated[
    str, Path(max_length=300, description="`incident_id` of an incident.", examples=["3a83faf42cc901f6"])
]
FaultType = Annotated[
    str | None,
    Query(max_length=300, description="Those whose first suspect has this type of fault.", examples=["cpu"]),
]
InStatus = Annotated[Status | None, Query(description="Those of this status.")]


class Judgement(Shape):
    """A verdict in brief."""

    number: int = Field(description="Which verdict on the incident it is, from 1.", examples=[2])
    at: Time = Field(description="When it was given.")
    cause: str | None = Field(description="The cause; null where no cause was sure enough.", examples=["cart-db"])
    suspect: str | None = Field(description="The first suspect.", examples=["cart-db"])
    probability: Number = Field(description="How likely the first suspect is the cause, 0 to 1.", examples=[0.87])
    fault_type: str = Field(description="What kind of fault the first suspect has.", examples=["cpu"])
    summary: str = Field(description="The verdict in a sentence or two.")


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
    verdict: Judgement | None = Field(None, description="The last verdict on it in brief; null until there is one.")


def routers() -> Routers:
    """Return the routers of incidents."""
    reading = new_router("incidents")
    reading.add_api_route("/incidents", list_incidents)
    reading.add_api_route("/incidents/{incident_id}", get_incident)
    reading.add_api_route("/incidents/{incident_id}/anomalies", list_incident_anomalies)
    reading.add_api_route("/incidents/{incident_id}/alerts", list_incident_alerts)
    return {READ: reading}


def list_incidents(
    sources: Sources, part: Chosen, status: InStatus = None, fault_type: FaultType = None
) -> Page[Incident]:
    """List incidents, newest first by their onset."""
    found = sources.records.incidents.listed(part, status=status, fault_type=fault_type)
    return told(found, part, _shown)


def get_incident(sources: Sources, incident_id: IncidentId) -> Incident:
    """Return an incident as it is now, with the last verdict on it in brief."""
    return _shown(known_incident(sources, incident_id))


def list_incident_anomalies(sources: Sources, incident_id: IncidentId, part: Paged) -> Page[Anomaly]:
    """List the anomalies that belong to an incident, newest first by their onset."""
    incident = known_incident(sources, incident_id).incident
    return told(sources.records.detections.named(incident.anomalies, part), part, Anomaly.of)


def list_incident_alerts(sources: Sources, incident_id: IncidentId, part: Paged) -> Page[Alert]:
    """List the alerts that belong to an incident, newest first by when they began."""
    incident = known_incident(sources, incident_id).incident
    return told(sources.records.alerts.named(incident.alerts, part), part, Alert.of)


def known_incident(sources: QuerySources, incident_id: str) -> JudgedIncident:
    """Return an incident of ours; raises AbsentError where there is none of that name."""
    found = sources.records.incidents.judged_incident(incident_id)
    if found is None:
        raise AbsentError(f"there is no incident {incident_id!r:.60}")
    return found


def _shown(found: JudgedIncident) -> Incident:
    shown = Incident.model_validate(found.incident)
    judgement = None if found.judgement is None else Judgement.model_validate(found.judgement)
    return shown.model_copy(update={"verdict": judgement})
