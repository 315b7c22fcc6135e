"""Everything that Hypocenter raises on purpose: one small tree, whose docstrings are the messages."""

from __future__ import annotations


class HypocenterError(Exception):
    """Hypocenter could not do what was asked."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class InputError(HypocenterError):
    """What was given cannot be read; the message names the file or field and the fix."""

    exit_code = 2


class LimitError(InputError):
    """What was given is larger than a limit allows; the message names the limit and the setting that moves it."""


class SourceError(HypocenterError):
    """A server that telemetry is read from or sent to did not answer as it should."""

    exit_code = 3


class ClientError(HypocenterError):
    """A server of ours turned a request down: its status, what it said, and what is wrong with each field."""

    exit_code = 3

    def __init__(self, status: int, detail: str, errors: tuple[object, ...] = ()) -> None:
        super().__init__(f"{detail or 'the server turned the request down'} ({status})")
        self.status, self.detail, self.errors = status, detail, errors
