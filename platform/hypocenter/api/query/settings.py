"""Settings that may change while everything runs."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from hypocenter.api.query.etags import etag_of, is_etag
from hypocenter.api.query.problems import RESPONSES, response_of
from hypocenter.api.query.routing import ADMIN, READ, Routers, new_router
from hypocenter.api.query.sources import Sources
from hypocenter.api.refusals import ChangedError
from hypocenter.settings import help_of
from hypocenter.stores.runtime_settings import CHANGEABLE, checked, setting

IfMatch = Annotated[
    str | None, Header(description="Change them only while their `ETag` is this one.", max_length=400, examples=['"a"'])
]


def _number(name: str) -> Any:
    within = CHANGEABLE[name]
    return Field(None, gt=within.above, le=within.most, description=help_of(name), allow_inf_nan=False)


class Changes(BaseModel):
    """Settings to change; those that are left out stay, and null has one be as the environment says again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"precision": 0.9}]})

    audit_retention_days: float | None = _number("audit_retention_days")
    precision: float | None = _number("precision")
    records_days: float | None = _number("records_days")
    retention_days: float | None = _number("retention_days")


class SettingTold(BaseModel):
    """One setting as it is now."""

    value: float = Field(description="What it is now.", examples=[0.9])
    default: float = Field(description="What it is where it is not changed here.", examples=[0.8])
    changed: bool = Field(description="Whether it was changed here.")
    help: str = Field(description="What it does.")


class Settings(BaseModel):
    """The settings that may be changed here, by name; the others are those of the environment."""

    settings: dict[str, SettingTold] = Field(description="Each by its name.")


def routers() -> Routers:
    """Return the routers of settings."""
    reading, admin = new_router("settings"), new_router("settings")
    reading.add_api_route("/settings", get_settings, response_model=Settings)
    admin.add_api_route(
        "/settings",
        change_settings,
        methods=["PATCH"],
        response_model=Settings,
        responses={**RESPONSES, 412: response_of("They were changed since; read them anew.")},
    )
    return {READ: reading, ADMIN: admin}


def get_settings(sources: Sources) -> Response:
    """Return the settings that may be changed while everything runs; none of them is a secret."""
    return _told(sources.records.settings.changed())


def change_settings(sources: Sources, request: Request, wanted: Changes, if_match: IfMatch = None) -> Response:
    """Change settings, all that are named or none; whoever uses them does so from then on."""
    before = sources.records.settings.changed()
    if if_match is not None and not is_etag(if_match, etag_of(bytes(_told(before).body))):
        raise ChangedError("the settings were changed since; read them anew")
    named = wanted.model_dump(exclude_unset=True)
    request.scope["audited"] = " ".join(f"{name}={value}" for name, value in sorted(named.items()))
    after = _after(before, named)
    if not sources.records.settings.change(before, after):
        raise ChangedError("somebody else changed the settings in this moment; read them anew")
    answer = _told(after)
    answer.headers["ETag"] = etag_of(bytes(answer.body))
    return answer


def _after(before: Mapping[str, str], named: Mapping[str, float | None]) -> Mapping[str, str]:
    kept = {name: text for name, text in before.items() if name not in named}
    return kept | {name: checked(name, str(value)) for name, value in named.items() if value is not None}


def _told(changed: Mapping[str, str]) -> Response:
    told = {
        name: SettingTold(
            value=setting(changed, name), default=setting({}, name), changed=name in changed, help=help_of(name)
        )
        for name in CHANGEABLE
    }
    return JSONResponse(Settings(settings=told).model_dump(mode="json"))
