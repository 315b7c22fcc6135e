"""Who may send: bearer tokens (RFC 6750), or the same token as the password of basic authentication (RFC 7617)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from hypocenter.api.tokens import SENDING
from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hypocenter.api.tokens import Verifier

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="hypocenter", Basic realm="hypocenter", charset="UTF-8"'}

_MAKE = "hypocenter token create NAME --scope {0} --data-dir DIR"
_NONE = f"a valid token is needed, as `Authorization: Bearer TOKEN`; make one with: {_MAKE}\n"
_UNKNOWN = f"a valid token is needed, and the one sent is not known here; make one with: {_MAKE}\n"
_OTHER = f"a token of scope {{0}} is needed, and the one sent is of the other; make one with: {_MAKE}\n"
_HOST = f"the Host header names neither loopback nor what --listen does; make a token, with: {_MAKE}; or use --open\n"
_PAGE = f"requests of web pages need a token; make one with: {_MAKE}\n"


class Authentication:
    """ASGI middleware that lets a request through when it shows a token, or where none was ever made.

    Where none was made, requests that a web page caused are turned down: any page open in a browser on this machine
    could send them. So are those to a host that `is_ours` does not know: a page can have its own name lead here (DNS
    rebinding), and then read what is answered. `open_paths` are answered to everybody, `scopes` says which scope a path
    needs where one does. The name of the token is left in `scope["client_name"]`.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        open_paths: Collection[str] = (),
        scopes: Mapping[str, str] | None = None,
        is_ours: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._app, self._verifier, self._open_paths, self._scopes = app, verifier, open_paths, scopes or {}
        self._is_ours = is_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, 403 or 421, or pass the request on."""
        refused = self._refused(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        if scope["path"] in self._open_paths:
            return None
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if not self._asks():
            return _from_a_page(scope) or self._to_another(scope)
        token = self._verifier.token(shown_token(given[0])) if len(given) == 1 else None
        scope["client_name"] = token and token.name
        if token is None:
            said = (_UNKNOWN if given else _NONE).format(self._scopes.get(scope["path"], SENDING))
            return PlainTextResponse(said, 401, _CHALLENGE)
        needed = self._scopes.get(scope["path"], token.scope)
        return None if needed == token.scope else PlainTextResponse(_OTHER.format(needed), 403)

    def _to_another(self, scope: Scope) -> Response | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return None if all(map(self._is_ours, hosts)) else PlainTextResponse(_HOST.format(SENDING), 421)

    def _asks(self) -> bool:
        try:
            return self._verifier.asks()
        except InputError as error:
            # Whoever is right to send must try again, not give up.
            raise SourceError("the tokens cannot be read; see the server's log") from error


def _from_a_page(scope: Scope) -> Response | None:
    """Return the answer to a request of a web page: browsers name its origin with whatever it sends (RFC 6454)."""
    if any(name == b"origin" for name, _ in scope["headers"]):
        return PlainTextResponse(_PAGE.format(SENDING), 403)
    return None


def shown_token(authorization: bytes) -> bytes:
    """Return the token that an `Authorization` header shows, b"" when it shows none.

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
