"""Routes of the query API: under one prefix, apart by the scope that a token needs, each with the problems it tells."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fastapi import APIRouter
from fastapi.routing import APIRoute

from hypocenter.api.query.problems import RESPONSES

PREFIX = "/api/v1"
OPEN, KNOWN, READ, FEEDBACK, ADMIN = "open", "known", "read", "feedback", "admin"

Routers: TypeAlias = Mapping[str, APIRouter]
"""The routers of a resource by the scope that they need."""


def new_router(
    tag: str,
    prefix: str = PREFIX,
    refusals: dict[int | str, dict[str, Any]] = RESPONSES,
    route_class: type[APIRoute] = APIRoute,
) -> APIRouter:
    """Return a router without routes, whose operations are named as their routes and stand below `tag`."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        responses=refusals,
        route_class=route_class,
        generate_unique_id_function=_operation_id,
    )


def _operation_id(route: APIRoute) -> str:
    return route.name
