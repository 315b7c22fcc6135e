"""The routes of alerts, changes, files and incident history: read, kept in the records, and then acknowledged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from hypocenter.api.bodies import Turns, read_body
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from hypocenter.api.intake import Intake
    from hypocenter.events import Told
    from hypocenter.stores.records import Records

    Decode = Callable[[bytes, Request], Told]

LARGEST = 8 << 20
MOST_TOLD = 20


def routes(intake: Intake) -> list[Route]:
    """Return the routes that this module serves."""
    from hypocenter.api.uploads import upload_routes

    turns = Turns()
    decoders = _decoders(intake)
    taking = [Route(path, _taking(intake, decode, turns), methods=["POST"]) for path, decode in decoders]
    return taking + upload_routes(intake)


def _decoders(intake: Intake) -> list[tuple[str, Decode]]:
    from hypocenter.ingest.alertmanager import decode_posted, decode_webhook
    from hypocenter.ingest.alerts import decode_alerts
    from hypocenter.ingest.cdevents import decode_cdevents
    from hypocenter.ingest.changes import decode_changes

    order = intake.component_labels

    def changes(body: bytes, request: Request) -> Told:
        component = request.query_params.get("component", "")
        return intake.signatures.told(request.headers, body, lambda: decode_changes(body, intake.now(), component))

    return [
        ("/api/v1/alertmanager", lambda body, _: decode_webhook(body, intake.now(), order)),
        ("/api/v2/alerts", lambda body, _: decode_posted(body, intake.now(), order)),
        ("/api/v1/alerts", lambda body, _: decode_alerts(body, intake.now(), order)),
        ("/api/v1/changes", changes),
        ("/api/v1/cdevents", lambda body, request: decode_cdevents(body, dict(request.headers))),
    ]


def _taking(intake: Intake, decode: Decode, turns: Turns) -> Callable[[Request], Awaitable[Response]]:
    limits = replace(
        intake.limits, sent=min(intake.limits.sent, LARGEST), unpacked=min(intake.limits.unpacked, LARGEST)
    )

    async def take(request: Request) -> Response:
        body = await read_body(request, limits)
        async with turns.of(len(body)):
            return await run_in_threadpool(lambda: JSONResponse(_kept(intake.records, decode(body, request))))

    return take


def _kept(records: Records, told: Told) -> dict[str, object]:
    """Keep what was told, and say what became of it; raises InputError once it is kept when some was invalid."""
    alerts, changes = records.alerts.add_alerts(told.alerts), records.changes.add_changes(told.changes)
    if told.invalid:
        refused = "; ".join(_first_of(told.invalid))
        raise InputError(f"{len(told.alerts):,} kept, {len(told.invalid):,} refused: {refused}")
    return {"alerts": alerts._asdict(), "changes": changes._asdict(), "left_out": _first_of(told.left_out)}


def _first_of(reasons: tuple[str, ...]) -> list[str]:
    more = len(reasons) - MOST_TOLD
    return [*reasons[:MOST_TOLD], *([f"and {more:,} more"] if more > 0 else [])]
