"""A client of the query API: what a server found, in the types of Python."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from hypocenter.client_events import Following
from hypocenter.client_reading import shaped
from hypocenter.client_shapes import Anomaly, Incident, Investigation, Suspects, Told, Topology
from hypocenter.client_transport import Patience, Transport
from hypocenter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from hypocenter.client_shapes import Step

T = TypeVar("T")
PAGE = 200
MOST_S = 1800.0


class Client:
    """Asks the server at `url`, with a token where it wants one; for one thread.

    What is not given for now (429, 503) is asked for again after the server's `Retry-After`; `sleep` waits, `clock`
    tells the seconds. Every method raises ClientError for what is turned down, and SourceError when there is no answer;
    InputError is raised for a URL that is none.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = Transport(url, token, patience or Patience(), sleep, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.http.close()

    def incidents(
        self,
        *,
        status: str | None = None,
        component: str | None = None,
        fault_type: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Incident]:
        """Yield incidents, newest first by their onset; `status` is `open` or `resolved`."""
        wanted = {"status": status, "component": component, "fault_type": fault_type, "since": since, "until": until}
        return self._listed(Incident, "/incidents", wanted)

    def incident(self, incident_id: str) -> Incident:
        """Return an incident as it is now."""
        return shaped(Incident, self._transport.json("GET", _of(incident_id)))

    def suspects(self, incident_id: str, revision: int | None = None) -> Suspects:
        """Return the suspects of a verdict on an incident, of the last where no number is given."""
        asked = {} if revision is None else {"revision": revision}
        return shaped(Suspects, self._transport.json("GET", _of(incident_id, "suspects"), params=asked))

    def anomalies(
        self,
        incident_id: str | None = None,
        *,
        component: str | None = None,
        metric: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Anomaly]:
        """Yield anomalies, newest first: those of an incident, or all that the rest chooses."""
        if incident_id is not None:
            return self._listed(Anomaly, _of(incident_id, "anomalies"), {})
        wanted = {"component": component, "metric": metric, "since": since, "until": until}
        return self._listed(Anomaly, "/anomalies", wanted)

    def report(self, incident_id: str, revision: int | None = None) -> str:
        """Return the report of a verdict on an incident, as one page of HTML."""
        asked = {} if revision is None else {"revision": revision}
        return self._transport.ask("GET", _of(incident_id, "report"), params=asked).text

    def feedback(
        self, incident_id: str, says: str, *, component: str = "", fault_type: str = "", note: str = ""
    ) -> Told:
        """Say of the last verdict on an incident `right`, `wrong`, `cause` (with `component`) or `not-an-incident`."""
        said = {"says": says, "component": component, "fault_type": fault_type, "note": note}
        return shaped(Told, self._transport.json("POST", _of(incident_id, "feedback"), json=said))

    def topology(self, *, around: str | None = None, depth: int = 1, at: datetime | None = None) -> Topology:
        """Return the dependency graph as it was at a time, or what is at most `depth` steps from a component."""
        asked = _text({"around": around, "depth": None if around is None else str(depth), "at": at})
        return shaped(Topology, self._transport.json("GET", "/topology", params=asked))

    def investigate(
        self,
        *,
        at: datetime | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        components: Sequence[str] = (),
        progress: Callable[[Step], None] = lambda _: None,
        most_s: float = MOST_S,
    ) -> Investigation:
        """Have an incident investigated, that began `at` a time or between two, and return it when it is over.

        `progress` is called for each step as it is done. Raises SourceError when it failed, or is not over after
        `most_s` seconds.
        """
        asked = {
            **_text({"at": at, "start": start, "end": end}),
            **({"components": list(components)} if components else {}),
        }
        # Tried again because the server was busy, it is still the same question.
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        begun = shaped(Investigation, self._transport.json("POST", "/investigations", json=asked, headers=headers))
        following = Following(self._transport, _asked(begun.investigation_id), progress)
        return _successful(following.ended(begun, most_s))

    def investigation(self, investigation_id: str) -> Investigation:
        """Return an investigation that was asked for, as it is now."""
        return shaped(Investigation, self._transport.json("GET", _asked(investigation_id)))

    def _listed(self, kind: type[T], path: str, wanted: Mapping[str, str | datetime | None]) -> Iterator[T]:
        asked: dict[str, str] = {**_text(wanted), "limit": str(PAGE)}
        while True:
            page = self._transport.json("GET", path, params=asked)
            yield from (shaped(kind, item) for item in page["items"])
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]


def _of(incident_id: str, what: str = "") -> str:
    return f"/incidents/{quote(incident_id, safe='')}" + (f"/{what}" if what else "")


def _asked(investigation_id: str) -> str:
    return f"/investigations/{quote(investigation_id, safe='')}"


def _text(wanted: Mapping[str, str | datetime | None]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else value.isoformat()
        for name, value in wanted.items()
        if value is not None
    }


def _successful(ended: Investigation) -> Investigation:
    if ended.status != "done":
        raise SourceError(
            f"investigation {ended.investigation_id} is {ended.status}: {ended.error or 'somebody ended it'}"
        )
    return ended
