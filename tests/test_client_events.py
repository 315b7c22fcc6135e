"""The client follows an investigation by its events, over breaks and restarts, and without any where none are told."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from listening import listening
from query_client import NOON, sources_of
from query_seeds import NAMED
from server_process import free_port

from hypocenter.api.query.app import create_query_app
from hypocenter.client import Client
from hypocenter.errors import SourceError
from hypocenter.model import Investigation
from hypocenter.stores.investigations import Stage
from hypocenter.stores.opening import open_records
from hypocenter.verdict_json import investigation_to_json, verdict_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hypocenter.client_shapes import Step
    from hypocenter.stores.opening import SqlRecords

STEPS = ["samples", "signals", "graph"]


class Work:
    """An investigation done a step at a time, each when `on` is called."""

    def __init__(self, records: SqlRecords) -> None:
        self._store, self._left, self.done = records.investigations, list(STEPS), False

    def on(self, *_: object) -> None:
        """Do a step of the one that waits, or after the last of them, be done."""
        (asked,) = self._store.investigations(1)
        after = replace(asked, stage=Stage.RUNNING, version=asked.version + 1)
        if self._left:
            step = {"step": self._left.pop(0), "count": 1, "at": NOON.isoformat()}
            assert self._store.save(replace(after, steps=(*asked.steps, step)))
        elif not self.done:
            self.done = True
            over = replace(after, stage=Stage.DONE, ended_at=NOON)
            assert self._store.save(over, investigation_to_json(Investigation(NAMED)))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqlRecords]:
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        yield records


class Between:
    """What lies between client and server: notes what is asked, and treats events as `treat` does."""

    def __init__(self, app: ASGIApp, treat: ASGIApp | None) -> None:
        self._app, self._treat = app, treat
        self.asked: list[str] = []

    @property
    def looks(self) -> int:
        """How often the investigation was looked at."""
        return self.asked.count("look")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_events = scope["path"].endswith("/events")
        if is_events:
            self.asked.append(dict(scope["headers"])[b"last-event-id"].decode())
        elif scope["method"] == "GET":
            self.asked.append("look")
        await (self._treat if is_events and self._treat else self._app)(scope, receive, send)


class CutError(Exception):
    """The line is cut."""


def cutting(app: ASGIApp) -> ASGIApp:
    """Cut the line after each event."""

    async def cut(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            await send(message)
            if b"\nevent: progress" in message.get("body", b""):
                raise CutError

        await app(scope, receive, sent)

    return cut


def answering(status: int, kind: str) -> ASGIApp:
    """Answer something else than events."""

    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": b'{"detail": "not here"}\n'})

    return answer


@contextmanager
def between(records: SqlRecords, work: Work, treat: Callable[[ASGIApp], ASGIApp] | None = None) -> Iterator[Any]:
    """Serve the API, whose investigations begin when they are asked for; give its URL and what lies between."""
    app = create_query_app(sources_of(records, send=work.on))
    seen = Between(app, None if treat is None else treat(app))
    with listening(seen) as url:
        yield url, seen


def test_each_step_comes_by_its_event_and_nothing_is_asked_twice(kept: SqlRecords) -> None:
    work, steps = Work(kept), []

    def progress(step: Step) -> None:
        steps.append((step.step, step.count, step.at))
        work.on()

    with between(kept, work) as (url, seen), Client(url, sleep=work.on) as client:
        found = client.investigate(at=NOON, progress=progress)
    assert steps == [(step, 1, NOON) for step in STEPS]
    assert found.verdict == verdict_to_json(NAMED)
    assert seen.asked == ["0", "look"]


def test_a_line_that_is_cut_is_taken_up_after_the_last_step(kept: SqlRecords) -> None:
    work, steps = Work(kept), []

    def progress(step: Step) -> None:
        steps.append(step.step)
        work.on()

    with between(kept, work, cutting) as (url, seen), Client(url, sleep=lambda _: None) as client:
        assert client.investigate(at=NOON, progress=progress).status == "done"
    assert steps == STEPS
    # The look after each break tells of the step that was done meanwhile.
    assert seen.asked == ["0", "look", "2", "look"]


@pytest.mark.parametrize(("status", "kind", "tried"), [(503, "application/json", 1), (200, "text/html", 3)])
def test_without_events_it_is_looked_at_again_and_again(kept: SqlRecords, status: int, kind: str, tried: int) -> None:
    work, steps = Work(kept), []
    with between(kept, work, lambda _: answering(status, kind)) as (url, seen), Client(url, sleep=work.on) as client:
        found = client.investigate(at=NOON, progress=lambda step: steps.append(step.step))
    assert (found.status, steps) == ("done", STEPS)
    assert len(seen.asked) - seen.looks == tried
    assert seen.looks >= len(STEPS)


def test_what_takes_too_long_is_told_of(kept: SqlRecords) -> None:
    too_long = pytest.raises(SourceError, match=r"is not over after 0\.3 s")
    with between(kept, Work(kept)) as (url, _), Client(url) as client, too_long:
        client.investigate(at=NOON, most_s=0.3)


def test_what_progress_raises_is_its_callers(kept: SqlRecords) -> None:
    def progress(_: Step) -> None:
        raise SourceError("of my own")

    own = pytest.raises(SourceError, match="of my own")
    with between(kept, Work(kept)) as (url, _), Client(url) as client, own:
        client.investigate(at=NOON, progress=progress)


def test_a_server_that_goes_away_and_comes_back_is_followed_on(kept: SqlRecords) -> None:
    work, steps, port, serving = Work(kept), [], free_port(), ExitStack()
    app, away = create_query_app(sources_of(kept, send=work.on)), []

    def progress(step: Step) -> None:
        steps.append(step.step)
        work.on()
        if len(steps) == 1:
            serving.close()

    def sleep(wait_s: float) -> None:
        away.append(wait_s)
        if len(away) == 3:
            serving.enter_context(listening(app, port))

    with serving:
        url = serving.enter_context(listening(app, port))
        with Client(url, sleep=sleep) as client:
            assert client.investigate(at=NOON, progress=progress).status == "done"
    assert steps == STEPS
    assert len(away) >= 3


def test_a_server_that_stays_away_is_told_of(kept: SqlRecords) -> None:
    work, serving = Work(kept), ExitStack()
    with serving:
        url = serving.enter_context(listening(create_query_app(sources_of(kept, send=work.on))))
        with Client(url, sleep=lambda _: None) as client, pytest.raises(SourceError, match="cannot be reached"):
            client.investigate(at=NOON, progress=lambda _: serving.close())
