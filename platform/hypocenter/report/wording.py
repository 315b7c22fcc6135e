"""Numbers, times and likelihoods as people read them, and text made safe to write into a file."""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypocenter.catalog import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import Verdict

NBSP = "\u00a0"
ELLIPSIS = "…"
LONGEST_TEXT = 600
LONGEST_NAME = 40
# Lower bounds and words of ICD 203 (US intelligence community, analytic standards), a scale readers know.
LIKELIHOOD = (
    (0.95, "almost certain"),
    (0.80, "very likely"),
    (0.55, "likely"),
    (0.45, "about even"),
    (0.20, "unlikely"),
    (0.05, "very unlikely"),
    (0.0, "remote"),
)
# What neither XML 1.0 nor HTML allows, lone surrogates, and the marks that turn the reading direction around.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
SEPARATED = re.compile(r"[-_.:/]")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return the text without characters that HTML forbids, cut to `longest` characters.

    >>> clean("a\\x00b"), clean("abcdef", 4)
    ('a\\ufffdb', 'abc…')
    """
    harmless = FORBIDDEN.sub("\ufffd", text[: longest + 1])
    return harmless if len(text) <= longest else harmless[: longest - 1] + ELLIPSIS


def shorten(name: str, longest: int) -> str:
    """Return a name cut in its middle, where names of one system differ least.

    >>> shorten("checkout-service-payment", 13)
    'checko…ayment'
    """
    name = clean(name)
    if len(name) <= longest:
        return name
    tail = (longest - 1) // 2
    return name[: longest - 1 - tail] + ELLIPSIS + (name[-tail:] if tail else "")


def labels(names: Sequence[str], longest: int) -> dict[str, str]:
    """Return names short enough for a drawing: what most of them end or begin with goes first.

    >>> labels(["ts-order-service", "ts-admin-order-service", "ts-seat-service", "db"], 14)["ts-admin-order-service"]
    'ts-admin-order…'
    """
    ends = _common([SEPARATED.split(name)[-1] for name in names])
    starts = _common([SEPARATED.split(name)[0] for name in names])
    return {name: _label(clean(name), starts, ends, longest) for name in names}


def _common(words: Sequence[str]) -> str:
    """Return the word that more than half of several names share."""
    word, count = Counter(words).most_common(1)[0] if words else ("", 0)
    return word if count > 1 and count * 2 > len(words) else ""


def _label(name: str, start: str, end: str, longest: int) -> str:
    if len(name) > longest and end and name.endswith(end) and len(name) > len(end) + 1:
        name = name[: -len(end) - 1] + ELLIPSIS
    if len(name) > longest + 1 and start and name.startswith(start) and len(name) > len(start) + 2:
        name = ELLIPSIS + name[len(start) + 1 :]
    return name if len(name) <= longest + 1 else shorten(name, longest)


def plain_words(identifier: str) -> str:
    """Return an identifier as words.

    >>> plain_words("slow_query"), plain_words("")
    ('slow query', 'unknown')
    """
    words = CAMEL.sub(" ", shorten(identifier, LONGEST_NAME)).replace("_", " ").replace("-", " ").strip()
    return words.lower() or "unknown"


def listed(names: Sequence[str], joint: str = "and") -> str:
    """Return names as a list in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a", "b"], "or"), listed(["a"])
    ('a, b and c', 'a or b', 'a')
    """
    return f" {joint} ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), *names[-1:]])


def likelihood(probability: float) -> str:
    """Return a probability in words.

    >>> likelihood(0.92), likelihood(0.5)
    ('very likely', 'about even')
    """
    return next((word for least, word in LIKELIHOOD if probability >= least), "not known")


def named_causes(verdict: Verdict) -> tuple[str, ...]:
    """Return the components that the verdict names as causes: none when it abstains."""
    if verdict.abstained:
        return ()
    return verdict.causes or ((verdict.cause,) if verdict.cause else ())


def chance_of_any(verdict: Verdict) -> float:
    """Return the probability that at least one of the named causes is one.

    Each suspect's own probability is that of being the only cause, so that those of several add up to this.
    """
    named = named_causes(verdict)
    return sum(one.probability for one in verdict.suspects if one.component in named)


def percent(share: float) -> str:
    """Return a probability or share, never rounded to a certainty that it is not.

    >>> percent(0.924), percent(0.9999), percent(0.0001)
    ('92\\xa0%', '>\\xa099\\xa0%', '<\\xa01\\xa0%')
    """
    if not math.isfinite(share):
        return "not known"
    if 0 < share < 0.005:
        return f"<{NBSP}1{NBSP}%"
    if 0.995 <= share < 1:
        return f">{NBSP}99{NBSP}%"
    return f"{share * 100:.0f}{NBSP}%"


def quantity(value: float | None, unit: str) -> str:
    """Return a value with its unit, which may be any text, or nothing for no value.

    >>> quantity(0.39, "s"), quantity(None, "s")
    ('390 ms', '')
    """
    return "" if value is None else format_value(value, shorten(unit, 16))


def ratio(before: float | None, after: float | None) -> str:
    """Return how many times larger or smaller a value became, or nothing where that says nothing.

    >>> ratio(0.02, 0.3), ratio(9.0, 3.0), ratio(0.0, 4.0), ratio(10.0, 11.0)
    ('×15', '÷3', '', '')
    """
    if before is None or after is None or not before > 0 or not after > 0:
        return ""
    larger = max(before, after) / min(before, after)
    if larger < 1.2 or not larger < 1e4:
        return ""
    return ("×" if after > before else "÷") + f"{larger:.{1 if larger < 9.95 else 0}f}".removesuffix(".0")


def in_utc(time: datetime) -> datetime:
    """Return the time in UTC; one without a zone is taken to be in UTC already."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def clock(time: datetime, day: datetime | None = None) -> str:
    """Return a time of day, with the date where it is not that of `day`.

    >>> clock(datetime(2026, 3, 4, 3, 7, 30, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
    '03:07:30'
    """
    utc = in_utc(time)
    if day is not None and in_utc(day).date() == utc.date():
        return f"{utc:%H:%M:%S}"
    return f"{utc.day} {utc:%b} {utc:%H:%M:%S}"


