"""Work that is done again and again beside the requests."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Schedule:
    """A thread that does its work every `every_s` seconds, from `start` to the end of this context.

    What fails is logged and done again with the next turn: retention must not end because one turn of it did.
    """

    def __init__(self, every_s: float, name: str) -> None:
        self._every_s = every_s
        self._stopped = threading.Event()
        self._work: Callable[[], object] = int
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self, work: Callable[[], object]) -> None:
        """Begin; the first turn comes after `every_s`."""
        self._work = work
        self._thread.start()

    def __enter__(self) -> Schedule:
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the turn that is going on, and do no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self._work()
            except HypocenterError as error:
                logger.warning("%s failed", self._thread.name, extra={"fields": {"why": str(error)}})
            except Exception:
                logger.exception("%s failed", self._thread.name)
