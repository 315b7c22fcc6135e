"""Tokens of a tenant: made, listed and revoked by its admins."""

from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from hypocenter.access import Scope
from hypocenter.api.query.routing import ADMIN, PREFIX, Routers, new_router
from hypocenter.api.query.shapes import Matching, Shape, Time
from hypocenter.api.query.sources import QuerySources, Sources
from hypocenter.api.tokens import NAME, NAMED, Grant, TenantTokens
from hypocenter.errors import SourceError

TokenName = Annotated[str, Path(max_length=64, description="`name` of a token.", examples=["grafana"])]


class NewToken(BaseModel):
    """A token that is wanted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "grafana", "scopes": ["read"]}]})

    name: Annotated[str, Matching(NAME, NAMED)] = Field(description=f"What names it: {NAMED}.")
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), description="What it may do.")


class TokenTold(Shape):
    """A token that is accepted; its text is not kept."""

    name: str = Field(description="What names it.", examples=["grafana"])
    scopes: list[Scope] = Field(description="What it may do.")
    created_at: Time = Field(description="When it was made.")


class TokenList(BaseModel):
    """The tokens of a tenant."""

    items: list[TokenTold] = Field(description="All of them, in the order in which they were made.")


class MadeToken(TokenTold):
    """A token that was made, with its text."""

    token: str = Field(description="Its text, which is told this once.", examples=["hyp_..."])


def routers() -> Routers:
    """Return the router of tokens."""
    admin = new_router("access")
    admin.add_api_route("/tokens", list_tokens)
    admin.add_api_route("/tokens", make_token, methods=["POST"], status_code=201)
    admin.add_api_route("/tokens/{name}", revoke_token, methods=["DELETE"], status_code=204)
    return {ADMIN: admin}


def list_tokens(sources: Sources) -> TokenList:
    """List the tokens that are accepted."""
    return TokenList(items=[TokenTold.model_validate(each) for each in _tokens(sources).tokens()])


def make_token(sources: Sources, request: Request, response: Response, wanted: NewToken) -> MadeToken:
    """Make a token. Its text is told in this answer and never again."""
    grant = Grant.of(wanted.scopes)
    request.scope["audited"] = f"{wanted.name}: {','.join(grant.scopes)}"
    now = sources.now()
    text = _tokens(sources).create(wanted.name, now, grant.scopes)
    response.headers["Location"] = f"{PREFIX}/tokens/{wanted.name}"
    return MadeToken(name=wanted.name, scopes=list(grant.scopes), created_at=now, token=text)


def revoke_token(sources: Sources, name: TokenName) -> None:
    """Forget a token, so that it is accepted no more."""
    _tokens(sources).revoke(name)


def _tokens(sources: QuerySources) -> TenantTokens:
    if sources.tokens is None:
        raise SourceError("no tokens are kept here")
    return sources.tokens
