"""Questions that may hang: asked one at a time, and waited for no longer than a little."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from hypocenter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
# Prometheus gives up a scrape after 10 s, with all that it would have told.
PATIENCE_S = 3.0


class Bounded(Generic[T]):
    """Asks a question in a thread of its own, and not again while it is under way. Safe to share between threads."""

    def __init__(self, question: Callable[[], T], patience_s: float = PATIENCE_S) -> None:
        self._question, self._patience_s = question, patience_s
        self._lock = Lock()
        self._asked: Future[T] | None = None
        self._is_late = False

    def answer(self) -> T:
        """Return the answer; raises what the question raises, and SourceError where it takes too long.

        Where it took too long before and has not ended yet, nobody waits again.
        """
        asked = self._under_way()
        try:
            return asked.result(0 if self._is_late else self._patience_s)
        except TimeoutError as error:
            if asked.done():
                raise
            self._is_late = True
            raise SourceError(f"no answer within {self._patience_s:g} s") from error

    def _under_way(self) -> Future[T]:
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked, self._is_late = Future(), False
                # A daemon, since what hangs must not keep the process from ending.
                Thread(target=self._ask, args=(self._asked,), name="asking", daemon=True).start()
            return self._asked

    def _ask(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._question())
        except Exception as error:  # noqa: BLE001 - goes to whoever waits
            asked.set_exception(error)
