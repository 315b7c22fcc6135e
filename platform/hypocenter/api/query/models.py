"""Models learned from past incidents: which there are, how well they do, and which serves."""

from typing import Annotated, Any

from fastapi import Body, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from hypocenter.api.query.paging import Page, Paged, told
from hypocenter.api.query.problems import RESPONSES, response_of
from hypocenter.api.query.routing import ADMIN, READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import QuerySources, Sources
from hypocenter.api.refusals import AbsentError, ConflictError
from hypocenter.errors import InputError
from hypocenter.listing import Listed, Place, part_of
from hypocenter.model_life import PROMOTED, GateError, promote
from hypocenter.stores.documents import microseconds
from hypocenter.stores.records import ModelEvent, ModelVersion, Status

ModelName = Annotated[str, Path(max_length=300, description="`name` of a model.", examples=["shop"])]
Version = Annotated[int, Path(ge=1, le=2**31, description="`version` of it.", examples=[2])]


class Model(Shape):
    """One version of a model."""

    name: str = Field(description="What names the model.", examples=["shop"])
    version: int = Field(description="Which version of it this is, from 1.", examples=[2])
    kind: str = Field(description="What it learned from.", examples=["incidents"])
    status: Status = Field(description="Whether it serves, did, or waits.")
    created_at: Time = Field(description="When it was trained.")
    data_hash: str = Field(description="What it learned from, as a digest.", examples=["9f86d081884c7d65"])


class ModelWithCard(Model):
    """One version of a model, with all that is told of it."""

    card: dict[str, Any] = Field(
        description="The model card: what it was trained on, how well it did on incidents that it had not seen."
    )


class Promotion(BaseModel):
    """How a version is put to serve."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "fewer wrong causes"}]})

    force: bool = Field(False, description="Promote it though the gate did not let it through.")
    reason: str = Field("", max_length=2000, description="Why; needed with `force`.")


def routers() -> Routers:
    """Return the routers of models."""
    reading, admin = new_router("models"), new_router("models")
    reading.add_api_route("/models", list_models)
    reading.add_api_route("/models/{name}/versions/{version}", get_model)
    admin.add_api_route(
        "/models/{name}/versions/{version}/promote",
        promote_model,
        methods=["POST"],
        responses={**RESPONSES, 409: response_of("The gate does not let it through, or it serves already.")},
    )
    return {READ: reading, ADMIN: admin}


def list_models(sources: Sources, part: Paged) -> Page[Model]:
    """List the versions of all models, newest first."""
    rows = [Listed(_place(each), each) for each in sources.records.models.models()]
    return told(part_of(rows, part), part, Model.model_validate)


def get_model(sources: Sources, name: ModelName, version: Version) -> ModelWithCard:
    """Return one version of a model, with its card."""
    return ModelWithCard.model_validate(_found(sources, name, version))


def promote_model(
    sources: Sources,
    request: Request,
    name: ModelName,
    version: Version,
    how: Annotated[Promotion, Body(default_factory=Promotion)],
) -> ModelWithCard:
    """Put a version of a model to serve, if it did better than what serves, or by force with a reason."""
    _found(sources, name, version)
    identity = request.scope.get("identity")
    by = "" if identity is None else identity.name
    try:
        promote(sources.records.models, ModelEvent(name, version, PROMOTED, sources.now(), by, how.reason, how.force))
    except GateError as error:
        raise ConflictError(f"{error}; or send `force` with a `reason`") from error
    except InputError as error:
        raise ConflictError(str(error)) from error
    return ModelWithCard.model_validate(_found(sources, name, version))


def _place(model: ModelVersion) -> Place:
    return Place(microseconds(model.created_at), f"{model.name} {model.version:010}")


def _found(sources: QuerySources, name: str, version: int) -> ModelVersion:
    for each in sources.records.models.models():
        if (each.name, each.version) == (name, version):
            return each
    raise AbsentError(f"there is no model {name!r:.60} version {version}")
