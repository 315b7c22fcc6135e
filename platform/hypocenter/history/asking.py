"""All incidents of a server, page by page, into a file that an import then reads like an export."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.history.client import Client
from hypocenter.history.json_rows import records_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from hypocenter.history.client import Access

MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a server is asked for: incidents that began from `since` until `until` and fit `query`, in its language.

    `fields` are further fields to ask for, where a server is told which.
    """

    since: datetime | None = None
    until: datetime | None = None
    query: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """How a tool's server is asked: where, with which word before the token, and page by page.

    `pages` yields lists of records; `client` does all that is sent.
    """

    default_path: str
    token_scheme: str
    pages: Callable[[Client, Asked], Iterator[list[Any]]]


def api_of(source: str) -> Api:
    """Return how a source's server is asked; raises InputError for a source that is files alone."""
    if source not in ("pagerduty", "servicenow", "jira", "opsgenie"):
        raise InputError(f"--from {source} reads files; name one instead of a URL")
    api: Api = import_module(f"hypocenter.history.{source}_api").API
    return api


@contextmanager
def fetched(
    url: str, source: str, asked: Asked, access: Access, most_bytes: int, tell: Callable[[str], None] = lambda _: None
) -> Iterator[Path]:
    """Ask a server for all its incidents and lend a file that holds them, one JSON object a line.

    Nothing is kept when a page does not come. Raises InputError for a URL that should not be asked, SourceError for a
    server that does not answer as it should, LimitError for more than `most_bytes`.
    """
    api = api_of(source)
    client = Client(url, api.default_path, api.token_scheme, access)
    with client, TemporaryDirectory(prefix="hypocenter-") as folder:
        path = Path(folder) / "incidents.jsonl"
        _spool(path, api.pages(client, asked), client.place, most_bytes, tell)
        yield path


def _spool(path: Path, pages: Iterator[list[Any]], place: str, most_bytes: int, tell: Callable[[str], None]) -> None:
    left, count = most_bytes, 0
    with path.open("w", encoding="utf-8") as out:
        for number, page in enumerate(pages, start=1):
            lines = [json.dumps(record) + "\n" for record in page]
            left -= sum(map(len, lines))
            if left < 0:
                raise LimitError(f"{place}: more than {most_bytes:,} bytes; shorten --since and --until")
            if number > MOST_PAGES:
                raise LimitError(f"{place}: more than {MOST_PAGES:,} pages; shorten --since and --until")
            out.writelines(lines)
            count += len(page)
            tell(f"{count:,} incidents")
        if not count:
            out.write("[]\n")


def records_of(value: Any, lists: Sequence[str], place: str) -> list[Any]:
    """Return the records of a page; raises SourceError for an answer that holds no list of them."""
    if isinstance(value, dict) and any(isinstance(value.get(name), list) for name in lists):
        return records_in(value, lists)
    raise SourceError(f"{place}: the answer holds no list {' or '.join(map(repr, lists))}; give the URL of its API")
