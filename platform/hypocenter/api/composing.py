"""The application of a server, put together from its open stores."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from hypocenter.api.app import Routes, create_server_app, create_tenant_app, intake_routes
from hypocenter.api.auditing import Auditing, Denials
from hypocenter.api.auth import Door
from hypocenter.api.backup import routes as backup_routes
from hypocenter.api.bodies import BodyMemory
from hypocenter.api.case_export import routes as case_routes
from hypocenter.api.counting import Counting
from hypocenter.api.counting_metrics import CountingMetrics
from hypocenter.api.doctor.routes import doctor_of
from hypocenter.api.forwarding_metrics import ForwardingMetrics
from hypocenter.api.health import Readiness, checks_of, metrics_route
from hypocenter.api.health import routes as health_routes
from hypocenter.api.needs import Needs
from hypocenter.api.pull_metrics import PullMetrics
from hypocenter.api.pulling import new_pull
from hypocenter.api.query.app import query_routes
from hypocenter.api.query.seats import Seats
from hypocenter.api.query.sources import QuerySources
from hypocenter.api.rate_limits import Buckets, rate_of_settings
from hypocenter.api.security_headers import origins_of_settings
from hypocenter.api.self_metrics import RequestMetrics, StoreMetrics, new_registry
from hypocenter.api.sending import Sender
from hypocenter.api.status import routes as status_routes
from hypocenter.api.tenants import TenantApp, Tenants
from hypocenter.api.work_metrics import WorkMetrics
from hypocenter.api.work_state import Overseen
from hypocenter.rhythm import rhythm_of_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

    from hypocenter.api.app import ServerApp
    from hypocenter.api.auth import Entrance
    from hypocenter.api.parts import Parts, Places
    from hypocenter.api.pull import Pull

BODY_MEMORY = 512 << 20


def composed(opened: Mapping[str, Parts], places: Places, entrance: Entrance, stack: ExitStack) -> ServerApp:
    """Return the application over the open stores of each tenant, that of the setting first.

    What runs beside it is started, and ends with `stack`.
    """
    memory, rate = BodyMemory(BODY_MEMORY), rate_of_settings()
    health = health_routes(stack.enter_context(closing(Readiness(checks_of(opened.values())))))
    needs, apps, seats = Needs([]), dict[str, TenantApp](), Seats(len(opened))
    for tenant, parts in opened.items():
        registry = new_registry()
        theirs = places.of(tenant) if apps else places
        routes = _routes(parts, theirs, registry, stack, seats)
        routes = replace(routes, open=[*health, *routes.open], known=[metrics_route(registry), *routes.known])
        app = Auditing(create_tenant_app(routes, memory), parts.records.audit, _now)
        apps[tenant] = TenantApp(app, RequestMetrics(registry).observe)
        needs = routes.needs()
    first = next(iter(opened))
    denials = Denials({tenant: parts.records.audit for tenant, parts in opened.items()}, first, _now)
    door = Door(entrance, needs, tuple(opened), Buckets(rate), denials)
    return create_server_app(Tenants(apps, first), door, Buckets(rate), origins_of_settings())


def _routes(parts: Parts, places: Places, registry: CollectorRegistry, stack: ExitStack, seats: Seats) -> Routes:
    registry.register(StoreMetrics(parts.metrics))
    intake = parts.intake(registry, places.tenant)
    counting = stack.enter_context(Counting(intake.index, intake.writer, intake.graph, intake.now))
    registry.register(CountingMetrics(counting))
    if parts.forwarder is not None:
        registry.register(ForwardingMetrics(parts.forwarder))
    pull = new_pull(intake, places.data_dir, places.metrics, places.pull, places.match, places.tenant)
    _start_pull(pull, registry, stack)
    overseen = Overseen(parts.records, parts.board, rhythm_of_settings(), parts.board.now)
    registry.register(WorkMetrics(overseen))
    send = stack.enter_context(closing(Sender(apart=places.apart, tenant=places.tenant)))
    sources = QuerySources(parts.records, parts.metrics, parts.graph, parts.board, overseen, intake.now, send)
    tokens = places.tokens()
    query = query_routes(replace(sources, tokens=tokens, seat=partial(seats.seat, tokens.known_as)))
    return Routes(
        open=query["open"],
        known=query["known"],
        sending=intake_routes(replace(intake, counting=counting)),
        reading=[*case_routes(parts.metrics, parts.records), *status_routes(overseen), *query["read"]],
        feedback=query["feedback"],
        admin=[*query["admin"], *backup_routes(places, parts.metrics, intake.now), *doctor_of(parts, places, registry)],
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _start_pull(pull: Pull | None, registry: CollectorRegistry, stack: ExitStack) -> None:
    if pull is not None:
        registry.register(PullMetrics(pull))
        stack.callback(pull.stop)
        pull.start()
