"""The JSON of verdicts as the document tells of it: made from the types of the model, as `verdict_json` writes them."""

from dataclasses import dataclass, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, create_model
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import definitions_schema

from hypocenter.model import Suspect, Verdict
from hypocenter.verdict_fields import MEANINGS
from hypocenter.verdict_json import SCHEMA_VERSION, field_types

_TIME = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z$")]
_PORTIONS = ("probability", "unknown", "similarity", "coverage", "wanted_precision", "threshold", "level", "confidence")
_COUNTS = ("omitted", "calls_per_s")
_NEVER_NULL = ("level", "confidence")


@dataclass(frozen=True)
class WrittenOf:
    """Says in an annotation that JSON is what `verdict_json` writes of a type; nothing is read or checked for it."""

    kind: type

    def __get_pydantic_json_schema__(self, _: object, told: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return a reference to the shape, which becomes a part of the document."""
        # Given by itself, the shape would be written out in each place.
        return told(definitions_schema(shape_of(self.kind).__pydantic_core_schema__, []))


VerdictJson = Annotated[dict[str, Any], WrittenOf(Verdict)]
SuspectJson = Annotated[dict[str, Any], WrittenOf(Suspect)]


@cache
def shape_of(kind: type) -> type[BaseModel]:
    """Return the shape of what `verdict_json` writes of a type of the model: every field, and no other."""
    fields: dict[str, Any] = {name: _field(kind, name, each) for name, each in field_types(kind).items()}
    if kind is Verdict:
        version = (Literal[SCHEMA_VERSION], Field(description=f"Version of this format: {SCHEMA_VERSION}."))
        fields = {"schema_version": version, **fields}
    return create_model(
        "Verdict" if kind is Verdict else f"Verdict{kind.__name__}",
        __config__=ConfigDict(extra="forbid"),
        __doc__=(kind.__doc__ or "").partition("\n")[0],
        **fields,
    )


def verdict_schema() -> dict[str, Any]:
    """Return the published JSON Schema of verdicts, as docs/verdict.schema.json has it."""
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"urn:hypocenter:verdict:{SCHEMA_VERSION}"}
    return head | shape_of(Verdict).model_json_schema(schema_generator=_Untitled)


class _Untitled(GenerateJsonSchema):
    def field_title_should_be_set(self, _: object) -> bool:
        """Whether a field is named again by a title: never, its name says it."""
        return False


def _field(kind: type, name: str, held: Any) -> tuple[Any, Any]:
    return _written(name, held), Field(description=MEANINGS[kind][name])


def _written(name: str, kind: Any) -> Any:
    """Return the type of the JSON that is written of a field of a type."""
    if isinstance(kind, UnionType):
        (inner,) = (each for each in get_args(kind) if each is not NoneType)
        return _written(name, inner) | None
    if get_origin(kind) is tuple:
        return list[_written(name, get_args(kind)[0])]  # type: ignore[misc]
    if is_dataclass(kind):
        return shape_of(kind)  # type: ignore[arg-type]
    if kind in (int, float):
        return _number(name, kind)
    return _TIME if kind is datetime else kind


def _number(name: str, kind: type) -> Any:
    least, most = (0 if name in _PORTIONS + _COUNTS else None), (1 if name in _PORTIONS else None)
    limits = Field(ge=least, le=most)
    held: Any = Annotated[int, limits] if kind is int else Annotated[float, limits]
    # What is not finite is written as null.
    return held if kind is int or name in _NEVER_NULL else held | None
