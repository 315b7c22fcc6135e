"""One request of remote write brought to its receiver, again and again where the specification says so.

Source: the Prometheus remote-write specification 1.0, "Retries & Backoff": 5xx must be sent again, 429 may be, no
other 4xx.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

_LONGEST_ANSWER = 10_000
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is sent, s that pass at most between two times and in all; `now` and `wait` are the clock."""

    attempts: int = 8
    longest_wait: float = 30.0
    seconds: float = float("inf")
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


class Answer(NamedTuple):
    """What the receiver said last: a status, 0 where it said nothing, and its words, or why there are none."""

    status: int
    text: str
    asked_wait: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has taken the request."""
        return 200 <= self.status < 300

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be taken later."""
        return self.status == 0 or self.status == 429 or self.status >= 500

    @property
    def problem(self) -> str:
        """What is wrong, on one line."""
        text = " ".join(self.text.split())[:200]
        return f"HTTP {self.status}: {text}" if self.status else text


def deliver(
    client: httpx.Client,
    url: httpx.URL | str,
    body: bytes,
    patience: Patience,
    is_final: Callable[[Answer], bool] = lambda _: False,
) -> Answer:
    """Return the receiver's last answer: that it took the request, will never take it, or still has trouble.

    `is_final` knows answers that look like trouble and would not change.
    """
    began = patience.now()
    answer = _posted(client, url, body)
    for attempt in range(1, patience.attempts):
        pause = min(patience.longest_wait, max(answer.asked_wait, 0.25 * 2**attempt))
        if is_final(answer) or not answer.is_passing or patience.now() - began + pause > patience.seconds:
            break
        patience.wait(pause)
        answer = _posted(client, url, body)
    return answer


def _posted(client: httpx.Client, url: httpx.URL | str, body: bytes) -> Answer:
    import httpx

    try:
        with client.stream("POST", url, content=body) as response:
            place = str(response.url.copy_with(userinfo=b""))
            return Answer(
                response.status_code,
                _beginning(response, client.timeout.read or _PATIENCE_S),
                retry_after(response.headers, place) or 0.0,
            )
    except httpx.HTTPError as error:
        return Answer(0, f"{type(error).__name__}: {error}")


def _beginning(response: httpx.Response, seconds: float) -> str:
    """Return what is shown of an answer; a longer one, or one that comes drop by drop, is left unread."""
    text, until = b"", time.monotonic() + seconds
    for block in response.iter_raw():
        text += block
        if len(text) > _LONGEST_ANSWER or time.monotonic() > until:
            break
    return text[:_LONGEST_ANSWER].decode(errors="replace")
