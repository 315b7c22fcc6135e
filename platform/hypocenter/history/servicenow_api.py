"""ServiceNow's Table API: incidents by offset."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from hypocenter.history.asking import Api, records_of
from hypocenter.history.paging import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.history.asking import Asked
    from hypocenter.history.client import Client

PAGE = 500
# Fields about people are not asked for.
FIELDS = [
    "sys_id",
    "number",
    "short_description",
    "opened_at",
    "sys_created_on",
    "resolved_at",
    "closed_at",
    "priority",
    "severity",
    "cmdb_ci",
    "business_service",
    "service_offering",
    "caused_by",
    "rfc",
    "problem_id",
    "parent_incident",
    "close_code",
    "close_notes",
    "category",
    "subcategory",
    "assignment_group",
    "u_root_component",
    "u_fault_type",
]


def pages(client: Client, asked: Asked) -> Iterator[list[Any]]:
    """Yield the pages of the incident table, in an order that stays while it is read.

    A page may be shorter than asked for, as where access rules hide some of its rows: the end is where the count of
    the server says, or an empty page where it does not say one.
    """
    fixed = {
        "sysparm_query": "^".join([*_conditions(asked), "ORDERBYsys_created_on", "ORDERBYsys_id"]),
        "sysparm_display_value": "all",
        "sysparm_exclude_reference_link": "true",
        "sysparm_fields": ",".join(dict.fromkeys((*FIELDS, *asked.fields))),
        "sysparm_limit": str(PAGE),
    }
    offset, more, progress = 0, True, Progress(client.place)
    while more:
        answer = client.get({**fixed, "sysparm_offset": str(offset)})
        records = records_of(answer.value, ("result",), client.place)
        yield records
        offset += PAGE
        more = bool(records) if answer.total is None else offset < answer.total
        if more:
            progress.check(offset, len(records))


def _conditions(asked: Asked) -> Iterator[str]:
    if asked.query:
        yield asked.query
    for sign, time in ((">=", asked.since), ("<", asked.until)):
        if time is not None:
            yield f"opened_at{sign}{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


API = Api("/api/now/table/incident", "Bearer ", pages)
