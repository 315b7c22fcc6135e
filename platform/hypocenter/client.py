"""A client of the query API: what a server found, in the types of Python."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from hypocenter.client_shapes import Incident, shaped
from hypocenter.client_transport import Patience, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from types import TracebackType
    from typing import Self

T = TypeVar("T")
PAGE = 200


class Client:
    """Asks the server at `url`, with a token where it wants one; for one thread.

    What is not given for now (429, 503) is asked for again after the server's `Retry-After`. Raises ClientError for
    what is turned down, SourceError when there is no answer, InputError for a URL that is none.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(url, token, patience or Patience(), sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.http.close()

    def incidents(self, *, status: str | None = None) -> Iterator[Incident]:
        """Yield incidents, newest first; `status` is `open` or `resolved`."""
        return self._listed(Incident, "/incidents", status=status)

    def incident(self, incident_id: str) -> Incident:
        """Return an incident as it is now."""
        return shaped(Incident, self._transport.json("GET", f"/incidents/{quote(incident_id, safe='')}"))

    def _listed(self, kind: type[T], path: str, **filters: str | datetime | None) -> Iterator[T]:
        asked: dict[str, str | int] = {name: _text(value) for name, value in filters.items() if value is not None}
        while True:
            page = self._transport.json("GET", path, params={**asked, "limit": PAGE})
            yield from (shaped(kind, item) for item in page["items"])
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]


def _text(value: str | datetime) -> str:
    return value if isinstance(value, str) else value.isoformat()
