"""Opsgenie's Incident API: incidents by offset."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from hypocenter.errors import SourceError
from hypocenter.history.asking import Api, records_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.history.asking import Asked
    from hypocenter.history.client import Client

PAGE = 100
# What the API gives of one question.
MOST_BY_OFFSET = 20_000


def pages(client: Client, asked: Asked) -> Iterator[list[Any]]:
    """Yield the pages of the list of incidents; the link to the next page says that there is one, and is not used."""
    fixed = {"query": " AND ".join(_conditions(asked)), "sort": "createdAt", "order": "asc", "limit": str(PAGE)}
    asked_for = {name: value for name, value in fixed.items() if value}
    offset, more = 0, True
    while more:
        if offset + PAGE > MOST_BY_OFFSET:
            raise SourceError(
                f"{client.place}: gives no more than {MOST_BY_OFFSET:,} incidents of one question; ask for shorter "
                "spans with --since and --until"
            )
        value = client.get({**asked_for, "offset": str(offset)}).value
        records = records_of(value, ("data",), client.place)
        yield records
        offset += PAGE
        paging = value.get("paging")
        more = bool(records) and isinstance(paging, dict) and bool(paging.get("next"))


def _conditions(asked: Asked) -> Iterator[str]:
    if asked.query:
        yield f"({asked.query})"
    for sign, time in ((">=", asked.since), ("<", asked.until)):
        if time is not None:
            yield f"createdAt {sign} {int(time.astimezone(UTC).timestamp() * 1000)}"


API = Api("/v1/incidents", "GenieKey ", pages)
