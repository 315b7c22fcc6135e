"""What is wrong with a server, as whoever asks from outside sees it: whether it answers, what it says, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from hypocenter.api.doctor.findings import KINDS, Finding
from hypocenter.api.doctor.of_servers import skewed_by_date
from hypocenter.api.doctor.routes import PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

TIMEOUT_S = 60.0
_REFUSED = (401, 403, 421)
_ANY_HOST = "hypocenter.invalid"


def ask(url: str, token: str | None, now: Callable[[], datetime]) -> list[Finding]:
    """Return what the server at `url` finds wrong with itself, and what only shows from here."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
            return [*_seen(http.get("/readyz"), url, now), *_told(http.get(PATH), url), *_open(http, url)]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return [Finding("server-unreachable", url, " ".join(str(error).split()) or type(error).__name__)]


def _seen(answer: httpx.Response, url: str, now: Callable[[], datetime]) -> Iterator[Finding]:
    yield from skewed_by_date(url, answer.headers.get("date", ""), now())
    for name, part in _object(_object(answer).get("parts")).items():
        if not _object(part).get("ok"):
            yield Finding("server-not-ready", name, str(_object(part).get("why")))


def _open(http: httpx.Client, url: str) -> Iterator[Finding]:
    """Yield that the server lets in whoever comes, under any name."""
    http.headers.pop("authorization", None)
    if http.get("/metrics", headers={"Host": _ANY_HOST}).is_success:
        yield Finding("tokens-none", url, "whoever reaches it is let in, for there is no token and it was told --open")


def _told(answer: httpx.Response, url: str) -> Iterator[Finding]:
    if answer.status_code in _REFUSED:
        yield Finding("server-refuses", url, " ".join(answer.text.split())[:200])
        return
    findings = _object(answer).get("findings")
    if not answer.is_success or not isinstance(findings, list):
        yield Finding("server-unreachable", url, f"answers {PATH} with {answer.status_code}; is it `hypocenter serve`?")
        return
    for each in map(_object, findings):
        code, subject, message = (str(each.get(name, "")) for name in ("code", "subject", "message"))
        # What a newer server finds has no name here.
        yield (
            Finding(code, subject, message) if code in KINDS else Finding("cannot-tell", subject, f"{code}: {message}")
        )


def _object(value: object) -> dict[str, Any]:
    """Return a JSON object, that of an answer too; an empty one for anything else."""
    if isinstance(value, httpx.Response):
        try:
            value = value.json()
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
