"""Series of components, and what was normal for them: value, score and expected band at each time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field, TypeAdapter
from starlette.concurrency import run_in_threadpool

from hypocenter.api.query.bands import Room, Selector, Span, answered, checked, milliseconds, selector_of, settled
from hypocenter.api.query.paging import USUAL, Cursor, Key, Limit, Page, key_of, page_of
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Number, Time
from hypocenter.api.query.sources import QuerySources, Sources
from hypocenter.readers.selectors import exactly
from hypocenter.stores.documents import moment
from hypocenter.stores.identity import identity_of

MOST_MATCH = 20
DAY_MS = 86_400_000
MICROSECONDS = 1000

Match = Annotated[
    list[Annotated[str, Field(max_length=2000)]],
    Query(
        alias="match[]",
        max_length=MOST_MATCH,
        description="Series selectors over the labels of `Series`; the name before the brace is `metric`.",
        examples=[['{component="cart"}']],
    ),
]
Start = Annotated[Time | None, Query(description="Where the time begins; a day before `end` where it is left out.")]
End = Annotated[Time | None, Query(description="Where it ends; now where it is left out.")]
Step = Annotated[
    int | None,
    Query(ge=1, le=86_400, description="Seconds between points; what detection takes as a step where it is left out."),
]


class Series(BaseModel):
    """One metric of one component, after names and units are resolved."""

    component: str = Field(description="What it is measured on.", examples=["cart"])
    metric: str = Field(description="What is measured.", examples=["request_rate"])
    kind: str = Field(description="What kind of metric it is.", examples=["traffic"])
    unit: str = Field("", description="`s`, `share`, `1/s`, `cores`, `bytes`, `bytes/s`, `count`; empty: unknown.")
    stat: str = Field("last", description="`mean`, `p50` ... `p99`, `rate`, `last` or `sum`.", examples=["rate"])
    side: str | None = Field(None, description="`server` or `client`, of what is between two components.")
    peer: str | None = Field(None, description="The other of the two.")
    host: bool = Field(False, description="Whether it is of the machine below the component.")
    selector: str = Field(description="What matches it and no other.", examples=['{component="cart",metric="up"}'])


class Point(BaseModel):
    """One moment of a series."""

    at: Time = Field(description="When; a step lasts from then on.")
    value: Number = Field(description="What was measured; null where nothing was.")
    score: Number = Field(
        description="-log10 of the chance of something as unusual; the highest since the point before."
    )
    lower: Number = Field(description="Where the band of what is normal ends below; null while that is learned.")
    upper: Number = Field(description="Where it ends above.")


class Band(BaseModel):
    """A series with its band."""

    series: Series = Field(description="Which it is.")
    points: list[Point] = Field(description="Its points, in order of time.")


_BANDS = TypeAdapter(list[Band])


def routers() -> Routers:
    """Return the routers of series."""
    reading = new_router("series")
    reading.add_api_route("/series", list_series)
    reading.add_api_route("/series/band", get_bands, response_model=list[Band])
    return {READ: reading}


async def list_series(
    sources: Sources,
    request: Request,
    match: Match = [],  # noqa: B006 - it is never changed
    start: Start = None,
    end: End = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> Page[Series]:
    """List the series that had samples of late, by their labels."""
    after = key_of(cursor)
    span = _span(sources, start, end)
    told = await answered(sources, _room(request), _selectors(match), span)
    return await run_in_threadpool(_page, told, limit, after)


async def get_bands(
    sources: Sources,
    request: Request,
    match: Match,
    start: Start = None,
    end: End = None,
    step: Step = None,
) -> Response:
    """Return value, score and expected band of at most 50 series, as detection computes them."""
    native_ms = sources.overseen.rhythm.step_ms
    span = settled(sources, _span(sources, start, end)._replace(step_ms=step * 1000 if step else native_ms))
    span = span._replace(end_ms=min(span.end_ms, span.until_ms))
    found = await answered(sources, _room(request), _selectors(match), span)
    return await run_in_threadpool(_bands, found, span)


def _span(sources: QuerySources, start: Any, end: Any) -> Span:
    until_ms = milliseconds(end or sources.now())
    return checked(Span(until_ms - DAY_MS if start is None else milliseconds(start), until_ms))


def _room(request: Request) -> Room:
    room: Room = request.app.state.room
    return room


def _selectors(match: list[str]) -> list[Selector]:
    wanted = [selector_of(text) for text in match or ['{component=~".+"}']]
    return [[replace(each, label="metric") if each.label == "__name__" else each for each in one] for one in wanted]


def _series(labels: Any) -> Series:
    return Series(**{**labels, "host": "host" in labels, "selector": exactly(labels)})


def _page(told: Sequence[Any], limit: int, after: Key | None) -> Page[Series]:
    found = sorted(map(_series, told), key=_key)
    rows = found if after is None else [each for each in found if _key(each) > after]
    return page_of(rows[: limit + 1], limit, _key, lambda each: each)


def _key(series: Series) -> tuple[int, str]:
    return 0, f"{series.component[:60]} {series.metric[:60]} {identity_of(series.selector)[:16]}"


def _bands(told: Sequence[Any], span: Span) -> Response:
    # It is long, and written here: what an endpoint returns is written in the event loop, which is everybody's.
    content = _BANDS.dump_json([_band(each, span) for each in told])
    return Response(content, media_type="application/json")


def _band(told: Any, span: Span) -> Band:
    columns = zip(told["value"], told["score"], told["lower"], told["upper"], strict=True)
    points = [
        Point(at=moment((span.start_ms + at * span.step_ms) * MICROSECONDS), value=v, score=s, lower=low, upper=high)
        for at, (v, s, low, high) in enumerate(columns)
    ]
    return Band(series=_series(told["labels"]), points=points)
