"""The routes of Prometheus remote write 1.0 and 2.0: which version a request speaks, and what it is answered.

Source: Prometheus Remote-Write 1.0 and 2.0 specifications (prometheus.io/docs/specs/prw).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hypocenter.api.bodies import LARGE, read_body
from hypocenter.api.refusals import UnsupportedError, retry_headers, status_of
from hypocenter.batches import Taken
from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from hypocenter.api.intake import Intake
    from hypocenter.ingest.remote_write_gathering import Written

PATHS = ("/api/v1/write", "/api/v1/push", "/api/prom/push")
_PROTOBUF = "application/x-protobuf"
_FIRST, _SECOND = "prometheus.writerequest", "io.prometheus.write.v2.request"


class Decoder(Protocol):
    """Reads the bodies of one version of the protocol."""

    def decode(self, body: bytes) -> Written:
        """Return what a body holds. Raises InputError when it is no request of this version."""


def routes(intake: Intake) -> list[Route]:
    """Return the routes of remote write: Prometheus' own path, and those of Mimir and Cortex."""
    from hypocenter.ingest.remote_write import RemoteWrite1
    from hypocenter.ingest.remote_write_2 import RemoteWrite2

    decoders: dict[str, Decoder] = {_FIRST: RemoteWrite1(intake.index), _SECOND: RemoteWrite2(intake.index)}

    async def write(request: Request) -> Response:
        try:
            return await _write(request, intake, decoders)
        except HypocenterError as error:
            return _refusal(error)

    return [Route(path, write, methods=["POST"]) for path in PATHS]


async def _write(request: Request, intake: Intake, decoders: Mapping[str, Decoder]) -> Response:
    decoder = decoders[message_of(request.headers.get("content-type", ""))]
    body = await read_body(request, intake.limits, ("snappy",), unnamed="snappy")
    large = len(body) > LARGE
    written = await asyncio.to_thread(decoder.decode, body) if large else decoder.decode(body)
    taken = await asyncio.wrap_future(intake.writer.submit(written.batch)) if len(written.batch) else Taken(0)
    return _answer(written, taken)


def message_of(content_type: str) -> str:
    """Return the protobuf message that a Content-Type names, in lower case; of one that names none, that of 1.0.

    Raises UnsupportedError for another type or message.

    >>> message_of("application/x-protobuf;proto=io.prometheus.write.v2.Request")
    'io.prometheus.write.v2.request'
    """
    # Senders from before 1.0 was written down name nothing, and receivers have always taken that for 1.0.
    kind, *parameters = (part.strip() for part in (content_type or _PROTOBUF).lower().split(";"))
    named = dict(parameter.partition("=")[::2] for parameter in parameters)
    message = named.get("proto", _FIRST).strip('" ')
    if kind != _PROTOBUF or message not in (_FIRST, _SECOND):
        raise UnsupportedError(
            f"Content-Type {content_type[:100]!r} is not taken here; use {_PROTOBUF};proto=prometheus.WriteRequest "
            f"or {_PROTOBUF};proto=io.prometheus.write.v2.Request"
        )
    return message


def _answer(written: Written, taken: Taken) -> Response:
    """Return 204 where all was taken, else what was not, with the status that says whether to send it again.

    Headers say how much was written of each kind; none of the exemplars, of which none is kept.
    """
    samples, histograms = written.durable(taken)
    headers = _headers(samples, histograms)
    if not (written.invalid or written.over or taken.refused):
        return Response(status_code=204, headers=headers)
    status = status_of(written.limited) if written.limited else 400
    return PlainTextResponse(_told(written, taken, samples + histograms), status, headers | retry_headers(status))


def _headers(samples: int, histograms: int) -> dict[str, str]:
    counts = {"Samples": samples, "Histograms": histograms, "Exemplars": 0}
    return {f"X-Prometheus-Remote-Write-{kind}-Written": str(count) for kind, count in counts.items()}


def _told(written: Written, taken: Taken, kept: int) -> str:
    """Say what was not taken, of which `kept` samples and histograms were."""
    lost = written.samples + written.histograms + written.invalid + written.over - kept
    reasons = [*written.problems, *dict.fromkeys(f"{each.reason} ({each.at_ms} ms)" for each in taken.examples)]
    if written.limited:
        reasons.append(f"{written.over} of new series: {written.limited}")
    return f"stored {kept} samples and histograms, refused {lost}: {'; '.join(reasons)}\n"


def _refusal(error: HypocenterError) -> Response:
    status = status_of(error)
    return PlainTextResponse(f"{error}\n", status, _headers(0, 0) | retry_headers(status))
