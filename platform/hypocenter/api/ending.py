"""The end of a server that is stopped: within a bound, whatever still goes on."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)
_LONGEST_S = 3600.0


def stop_s_of_settings(environ: Mapping[str, str] | None = None) -> float:
    """Return the seconds within which a server ends; raises InputError for what cannot be.

    >>> stop_s_of_settings({"HYPOCENTER_STOP_SECONDS": "10"})
    10.0
    """
    seconds = float(settings.read("stop_seconds", environ) or 0)
    if not 1 <= seconds <= _LONGEST_S:
        raise InputError(f"HYPOCENTER_STOP_SECONDS={seconds:g}: write seconds, from 1 to {_LONGEST_S:g}")
    return seconds


def end_within(seconds: float) -> None:
    """Have the process end with code 1 so many seconds from now, where it has not ended by then.

    That loses no more than a crash does: what was acknowledged is durable.
    """
    timer = threading.Timer(seconds, _end, [seconds])
    timer.name, timer.daemon = "deadline", True
    timer.start()


def _end(seconds: float) -> None:
    others = {each.name for each in threading.enumerate() if each is not threading.current_thread()}
    logger.error("stopping took longer than %g s, and ends amid work of: %s", seconds, ", ".join(sorted(others)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
