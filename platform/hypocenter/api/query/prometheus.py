"""Scores, bands and open incidents as Prometheus answers them, for tools that speak to it (Grafana's data source)."""

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from hypocenter import __version__
from hypocenter.api.query.bands import NAME, Selector, Span, checked, milliseconds, selector_of
from hypocenter.api.query.prometheus_expressions import moment_ms, parsed, step_ms
from hypocenter.api.query.prometheus_series import HELP, LABELS, Answers, Told, labels_of, told
from hypocenter.api.query.prometheus_shapes import (
    MOST_MATCH,
    REFUSALS,
    PrometheusBuild,
    PrometheusMetadata,
    PrometheusNames,
    PrometheusQuery,
    PrometheusRange,
    PrometheusSeries,
    in_form,
    in_query,
)
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.sources import Sources
from hypocenter.api.refusals import retry_headers, status_of
from hypocenter.errors import HypocenterError, InputError

PREFIX = "/prometheus/api/v1"
MOST_FIELDS = 100
DAY_MS = 86_400_000
SECOND_MS = 1000
_EVERY = f'{{{NAME}=~"hypocenter_.+"}}'
_KINDS = {400: "bad_data", 422: "execution", 503: "unavailable"}

_RANGE = ("query", "start", "end", "step")
_LISTED = ("match[]", "start", "end")
Asked = Mapping[str, Sequence[str]]
Endpoint = Callable[..., Coroutine[Any, Any, Response]]
LabelName = Annotated[str, Path(description="Name of a label.", examples=["component"])]


