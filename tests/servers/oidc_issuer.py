"""A real OpenID Connect issuer on loopback: it serves its discovery document and keys, and signs tokens with them."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from small_server import Quiet, served, url_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


class Issuer:
    """An issuer: `keys` by their ids are what it signs with and serves; `fetched` counts how often it was asked.

    It answers while `answers` is set.
    """

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.keys: dict[str, Any] = {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
        }
        self.says: dict[str, Any] = {}
        self.is_away = False
        self.answers = threading.Event()
        self.answers.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = url_of(self._server)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(served(self._server))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def token(self, key_id: str = "rsa", *, head: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a token with claims beside those that are usual; None leaves one of them out."""
        now = datetime.now(UTC)
        usual = {"iss": self.url, "aud": "hypocenter", "sub": "ann", "iat": now, "exp": now + timedelta(minutes=5)}
        given = {name: value for name, value in (usual | claims).items() if value is not None}
        algorithm = "RS256" if isinstance(self.keys[key_id], rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(given, self.keys[key_id], algorithm, {"kid": key_id, **(head or {})})

    def served(self, path: str) -> Mapping[str, Any]:
        """Return what is served at a path."""
        if path == "/keys":
            return {"keys": [self._served(key_id, key) for key_id, key in self.keys.items()]}
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.says}

    def _served(self, key_id: str, key: Any) -> dict[str, Any]:
        kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return {**json.loads(kind.to_jwk(key.public_key())), "kid": key_id, "use": "sig"}

    def _handler(self) -> type[Quiet]:
        issuer = self

        class Handler(Quiet):
            def asked(self, _body: bytes) -> None:
                issuer.fetched.append(self.path)
                issuer.answers.wait()
                body = json.dumps(issuer.served(self.path)).encode()
                self.reply(503 if issuer.is_away else 200, {}, body)

        return Handler
