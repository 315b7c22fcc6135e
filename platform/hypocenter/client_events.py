"""An investigation as it goes on: its steps as server-sent events, or looked at again and again where those fail."""

from __future__ import annotations

import json
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.client_reading import shaped
from hypocenter.client_shapes import Investigation, Step
from hypocenter.errors import ClientError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hypocenter.client_transport import Transport

LOOK_S = 0.1
# After so many connections in a row that ended before they told anything, nothing is expected of another.
MOST_SILENT = 3


class Event(NamedTuple):
    """One event: its name and what it says, as text."""

    name: str
    data: str


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a stream as they come; what was not ended by an empty line is none.

    >>> list(events_of(["id: 1", "event: progress", "data: {}", "", ": it goes on", "", "data: half"]))
    [Event(name='progress', data='{}')]
    """
    said: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            said[name] = value.removeprefix(" ")
            continue
        if "data" in said:
            yield Event(said.get("event", "message"), said["data"])
        said = {}


class Following:
    """Follows the investigation at a path until it is over; `progress` is told each step once, in order.

    A connection that breaks off is made anew and goes on after the last step. Where the server tells no events, or
    something between does not let them through, the investigation is looked at every `LOOK_S` seconds.
    """

    def __init__(self, transport: Transport, path: str, progress: Callable[[Step], None]) -> None:
        self._transport, self._path, self._progress = transport, path, progress
        self._told, self._silent = 0, 0

    def ended(self, asked: Investigation, most_s: float) -> Investigation:
        """Return the investigation when it is over; raises SourceError when it is not after `most_s` seconds."""
        until = self._transport.clock() + most_s
        while True:
            self._tell(asked.steps[self._told :])
            if asked.is_over:
                return asked
            if self._transport.clock() >= until:
                raise SourceError(f"investigation {asked.investigation_id} is not over after {most_s:g} s")
            for event in self._progress_events(until):
                self._tell([_step(event)])
            asked = shaped(Investigation, self._transport.patient_json(self._path))

    def _tell(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._progress(step)
            self._told += 1

    def _progress_events(self, until: float) -> Iterator[Event]:
        """Yield a step at a time until another event or the end of the connection says that a look is due."""
        if self._silent >= MOST_SILENT:
            self._transport.sleep(LOOK_S)
            return
        self._silent += 1
        try:
            with self._transport.lines(f"{self._path}/events", {"Last-Event-ID": str(self._told)}, until) as lines:
                yield from takewhile(lambda event: event.name == "progress", events_of(self._heard(lines)))
        except ClientError:
            self._silent = MOST_SILENT
        except SourceError:
            # Whether the server is there still is found out by looking.
            self._transport.sleep(LOOK_S)

    def _heard(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._silent = 0
            yield line


def _step(event: Event) -> Step:
    try:
        return shaped(Step, json.loads(event.data))
    except ValueError as error:
        raise SourceError("the server tells of a step by something that is no JSON") from error
