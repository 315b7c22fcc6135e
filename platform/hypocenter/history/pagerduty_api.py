"""PagerDuty's REST API: incidents by offset, and raw analytics by cursor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError, SourceError
from hypocenter.history.asking import Api, records_of
from hypocenter.history.paging import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.history.asking import Asked
    from hypocenter.history.client import Client

PAGE = 100
ANALYTICS_PAGE = 1000
# What the API gives of one question; and the longest time that one may be about is six months.
MOST_BY_OFFSET = 10_000
_WINDOW = timedelta(days=170)
_VERSION = {"Accept": "application/vnd.pagerduty+json;version=2"}


def pages(client: Client, asked: Asked) -> Iterator[list[Any]]:
    """Yield the pages of `/incidents`, or of `/analytics/raw/incidents` where the URL says so."""
    if asked.query:
        raise InputError("--query: PagerDuty's incidents are chosen by --since and --until alone")
    if "/analytics/" in client.place:
        yield from _analytics(client, asked)
        return
    for window in _windows(asked):
        yield from _by_offset(client, window)


def _windows(asked: Asked) -> Iterator[dict[str, str]]:
    """Yield questions about at most six months each; one about all of the time where no time is given."""
    if asked.since is None:
        if asked.until is not None:
            raise InputError("--until: PagerDuty wants --since too")
        yield {"date_range": "all"}
        return
    start, end = asked.since, asked.until or datetime.now(UTC)
    while start < end:
        stop = min(start + _WINDOW, end)
        yield {"since": start.isoformat(), "until": stop.isoformat()}
        start = stop


def _by_offset(client: Client, window: dict[str, str]) -> Iterator[list[Any]]:
    fixed = {**window, "statuses[]": "resolved", "sort_by": "created_at:asc", "limit": str(PAGE)}
    offset, more = 0, True
    while more:
        if offset + PAGE > MOST_BY_OFFSET:
            raise SourceError(
                f"{client.place}: gives no more than {MOST_BY_OFFSET:,} incidents of one span of time; ask for shorter "
                "ones with --since and --until"
            )
        value = client.get({**fixed, "offset": str(offset)}, _VERSION).value
        records = records_of(value, ("incidents",), client.place)
        yield records
        offset += len(records)
        more = bool(value.get("more")) and bool(records)


def _analytics(client: Client, asked: Asked) -> Iterator[list[Any]]:
    times = {"created_at_start": asked.since, "created_at_end": asked.until}
    body: dict[str, Any] = {
        "filters": {name: time.isoformat() for name, time in times.items() if time},
        "limit": ANALYTICS_PAGE,
        "order": "asc",
        "order_by": "created_at",
    }
    progress = Progress(client.place)
    while True:
        value = client.post(body, _VERSION).value
        records = records_of(value, ("data",), client.place)
        yield records
        last = value.get("last")
        if not value.get("more") or not last:
            return
        progress.check(last, len(records))
        body["starting_after"] = last


API = Api("/incidents", "Token token=", pages)
