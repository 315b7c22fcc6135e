"""The labels of a series as they are kept, or why they cannot be.

Sources: the Prometheus remote-write specifications ("Labels"); prometheus.io/docs, "Metric names and labels": a label
with an empty value is the same as none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypocenter.batches import Labels

NAME = "__name__"
MOST_LABELS = 64
LONGEST_NAME = 1024
LONGEST_VALUE = 4096


class LabelsError(ValueError):
    """The labels name no series; the message says why."""


def checked(pairs: Iterable[tuple[str, str]]) -> Labels:
    """Return labels in order of their names, those without a value left out. Raises LabelsError.

    >>> checked([("job", "api"), ("__name__", "up"), ("zone", "")])
    (('__name__', 'up'), ('job', 'api'))
    """
    labels = tuple(sorted(pair for pair in pairs if pair[1]))
    names = dict(labels)
    if len(labels) > MOST_LABELS:
        raise LabelsError(f"{len(labels)} labels; {MOST_LABELS} are the most")
    if len(names) < len(labels):
        raise LabelsError("a label stands twice")
    if "" in names:
        raise LabelsError("a label without a name")
    if NAME not in names:
        raise LabelsError(f"no {NAME}, or an empty one")
    for name, value in labels:
        if len(name) > LONGEST_NAME or len(value) > LONGEST_VALUE:
            raise LabelsError(f"a label of more than {LONGEST_NAME} (name) or {LONGEST_VALUE} (value) characters")
    return labels


def shown(labels: Iterable[tuple[str, str]]) -> str:
    """Return labels as a message shows them: short, and on one line.

    >>> shown([("__name__", "up"), ("job", "a\\nb")])
    "{__name__='up', job='a\\\\nb'}"
    """
    text = ", ".join(f"{name}={value!r}" for name, value in labels)
    return "{" + (text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...") + "}"


_LONGEST_SHOWN = 200
