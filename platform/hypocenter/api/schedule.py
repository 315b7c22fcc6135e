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
    """Does `work` every `every_s` seconds in a thread, the first time after as long; what fails is logged."""

    def __init__(self, work: Callable[[], object], every_s: float, name: str) -> None:
        self._work, self._every_s = work, every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def close(self) -> None:
        """Finish what is being done, and do no more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self._work()
            except HypocenterError as error:
                logger.warning("%s failed", self._thread.name, extra={"fields": {"why": str(error)}})
            except Exception:
                # It goes on with the next turn: retention must not end because one turn of it did.
                logger.exception("%s failed", self._thread.name)