class _Route(APIRoute):
    """A route whose failures look as those of Prometheus."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except HypocenterError as error:
                status = status_of(error)
                said = {"status": "error", "errorType": _KINDS.get(status, "internal"), "error": str(error)}
                return JSONResponse(said, status, retry_headers(status))

        return answered


def routers() -> Routers:
    """Return the router of what Prometheus would answer; its own documentation says how."""
    reading = new_router("prometheus", PREFIX, REFUSALS, _Route)
    _ask(reading, "/query", query, PrometheusQuery, ("query", "time"), ("query",))
    _ask(reading, "/query_range", query_range, PrometheusRange, _RANGE, _RANGE)
    _ask(reading, "/series", series, PrometheusSeries, _LISTED, ("match[]",))
    _ask(reading, "/labels", labels, PrometheusNames, _LISTED)
    _get(reading, "/label/{name}/values", label_values, PrometheusNames, _LISTED)
    _get(reading, "/metadata", metadata, PrometheusMetadata, ("metric",))
    _get(reading, "/status/buildinfo", build_info, PrometheusBuild)
    return {READ: reading}


def _ask(
    router: APIRouter, path: str, answer: Endpoint, shape: type, asked: Sequence[str], needed: Sequence[str] = ()
) -> None:
    """Have a question answered by GET, and by POST of a form."""
    _get(router, path, answer, shape, asked, needed)
    name, form = f"prometheus_{answer.__name__}_by_form", in_form(asked, needed)
    router.add_api_route(path, answer, methods=["POST"], response_model=shape, name=name, openapi_extra=form)


def _get(
    router: APIRouter, path: str, answer: Endpoint, shape: type, asked: Sequence[str] = (), needed: Sequence[str] = ()
) -> None:
    name, told = f"prometheus_{answer.__name__}", in_query(asked, needed)
    router.add_api_route(path, answer, response_model=shape, name=name, openapi_extra=told)


async def query(sources: Sources, request: Request) -> Response:
    """Answer an expression at one time."""
    asked = await _asked(request)
    at_ms = moment_ms(asked["time"][-1], "time") if "time" in asked else milliseconds(sources.now())
    wanted = parsed(_one(asked, "query"))
    if isinstance(wanted, float):
        return await _data({"resultType": "scalar", "result": _sample(at_ms, wanted)})
    span = Span(at_ms, at_ms, sources.overseen.rhythm.step_ms)
    found = await told(_answers(sources, request), wanted, span)
    return await run_in_threadpool(_vector, found, span)


async def query_range(sources: Sources, request: Request) -> Response:
    """Answer an expression at each time of a range."""
    asked = await _asked(request)
    start, end = (moment_ms(_one(asked, name), name) for name in ("start", "end"))
    if start > end:
        raise InputError("end: must not be before start")
    span = Span(start, end, step_ms(_one(asked, "step")))
    wanted = parsed(_one(asked, "query"))
    if isinstance(wanted, float):
        found = [Told({}, [wanted] * checked(span).points)]
    else:
        found = await told(_answers(sources, request), wanted, span)
    return await run_in_threadpool(_matrix, found, span)


async def series(sources: Sources, request: Request) -> Response:
    """Answer with the labels of each series that any selector matches."""
    asked = await _asked(request)
    _one(asked, "match[]")
    return await _data(await _labels(sources, request, asked))


async def labels(sources: Sources, request: Request) -> Response:
    """Answer with the names of labels."""
    asked = await _asked(request)
    if "match[]" not in asked:
        return await _data([NAME, *LABELS])
    found = await _labels(sources, request, asked)
    return await _data(sorted({name for each in found for name in each}))


async def label_values(sources: Sources, request: Request, name: LabelName) -> Response:
    """Answer with the values of a label."""
    asked = await _asked(request)
    if name == NAME and "match[]" not in asked:
        return await _data(sorted(HELP))
    found = await _labels(sources, request, asked)
    return await _data(sorted({each[name] for each in found if name in each}))


async def metadata(request: Request) -> Response:
    """Answer with what each metric means."""
    asked = await _asked(request)
    names = [name for name in HELP if name in asked.get("metric", [name])]
    return await _data({name: [{"type": "gauge", "help": HELP[name], "unit": ""}] for name in names})


async def build_info() -> Response:
    """Answer with which program this is; tools tell by it what they may ask."""
    names = ("version", "revision", "branch", "buildUser", "buildDate", "goVersion")
    return await _data(dict.fromkeys(names, "") | {"version": __version__})


async def _asked(request: Request) -> Asked:
    """Return the parameters of a request and of its body, each with all of its values; raises InputError."""
    fields = request.query_params.multi_items()
    try:
        fields += parse_qsl((await request.body()).decode(), max_num_fields=MOST_FIELDS, keep_blank_values=True)
    except ValueError as error:
        raise InputError(f"the body is no form: {error}") from error
    asked: dict[str, list[str]] = {}
    for name, value in fields:
        asked.setdefault(name, []).append(value)
    return asked


def _one(asked: Asked, name: str) -> str:
    if not asked.get(name, [""])[-1]:
        raise InputError(f"{name}: is missing")
    return asked[name][-1]


def _answers(sources: Sources, request: Request) -> Answers:
    return Answers(sources, request.app.state.room)


async def _labels(sources: Sources, request: Request, asked: Asked) -> list[Mapping[str, str]]:
    now = milliseconds(sources.now())
    end = moment_ms(asked["end"][-1], "end") if "end" in asked else now
    start = moment_ms(asked["start"][-1], "start") if "start" in asked else end - DAY_MS
    return await labels_of(_answers(sources, request), _selectors(asked), Span(max(start, end - DAY_MS), end))


def _selectors(asked: Asked) -> list[Selector]:
    texts = asked.get("match[]", [_EVERY])
    if len(texts) > MOST_MATCH:
        raise InputError(f"match[]: at most {MOST_MATCH} are taken")
    return [selector_of(text) for text in texts]


def _vector(found: Sequence[Told], span: Span) -> Response:
    result = [{"metric": each.labels, "value": sample[0]} for each in found if (sample := _samples(each.values, span))]
    return _successful({"resultType": "vector", "result": result})


def _matrix(found: Sequence[Told], span: Span) -> Response:
    result = [{"metric": each.labels, "values": samples} for each in found if (samples := _samples(each.values, span))]
    return _successful({"resultType": "matrix", "result": result})


def _samples(values: Sequence[float | None], span: Span) -> list[list[Any]]:
    return [_sample(span.start_ms + at * span.step_ms, value) for at, value in enumerate(values) if value is not None]


def _sample(at_ms: int, value: float) -> list[Any]:
    return [at_ms / SECOND_MS, _number(value)]


def _number(value: float) -> str:
    """Return a number as Prometheus writes it.

    >>> [_number(value) for value in (2.0, 0.1, math.inf, -math.inf, math.nan)]
    ['2', '0.1', '+Inf', '-Inf', 'NaN']
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < _WHOLE else repr(value)


_WHOLE = 1e15


async def _data(data: Any) -> Response:
    # What is long is written in a thread: the event loop is everybody's.
    return await run_in_threadpool(_successful, data)


def _successful(data: Any) -> Response:
    return JSONResponse({"status": "success", "data": data})
