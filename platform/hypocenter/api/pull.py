"""Telemetry that is fetched: what a Prometheus-compatible server took since it was last asked."""

from __future__ import annotations

import logging
import random
import threading
from concurrent.futures import wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.api.pull_alerts import ACTIVE_SINCE, FIRING, SELECTOR, STILL_FIRING, alerts_in, ended
from hypocenter.api.pull_reading import PartReader
from hypocenter.batches import Batch, numbered
from hypocenter.batches import Samples as Columns
from hypocenter.errors import HypocenterError, SourceError
from hypocenter.readers.prometheus_access import place_of
from hypocenter.readers.prometheus_client import PrometheusClient
from hypocenter.readers.prometheus_options import DEFAULT_MATCH, PrometheusOptions
from hypocenter.readers.prometheus_samples import decoded_count, decoded_names, joined, key_of
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.owner import Alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from hypocenter.api.intake import Intake
    from hypocenter.api.pull_marks import Marks
    from hypocenter.api.pull_reading import Part
    from hypocenter.batches import Taken
    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_samples import Key

logger = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 600.0
_LOOK_S = 0.2
_PROMPT_S = 5.0
_NO_METRICS = frozenset({FIRING, ACTIVE_SINCE})


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What is read of the server at `url`, and how often.

    `overlap` is how late a sample may come and is still read. The first time `first` is read; after an outage no more
    than `most_behind`, and the gap is told. Where `copies` is not set the samples stay where they are, and only alerts
    are read. Of the server's series those of `owner` alone are read.
    """

    url: str
    selectors: tuple[str, ...] = DEFAULT_MATCH
    options: PrometheusOptions = field(default_factory=PrometheusOptions)
    interval_s: float = 60.0
    copies: bool = True
    overlap: timedelta = timedelta(minutes=1)
    first: timedelta = timedelta(hours=1)
    most_behind: timedelta = timedelta(hours=6)
    owner: Alone = field(default_factory=Alone)

    def ours(self, selector: str) -> str:
        """Return the selector of those series of the server that are the owner's."""
        return str(self.owner.narrowed(parse_selector(selector)))


@dataclass(frozen=True, slots=True)
class PullStatus:
    """How a pull goes: at `last_success` all that there was had become durable, but what outages left unread.

    `series` were there at the last turn; `samples`, `refused` and `failures` count all turns; `skipped` is the time
    that was left unread, of the selector that missed most; `error` is why the last turn failed, "" when it did not.
    """

    last_success: datetime | None = None
    series: int = 0
    samples: int = 0
    refused: int = 0
    failures: int = 0
    skipped: timedelta = timedelta()
    error: str = ""


class _StoppedError(SourceError):
    """The pull was stopped in the middle of a turn; the next one goes on from there."""


