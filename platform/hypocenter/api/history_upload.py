"""An export of incidents, sent as a file: all of it is kept when it is answered, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypocenter.errors import InputError
from hypocenter.history.attachments import Attachments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hypocenter.api.intake import Intake
    from hypocenter.history.findings import Findings
    from hypocenter.history.reading import Reading
    from hypocenter.readers.limits import Limits

PARAMETERS = ("from", "dry_run", "skip_bad", "timezone", "time_format", "encoding")
_SWITCH = {"": True, "1": True, "true": True, "0": False, "false": False}


class _NoAttachments(Attachments):
    """Telemetry of incidents that come from elsewhere: none, for its places would be of this machine."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def place(self, _: str) -> str:
        """Return no place, and tell why."""
        self._note("telemetry: a place on this machine is not taken from others; see hypocenter history attach")
        return ""


def history_reader(intake: Intake, limits: Limits) -> Callable[[Path, Mapping[str, str]], dict[str, Any]]:
    """Return what imports such a file, as `hypocenter history import` does, and says what was understood.

    It raises InputError for a parameter or file that cannot be read, and, without `skip_bad`, for rows that are no
    incidents.
    """

    def read(path: Path, asked: Mapping[str, str]) -> dict[str, Any]:
        from hypocenter.history.findings import Findings
        from hypocenter.history.importing import import_history
        from hypocenter.history.wording import findings_to_json

        findings = Findings()
        reading = _reading(asked, limits, findings)
        dry_run, skip_bad = _switch(asked, "dry_run"), _switch(asked, "skip_bad")
        counts = import_history(path, reading, intake.records.history, findings, skip_bad=skip_bad, dry_run=dry_run)
        return {"saved": not dry_run, "counts": counts._asdict(), **findings_to_json(findings)}

    return read


def _reading(asked: Mapping[str, str], limits: Limits, findings: Findings) -> Reading:
    from hypocenter.history.reading import Reading
    from hypocenter.history.sources import SOURCES

    unknown = sorted(set(asked) - set(PARAMETERS))
    if unknown:
        raise InputError(f"parameter {unknown[0]!r:.60}: none of {', '.join(PARAMETERS)}")
    if asked.get("from") not in SOURCES:
        raise InputError(f"parameter 'from' must be one of {', '.join(SOURCES)}")
    return Reading(
        source=asked["from"],
        zone=_zone(asked.get("timezone", "UTC")),
        time_format=asked.get("time_format") or None,
        encoding=asked.get("encoding") or None,
        attachments=_NoAttachments(findings.note),
        limits=limits,
    )


def _switch(asked: Mapping[str, str], name: str) -> bool:
    text = asked.get(name, "0").lower()
    if text not in _SWITCH:
        raise InputError(f"parameter {name!r} must be true or false")
    return _SWITCH[text]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"parameter 'timezone': {name!r:.60} is no time zone; name one as Europe/Berlin") from error
