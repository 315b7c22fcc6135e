"""Past incidents, as tools and people wrote them down."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from hypocenter.api.query.paging import Page, Paged, Since, Until, page_of
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Matching, Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.api.refusals import AbsentError
from hypocenter.history.past_incident import PastIncident
from hypocenter.listing import Part

HistoryId = Annotated[
    str,
    Matching("[0-9a-f]{64}", "`history_id` of a past incident as it was: 64 digits and letters a to f"),
    Path(description="`history_id` of a past incident.", examples=["9f86d081884c7d65" * 4]),
]


class Past(Shape):
    """One incident of the past; what nobody said is empty or null."""

    history_id: str = Field(description="What names it here.", examples=["9f86d081884c7d65" * 4])
    incident_id: str = Field(description="What people call it.", examples=["INC-7"])
    source: str = Field(description="The tool in which it was written down.", examples=["jira"])
    key: str = Field(description="What names it there.", examples=["INC-7"])
    title: str = Field(description="Its title.", examples=["Checkout is slow"])
    system: str = Field(description="Of which system.", examples=["shop"])
    started_at: Time | None = Field(description="When it began.")
    resolved_at: Time | None = Field(description="When it was over.")
    symptom_component: str = Field(description="Where it was noticed.", examples=["web"])
    root_components: list[str] = Field(description="Where it began, any of them right.", examples=[["cart-db"]])
    fault_type: str = Field(description="What kind of fault it was.", examples=["cpu"])
    severity: str = Field(description="How bad it was.", examples=["high"])
    confirmed_by: str = Field(description="Who confirmed the cause.", examples=["ann"])
    change: str = Field(description="The change that caused it.", examples=["v1.4.2"])
    notes: str = Field(description="What fixed it.", examples=["rolled back"])
    labels: list[str] = Field(description="What else was said, as `name:value` or a word.", examples=[["team:shop"]])
    url: str = Field(description="Where to read on.", examples=["https://jira.example/INC-7"])

    @classmethod
    def of(cls, name: str, past: PastIncident) -> "Past":
        """Return what is told of a past incident that a list names so."""
        told = {field: getattr(past, field) for field in cls.model_fields if field != "history_id"}
        return cls.model_validate({"history_id": name, **told})


def routers() -> Routers:
    """Return the router of past incidents."""
    reading = new_router("history")
    reading.add_api_route("/history", list_history)
    reading.add_api_route("/history/{history_id}", get_history)
    return {READ: reading}


def list_history(sources: Sources, part: Paged, since: Since = None, until: Until = None) -> Page[Past]:
    """List past incidents, newest first by when they began; those of unknown time come last."""
    rows = sources.records.history.listed(Part(part.most, part.after, since, until))
    return page_of(rows, part.most - 1, lambda row: row.place, lambda row: Past.of(row.place.name, row.item))


def get_history(sources: Sources, history_id: HistoryId) -> Past:
    """Return a past incident as it was written down last."""
    found = sources.records.history.incident(history_id)
    if found is None:
        raise AbsentError(f"there is no past incident {history_id!r:.80}")
    return Past.of(history_id, found)
