"""Investigations that somebody asked for: told of while they go on, and ended when that is asked or takes too long."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from celery.exceptions import SoftTimeLimitExceeded

from hypocenter.errors import HypocenterError
from hypocenter.stores.investigations import Stage
from hypocenter.stores.stored_case import read_stored
from hypocenter.verdict_json import investigation_to_json
from hypocenter_workers.investigate import investigate
from hypocenter_workers.limits import ASKED_LIMIT_S
from hypocenter_workers.live import AFTER, BEFORE
from hypocenter_workers.messages import options_from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypocenter.model import Alert, ChangeEvent, Investigation
    from hypocenter.stores.investigations import AskedInvestigation, InvestigationStore
    from hypocenter.telemetry import Case
    from hypocenter_workers.investigate import Tell
    from hypocenter_workers.live import Sources

T = TypeVar("T", "Alert", "ChangeEvent")
logger = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
_TOO_LONG = f"it took longer than {ASKED_LIMIT_S} s; ask for a shorter time, or name components"
_DIED = f"{MOST_ATTEMPTS} workers died of it; ask for a shorter time, or name components"
_UNEXPECTED = "unexpected failure; the log of the worker tells more"


class SupersededError(HypocenterError):
    """The investigation was cancelled, or another worker has begun it anew."""


class SlowError(HypocenterError):
    """The investigation takes longer than the limit."""


def answer(investigation_id: str, sources: Sources, now: Callable[[], datetime]) -> None:
    """Investigate what was asked and keep what comes of it, a failure as well; nothing is done where it is over.

    Raises SourceError where the records cannot be reached, and what is no error of ours.
    """
    store = sources.records.investigations
    asked = store.investigation(investigation_id)
    if asked is None or asked.stage.is_final:
        return
    try:
        _answer(_Progress(store, asked, now), sources)
    except SupersededError as error:
        logger.info("an investigation was left: %s", error)


def _answer(progress: _Progress, sources: Sources) -> None:
    if progress.asked.attempts >= MOST_ATTEMPTS:
        progress.fail(_DIED)
        return
    progress.begin()
    try:
        found = investigation_of(progress.asked, sources, progress.tell)
    except SupersededError:
        raise
    except (SlowError, SoftTimeLimitExceeded):
        progress.fail(_TOO_LONG)
    except HypocenterError as error:
        progress.fail(str(error))
    except Exception:
        progress.fail(_UNEXPECTED)
        raise
    else:
        progress.end(Stage.DONE, document=investigation_to_json(found))


def investigation_of(asked: AskedInvestigation, sources: Sources, tell: Tell) -> Investigation:
    """Return what an investigation says to a question, from all that was kept when it was asked.

    Raises InputError where nothing was kept of that time, and what `tell` raises.
    """
    request = asked.request
    case = replace(_case(asked, sources), case_id=asked.investigation_id)
    tell("samples", 0 if case.metrics is None else int(case.metrics.values.size))
    named = {name: request.get(name) for name in ("dependencies", "target", "precision")}
    named["precision"] = sources.precision if named["precision"] is None else named["precision"]
    options = options_from_json({**named, "at": request.get("onset") or request.get("at")})
    options = replace(options, ladder=bool(request.get("robustness", True)))
    return investigate(case, options, sources.graph, learned=sources.learned, tell=tell)


def _case(asked: AskedInvestigation, sources: Sources) -> Case:
    request = asked.request
    window = window_of(request, asked.asked_at)
    match = {"match": tuple(request["match"])} if request.get("match") else {}
    components = request.get("components")
    case = read_stored(sources.metrics, sources.records, window, near=components, **match)
    if components is None:
        return case
    return replace(case, alerts=_of(components, case.alerts), changes=_of(components, case.changes))


def _of(components: Sequence[str], told: Sequence[T]) -> tuple[T, ...]:
    return tuple(each for each in told if each.component in components)


def window_of(request: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when a request asks: as it says, or around the moment that it names, up to now.

    >>> now = datetime.fromisoformat("2026-03-01T12:10:00Z")
    >>> [f"{each:%H:%M}" for each in window_of({"at": "2026-03-01T12:00:00Z"}, now)]
    ['06:00', '12:10']
    """
    if request.get("at"):
        at = datetime.fromisoformat(request["at"])
        return at - BEFORE, min(now, at + AFTER)
    return datetime.fromisoformat(request["start"]), min(now, datetime.fromisoformat(request["end"]))


class _Progress:
    """How far one investigation is, as it is kept; every step of it may find that it was cancelled."""

    def __init__(self, store: InvestigationStore, asked: AskedInvestigation, now: Callable[[], datetime]) -> None:
        self._store, self.asked, self._now = store, asked, now
        self._until = now() + timedelta(seconds=ASKED_LIMIT_S)

    def begin(self) -> None:
        """Keep that a worker has begun it."""
        self._save(replace(self.asked, stage=Stage.RUNNING, attempts=self.asked.attempts + 1))

    def tell(self, step: str, count: int) -> None:
        """Keep that a step was done; raises SlowError after the limit, SupersededError where nobody wants it."""
        if self._now() > self._until:
            raise SlowError(_TOO_LONG)
        done = {"step": step, "count": count, "at": self._now().isoformat()}
        self._save(replace(self.asked, steps=(*self.asked.steps, done)))

    def fail(self, error: str) -> None:
        """Keep that it failed, and why."""
        self.end(Stage.FAILED, error)

    def end(self, stage: Stage, error: str = "", document: Mapping[str, Any] | None = None) -> None:
        """Keep how it ended, with its answer."""
        self._save(replace(self.asked, stage=stage, error=error, ended_at=self._now()), document)

    def _save(self, asked: AskedInvestigation, document: Mapping[str, Any] | None = None) -> None:
        after = replace(asked, version=self.asked.version + 1)
        if not self._store.save(after, document):
            raise SupersededError(f"{asked.investigation_id} was cancelled, or begun anew")
        self.asked = after
