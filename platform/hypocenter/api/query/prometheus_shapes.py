"""What the document says of the Prometheus-compatible endpoints: their parameters, answers and errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from hypocenter.api.query.bodies import FORM
from hypocenter.api.query.problems import RESPONSES
from hypocenter.api.query.prometheus_expressions import LONGEST

MOST_MATCH = 20
_SCORE = 'hypocenter_anomaly_score{component="cart"}'
_NOON = 1772366400.0
_LABELS = {"__name__": "hypocenter_anomaly_score", "component": "cart", "metric": "latency_p99"}
_SAMPLE = "A time in seconds since 1970, and a number as text: `2`, `0.1`, `NaN`, `+Inf`."


def _text(description: str, example: str, **more: int) -> dict[str, Any]:
    return {"type": "string", "description": description, "examples": [example], **more}


def _texts(description: str, example: str, **more: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description, "examples": [[example]], **more}


_ONE = "One selector, or arithmetic of numbers; functions, aggregations, ranges and offsets are refused."
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "query": _text(_ONE, _SCORE, minLength=1, maxLength=LONGEST),
    "time": _text("At what time: seconds since 1970, or RFC 3339; now where it is left out.", "1772366400"),
    "start": _text("From when: seconds since 1970, or RFC 3339.", "1772362800"),
    "end": _text("Until when: seconds since 1970, or RFC 3339.", "1772366400"),
    "step": _text("How far apart the times are: seconds, or a duration.", "60s"),
    "match[]": _texts("Selectors; what any of them matches counts.", _SCORE, maxItems=MOST_MATCH),
    "metric": _text("Only this metric.", "hypocenter_anomaly_score"),
}


class Failed(BaseModel):
    """Why an expression or a selector was not answered, as Prometheus says it."""

    status: Literal["error"] = Field(description="`error`.")
    errorType: Literal["bad_data", "unavailable", "internal"] = Field(  # noqa: N815 (as Prometheus spells it)
        description="`bad_data` for what is wrong with the question, `unavailable` for what may be asked again later."
    )
    error: str = Field(description="What is wrong.", examples=["query: is missing"])


class _Answer(BaseModel):
    status: Literal["success"] = Field(description="`success`.")


class _Point(BaseModel):
    metric: dict[str, str] = Field(description="The labels of the series.", examples=[_LABELS])
    value: tuple[float, str] = Field(description=_SAMPLE, examples=[[_NOON, "3.2"]])


class _Line(BaseModel):
    metric: dict[str, str] = Field(description="The labels of the series.", examples=[_LABELS])
    values: list[tuple[float, str]] = Field(
        description=f"Each: {_SAMPLE}", examples=[[[_NOON, "3.2"], [_NOON + 60, "0.1"]]]
    )


class PrometheusVector(BaseModel):
    """Series at one time."""

    resultType: Literal["vector"] = Field(description="`vector`.")  # noqa: N815
    result: list[_Point] = Field(description="Each series that has a value then.")


class PrometheusScalar(BaseModel):
    """A number."""

    resultType: Literal["scalar"] = Field(description="`scalar`.")  # noqa: N815
    result: tuple[float, str] = Field(description=_SAMPLE, examples=[[_NOON, "2"]])


class PrometheusMatrix(BaseModel):
    """Series over a time."""

    resultType: Literal["matrix"] = Field(description="`matrix`.")  # noqa: N815
    result: list[_Line] = Field(description="Each series that has values.")


class PrometheusHelp(BaseModel):
    """What a metric is."""

    type: str = Field(description="Its type.", examples=["gauge"])
    help: str = Field(description="What it says.")
    unit: str = Field(description="Empty: the label `unit` says it.", examples=[""])


class PrometheusQuery(_Answer):
    """An expression at one time."""

    data: PrometheusVector | PrometheusScalar = Field(description="What it came to.")


class PrometheusRange(_Answer):
    """An expression over a time."""

    data: PrometheusMatrix = Field(description="What it came to.")


class PrometheusSeries(_Answer):
    """Which series there are."""

    data: list[dict[str, str]] = Field(description="The labels of each series.", examples=[[_LABELS]])


class PrometheusNames(_Answer):
    """Names or values of labels."""

    data: list[str] = Field(description="Each once, in their order.", examples=[["cart", "web"]])


class PrometheusMetadata(_Answer):
    """What each metric is."""

    data: dict[str, list[PrometheusHelp]] = Field(description="Each metric by its name.")


class PrometheusBuild(_Answer):
    """What answers."""

    data: dict[str, str] = Field(description="`version` is that of Hypocenter.", examples=[{"version": "0.1.0"}])


def _either(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the document tells of a refusal, which is a problem where the endpoint was not reached."""
    kinds = {**problem["content"], "application/json": {"schema": {"$ref": "#/components/schemas/Failed"}}}
    return {"description": problem["description"], "content": kinds}


REFUSALS: dict[int | str, dict[str, Any]] = RESPONSES | {status: _either(RESPONSES[status]) for status in (400, 503)}


def in_query(names: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    """Return what the document says of parameters in the query of a path."""
    return {"parameters": [_parameter(name, PARAMETERS[name], needed=name in needed) for name in names]}


def in_form(names: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    """Return what the document says of the same parameters in a form, which has room for long ones."""
    schema = {"type": "object", "properties": {name: PARAMETERS[name] for name in names}, "required": list(needed)}
    return {"requestBody": {"required": bool(needed), "content": {FORM: {"schema": schema}}}}


def _parameter(name: str, schema: Mapping[str, Any], *, needed: bool) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": needed, "description": schema["description"], "schema": schema}
