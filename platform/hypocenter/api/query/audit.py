"""Who changed what: the audit log of a tenant."""

from pydantic import Field

from hypocenter.api.query.paging import USUAL, Cursor, Key, Limit, Page, key_of, page_of
from hypocenter.api.query.routing import ADMIN, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.stores.audit import Audited


class Entry(Shape):
    """That somebody did something, or was not let do it."""

    at: Time = Field(description="When.")
    who: str = Field(description="The name of the token or user; empty where none was known.", examples=["sre"])
    how: str = Field(
        description="How that was proven, `cli` for a command on the machine itself; empty where it was not.",
        examples=["token"],
    )
    action: str = Field(description="Method and route, or the command.", examples=["PATCH /api/v1/settings"])
    target: str = Field(
        description="The path that was asked for, or what the command was about.", examples=["/api/v1/settings"]
    )
    outcome: str = Field(description="`done`, `refused` or `failed`.", examples=["done"])
    details: str = Field(description="What the action says of itself.", examples=["precision=0.9"])
    address: str = Field(description="Where it came from.", examples=["10.0.0.7"])
    request_id: str = Field(description="The id of the request, as in the log.")


def routers() -> Routers:
    """Return the router of the audit log."""
    admin = new_router("access")
    admin.add_api_route("/audit", list_audit)
    return {ADMIN: admin}


def list_audit(sources: Sources, limit: Limit = USUAL, cursor: Cursor = None) -> Page[Entry]:
    """List who changed what, newest first."""
    after = key_of(cursor)
    rows = sources.records.audit.newest(limit + 1, None if after is None else after[0])
    return page_of(rows, limit, _key, lambda row: Entry.model_validate(row.entry))


def _key(row: Audited) -> Key:
    return row.number, ""
