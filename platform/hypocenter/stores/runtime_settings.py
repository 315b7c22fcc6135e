"""Settings that are changed while everything runs: which they are, what they may be, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from hypocenter import settings
from hypocenter.errors import InputError
from hypocenter.stores.retention import LONGEST_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping


class RuntimeSettingsStore(Protocol):
    """The settings of one tenant that were changed, as texts by name; the others are as the environment says."""

    def changed(self) -> Mapping[str, str]:
        """Return those that were changed."""

    def change(self, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
        """Have the settings `after` be those that were changed, where `before` are; else change nothing, and False."""


class Within(NamedTuple):
    """A number above one and at most another."""

    above: float
    most: float


CHANGEABLE: Mapping[str, Within] = {
    "audit_retention_days": Within(0, LONGEST_DAYS),
    "precision": Within(0, 1),
    "records_days": Within(0, LONGEST_DAYS),
    "retention_days": Within(0, LONGEST_DAYS),
}
"""The settings that may be changed, and what they may be; all are read anew each time they are used."""


def checked(name: str, text: str) -> str:
    """Return the text of a setting as it is kept; raises InputError when it may not be changed, or not to that.

    >>> checked("precision", "0.90")
    '0.9'
    """
    if name not in CHANGEABLE:
        raise InputError(f"{name:.60}: is no setting that can be changed here; choose from {', '.join(CHANGEABLE)}")
    value, within = _typed(name, text), CHANGEABLE[name]
    if not within.above < value <= within.most:
        raise InputError(f"{name}: write a number above {within.above:g}, {within.most:g} at most")
    return str(value)


def setting(changed: Mapping[str, str], name: str) -> float:
    """Return a setting as it is now: as it was changed, else as the environment says.

    >>> setting({"precision": "0.9"}, "precision")
    0.9
    """
    return _typed(name, changed[name]) if name in changed else float(settings.read(name) or 0)


def _typed(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{name}: {text!r:.60} is no number") from error
