"""Jira's REST API: issues by page token (Cloud) or by offset (Server and Data Center)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypocenter.history.asking import Api, records_of
from hypocenter.history.paging import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.history.asking import Asked
    from hypocenter.history.client import Client

PAGE = 100
DEFAULT_QUERY = "issuetype = Incident"
# Fields about people, and long texts, are not asked for.
FIELDS = [
    "summary",
    "created",
    "resolutiondate",
    "priority",
    "components",
    "labels",
    "issuelinks",
    "issuetype",
    "resolution",
    "project",
]


def pages(client: Client, asked: Asked) -> Iterator[list[Any]]:
    """Yield the pages of a search; which of the two ways to the next page is the server's, its answer says."""
    place: dict[str, Any] = {} if client.place.endswith("/jql") else {"startAt": 0}
    progress = Progress(client.place)
    while True:
        value = client.get({**_question(asked), **place}).value
        records = records_of(value, ("issues",), client.place)
        yield records
        following = _next(value, len(records))
        if following is None:
            return
        progress.check(following, len(records))
        place = following


def _next(value: dict[str, Any], count: int) -> dict[str, Any] | None:
    """Return what asks for the next page, None after the last one."""
    if value.get("nextPageToken"):
        return None if value.get("isLast") is True else {"nextPageToken": value["nextPageToken"]}
    start, total = value.get("startAt"), value.get("total")
    if not isinstance(start, int) or not isinstance(total, int) or not count or start + count >= total:
        return None
    return {"startAt": start + count}


def _question(asked: Asked) -> dict[str, Any]:
    named = (name.removeprefix("fields.").partition(".")[0] for name in asked.fields)
    return {"jql": _jql(asked), "fields": ",".join(dict.fromkeys((*FIELDS, *named))), "maxResults": PAGE}


def _jql(asked: Asked) -> str:
    query, _, order = _split_order(asked.query or DEFAULT_QUERY)
    times = ((">=", asked.since), ("<", asked.until))
    spans = [f'created {sign} "{time:%Y-%m-%d %H:%M}"' for sign, time in times if time is not None]
    return " AND ".join([f"({query})", *spans]) + f" ORDER BY {order or 'created ASC'}"


def _split_order(query: str) -> tuple[str, str, str]:
    at = query.upper().rfind("ORDER BY")
    return (query, "", "") if at < 0 else (query[:at].strip(), "ORDER BY", query[at + len("ORDER BY") :].strip())


API = Api("/rest/api/3/search/jql", "Bearer ", pages)
