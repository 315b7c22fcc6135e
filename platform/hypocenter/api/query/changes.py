"""What people and robots changed."""

from dataclasses import asdict

from pydantic import Field

from hypocenter.api.query.paging import Chosen, Page, told
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.events import KeptChange


class Change(Shape):
    """A deploy, a change of configuration or of a flag, a scaling."""

    key: str = Field(description="What names it.", examples=["9f86d081884c7d65"])
    component: str = Field(description="What was changed.", examples=["cart"])
    at: Time = Field(description="When.")
    type: str = Field(description="What kind of change it was.", examples=["deploy"])
    title: str = Field(description="What it was, in words.", examples=["cart 1.4.2"])
    reference: str = Field(description="Where to read on, or its version.", examples=["v1.4.2"])
    source: str = Field(description="In which shape it came.", examples=["github"])
    labels: dict[str, str] = Field(description="All that came with it.", examples=[{"environment": "production"}])

    @classmethod
    def of(cls, kept: KeptChange) -> "Change":
        """Return what is told of a change."""
        told = asdict(kept)
        reference = kept.change.reference or kept.origin.reference
        return cls.model_validate({**told["change"], **told["origin"], "reference": reference})


def routers() -> Routers:
    """Return the router of changes."""
    reading = new_router("changes")
    reading.add_api_route("/changes", list_changes)
    return {READ: reading}


def list_changes(sources: Sources, part: Chosen) -> Page[Change]:
    """List changes, newest first."""
    return told(sources.records.changes.listed(part), part, Change.of)
