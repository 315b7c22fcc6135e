"""Log lines to increments at their own time: lines per severity and per template. No text of a line is kept.

A template is what `signals.logs.mask` makes of a line, so that it is the same in every run and for every reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypocenter.signals.increments import Tally, bin_end_ms, labels_of
from hypocenter.signals.logs import BAD_SEVERITY, MOST_TEMPLATES, OTHER, is_silent, mask, speaks_of_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.batches import Labels

SOURCE = "log_lines"
LINES = "log_lines_total"
ERROR_LINES = "log_error_lines_total"
TEMPLATES = "log_template_lines_total"
SERIES = (LINES, ERROR_LINES, TEMPLATES)
EMPTY = "(empty)"
SEVERE = ("error", "fatal")
UNSET = "unset"
# Templates of lines that tell of no failure leave room for those that do.
MOST_OF_CALM = MOST_TEMPLATES * 3 // 4
_MOST_SERVICES = 20_000
_MOST_LABELS = 100_000
_SEVERITIES = {"trace": "trace", "debug": "debug", "warn": "warn", "warning": "warn", "fatal": "fatal"}


class Line(NamedTuple):
    """One log line: when (ns since 1970), whose, how severe as stated ("" where it is not), and what it says."""

    at_ns: int
    service: str
    severity: str
    message: str


class LogCounter:
    """Counts log lines; remembers which templates of each component have a series of their own."""

    def __init__(self) -> None:
        self._kept: dict[str, set[str]] = {}
        self._labels: dict[tuple[str, ...], Labels] = {}

    def count(self, lines: Sequence[Line]) -> Tally:
        """Return what a request's lines come to. Not safe to share between threads without a lock."""
        import pyarrow as pa  # type: ignore[import-untyped]

        tally = Tally()
        masked = mask(pa.array([line.message for line in lines], type=pa.string())).dictionary_encode()
        templates = masked.dictionary.to_pylist()
        failing = speaks_of_failure(masked.dictionary).tolist()
        for line, place in zip(lines, masked.indices.to_pylist(), strict=True):
            end = bin_end_ms(line.at_ns)
            severity = severity_of(line.severity, speaks_of_failure=failing[place])
            is_severe = severity in SEVERE
            template = self._name(line.service, templates[place], is_severe=is_severe)
            tally.count(self._named(LINES, line.service, severity=severity), end)
            # Where none failed that is 0, not unknown.
            tally.count(self._named(ERROR_LINES, line.service), end, float(is_severe))
            tally.count(self._named(TEMPLATES, line.service, template=template), end)
        return tally

    def _named(self, name: str, service: str, severity: str = "", template: str = "") -> Labels:
        key = (name, service, severity, template)
        if key not in self._labels:
            if len(self._labels) >= _MOST_LABELS:
                self._labels.clear()
            self._labels[key] = labels_of(name, SOURCE, service_name=service, severity=severity, template=template)
        return self._labels[key]

    def _name(self, service: str, template: str, *, is_severe: bool) -> str:
        if len(self._kept) >= _MOST_SERVICES and service not in self._kept:
            self._kept.clear()
        kept = self._kept.setdefault(service, set())
        if template not in kept:
            if len(kept) >= (MOST_TEMPLATES if is_severe else MOST_OF_CALM):
                return OTHER
            kept.add(template)
        return template or EMPTY


def severity_of(stated: str, *, speaks_of_failure: bool) -> str:
    """Return what a line is counted under: a few words, so that series stay few.

    Words of the message decide where no severity is stated.

    >>> severity_of("CRITICAL", speaks_of_failure=False), severity_of("notice", speaks_of_failure=True)
    ('fatal', 'info')
    >>> severity_of("", speaks_of_failure=True), severity_of("", speaks_of_failure=False)
    ('error', 'unset')
    """
    word = stated.strip().lower()
    if is_silent(word):
        return "error" if speaks_of_failure else UNSET
    if word in BAD_SEVERITY:
        return "error" if word in ("error", "err") else "fatal"
    return _SEVERITIES.get(word, "info")
