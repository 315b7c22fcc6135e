"""Selectors that together match given series and few others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypocenter.readers.prometheus_plan import SERIES_PER_QUERY
from hypocenter.readers.selectors import label_name, one_of
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypocenter.batches import Labels

# Of more values servers make one regular expression, which they try on every value that they have.
MOST_VALUES = 100
NAME = "__name__"
_ORDER = {label: place for place, label in enumerate((*DEFAULT_COMPONENT_LABELS, NAME))}


class Selected(NamedTuple):
    """A selector, and the numbers of the series that it is for, by labels; it may match others, too."""

    selector: str
    numbers: Mapping[Labels, int]


def selected(series: Mapping[int, Labels], owned: str = "") -> list[Selected]:
    """Return selectors for numbered series, each for some thousand at most where no component has more.

    Whoever asks for series asks for those of whole components: they are chosen by the label that names it, and by not
    having one that would name it before that. `owned` is a matcher that tells them from others' on a shared server.
    """
    by_label: dict[str, dict[str, list[int]]] = {}
    for number, labels in series.items():
        label, value = min(labels, key=_place, default=(NAME, ""))
        by_label.setdefault(label if label in _ORDER else NAME, {}).setdefault(value, []).append(number)
    names = sorted(by_label, key=_ORDER.__getitem__)
    return [
        Selected(
            _selector(label, values, names[:at], owned),
            {series[one]: one for value in values for one in by_value[value]},
        )
        for at, (label, by_value) in enumerate((name, by_label[name]) for name in names)
        for values in _parts(by_value)
    ]


def _place(pair: tuple[str, str]) -> int:
    return _ORDER.get(pair[0], len(_ORDER)) if pair[1] else len(_ORDER)


def _selector(label: str, values: Sequence[str], without: Sequence[str], owned: str) -> str:
    asked = [one_of(label, values), *(f'{label_name(name)}=""' for name in without), owned]
    return "{" + ",".join(filter(None, asked)) + "}"


def _parts(by_value: Mapping[str, Sequence[int]]) -> Iterator[list[str]]:
    part: list[str] = []
    series = 0
    for value in sorted(by_value):
        if part and (len(part) == MOST_VALUES or series + len(by_value[value]) > SERIES_PER_QUERY):
            yield part
            part, series = [], 0
        part.append(value)
        series += len(by_value[value])
    if part:
        yield part
