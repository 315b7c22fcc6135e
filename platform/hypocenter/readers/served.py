"""What a running server of ours answers, as a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from hypocenter.errors import InputError, LimitError, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a server: its method, path, parameters, and how long one part of the answer may take."""

    method: str
    url: str
    token: str | None
    timeout_s: float
    parameters: Mapping[str, str | Sequence[str]] | None = None
    most_bytes: int | None = None


def fetch(ask: Ask, into: Path) -> None:
    """Write the answer to a new file.

    Raises InputError for what the server turns down, LimitError for more than `most_bytes`, SourceError when it does
    not answer as it should.
    """
    try:
        _fetch(ask, into)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{ask.url}: cannot be reached or broke off ({error})") from error


def _fetch(ask: Ask, into: Path) -> None:
    headers = {"Authorization": f"Bearer {ask.token}"} if ask.token else {}
    held = 0
    # A proxy of the environment would be told what is on this machine.
    with (
        httpx.Client(timeout=ask.timeout_s, headers=headers, trust_env=False) as client,
        client.stream(ask.method, ask.url, params=ask.parameters) as answer,
        into.open("wb") as file,
    ):
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer)
        for block in answer.iter_bytes():
            held += len(block)
            if ask.most_bytes is not None and held > ask.most_bytes:
                raise LimitError(
                    f"the answer is longer than {ask.most_bytes:,} bytes; ask for less with --lookback or --match"
                )
            file.write(block)


def _refusal(answer: httpx.Response) -> InputError | SourceError:
    """Return the reason that the server states: ours to mend up to 499, its own from 500 on."""
    text = answer.read()[: 4 * _LONGEST_REASON].decode("utf-8", "replace")
    stated = answer.json().get("detail", text) if "json" in answer.headers.get("content-type", "") else text
    reason = " ".join(str(stated).split())[:_LONGEST_REASON]
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return InputError(f"{reason}; then name the file that holds it: --bearer-token-file PATH")
    if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
        return InputError(reason or f"the server turned the question down ({answer.status_code})")
    return SourceError(f"the server failed ({answer.status_code}): {reason}")