class Pull:
    """Reads a server turn by turn, in a thread from `start` to `stop`.

    What a turn has read counts as read once it is durable, so that a turn that fails or is stopped loses nothing.
    """

    def __init__(self, plan: PullPlan, intake: Intake, marks: Marks) -> None:
        self._plan, self._intake, self._marks = plan, intake, marks
        self._stopped = threading.Event()
        self._client = PrometheusClient(plan.url, plan.options, self._sleep, random.random)
        self._readers = {text: PartReader(self._client, plan.ours(text)) for text in (*plan.selectors, SELECTOR)}
        # A daemon, since a server that does not answer must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="pull", daemon=True)
        self._skipped: dict[str, timedelta] = {}
        self.status = PullStatus()

    def start(self) -> None:
        """Begin with the first turn, in a thread."""
        what = "metrics and alerts" if self._plan.copies else "alerts"
        logger.info("pulling %s from %s every %g s", what, place_of(self._plan.url), self._plan.interval_s)
        self._thread.start()

    def stop(self) -> None:
        """Read no more; what was read and is not durable yet is read again by the next pull."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_PROMPT_S)
        if not self._thread.is_alive():
            self._client.close()

    def turn(self) -> None:
        """Read once what is new; raises SourceError or InputError when that fails, and the next turn goes on there."""
        now = self._intake.now()
        until_ms = int(now.timestamp() * 1000)
        series = self._copied(until_ms) if self._plan.copies else self._counted(until_ms)
        self._tell_alerts(until_ms)
        self.status = replace(self.status, last_success=now, series=series, error="")

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            if self._is_done():
                pause = self._plan.interval_s
            else:
                pause = min(max(2 * pause, self._plan.interval_s), max(_LONGEST_PAUSE_S, self._plan.interval_s))

    def _is_done(self) -> bool:
        """Whether a turn went well; one that did not is told, and must not end the thread."""
        try:
            self.turn()
        except _StoppedError:
            return False
        except HypocenterError as error:
            logger.warning("pull failed", extra={"fields": {"why": str(error)}})
            self._failed(str(error))
            return False
        except Exception as error:
            # It goes on with the next turn: nobody would begin the pull again before the next start of the server.
            logger.exception("pull failed")
            self._failed(type(error).__name__)
            return False
        return True

    def _failed(self, why: str) -> None:
        self.status = replace(self.status, failures=self.status.failures + 1, error=why)

    def _copied(self, until_ms: int) -> int:
        """Bring what is new of each selector to the store; return how many series that were."""
        seen: set[Key] = set()
        for selector in self._plan.selectors:
            for part in self._unread(selector, until_ms):
                kept = [(key, samples) for key, samples in part.series if dict(key).get("__name__") not in _NO_METRICS]
                seen.update(key for key, _ in kept)
                self._keep(kept)
                self._marks.move(selector, part.end_ms)
        return len(seen)

    def _unread(self, selector: str, until_ms: int) -> Iterator[Part]:
        """Yield what was not read yet, and a while before it for what came late."""
        start_ms = self._begin(selector, until_ms) - _ms(self._plan.overlap)
        for part in self._readers[selector].parts(start_ms, until_ms):
            self._check_running()
            for warning in part.warnings:
                logger.warning("pull was warned", extra={"fields": {"warning": warning}})
            yield part

    def _begin(self, selector: str, until_ms: int) -> int:
        """Return up to when the selector is read; where that is too long ago, what is left out is told, once."""
        start_ms = self._marks.until(selector)
        if start_ms is None:
            return until_ms - _ms(self._plan.first)
        earliest_ms = until_ms - _ms(self._plan.most_behind)
        if start_ms >= earliest_ms:
            return start_ms
        left_out = timedelta(milliseconds=earliest_ms - start_ms)
        logger.warning("pull skipped a time", extra={"fields": {"selector": selector, "skipped": str(left_out)}})
        self._skipped[selector] = self._skipped.get(selector, timedelta()) + left_out
        self.status = replace(self.status, skipped=max(self._skipped.values()))
        self._marks.move(selector, earliest_ms)
        return earliest_ms

    def _keep(self, series: Sequence[tuple[Key, Samples]]) -> None:
        """Bring samples to the store and wait until they are durable; series beyond its limit are left out."""
        numbers, limited = numbered([key for key, _ in series], self._intake.index)
        if limited is not None:
            logger.warning("pull left series out", extra={"fields": {"why": str(limited)}})
            self._refused(sum(len(series[at][1][0]) for at in np.flatnonzero(numbers < 0).tolist()))
        columns = [samples for number, (_, samples) in zip(numbers.tolist(), series, strict=True) if number >= 0]
        numbers = numbers[numbers >= 0]
        if not columns:
            return
        batch = Batch(
            Columns(
                np.repeat(numbers, [len(moments) for moments, _ in columns]),
                np.concatenate([moments for moments, _ in columns]) // 1_000_000,
                np.concatenate([values for _, values in columns]),
            )
        )
        taken = self._durable(self._intake.writer.submit(batch))
        self._refused(taken.refused)
        self.status = replace(self.status, samples=self.status.samples + taken.written)

    def _refused(self, samples: int) -> None:
        self.status = replace(self.status, refused=self.status.refused + samples)

    def _durable(self, written: Future[Taken]) -> Taken:
        while not wait([written], _LOOK_S).done:
            self._check_running()
        return written.result()

    def _counted(self, until_ms: int) -> int:
        union = " or ".join(map(self._plan.ours, self._plan.selectors))
        return decoded_count(self._client.query(f"count({union})", until_ms / 1000).data)

    def _tell_alerts(self, until_ms: int) -> None:
        """Keep the alerts that the server's rules fired since the last turn, and end those that it fires no more."""
        plain, parts = self._plan.owner.plain, self._unread(SELECTOR, until_ms)
        found = joined([(plain(key), samples) for part in parts for key, samples in part.series])
        answer = self._client.query(self._plan.ours(STILL_FIRING), until_ms / 1000)
        still = [plain(key_of(labels)) for labels in decoded_names(answer.data)]
        told = list(alerts_in(found.items(), still, self._intake.component_labels))
        alerts = self._intake.records.alerts
        now = datetime.fromtimestamp(until_ms / 1000, tz=UTC)
        alerts.add_alerts([*told, *ended(alerts.alerts(now, now, firing=True), told, still, now)])
        self._marks.move(SELECTOR, until_ms)

    def _check_running(self) -> None:
        if self._stopped.is_set():
            raise _StoppedError("the pull was stopped")

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise _StoppedError("the pull was stopped")


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
