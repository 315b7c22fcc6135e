"""The keys of an OpenID Connect issuer: found by its discovery document, kept, and fetched anew when they change."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx
    from jwt import PyJWK

DISCOVERY = "/.well-known/openid-configuration"
TIMEOUT_S = 5.0
MOST_BYTES = 1 << 20
# An hour is how long a key that was revoked is believed at most; for an unknown one it is asked twice a minute at most.
OLD_S, SOON_S = 3600.0, 30.0
ALGORITHMS = ("RS256", "ES256")
logger = logging.getLogger(__name__)


class IssuerKeys:
    """The public keys of `issuer` by their ids. Safe to share between threads, of which one fetches at a time.

    Nothing is fetched until a key is asked for. `clock` tells seconds and never goes back.
    """

    def __init__(self, issuer: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer, self._clock = checked_url(issuer), clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, PyJWK] = {}
        self._tried_at = self._fetched_at = float("-inf")

    def key(self, key_id: str) -> PyJWK | None:
        """Return a key, None where the issuer has none of that id.

        Raises SourceError while no keys are there because the issuer does not answer as it should, and where another
        thread asks it just now for keys that might have that id.
        """
        now = self._clock()
        is_due = key_id not in self._keys or now - self._fetched_at > OLD_S
        if is_due and now - self._tried_at > SOON_S:
            self._fetch_alone(now)
        elif key_id not in self._keys and self._lock.locked():
            raise SourceError("the issuer's keys are being fetched")
        if now - self._fetched_at > 2 * OLD_S:
            raise SourceError("the issuer's keys cannot be fetched; see the server's log")
        return self._keys.get(key_id)

    def _fetch_alone(self, now: float) -> None:
        # Nobody waits for another's fetching: with a slow issuer strangers would hold all threads in which is found
        # out who asks.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if now - self._tried_at > SOON_S:
                self._tried_at = now
                self._fetch(now)
        finally:
            self._lock.release()

    def _fetch(self, now: float) -> None:
        try:
            self._keys = _fetched(self.issuer)
            self._fetched_at = now
        except SourceError as error:
            # Those that are there are believed for a while.
            logger.warning("keys were not fetched", extra={"fields": {"why": str(error)}})


def checked_url(url: str) -> str:
    """Return a URL that keys may be fetched from; raises InputError for another: keys that others change prove nothing.

    >>> checked_url("https://login.example/realms/shop")
    'https://login.example/realms/shop'
    """
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"HYPOCENTER_OIDC_ISSUER: {url!r:.80} is no URL") from error
    is_safe = parsed.scheme == "https" or (parsed.scheme == "http" and parsed.host in ("localhost", "127.0.0.1", "::1"))
    if not is_safe or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise InputError(f"HYPOCENTER_OIDC_ISSUER: {url!r:.80}: write https://HOST/PATH, without user, query or #")
    return url


def _fetched(issuer: str) -> dict[str, PyJWK]:
    import httpx

    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
        found = _json(client, issuer.rstrip("/") + DISCOVERY)
        if found.get("issuer") != issuer:
            raise SourceError(f"{issuer}: its discovery document speaks of another issuer")
        try:
            place = checked_url(str(found.get("jwks_uri", "")))
        except InputError as error:
            raise SourceError(f"{issuer}: its discovery document names no safe place of keys") from error
        if issuer.startswith("https:") and not place.startswith("https:"):
            raise SourceError(f"{issuer}: its discovery document names a place of keys without https")
        return _keys_of(_json(client, place))


def _json(client: httpx.Client, url: str) -> dict[str, Any]:
    import httpx

    try:
        with client.stream("GET", url) as answer:
            body = _read(answer)
        value = json.loads(body) if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        raise SourceError(f"{url}: cannot be read ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise SourceError(f"{url}: answered {answer.status_code} and no JSON object")
    return value


def _read(answer: httpx.Response) -> bytes:
    body = b""
    for piece in answer.iter_bytes(1 << 16):
        body += piece
        if len(body) > MOST_BYTES:
            raise ValueError("too long")
    return body


def _keys_of(found: Mapping[str, Any]) -> dict[str, PyJWK]:
    """Return the signing keys of a key set that are of an algorithm that is taken; others are passed over."""
    listed = found.get("keys")
    keys = [_key(each) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return {key.key_id: key for key in keys if key is not None and key.key_id}


def _key(entry: dict[str, Any]) -> PyJWK | None:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        key = PyJWK.from_dict(entry)
    except (PyJWTError, TypeError, ValueError):
        return None
    is_for_signing = entry.get("use", "sig") == "sig"
    return key if is_for_signing and key.algorithm_name in ALGORITHMS else None
