"""One well-mannered client of the Prometheus HTTP API: bounded, patient, and silent about secrets."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from hypocenter.errors import LimitError, SourceError
from hypocenter.readers.prometheus_access import access
from hypocenter.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from hypocenter.readers.prometheus_options import PrometheusOptions

# Above this a query string meets the line limits of proxies; a form is read by every server, but not through
# every read-only gateway, so it is the second choice.
_LONGEST_QUERY = 3000
_EXPORT = "export"
_BUSY = frozenset({429, 502, 503, 504})


class QueryTooLargeError(SourceError):
    """The server would have to load more for one question than it is allowed to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The `data` of a successful answer, and what the server warned of."""

    data: Any
    warnings: tuple[str, ...] = ()


class NoSuchQuestionError(SourceError):
    """The server does not know this part of the API."""


class PrometheusClient:
    """Asks one server; safe for `IN_FLIGHT` threads.

    Every question ends in an `Answer` or in a one-line SourceError, or LimitError for an answer that is too long.
    Answers of 429, 502, 503 and 504 are asked again after a growing, jittered pause or the server's `Retry-After`.
    """

    def __init__(
        self, url: str, options: PrometheusOptions, sleep: Callable[[float], None], jitter: Callable[[], float]
    ) -> None:
        self._access = access(url, options, {"Accept": "application/json"})
        self.place, self._http = self._access.place, self._access.http
        self._options, self._sleep, self._jitter = options, sleep, jitter

    def __enter__(self) -> PrometheusClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def query(self, expression: str, at: float) -> Answer:
        """Return the expression's value at one moment (Unix seconds)."""
        return self._ask("query", [("query", expression), ("time", f"{at:.3f}"), self._patience()])

    def query_range(self, expression: str, start: float, end: float, step: int) -> Answer:
        """Return the expression's values from `start` to `end` (Unix seconds), one each `step` seconds."""
        span = [("start", f"{start:.3f}"), ("end", f"{end:.3f}"), ("step", str(step))]
        return self._ask("query_range", [("query", expression), *span, self._patience()])

    def series(self, selectors: Sequence[str], start: float, end: float) -> Answer:
        """Return the labels of each series that a selector matches between `start` and `end` (Unix seconds)."""
        matches = [("match[]", selector) for selector in selectors]
        return self._ask("series", [*matches, ("start", f"{start:.3f}"), ("end", f"{end:.3f}")])

    def export(self, selectors: Sequence[str], start: float, end: float) -> bytes:
        """Return the raw samples of what matches between two times (Unix seconds), as VictoriaMetrics exports them.

        Raises NoSuchQuestionError where the server is another.
        """
        matches = [("match[]", selector) for selector in selectors]
        return self._asked(_EXPORT, [*matches, ("start", f"{start:.3f}"), ("end", f"{end:.3f}")]).content

    def label_names(self) -> list[str]:
        """Return the names of all labels that the server knows; raises SourceError."""
        found = self._ask("labels", []).data
        return [str(each) for each in found] if _is_list(found) else []

    def head(self) -> Answer:
        """Return what the server tells of its newest block: series, and the times of its samples.

        Raises NoSuchQuestionError where it tells nothing.
        """
        return self._ask("status/tsdb", [])

    def pause(self, attempt: int, asked_for: float | None = None) -> None:
        """Wait before another try: what the server asked for, else longer each time, spread by chance."""
        if asked_for is not None and asked_for > self._options.longest_wait_s:
            raise SourceError(f"{self.place}: the server asks to wait {asked_for:.0f} s; try again then")
        backoff = min(2.0**attempt, self._options.longest_wait_s)
        self._sleep(backoff * (0.5 + 0.5 * self._jitter()) if asked_for is None else asked_for + self._jitter())

    def _patience(self) -> tuple[str, str]:
        return ("timeout", f"{self._options.timeout_s:g}s")

    def _ask(self, endpoint: str, params: Sequence[tuple[str, str]]) -> Answer:
        return self._decoded(self._asked(endpoint, params))

    def _asked(self, endpoint: str, params: Sequence[tuple[str, str]]) -> httpx.Response:
        for attempt in range(max(self._options.attempts, 1)):
            response = self._send(endpoint, params)
            if response.status_code not in _BUSY:
                return self._answered(response)
            if attempt + 1 < self._options.attempts:
                self.pause(attempt, retry_after(response.headers, self.place))
        tries = max(self._options.attempts, 1)
        raise SourceError(f"{self.place}: turned the question down {tries} times ({self._reason(response)})")

    def _send(self, endpoint: str, params: Sequence[tuple[str, str]]) -> httpx.Response:
        url = f"{self.place}/api/v1/{endpoint}"
        short = sum(len(name) + len(value) for name, value in params) < _LONGEST_QUERY
        # To pack an export costs both sides more than the wire does.
        headers = {"Accept-Encoding": "identity"} if endpoint == _EXPORT else None
        request = (
            self._http.build_request("GET", url, params=list(params), headers=headers)
            if short
            else self._http.build_request("POST", url, data=_form(params), headers=headers)
        )
        try:
            return self._received(request)
        except httpx.TimeoutException as error:
            raise SourceError(self._impatience()) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OSError) as error:
            raise SourceError(
                f"{self.place}: cannot be reached or broke off ({self._access.tidy(str(error))})"
            ) from error

    def _received(self, request: httpx.Request) -> httpx.Response:
        """Return the whole answer, as long as it is neither too long nor, drop by drop, too slow."""
        deadline = time.monotonic() + self._options.timeout_s
        response = self._http.send(request, stream=True)
        body = bytearray()
        try:
            for block in response.iter_bytes():
                body += block
                if len(body) > self._options.max_response_bytes:
                    raise LimitError(
                        f"{self.place}: an answer is longer than the limit of {self._options.max_response_bytes:,} "
                        "bytes (max_response_bytes); narrow --match or shorten --lookback"
                    )
                if time.monotonic() > deadline:
                    raise SourceError(self._impatience())
        finally:
            response.close()
        headers = {name: value for name, value in response.headers.items() if name in ("retry-after", "date")}
        return httpx.Response(response.status_code, headers=headers, content=bytes(body))

    def _answered(self, response: httpx.Response) -> httpx.Response:
        status = response.status_code
        if 300 <= status < 400:
            raise SourceError(f"{self.place}: answers with a redirect ({status}), which is not followed; give its goal")
        if status in (401, 403):
            raise SourceError(f"{self.place}: refuses access ({status}); give a user name and password or a token")
        if status == 422:
            raise QueryTooLargeError(f"{self.place}: cannot answer the question ({self._reason(response)})")
        if status in (404, 405, 501):
            raise NoSuchQuestionError(f"{self.place}: refused the question ({self._reason(response)})")
        if not 200 <= status < 300:
            raise SourceError(f"{self.place}: refused the question ({self._reason(response)})")
        return response

    def _decoded(self, response: httpx.Response) -> Answer:
        body = _json_object(response.content)
        if body.get("status") == "error":
            raise SourceError(f"{self.place}: refused the question ({self._reason(response)})")
        if body.get("status") != "success" or "data" not in body:
            raise SourceError(f"{self.place}: does not speak the Prometheus API; give the URL in front of /api/v1")
        warnings = body.get("warnings")
        return Answer(
            body["data"], tuple(self._access.tidy(str(each)) for each in warnings or ()) if _is_list(warnings) else ()
        )

    def _reason(self, response: httpx.Response) -> str:
        message = _json_object(response.content).get("error")
        return f"{response.status_code}: {self._access.tidy(str(message))}" if message else str(response.status_code)

    def _impatience(self) -> str:
        return (
            f"{self.place}: no whole answer within {self._options.timeout_s:g} s; "
            "ask for less or raise HYPOCENTER_PROMETHEUS_TIMEOUT"
        )


def _json_object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _form(params: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in params:
        form.setdefault(name, []).append(value)
    return form
