"""Log lines to signals: lines per template and error lines per component, as rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import MetricKind, Series
from hypocenter.signals import grid
from hypocenter.telemetry import SeriesTable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa  # type: ignore[import-untyped]
    from numpy.typing import NDArray

LONGEST = 200
MOST_TEMPLATES = 200
OTHER = "(other)"
MASKS = (
    (r'"[^"]*"|\'[^\']*\'', "<*>"),
    (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)?,? ?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d[\w :.+-]*", "<*>"),
    # A number behind a name and `#` is a line of code, which tells one statement from the next; any other varies.
    (r"(^|\W)#\d+", r"\1#<*>"),
    (r"(^|[^\w./%@+#-])[\w./%@+-]*\d[\w.:/%@+-]*", r"\1<*>"),
    (r"\b[0-9a-fA-F]{16,}\b", "<*>"),
    (r"([:=] ?)\[[^\[\]]*\]", r"\1<*>"),
    (r"\[(\w+): ?[^\[\]]*\]", r"[\1: <*>]"),
    (r"=([^\s,;()\[\]{}<>&]+)", "=<*>"),
    (r"<\*>(?:[ ,;:|/-]*<\*>)+", "<*>"),
)
BAD_SEVERITY = frozenset(
    {"error", "err", "fatal", "critical", "crit", "severe", "alert", "emergency", "emerg", "panic"}
)
_BAD_WORDS = (
    r"(?i)\b(?:error|exception|fatal|panic|traceback|failed|failure|refused|timed out|timeout|unavailable|denied)\b"
)


@dataclass(frozen=True)
class Lines:
    """Log lines as arrays: `key` indexes `templates`, which are (component, template); `is_error` tells of failure."""

    templates: tuple[tuple[str, str], ...]
    key: NDArray[np.int64]
    is_error: NDArray[np.bool_]
    at_ns: NDArray[np.int64]


def resolve_logs(
    lines: pd.DataFrame | None, reference: pd.DataFrame | None
) -> tuple[SeriesTable | None, SeriesTable | None]:
    """Count lines per template and bin, in the case and in its reference, with the same series in both.

    A template that appears in one of them alone has rate 0 in the other: what is no longer logged is a finding too.
    """
    if lines is None or lines.empty:
        return None, None
    case = read_lines(lines)
    calm = read_lines(reference) if reference is not None and len(reference) else None
    width_s = grid.width_of(case.at_ns)
    kept = _kept(case, calm)
    return _reduce(case, kept, width_s), None if calm is None else _reduce(calm, kept, width_s)


def mask(messages: pa.Array) -> pa.Array:
    """Reduce messages to templates: what varies from line to line becomes `<*>`.

    Masking looks at one line at a time and keeps no state, so that a line has the same template in every run.
    """
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    for pattern, replacement in MASKS:
        messages = pc.replace_substring_regex(messages, pattern, replacement)
    return pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(messages), 0, LONGEST)


def speaks_of_failure(templates: pa.Array) -> NDArray[np.bool_]:
    """Whether each template has a word that tells of failure."""
    import pyarrow.compute as pc

    return np.asarray(pc.match_substring_regex(templates, _BAD_WORDS), dtype=bool)


def is_silent(severity: str) -> bool:
    """Whether a severity, in lower case, states none."""
    return severity in ("", "nan", "none", "<na>")


def read_lines(lines: pd.DataFrame) -> Lines:
    """Turn a frame of log lines into arrays."""
    import pandas as pd
    import pyarrow as pa

    masked = mask(pa.array(_text(lines["message"]), type=pa.string())).dictionary_encode()
    template = masked.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    codes, services = pd.factorize(_text(lines["service"]), sort=True)
    pairs, key = np.unique(codes.astype(np.int64) * len(masked.dictionary) + template, return_inverse=True)
    names = masked.dictionary.to_pylist()
    failing = speaks_of_failure(masked.dictionary)
    return Lines(
        templates=tuple((str(services[pair // len(names)]), names[pair % len(names)]) for pair in pairs),
        key=key.astype(np.int64),
        is_error=_is_error(lines, failing[template]),
        at_ns=grid.nanoseconds(lines["time"]),
    )


def _is_error(lines: pd.DataFrame, by_words: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Severity decides where it is stated; words of the message where it is not."""
    import pandas as pd

    if "severity" not in lines:
        return by_words
    codes, words = pd.factorize(_text(lines["severity"]).str.lower())
    bad = np.array([word in BAD_SEVERITY for word in words], dtype=bool)
    silent = np.array([is_silent(word) for word in words], dtype=bool)
    return np.where(silent[codes], by_words, bad[codes])


def _text(column: pd.Series[str]) -> pd.Series[str]:
    """Return a column as text, "" where a cell is missing, so that no code of a factor is -1."""
    return column.astype("string").fillna("")


def _kept(case: Lines, calm: Lines | None) -> dict[tuple[str, str], int]:
    """Give the most frequent templates of each component a column; the rest of its lines share one."""
    counts: dict[tuple[str, str], int] = {}
    for lines in (case, calm):
        if lines is not None:
            for pair, number in zip(lines.templates, np.bincount(lines.key).tolist(), strict=True):
                counts[pair] = counts.get(pair, 0) + number
    seen: dict[str, int] = {}
    kept = set()
    for pair in sorted(counts, key=lambda pair: (-counts[pair], pair)):
        seen[pair[0]] = seen.get(pair[0], 0) + 1
        kept.add(pair if seen[pair[0]] <= MOST_TEMPLATES else (pair[0], OTHER))
    return {pair: place for place, pair in enumerate(sorted(kept))}


def _reduce(lines: Lines, kept: dict[tuple[str, str], int], width_s: int) -> SeriesTable:
    bins = grid.bin_events(lines.at_ns, width_s)
    column = np.array([kept.get(pair, kept.get((pair[0], OTHER), -1)) for pair in lines.templates])[lines.key]
    shape = (bins.size, len(kept))
    lines_per = grid.count(bins.bin_of * shape[1] + column, shape)
    services = sorted({component for component, _ in kept})
    owner = np.array([services.index(component) for component, _ in kept])
    bad = np.flatnonzero(lines.is_error)
    error_shape = (bins.size, len(services))
    errors_per = grid.count(bins.bin_of[bad] * error_shape[1] + owner[column[bad]], error_shape)
    series = [_template_series(component, template) for component, template in kept]
    series += [Series(name, "error_lines", MetricKind.ERROR_LINES, "1/s", "rate") for name in services]
    return SeriesTable(tuple(series), bins.starts, np.hstack([lines_per, errors_per]) / width_s, "logs")


def _template_series(component: str, template: str) -> Series:
    return Series(component, f"template:{template}", MetricKind.LOG_LINES, "1/s", "rate")
