"""Requests to a server of ours: tried again while it is busy, refusals as errors that say what the server said."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from hypocenter.errors import ClientError, InputError, SourceError
from hypocenter.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "/api/v1"
_BUSY = (429, 503)
_FIRST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one answer may take, how often a request is tried while the server is busy, and the longest pause."""

    timeout_s: float = 30.0
    attempts: int = 5
    longest_wait_s: float = 60.0


class Transport:
    """One server at `url`, asked with `token`; `sleep` waits some seconds between tries."""

    def __init__(
        self, url: str, token: str | None, patience: Patience, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.url, self._patience, self._sleep = _checked(url), patience, sleep
        # A redirect would take the token elsewhere; a proxy of the environment would see it.
        self.http = httpx.Client(
            base_url=self.url + PREFIX,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=patience.timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    def ask(self, method: str, path: str, **question: Any) -> httpx.Response:
        """Return the answer to a request; raises ClientError when it is turned down, SourceError for no answer."""
        for attempt in range(self._patience.attempts):
            answer = self._sent(method, path, question)
            if answer.status_code not in _BUSY or attempt + 1 == self._patience.attempts:
                break
            self._sleep(self._pause(attempt, answer.headers))
        if not answer.is_success:
            raise refusal(answer)
        return answer

    def json(self, method: str, path: str, **question: Any) -> Any:
        """Return the JSON value that is answered."""
        answer = self.ask(method, path, **question)
        try:
            return answer.json()
        except ValueError as error:
            raise SourceError(
                f"{self.url}: answers with something that is no JSON; is it a Hypocenter server?"
            ) from error

    def _sent(self, method: str, path: str, question: Mapping[str, Any]) -> httpx.Response:
        try:
            return self.http.request(method, path, **question)
        except httpx.HTTPError as error:
            raise SourceError(f"{self.url}: cannot be reached or broke off ({error})") from error

    def _pause(self, attempt: int, headers: Mapping[str, str]) -> float:
        wanted = retry_after(headers, self.url)
        return min(_FIRST_WAIT_S * 2**attempt if wanted is None else wanted, self._patience.longest_wait_s)


def refusal(answer: httpx.Response) -> ClientError:
    """Return what a server said to a request that it turned down (RFC 9457, or plain text)."""
    try:
        stated = answer.json()
        detail, errors = str(stated["detail"]), stated.get("errors") or ()
    except (ValueError, TypeError, KeyError, AttributeError):
        detail, errors = " ".join(answer.text.split())[:500], ()
    return ClientError(answer.status_code, detail, tuple(errors))


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise InputError(f"{url!r}: cannot be read as a URL; write https://host") from error
    if not good or "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError("the URL of a server begins with https:// or http://, names a host, and holds no user, ? or #")
    return url.rstrip("/")
