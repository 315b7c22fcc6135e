"""Server-sent events of investigations: one look at the records serves everybody who listens."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool

from hypocenter.stores.investigations import AskedInvestigation, InvestigationStore, Stage

LOOK_S = 0.1
HEARTBEAT_S = 15.0
# A client connects anew after that, and goes on where it was.
LONGEST_S = 600.0
FINAL = {Stage.DONE: "done", Stage.FAILED: "failed", Stage.CANCELLED: "cancelled"}


class Event(NamedTuple):
    """One event: its number from 1, its name and what it says."""

    number: int
    name: str
    data: Mapping[str, Any]

    def __str__(self) -> str:
        r"""Return it as it is sent.

        >>> str(Event(1, "progress", {"step": "graph"}))
        'id: 1\nevent: progress\ndata: {"step": "graph"}\n\n'
        """
        return f"id: {self.number}\nevent: {self.name}\ndata: {json.dumps(self.data)}\n\n"


def events_of(asked: AskedInvestigation) -> list[Event]:
    """Return all events so far: a `progress` for each step, and how it ended."""
    events = [Event(number, "progress", step) for number, step in enumerate(asked.steps, 1)]
    if asked.stage.is_final:
        events.append(Event(len(events) + 1, FINAL[asked.stage], {"error": asked.error} if asked.error else {}))
    return events


class _Watched:
    """An investigation that somebody listens to; `news` is set when there is another version, or no more will come."""

    def __init__(self, asked: AskedInvestigation) -> None:
        self.asked, self.listeners = asked, 0
        self.news = asyncio.Event()

    def tell(self, asked: AskedInvestigation) -> None:
        """Have all who wait look at another version."""
        self.asked = asked
        self.news.set()
        self.news = asyncio.Event()


class Listening:
    """All who listen to investigations of one store; they share what is read of it.

    While somebody listens, the versions of what is listened to are read every LOOK_S seconds, whatever the number of
    listeners, and an investigation once for each version. It belongs to one event loop.
    """

    def __init__(self, store: InvestigationStore) -> None:
        self._store = store
        self._watched: dict[str, _Watched] = {}
        self._looking: asyncio.Task[None] | None = None

    async def events(
        self, asked: AskedInvestigation, after: int, is_stopping: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """Yield the events after a number as they come, and comments while none does, up to the last."""
        watched = self._watched.setdefault(asked.investigation_id, _Watched(asked))
        watched.listeners += 1
        until = asyncio.get_running_loop().time() + LONGEST_S
        try:
            while not is_stopping() and asyncio.get_running_loop().time() < until:
                news = watched.news
                for event in events_of(watched.asked)[after:]:
                    yield str(event)
                    after = event.number
                if watched.asked.stage.is_final:
                    return
                self._look_on(is_stopping)
                if not await _came(news):
                    yield ": it goes on\n\n"
        finally:
            self._leave(watched)

    def _leave(self, watched: _Watched) -> None:
        watched.listeners -= 1
        if not watched.listeners:
            del self._watched[watched.asked.investigation_id]

    def _look_on(self, is_stopping: Callable[[], bool]) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(is_stopping))

    async def _look(self, is_stopping: Callable[[], bool]) -> None:
        while self._watched and not is_stopping():
            await asyncio.sleep(LOOK_S)
            known = {name: watched.asked.version for name, watched in self._watched.items()}
            for asked in await run_in_threadpool(self._newer, known):
                if asked.investigation_id in self._watched:
                    self._watched[asked.investigation_id].tell(asked)
        for watched in self._watched.values():
            watched.tell(watched.asked)

    def _newer(self, known: Mapping[str, int]) -> list[AskedInvestigation]:
        versions = self._store.versions(known)
        changed = [name for name, version in known.items() if versions.get(name, version) != version]
        return [asked for name in changed if (asked := self._store.investigation(name)) is not None]


async def _came(news: asyncio.Event) -> bool:
    """Wait for news; False where none came in HEARTBEAT_S."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await news.wait()
    except TimeoutError:
        return False
    return True