def moment(time: datetime) -> str:
    """Return a full date and time.

    >>> moment(datetime(2026, 3, 4, 3, 7, 30, tzinfo=UTC))
    'Wed 4 Mar 2026, 03:07:30 UTC'
    """
    utc = in_utc(time)
    return f"{utc:%a} {utc.day} {utc:%b} {utc.year}, {utc:%H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units.

    >>> duration(0.4), duration(45), duration(90), duration(7260)
    ('0.4\\xa0s', '45\\xa0s', '1\\xa0min\\xa030\\xa0s', '2\\xa0h\\xa01\\xa0min')
    """
    if not math.isfinite(seconds):
        return "not known"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + f"{NBSP}s"
    whole = round(seconds)
    sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    largest = next(index for index, (_, size) in enumerate(sizes) if whole >= size)
    parts = []
    for unit, size in sizes[largest : largest + 2]:
        count, whole = divmod(whole, size)
        parts += [f"{count}{NBSP}{unit}"] if count else []
    return NBSP.join(parts)


def offset(time: datetime, origin: datetime) -> str:
    """Return when something happened as seen from `origin`.

    >>> onset = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
    >>> offset(onset + timedelta(seconds=90), onset), offset(onset, onset)
    ('+1\\xa0min\\xa030\\xa0s', 'at\\xa0onset')
    """
    seconds = (in_utc(time) - in_utc(origin)) / timedelta(seconds=1)
    if abs(seconds) < 0.05:
        return "at\u00a0onset"
    sign = "+" if seconds > 0 else "−"
    return sign + duration(abs(seconds))
