"""Problem details of the query API: how they look in its document, and those of requests that are not as it says."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from hypocenter.api.problems import MEDIA_TYPE, problem

MOST_ERRORS = 20
_REASONS = {
    400: "The request cannot be understood, or contradicts itself.",
    401: "A valid token is needed.",
    403: "The token has not the scope that this needs.",
    404: "There is no such thing, or not for this token.",
    408: "The request came too slowly.",
    413: "The body is too large; `detail` names the limit.",
    415: "The body is of a type that is not taken here.",
    422: "A parameter or a field is not as this document says; `errors` names each.",
    429: "Too many requests; come again after `Retry-After` seconds.",
    503: "A store or the workers cannot be reached; come again after `Retry-After` seconds.",
}


class FieldError(BaseModel):
    """What is wrong with one parameter or field."""

    field: str = Field(description="Where it is: `query.limit`, `body.says`.", examples=["query.limit"])
    message: str = Field(description="What is wanted.", examples=["Input should be less than or equal to 500"])


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(description="Kind of problem; `about:blank` where the status says it.", examples=["about:blank"])
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The status.", examples=[404])
    detail: str = Field(description="What is wrong and what would be right.", examples=["there is no incident 'x'"])
    errors: list[FieldError] | None = Field(None, description="What is wrong with each field, with status 422.")


def response_of(description: str) -> dict[str, Any]:
    """Return how the document tells of a problem."""
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


RESPONSES: dict[int | str, dict[str, Any]] = {status: response_of(said) for status, said in _REASONS.items()}
"""The problems that every operation may answer, as FastAPI takes them."""


def invalid(_: Request, error: Exception) -> Response:
    """Answer a request whose parameters or fields are not as the document says."""
    assert isinstance(error, RequestValidationError)
    errors = list(map(_field_error, error.errors()[:MOST_ERRORS]))
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return problem(422, detail, more={"errors": errors})


def _field_error(found: Mapping[str, Any]) -> dict[str, str]:
    where: Sequence[object] = found["loc"]
    return {
        "field": ".".join(str(part)[:60] for part in where),
        "message": str(found["msg"]).removeprefix("Value error, ")[:200],
    }
