"""The OpenAPI document: what FastAPI says of the query API, who may ask what, and in short what else is served."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import Route

from hypocenter import __version__
from hypocenter.api.query.others import OTHERS, Other
from hypocenter.api.query.problems import RESPONSES, FieldError, Problem
from hypocenter.api.query.prometheus_shapes import Failed
from hypocenter.api.query.routing import KNOWN, OPEN
from hypocenter.api.query.verdict_example import EXAMPLE
from hypocenter.verdict_json import verdict_to_json

TAGS = {
    "incidents": "Incidents, the verdicts on them, suspects with their evidence, and reports.",
    "feedback": "What people say of verdicts.",
    "anomalies": "What detection told of.",
    "alerts": "What other tools told of.",
    "changes": "Deploys and other changes.",
    "topology": "What leans on what.",
    "history": "Past incidents.",
    "models": "What was learned from them.",
    "status": "How detection is doing.",
    "investigations": "Questions about a time.",
    "series": "Series with what was expected of them.",
    "prometheus": "The same as Prometheus answers it; docs/integrations/grafana.md tells what may be asked.",
    "settings": "Settings that may change while everything runs.",
    "access": "Who asks, tokens, and who changed what.",
    "intake": "What is pushed here, in the formats of other tools.",
    "server": "The server itself.",
}
DESCRIPTION = """\
Root-cause suggestions with their evidence, and all that they rest on.

Times are RFC 3339, in answers in UTC and to the microsecond, in verdicts to the millisecond. A list has `items` and
`next_cursor`; `?cursor=` of that asks for the next page. What is refused is answered with problem details (RFC 9457).
What GET answers as JSON or HTML has an `ETag`; with `If-None-Match` of it the answer is 304 while nothing changed.
"""
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token, or one of your OpenID Connect issuer."},
    "password": {"type": "http", "scheme": "basic", "description": "The token as the password, of any user."},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "`ETag` of an answer that is here already.",
    "schema": {"type": "string"},
}
_ETAG = {"description": "Names this answer; another one has another.", "schema": {"type": "string"}}
_UNCHANGED = {"description": "The answer is the one that `If-None-Match` names.", "headers": {"ETag": _ETAG}}
_EVENTS = "text/event-stream"
_TAGGED = ("application/json", "text/html")


def document_of(scoped: Mapping[str, Sequence[Route]]) -> dict[str, Any]:
    """Return the document of routes that are known by the scope that they need."""
    routes = [route for each in scoped.values() for route in each]
    made = get_openapi(
        title="Hypocenter",
        version=__version__,
        description=DESCRIPTION,
        routes=routes,
        tags=[{"name": name, "description": said} for name, said in TAGS.items()],
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _schemas(Problem, FieldError, Failed)
    # FastAPI leaves null out of examples, which a verdict does not.
    schemas["Verdict"]["examples"] = [verdict_to_json(EXAMPLE)]
    made["components"]["securitySchemes"] = _SCHEMES
    needs = _needs(scoped)
    for path, method, operation in _operations(made):
        operation["security"] = security_of(needs[path, method])
        for answer in operation["responses"].values():
            # An event has an id, a name and data, which is no text that a schema could tell of.
            answer.get("content", {}).get(_EVENTS, {}).pop("schema", None)
        if method == "get":
            _tag(operation)
    for each in OTHERS:
        made["paths"].setdefault(each.path, {})[each.method] = _other(each)
    return made


def security_of(scope: str) -> list[dict[str, list[str]]]:
    """Return how the document tells of the scope that is needed."""
    if scope == OPEN:
        return []
    named = [] if scope == KNOWN else [scope]
    return [{scheme: named} for scheme in _SCHEMES]


def _needs(scoped: Mapping[str, Sequence[Route]]) -> dict[tuple[str, str], str]:
    routes = [(route, scope) for scope, routes in scoped.items() for route in routes]
    return {(route.path_format, method.lower()): scope for route, scope in routes for method in route.methods or ()}


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _schemas(*models: Any) -> dict[str, Any]:
    return {model.__name__: _without_definitions(model.model_json_schema) for model in models}


def _without_definitions(schema: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    found = schema(ref_template="#/components/schemas/{model}")
    return {name: value for name, value in found.items() if name != "$defs"}


def _tag(operation: dict[str, Any]) -> None:
    """Say of an operation whose answers are tagged that they are."""
    answer = operation["responses"].get("200", {})
    if any(kind in answer.get("content", {}) for kind in _TAGGED):
        answer.setdefault("headers", {})["ETag"] = _ETAG
        operation["responses"]["304"] = _UNCHANGED
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)


def _other(each: Other) -> dict[str, Any]:
    answers = {**each.answers, **{str(status): RESPONSES[status] for status in (400, 401, 403, 429, 503)}}
    told: dict[str, Any] = {
        "tags": [each.tag],
        "summary": each.summary,
        "operationId": each.name,
        "description": f"docs/{each.page} tells more.",
        "security": security_of(each.scope),
        "responses": answers,
    }
    if each.takes:
        told["requestBody"] = {"required": True, "content": {kind: {} for kind in each.takes}}
    return told
