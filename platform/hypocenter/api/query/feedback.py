"""What people say of the verdicts on an incident; it is kept, and learned from."""

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hypocenter.api.query.incidents import IncidentId, known_incident
from hypocenter.api.query.paging import Page, Paged, told
from hypocenter.api.query.routing import FEEDBACK, READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.stores.live_incidents import JudgedIncident
from hypocenter.stores.records import Opinion, Says


class Feedback(BaseModel):
    """What somebody says of the verdict on an incident."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"says": "right"}, {"says": "cause", "component": "cart-db"}]},
    )

    says: Says = Field(description="Whether the verdict was right or wrong, what the cause was, or that all was well.")
    component: str = Field(
        "", max_length=300, description="The real cause, with `cause`; else left out for what the verdict names."
    )
    fault_type: str = Field("", max_length=300, description="What kind of fault it was.", examples=["cpu"])
    note: str = Field("", max_length=2000, description="Anything else.")
    by: str = Field("", max_length=100, description="Who says so; left out for whoever the token names.")

    @model_validator(mode="after")
    def _is_plain(self) -> "Feedback":
        if self.says is Says.CAUSE and not self.component:
            raise ValueError("component: name the component that was the cause")
        if self.says is Says.NOT_AN_INCIDENT and (self.component or self.fault_type):
            raise ValueError("component: what was no incident has no component and no fault type")
        return self


class Told(Shape):
    """What somebody said of the verdict on an incident."""

    incident_id: str = Field(description="The incident.", examples=["3a83faf42cc901f6"])
    says: Says = Field(description="What was said.")
    by: str = Field(description="Who said so.", examples=["ann"])
    at: Time = Field(description="When.")
    component: str = Field(description="The component that was meant; empty for none.", examples=["cart-db"])
    fault_type: str = Field(description="What kind of fault it was; empty for unknown.", examples=["cpu"])
    note: str = Field(description="Anything else.")


def routers() -> Routers:
    """Return the routers of feedback."""
    reading, saying = new_router("feedback"), new_router("feedback")
    path = "/incidents/{incident_id}/feedback"
    reading.add_api_route(path, list_feedback)
    saying.add_api_route(path, give_feedback, methods=["POST"], status_code=201)
    return {READ: reading, FEEDBACK: saying}


def list_feedback(sources: Sources, incident_id: IncidentId, part: Paged) -> Page[Told]:
    """List what was said of the verdicts on an incident, the last first."""
    known_incident(sources, incident_id)
    return told(sources.records.feedback.listed(incident_id, part), part, Told.model_validate)


def give_feedback(sources: Sources, request: Request, incident_id: IncidentId, feedback: Feedback) -> Told:
    """Say whether the verdict on an incident was right, or what the cause really was; the last word counts."""
    judged = known_incident(sources, incident_id)
    identity = request.scope.get("identity")
    opinion = Opinion(
        incident_id,
        feedback.says,
        by=feedback.by or ("" if identity is None else identity.name),
        at=sources.now(),
        component=feedback.component or _named(judged, feedback.says),
        fault_type=feedback.fault_type,
        note=feedback.note,
    )
    sources.records.feedback.add_opinion(opinion)
    return Told.model_validate(opinion)


def _named(judged: JudgedIncident, says: Says) -> str:
    """Return what the last verdict names, where an opinion is on that."""
    if judged.judgement is None or says is Says.NOT_AN_INCIDENT:
        return ""
    return judged.judgement.cause or ""
