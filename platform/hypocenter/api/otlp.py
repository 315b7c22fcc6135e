"""The routes of OTLP/HTTP: metrics, traces and logs, in protobuf or JSON, answered in kind.

Source: OTLP specification 1.x, "OTLP/HTTP".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from starlette.responses import Response
from starlette.routing import Route

from hypocenter.api.bodies import LARGE, Turns, read_body
from hypocenter.api.refusals import UnsupportedError, retry_headers, status_of
from hypocenter.batches import Taken
from hypocenter.errors import HypocenterError
from hypocenter.ingest import otlp_status
from hypocenter.ingest.otlp_status import Encoding, Rejected, Signal, encoding_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from starlette.requests import Request

    from hypocenter.api.intake import Intake
    from hypocenter.batches import Batch

PREFIXES = ("", "/otlp", "/api/v1/otlp")
"""What may stand before `/v1/metrics`: nothing, as in OTLP itself; the paths of Mimir and Loki, and of Prometheus."""


class Decoded(Protocol):
    """What a request comes to."""

    @property
    def batch(self) -> Batch:
        """What is to be written."""
        ...

    @property
    def rejected(self) -> Rejected:
        """What is turned down."""
        ...


D = TypeVar("D", bound=Decoded)


def routes(intake: Intake) -> list[Route]:
    """Return the routes of the three signals, under OTLP's own paths and those of other receivers."""
    from hypocenter.api.counting import Counting
    from hypocenter.ingest.otlp_metrics import MetricsDecoder

    counting = intake.counting or Counting(intake.index, intake.writer, intake.graph, intake.now)
    turns = Turns()
    return [
        *_routes_of(
            "metrics", Signal.METRICS, _Decoding(MetricsDecoder(intake.index).decode, LARGE >> 2, turns), intake
        ),
        *_routes_of("traces", Signal.TRACES, _Decoding(counting.spans, 0, turns, counting.meet), intake),
        *_routes_of("logs", Signal.LOGS, _Decoding(counting.log_lines, 0, turns), intake),
    ]


@dataclass(frozen=True, slots=True)
class _Decoding(Generic[D]):
    """How a signal's bodies are decoded: in a thread where they have more than `inline` bytes.

    `then` is told, in a thread, what became of what was decoded; that is acknowledged when what it returns has ended.
    """

    decode: Callable[[bytes, Encoding], D]
    inline: int
    turns: Turns
    then: Callable[[D, Taken], Sequence[Future[Taken]]] | None = None

    async def of(self, body: bytes, encoding: Encoding) -> D:
        """Decode a body when it is its turn."""
        if len(body) <= self.inline:
            return self.decode(body, encoding)
        async with self.turns.of(len(body)):
            return await asyncio.to_thread(self.decode, body, encoding)

    async def taken(self, decoded: D, taken: Taken) -> Taken:
        """Tell what became of it, and return that."""
        more = await asyncio.to_thread(self.then, decoded, taken) if self.then is not None else ()
        await asyncio.gather(*map(asyncio.wrap_future, more), return_exceptions=True)
        return taken


def _routes_of(name: str, signal: Signal, decoding: _Decoding[D], intake: Intake) -> list[Route]:

    async def take(request: Request) -> Response:
        encoding = encoding_of(request.headers.get("content-type", ""))
        try:
            rejected = await _taken(request, encoding, decoding, intake)
        except HypocenterError as error:
            return _refusal(error, encoding or Encoding.JSON)
        return _answer(200, otlp_status.response_of(signal, encoding or Encoding.JSON, rejected), encoding)

    return [Route(f"{prefix}/v1/{name}", take, methods=["POST"]) for prefix in PREFIXES]


async def _taken(request: Request, encoding: Encoding | None, decoding: _Decoding[D], intake: Intake) -> Rejected:
    """Read, decode and write a request; return what of it was turned down once the rest is durable."""
    if encoding is None:
        raise UnsupportedError(f"the Content-Type must be {' or '.join(Encoding)}")
    body = await read_body(request, intake.limits)
    decoded = await decoding.of(body, encoding)
    written = await asyncio.wrap_future(intake.writer.submit(decoded.batch)) if len(decoded.batch) else Taken(0)
    return _with_refused(decoded.rejected, await decoding.taken(decoded, written))


def _with_refused(rejected: Rejected, taken: Taken) -> Rejected:
    """Join what the decoder turned down with what the store refused."""
    if not taken.refused:
        return rejected
    reasons = ", ".join(dict.fromkeys(each.reason for each in taken.examples)) or "not taken"
    told = f"{taken.refused} samples refused: {reasons}"
    return Rejected(rejected.number + taken.refused, f"{rejected.message}; {told}" if rejected.message else told)


def _refusal(error: HypocenterError, encoding: Encoding) -> Response:
    status = status_of(error)
    answer = _answer(status, otlp_status.status_of(status, encoding, str(error)), encoding)
    answer.headers.update(retry_headers(status))
    return answer


def _answer(status: int, content: bytes, encoding: Encoding | None) -> Response:
    return Response(content, status, media_type=(encoding or Encoding.JSON).value)
