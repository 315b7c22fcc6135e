"""Who asks, as the server knows them."""

from fastapi import Request
from pydantic import Field

from hypocenter.access import Identity, Scope, allowed_by
from hypocenter.api.query.routing import KNOWN, Routers, new_router
from hypocenter.api.query.shapes import Shape
from hypocenter.errors import SourceError


class Whoami(Shape):
    """The identity of a request."""

    name: str = Field(description="How the token is named, or the user.", examples=["grafana"])
    scopes: list[Scope] = Field(description="All that may be done, with what each scope contains.")
    tenant: str = Field(description="Whose data is seen.", examples=["default"])
    how: str = Field(description="How it was proven: `token`, `oidc`, `proxy`; `open`: nobody is asked.")


def routers() -> Routers:
    """Return the router of who asks, which whoever is known may."""
    known = new_router("access")
    known.add_api_route("/whoami", get_whoami)
    return {KNOWN: known}


def get_whoami(request: Request) -> Whoami:
    """Return who asks, and what they may do."""
    identity = identity_of_request(request)
    allowed = allowed_by(identity.scopes)
    scopes = [each for each in Scope if each in allowed]
    return Whoami(name=identity.name, scopes=scopes, tenant=identity.tenant, how=identity.how)


def identity_of_request(request: Request) -> Identity:
    """Return who asks; raises SourceError where nothing found that out before."""
    identity = request.scope.get("identity")
    if not isinstance(identity, Identity):
        raise SourceError("nothing before this application finds out who asks")
    return identity
