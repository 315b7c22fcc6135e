"""Scores and expected bands of series, asked of the workers and kept for a moment."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from hypocenter.api.query.sources import QuerySources
from hypocenter.errors import InputError, SourceError
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.identity import identity_of
from hypocenter.stores.matching import Matcher, matchers_of

ORDER = "hypocenter.bands"
WAIT_S, LOOK_S = 20.0, 0.02
MOST_WAITING = 32
MOST_POINTS = 11_000
LONGEST_DAYS, LONGEST_SELECTOR = 31, 2_000
MS = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
NAME = "__name__"
# As of times that are typed: the year 2200.
LAST_MS = 7_258_118_400_000

Selector = Sequence[Matcher]


class Span(NamedTuple):
    """Times from `start_ms` to `end_ms`, `step_ms` apart; one without a sample has the last of `back_ms` before.

    Nothing is read of steps that begin after `until_ms`.
    """

    start_ms: int
    end_ms: int
    step_ms: int = 0
    back_ms: int = 0
    until_ms: int = 0

    @property
    def points(self) -> int:
        """How many times there are."""
        return (self.end_ms - self.start_ms) // self.step_ms + 1 if self.step_ms else 0


class Room:
    """How many may wait for workers at a time, in one event loop."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most, self._waiting = most, 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Have a place; raises SourceError where there is none."""
        if self._waiting >= self._most:
            raise SourceError(f"{self._most} questions wait for workers already, which is the limit; come again later")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def milliseconds(moment: datetime) -> int:
    """Return a time as ms since 1970."""
    return (moment - _EPOCH) // MS


def selector_of(text: str) -> Selector:
    """Return the conditions of a series selector; raises InputError where it is none.

    >>> selector_of('{component="cart"}')
    (Matcher(label='component', operator='=', value='cart'),)
    """
    if len(text) > LONGEST_SELECTOR:
        raise InputError(f"match: a selector has at most {LONGEST_SELECTOR:,} characters")
    try:
        found = matchers_of(parse_selector(text))
        for matcher in found:
            matcher.kept([""])
    except InputError as error:
        raise InputError(f"match: {str(error).removeprefix('--match ')}") from error
    return found


def checked(span: Span) -> Span:
    """Return a span; raises InputError for one that is too long, too fine, or of no time that anything is kept of."""
    if not 0 <= span.start_ms <= span.end_ms <= LAST_MS:
        raise InputError("start, end: must be in order, and lie in the years 1970 to 2200")
    if span.points > MOST_POINTS:
        raise InputError(f"step: {span.points:,} points are asked for, and at most {MOST_POINTS:,} are answered")
    if span.end_ms - span.start_ms > timedelta(days=LONGEST_DAYS) // MS:
        raise InputError(f"end: at most {LONGEST_DAYS} days are answered")
    return span


def settled(sources: QuerySources, span: Span) -> Span:
    """Return a span that reads what detection may have scored; raises InputError for one that is too long."""
    until_ms = milliseconds(sources.overseen.rhythm.settled(sources.now())) - 1
    return checked(span)._replace(until_ms=until_ms)


async def answered(
    sources: QuerySources, room: Room, selectors: Sequence[Selector], span: Span
) -> Sequence[Mapping[str, Any]]:
    """Return what workers say of the series that any selector matches: labels, or with a step their bands.

    Nothing where the span is empty. Raises InputError for too many series, SourceError where no worker answers.
    """
    if not selectors or span.end_ms < span.start_ms:
        return ()
    match = [[[each.label, each.operator, each.value] for each in selector] for selector in selectors]
    question = {"match": match, **span._asdict()}
    async with room.taken():
        found = await run_in_threadpool(json.loads, await _told(sources, question))
    if "error" in found:
        raise InputError(found["error"])
    if "failed" in found:
        raise SourceError(found["failed"])
    series: Sequence[Mapping[str, Any]] = found["series"]
    return series


async def _told(sources: QuerySources, question: Mapping[str, Any]) -> str:
    name = f"bands {identity_of(json.dumps(question, sort_keys=True))}"
    pinned = await run_in_threadpool(_pinned_or_sent, sources, name, question)
    until = asyncio.get_running_loop().time() + WAIT_S
    while pinned is None:
        if asyncio.get_running_loop().time() > until:
            raise SourceError(f"no worker answered within {WAIT_S:g} s; is detection running? see /status")
        await asyncio.sleep(LOOK_S)
        pinned = await run_in_threadpool(sources.board.pinned, name)
    return pinned


def _pinned_or_sent(sources: QuerySources, name: str, question: Mapping[str, Any]) -> str | None:
    pinned = sources.board.pinned(name)
    # Of several who ask the same at a time, one sends.
    if pinned is None and sources.board.hold(name, str(uuid4()), WAIT_S):
        sources.send(ORDER, name, question)
    return pinned
