"""The signs that anomalies are, each read once: what was over long ago is not read again every time."""

from __future__ import annotations

from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING

from hypocenter.incidents import sign_of_anomaly

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hypocenter.incidents import Sign
    from hypocenter.stores.detections import DetectionStore

# A tick says of what was calm for a quarter of an hour that it is over; a step lasts an hour at most.
TOLD_WITHIN = timedelta(hours=2)


class AnomalySigns:
    """The signs of a tenant's anomalies, for who asks again and again; safe to share between threads.

    What a tick tells lasts, or lasted until shortly before where its shard was: of what was over before that nothing
    is told any more, and it is not read again.
    """

    def __init__(self, detections: DetectionStore) -> None:
        self._detections, self._lock = detections, Lock()
        self._known: Mapping[str, Sign] = {}
        # Signs of this time are known; what is told later was not over before `_told_from`.
        self._asked: tuple[datetime, datetime] | None = None
        self._told_from: datetime | None = None

    def between(self, start: datetime, now: datetime) -> list[Sign]:
        """Return the signs in [start, now] of anomalies; what began before that and lasts is none. Raises SourceError.

        `start` and `now` should not go back; where they do, all is read again.
        """
        with self._lock:
            # Before anomalies are read: what is committed meanwhile is read again the next time.
            positions = self._detections.positions().values()
            told_from = min([now, *(each.watermark for each in positions)]) - TOLD_WITHIN
            found = {**self._still_known(start, now), **self._read(start, now)}
            self._known = {key: sign for key, sign in found.items() if sign.onset >= start}
            self._asked, self._told_from = (start, now), told_from
            return list(self._known.values())

    def _still_known(self, start: datetime, now: datetime) -> Mapping[str, Sign]:
        if self._asked is not None and (start < self._asked[0] or now < self._asked[1]):
            self._known, self._told_from = {}, None
        return self._known

    def _read(self, start: datetime, now: datetime) -> Mapping[str, Sign]:
        first = start if self._told_from is None else max(start, self._told_from)
        return {each.key: sign_of_anomaly(each) for each in self._detections.anomalies(first, now)}
