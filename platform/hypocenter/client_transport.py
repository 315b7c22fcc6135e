"""Requests to a server of ours: tried again while it is busy, refusals as errors that say what the server said."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from hypocenter.errors import ClientError, InputError, SourceError
from hypocenter.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PREFIX = "/api/v1"
_BUSY = (429, 503)
_FIRST_WAIT_S = 0.5
_EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one answer may take, how often a request is tried while the server is busy, and the longest pause."""

    timeout_s: float = 30.0
    attempts: int = 5
    longest_wait_s: float = 60.0


class Transport:
    """One server at `url`, asked with `token`; `sleep` waits some seconds between tries, `clock` tells them."""

    def __init__(
        self,
        url: str,
        token: str | None,
        patience: Patience,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url, self._patience, self.sleep, self.clock = _checked(url), patience, sleep, clock
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
            self.sleep(self._pause(attempt, answer.headers))
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

    def patient_json(self, path: str) -> Any:
        """Return the JSON value of a path, tried as often where the server cannot be reached as where it is busy."""
        for attempt in range(self._patience.attempts - 1):
            try:
                return self.json("GET", path)
            except SourceError:
                self.sleep(self._pause(attempt, {}))
        return self.json("GET", path)

    @contextmanager
    def lines(self, path: str, headers: Mapping[str, str], until: float) -> Iterator[Iterator[str]]:
        """Give the lines of a stream of events as they come, up to a time of the clock when nobody waits for more.

        Raises ClientError when the request is turned down, and SourceError for another answer, or one that breaks off.
        """
        left_s = min(self._patience.timeout_s, max(until - self.clock(), 0.0))
        try:
            with self.http.stream("GET", path, headers=headers, timeout=left_s) as answer:
                if not answer.is_success:
                    answer.read()
                    raise refusal(answer)
                if not answer.headers.get("Content-Type", _EVENTS).startswith(_EVENTS):
                    raise SourceError(f"{self.url}: answers with something that is no stream of events")
                yield self._in_time(answer.iter_lines(), until - left_s)
        except httpx.HTTPError as error:
            raise self._unreached(error) from error

    def _in_time(self, lines: Iterator[str], last: float) -> Iterator[str]:
        """Yield lines up to the end of an event after which the next might come too late."""
        for line in lines:
            yield line
            if not line and self.clock() > last:
                return

    def _sent(self, method: str, path: str, question: Mapping[str, Any]) -> httpx.Response:
        try:
            return self.http.request(method, path, **question)
        except httpx.HTTPError as error:
            raise self._unreached(error) from error

    def _unreached(self, error: httpx.HTTPError) -> SourceError:
        return SourceError(f"{self.url}: cannot be reached or broke off ({error})")

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
