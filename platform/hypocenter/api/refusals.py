"""What a request is answered when it is turned down: the status of HTTP that each of our errors means."""

from __future__ import annotations

from hypocenter.batches import SeriesLimitError
from hypocenter.errors import HypocenterError, InputError, LimitError, SourceError

RETRY_AFTER_S = 5


class UnsupportedError(InputError):
    """The body has a type or an encoding that is not taken here."""


class SlowError(InputError):
    """The body did not arrive in time."""


class AbsentError(InputError):
    """There is no such thing."""


class ChangedError(InputError):
    """It was changed since it was read."""


class UnsignedError(InputError):
    """The body is not signed by the one it says it is of."""


class ConflictError(InputError):
    """What is asked for contradicts how things are now."""


# The first that fits; what is nobody's fault is ours.
_STATUS: tuple[tuple[type[HypocenterError], int], ...] = (
    (UnsignedError, 401),
    (AbsentError, 404),
    (ConflictError, 409),
    (ChangedError, 412),
    (UnsupportedError, 415),
    (SlowError, 408),
    (SeriesLimitError, 429),
    (LimitError, 413),
    (InputError, 400),
    (SourceError, 503),
)


def status_of(error: HypocenterError) -> int:
    """Return the status that tells of an error; a sender may try again after 429 and 503, not after the others.

    >>> status_of(LimitError("too many")), status_of(SourceError("the disk is full"))
    (413, 503)
    """
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def retry_headers(status: int) -> dict[str, str]:
    """Return the headers that say when to come again, none where coming again is of no use (RFC 9110).

    >>> retry_headers(503), retry_headers(400)
    ({'Retry-After': '5'}, {})
    """
    return {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
