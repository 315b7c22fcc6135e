"""Alerts of other tools, as they told of them."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Query
from pydantic import Field

from hypocenter.api.query.paging import Chosen, Page, told
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.events import KeptAlert

Firing = Annotated[bool, Query(description="Only those that fire now.")]


class Alert(Shape):
    """Somebody else's rule that fired."""

    key: str = Field(description="What names it.", examples=["9f86d081884c7d65@2026-03-01T12:00:00Z"])
    component: str = Field(description="The component that it is about.", examples=["cart"])
    name: str = Field(description="The rule.", examples=["HighErrors"])
    starts_at: Time = Field(description="When it began to fire.")
    ends_at: Time | None = Field(description="When it ended, or will unless it is told of again; null for unknown.")
    resolved: bool = Field(description="Whether it is over.")
    severity: str = Field(description="How bad it is, in the tool's words.", examples=["critical"])
    summary: str = Field(description="What it says.", examples=["5 % of requests fail"])
    source: str = Field(description="In which shape it came.", examples=["alertmanager"])
    reference: str = Field(description="Where to read on.", examples=["https://prometheus.example/graph"])
    labels: dict[str, str] = Field(description="All that came with it.", examples=[{"namespace": "shop"}])

    @classmethod
    def of(cls, kept: KeptAlert) -> "Alert":
        """Return what is told of an alert."""
        told = asdict(kept)
        return cls.model_validate({**told, **told["alert"], **told["origin"], "starts_at": kept.starts_at})


def routers() -> Routers:
    """Return the router of alerts."""
    reading = new_router("alerts")
    reading.add_api_route("/alerts", list_alerts)
    return {READ: reading}


def list_alerts(sources: Sources, part: Chosen, firing: Firing = False) -> Page[Alert]:
    """List alerts, newest first by when they began."""
    now = sources.now() if firing else None
    return told(sources.records.alerts.listed(part, firing_at=now), part, Alert.of)
