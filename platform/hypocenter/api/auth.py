"""Who asks, and whether they may: tokens, tokens of an issuer, or what a trusted proxy says."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hypocenter.access import Identity, Scope
from hypocenter.api.needs import Open
from hypocenter.api.problems import problem
from hypocenter.api.rate_limits import address_of, too_many
from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as HttpScope

    from hypocenter.api.needs import Need, Needs
    from hypocenter.api.rate_limits import Buckets

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="hypocenter", Basic realm="hypocenter", charset="UTF-8"'}

_MAKE = "hypocenter token create NAME --scope {0} --data-dir DIR"
_NONE = f"a valid token is needed, as `Authorization: Bearer TOKEN`; make one with: {_MAKE}"
_UNKNOWN = f"a valid token is needed, and the one sent is not known here; make one with: {_MAKE}"
_OTHER = f"a token of scope {{0}} is needed, and the one sent has another; make one with: {_MAKE}"
_TENANT = "the tenant of this identity is not served here; see the setting HYPOCENTER_TENANTS"
_HOST = f"the Host header names neither loopback nor what --listen does; make a token, with: {_MAKE}; or use --open"
_PAGE = f"requests of web pages need a token; make one with: {_MAKE}"
_FOREIGN_PAGE = "a web page of another place may not change anything here"
_SAFE = ("GET", "HEAD", "OPTIONS")


class Prover(Protocol):
    """One way to prove who asks. Calls may take time, and are made in threads."""

    def asks(self) -> bool:
        """Whether whoever comes must prove who they are; raises InputError when that cannot be told."""

    def identity(self, scope: HttpScope) -> Identity | None:
        """Return who asks by the head of a request, None where this way tells nothing; raises SourceError."""


@dataclass(frozen=True)
class Entrance:
    """How it is found out who comes, which needs no open store.

    `provers` are asked in turn, and the first that knows somebody is believed. Where none of them asks, whoever comes
    is `anyone`, so long as `is_ours` knows the `Host` header.
    """

    provers: Sequence[Prover]
    anyone: Identity
    is_ours: Callable[[str], bool] = lambda _: True

    def asks(self) -> bool:
        """Whether whoever comes must prove who they are; raises SourceError when that cannot be told."""
        try:
            return any(prover.asks() for prover in self.provers)
        except InputError as error:
            # Whoever is right to send must try again, not give up.
            raise SourceError("the tokens cannot be read; see the server's log") from error

    def identity(self, scope: HttpScope) -> Identity | None:
        """Return who asks, None where nothing proves it."""
        return next(filter(None, (prover.identity(scope) for prover in self.provers)), None)


@dataclass(frozen=True)
class Door:
    """Who is let in: whoever the entrance knows, to what they need, where their tenant is served.

    Addresses from which nothing comes that is known have a bucket each of `strangers`. `denied` is told of refusals.
    """

    entrance: Entrance
    needs: Needs
    tenants: Collection[str]
    strangers: Buckets
    denied: Callable[[HttpScope, int], Awaitable[None]] | None = None


class Authentication:
    """ASGI middleware that lets a request through when it proves to be of somebody who may, or where nobody is asked.

    Where nobody is asked, requests that a web page caused are turned down: any page open in a browser on this machine
    could send them. So are those to a host that is not ours: a page can have its own name lead here (DNS rebinding),
    and then read what is answered. The Identity is left in `scope["identity"]`.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Answer 401, 403 or 421, or pass the request on."""
        refused = await self._refused(scope) if scope["type"] == "http" else None
        if refused is not None and self._door.denied is not None:
            await self._door.denied(scope, refused.status_code)
        await (refused or self._app)(scope, receive, send)

    async def _refused(self, scope: HttpScope) -> Response | None:
        need = scope["need"] = self._door.needs.of(scope)
        if need is Open.EVERYBODY:
            return None
        entrance = self._door.entrance
        if not entrance.asks():
            scope["identity"] = entrance.anyone
            return _from_a_page(scope) or self._to_another(scope)
        identity = await asyncio.to_thread(entrance.identity, scope)
        if identity is not None:
            scope["identity"] = identity
        return self._not_known(scope, need) if identity is None else self._not_allowed(scope, identity, need)

    def _not_known(self, scope: HttpScope, need: Need) -> Response:
        buckets = self._door.strangers
        if buckets.take(address_of(scope)) < 0:
            return too_many(buckets.rate)
        said = _UNKNOWN if _headers(scope, b"authorization") else _NONE
        return problem(401, said.format(_asked(need)), _CHALLENGE)

    def _not_allowed(self, scope: HttpScope, identity: Identity, need: Need) -> Response | None:
        if identity.tenant not in self._door.tenants:
            return problem(403, _TENANT)
        if isinstance(need, Scope) and not identity.may(need):
            return problem(403, _OTHER.format(need))
        return problem(403, _FOREIGN_PAGE) if identity.how == "proxy" and _is_forged(scope) else None

    def _to_another(self, scope: HttpScope) -> Response | None:
        hosts = [value.decode("latin-1") for value in _headers(scope, b"host")]
        return None if all(map(self._door.entrance.is_ours, hosts)) else problem(421, _HOST.format(Scope.INGEST))


def _asked(need: Need) -> str:
    return need if isinstance(need, Scope) else Scope.INGEST


def _from_a_page(scope: HttpScope) -> Response | None:
    """Return the answer to a request of a web page: browsers name its origin with whatever it sends (RFC 6454)."""
    return problem(403, _PAGE.format(Scope.INGEST)) if _headers(scope, b"origin") else None


def _is_forged(scope: HttpScope) -> bool:
    """Whether a page of another place had a browser send this, with what the browser proves itself to the proxy by."""
    places = [origin.partition(b"://")[2] for origin in _headers(scope, b"origin")]
    return scope["method"] not in _SAFE and any(place not in _headers(scope, b"host") for place in places)


def _headers(scope: HttpScope, name: bytes) -> list[bytes]:
    return [value for each, value in scope["headers"] if each == name]


def one_header(scope: HttpScope, name: bytes) -> bytes:
    """Return the value of a header, b"" where there is none or more than one: of two nobody knows which is meant."""
    found = _headers(scope, name)
    return found[0] if len(found) == 1 else b""


def shown_token(authorization: bytes) -> bytes:
    """Return the token that an `Authorization` header shows, b"" when it shows none.

    That is a bearer token (RFC 6750), or the same as the password of basic authentication (RFC 7617).

    >>> shown_token(b"Bearer abc"), shown_token(b"basic dTphYmM="), shown_token(b"Digest x")
    (b'abc', b'abc', b'')
    """
    scheme, _, rest = authorization.strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip()
    return _password(rest) if scheme.lower() == b"basic" else b""


def _password(encoded: bytes) -> bytes:
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
