"""The application of a server, put together from its open stores."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.api.app import Routes, create_server_app, intake_routes
from hypocenter.api.backup import routes as backup_routes
from hypocenter.api.case_export import routes as case_routes
from hypocenter.api.counting import Counting
from hypocenter.api.counting_metrics import CountingMetrics
from hypocenter.api.health import Readiness
from hypocenter.api.health import routes as health_routes
from hypocenter.api.pull_metrics import PullMetrics
from hypocenter.api.pulling import new_pull
from hypocenter.api.query.app import query_routes
from hypocenter.api.query.sources import QuerySources
from hypocenter.api.self_metrics import StoreMetrics, new_registry
from hypocenter.api.status import routes as status_routes
from hypocenter.api.work_metrics import WorkMetrics
from hypocenter.api.work_state import Overseen
from hypocenter.rhythm import rhythm_of_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from starlette.applications import Starlette

    from hypocenter.api.parts import Parts, Places
    from hypocenter.api.pull import Pull
    from hypocenter.api.tokens import Verifier

BODY_MEMORY = 512 << 20


def composed(
    parts: Parts, places: Places, verifier: Verifier, stack: ExitStack, is_ours: Callable[[str], bool]
) -> Starlette:
    """Return the application, `is_ours` as its own; what runs beside it is started, and ends with `stack`."""
    registry = new_registry()
    registry.register(StoreMetrics(parts.metrics))
    readiness = stack.enter_context(closing(Readiness(parts.checks())))
    intake = parts.intake(registry)
    counting = stack.enter_context(Counting(intake.index, intake.writer, intake.graph, intake.now))
    registry.register(CountingMetrics(counting))
    _start_pull(new_pull(intake, places.data_dir, places.metrics, places.pull, places.match), registry, stack)
    overseen = Overseen(parts.records, parts.board, rhythm_of_settings(), intake.now)
    registry.register(WorkMetrics(overseen))
    sources = QuerySources(parts.records, parts.metrics, parts.graph, parts.board, overseen, intake.now)
    query = query_routes(sources)
    routes = Routes(
        open=[*health_routes(readiness, registry), *query["open"]],
        sending=intake_routes(replace(intake, counting=counting)),
        reading=[*case_routes(parts.metrics, parts.records), *status_routes(overseen), *query["read"]],
        feedback=query["feedback"],
        admin=[*query["admin"], *backup_routes(places, parts.metrics, intake.now)],
    )
    return create_server_app(routes, verifier, registry, BODY_MEMORY, is_ours)


def _start_pull(pull: Pull | None, registry: CollectorRegistry, stack: ExitStack) -> None:
    if pull is not None:
        registry.register(PullMetrics(pull))
        stack.callback(pull.stop)
        pull.start()
