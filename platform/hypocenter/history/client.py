"""One careful client of the servers that keep incidents: one host, bounded, patient, and silent about secrets."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.redaction import basic_credentials, credentials_to_hide, one_line
from hypocenter.retry_after import retry_after

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType
    from urllib.parse import SplitResult

_BUSY = frozenset({429, 500, 502, 503, 504})
_KEPT = ("retry-after", "date", "x-total-count")
# A longer number counts no incidents.
_COUNT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a server; the token never shows in `repr`, errors or logs.

    `username` makes the token the password of basic authentication. `attempts` counts the tries of one page,
    `longest_wait_s` is the longest pause between two; `answer_bytes` bounds one page.
    """

    token: str | None = field(default=None, repr=False)
    username: str | None = None
    ca_file: Path | None = None
    timeout_s: float = 30.0
    attempts: int = 5
    longest_wait_s: float = 120.0
    answer_bytes: int = 64_000_000


class Answer(NamedTuple):
    """The JSON value of an answer, and of how many incidents it is a part, where a header says so."""

    value: Any
    total: int | None


class Client:
    """Asks one server for pages; `scheme` is the word in front of the token, as each tool wants another.

    A page that is not given for now (429, 5xx) is asked for again after the server's `Retry-After`, or longer each
    time. Whatever goes wrong is one line of a SourceError. No redirect and no link of an answer is followed, so the
    token goes to no other host.
    """

    def __init__(
        self, url: str, default_path: str, scheme: str, access: Access, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        parts = checked_url(url, access.token is not None)
        self.place = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or default_path}"
        try:
            httpx.URL(self.place)
        except httpx.InvalidURL as error:
            raise InputError(f"the URL cannot be read ({error}); write https://host") from error
        self._access, self._sleep = access, sleep
        self._secrets = credentials_to_hide(access.username, access.token)
        self._http = httpx.Client(
            headers={"Accept": "application/json", **_authorization(scheme, access)},
            verify=_trust(access) if parts.scheme == "https" else False,
            timeout=access.timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, params: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """Return the page that `params` ask for."""
        return self._ask("GET", params=dict(params), headers=headers)

    def post(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """Return the page that a JSON `body` asks for."""
        return self._ask("POST", json=dict(body), headers=headers)

    def _ask(self, method: str, **question: Any) -> Answer:
        request = self._request(method, question)
        for attempt in range(self._access.attempts):
            response = self._sent(request)
            if response.status_code not in _BUSY:
                return self._answer(response)
            if attempt + 1 < self._access.attempts:
                self._pause(attempt, response.headers)
        raise SourceError(f"{self.place}: no answer in {self._access.attempts} tries ({response.status_code})")

    def _request(self, method: str, question: Mapping[str, Any]) -> httpx.Request:
        try:
            return self._http.build_request(method, self.place, **question)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise SourceError(f"{self.place}: the next page cannot be asked for ({self._tidy(str(error))})") from error

    def _sent(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._received(request)
        except httpx.TimeoutException as error:
            raise SourceError(self._impatience()) from error
        except (httpx.HTTPError, OSError) as error:
            raise SourceError(f"{self.place}: cannot be reached or broke off ({self._tidy(str(error))})") from error

    def _received(self, request: httpx.Request) -> httpx.Response:
        """Return the whole answer, as long as it is neither too long nor, drop by drop, too slow."""
        deadline, body = time.monotonic() + self._access.timeout_s, bytearray()
        response = self._http.send(request, stream=True)
        try:
            for block in response.iter_bytes():
                body += block
                if len(body) > self._access.answer_bytes:
                    raise LimitError(f"{self.place}: a page is longer than {self._access.answer_bytes:,} bytes")
                if time.monotonic() > deadline:
                    raise SourceError(self._impatience())
        finally:
            response.close()
        kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
        return httpx.Response(response.status_code, headers=kept, content=bytes(body))

    def _answer(self, response: httpx.Response) -> Answer:
        status = response.status_code
        if 300 <= status < 400:
            raise SourceError(f"{self.place}: answers with a redirect ({status}), which is not followed; give its goal")
        if status in (401, 403):
            raise SourceError(f"{self.place}: refuses access ({status}); see --token-file and --username")
        if not 200 <= status < 300:
            raise SourceError(f"{self.place}: refused the question ({status}: {self._tidy(response.text)})")
        try:
            value = json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{self.place}: answers with something that is no JSON; give the URL of its API"
            ) from error
        total = response.headers.get("x-total-count", "")
        return Answer(value, int(total) if total.isdecimal() and len(total) <= _COUNT_DIGITS else None)

    def _pause(self, attempt: int, headers: httpx.Headers) -> None:
        asked_for = retry_after(headers, self.place)
        if asked_for is not None and asked_for > self._access.longest_wait_s:
            raise SourceError(f"{self.place}: the server asks to wait {asked_for:.0f} s; try again then")
        self._sleep(min(2.0**attempt, self._access.longest_wait_s) if asked_for is None else asked_for)

    def _impatience(self) -> str:
        return (
            f"{self.place}: no whole answer within {self._access.timeout_s:g} s; try again or raise "
            "HYPOCENTER_HISTORY_TIMEOUT"
        )

    def _tidy(self, text: str) -> str:
        return one_line(text, self._secrets)


def checked_url(url: str, has_token: bool) -> SplitResult:
    """Return the parts of a server's URL; raises InputError for one that should not be asked, or not with a token."""
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise InputError("the URL cannot be read; write https://host") from error
    if parts.scheme not in ("http", "https") or not valid:
        raise InputError("the URL must begin with https:// and name a host")
    if "@" in parts.netloc:
        raise InputError("the URL must hold no user or password; see --username and --token-file")
    if parts.query or parts.fragment:
        raise InputError("the URL must not hold ? or #; say with --query, --since and --until what to ask for")
    if has_token and parts.scheme == "http" and not _is_here(parts.hostname or ""):
        raise InputError("a token goes over https:// alone, or to this machine")
    return parts


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _authorization(scheme: str, access: Access) -> dict[str, str]:
    token = access.token
    if token is None:
        return {}
    if not token or not all("!" <= character <= "~" for character in token):
        raise InputError("the token must be printable ASCII without spaces or line breaks")
    if access.username:
        return {"Authorization": f"Basic {basic_credentials(access.username, token)}"}
    return {"Authorization": f"{scheme}{token}"}


def _trust(access: Access) -> ssl.SSLContext:
    import ssl

    try:
        return ssl.create_default_context(cafile=str(access.ca_file) if access.ca_file else None)
    except OSError as error:
        raise InputError(f"--ca-file {access.ca_file}: cannot be used ({error.strerror or error})") from error
