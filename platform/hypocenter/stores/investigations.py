"""Investigations that somebody asked for: the question, how far its answer is, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime


class Stage(StrEnum):
    """Where an investigation is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes of it."""
        return self not in UNFINISHED


UNFINISHED = (Stage.QUEUED, Stage.RUNNING)


@dataclass(frozen=True, slots=True)
class AskedInvestigation:
    """One question: `request` is what was asked, as JSON, `steps` what was done for it so far, oldest first.

    A step has `step`, `count` and `at`. `attempts` counts how often a worker began it, `version` its changes from 1.
    Times are UTC.
    """

    investigation_id: str
    asked_at: datetime
    request: Mapping[str, Any]
    stage: Stage = Stage.QUEUED
    by: str = ""
    steps: tuple[Mapping[str, Any], ...] = ()
    error: str = ""
    ended_at: datetime | None = None
    attempts: int = 0
    version: int = 1


class Place(NamedTuple):
    """Where an investigation stands in the list of all, newest first."""

    asked_at: datetime
    investigation_id: str


class InvestigationStore(Protocol):
    """The investigations that one tenant asked for."""

    def add(self, asked: AskedInvestigation) -> bool:
        """Keep a new one; False, and nothing is changed, when there is one of that id."""

    def save(self, asked: AskedInvestigation, document: Mapping[str, Any] | None = None) -> bool:
        """Keep one as its next version; False, and nothing is changed, when the next is another: read it anew.

        `document` is the answer, as `hypocenter.verdict_json` writes an investigation.
        """

    def investigation(self, investigation_id: str) -> AskedInvestigation | None:
        """Return one as it is now, None when there is none."""

    def document(self, investigation_id: str) -> Mapping[str, Any] | None:
        """Return the answer, None while there is none."""

    def investigations(self, most: int, after: Place | None = None) -> Sequence[AskedInvestigation]:
        """Return the newest, at most so many, or those that come after a place in that order."""

    def versions(self, investigation_ids: Collection[str]) -> Mapping[str, int]:
        """Return the versions of some, by id; those that are not there are left out."""

    def unfinished(self, start: datetime, end: datetime) -> Sequence[str]:
        """Return the ids of those that wait or run and were asked in [start, end], oldest first."""

    def forget(self, before: datetime) -> int:
        """Forget those that were asked before a time and return how many; those that wait or run stay."""
