"""What may be typed on the command line: options that belong together, times, durations and what they are read from."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_YEAR, LAST_YEAR = 1970, 2200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIX = re.compile(r"-?\d{9,}(\.\d+)?", re.ASCII)
# The bounds of readers.time_columns, which is too heavy for `--help`; a test holds the two together.
_PER_SECOND = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_time(text: str) -> datetime:
    """Return the instant that ISO 8601 text or a Unix time names, in UTC; a time without a zone is UTC.

    Nine digits or more are a Unix time in s, ms, us or ns, told apart by their size as in files; eight are a date.
    Raises ValueError when `text` is neither, or names a time outside the years 1970 to 2200.

    >>> parse_time("2026-03-01T12:00:00+02:00")
    datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)
    >>> parse_time("1772359200") == parse_time("1772359200000") == parse_time("20260301T10")
    True
    """
    text = text.strip()
    try:
        found = _unix_time(float(text)) if _UNIX.fullmatch(text) else _utc(datetime.fromisoformat(text))
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{text!r} is not a time") from error
    return _within_years(found, text)


def _within_years(found: datetime, text: str) -> datetime:
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"{text!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return found


def _unix_time(number: float) -> datetime:
    per_second = next((per_second for bound, per_second in _PER_SECOND if abs(number) < bound), 1e9)
    return _EPOCH + timedelta(seconds=number / per_second)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def parse_duration(text: str) -> timedelta:
    """Return the span of time that text such as `6h`, `90m` or `1d12h` names, as Prometheus writes them.

    Raises ValueError when `text` is not a duration longer than zero.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    text = text.strip()
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration")
    try:
        span = timedelta(seconds=sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text)))
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long") from error
    if not span:
        raise ValueError("a duration must be longer than zero")
    return span


def from_now(text: str, now: datetime) -> datetime:
    """Return the instant that `now`, `now+3m` or `now-1h30m` names; raises ValueError for other text.

    >>> from_now("now-1h30m", datetime(2026, 3, 1, 12, tzinfo=UTC)).isoformat()
    '2026-03-01T10:30:00+00:00'
    """
    sign, span = text[3:4], text[4:]
    if text == "now":
        return now
    if sign not in {"+", "-"}:
        raise ValueError(f"{text!r} is not a time")
    ahead = parse_duration(span)
    try:
        found = now + ahead if sign == "+" else now - ahead
    except OverflowError as error:
        raise ValueError(f"{text!r} is too far away") from error
    return _within_years(found, text)


class TimeType(click.ParamType[datetime]):
    """A point in time; becomes a datetime in UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant, or fail with the forms that are understood."""
        try:
            text = str(value)
            if text.startswith("now"):
                return from_now(text, datetime.now(UTC))
            return value if isinstance(value, datetime) else parse_time(text)
        except ValueError as error:
            self.fail(f"{error}; write 2026-03-01T10:00:00Z, Unix seconds, now or now+3m", param, ctx)


class DurationType(click.ParamType[timedelta]):
    """A span of time; becomes a timedelta."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the span, or fail with the forms that are understood."""
        try:
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a duration; write 6h, 90m or 1d12h", param, ctx)


class SpanType(click.ParamType[tuple[datetime, datetime]]):
    """A stretch of time; becomes its two ends in UTC."""

    name = "start/end"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[datetime, datetime]:
        """Return both ends, or fail with how they are written."""
        start, _, end = str(value).partition("/")
        try:
            span = parse_time(start), parse_time(end)
        except ValueError as error:
            self.fail(f"{error}; write START/END, as 2026-03-01T22:00/2026-03-02T02:00", param, ctx)
        if span[1] <= span[0]:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return span


class Finite(click.types.FloatParamType):
    """Any number, which `nan` is not and infinity is not meant to be."""

    def convert(
        self, value: SupportsFloat | SupportsIndex, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or fail with why it is none."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class FiniteRange(click.FloatRange):
    """A number within bounds, which `nan` is not and infinity is not meant to be."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail with why it is none."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


_SERVER_OPTIONS = (
    *("lookback", "match", "username", "password_file", "bearer_token_file"),
    *("ca_file", "client_cert", "client_key", "insecure"),
)
PATH = click.Path(path_type=Path)
TIME = TimeType()
DURATION = DurationType()
SPAN = SpanType()


def _options_of(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


about_the_incident = _options_of(
    click.option(
        "--at",
        type=TIME,
        help="When it began, as far as known: ISO 8601 (UTC unless it says), Unix seconds, now or now-10m.",
    ),
    click.option("--topology", type=PATH, help="Dependencies: CSV `caller,callee`, or a JSON list of pairs."),
    click.option("--target", help="The symptom to start from: COMPONENT or COMPONENT|METRIC."),
    click.option(
        "--component-label", "component_labels", multiple=True, help="Label that names the component; repeatable."
    ),
    click.option(
        "--metric-kinds",
        type=PATH,
        help='What metrics measure where names mislead: JSON, as {"lod": {"kind": "traffic"}}.',
    ),
    click.option(
        "--precision",
        type=FiniteRange(0, 1),
        help="Wanted share of named causes that are right; default 0.8, or HYPOCENTER_PRECISION.",
    ),
)

about_the_calendar = _options_of(
    click.option(
        "--timezone", default="UTC", show_default=True, metavar="NAME", help="Time zone whose days the series follow."
    ),
    click.option("--holidays", type=PATH, help="Days that pass like Sundays: a file with one `date[,name]` a line."),
    click.option(
        "--special-days", type=PATH, help="Days like no other, in a file as --holidays; no habit is learned from them."
    ),
)

about_the_budget = _options_of(
    click.option("--threshold", type=FiniteRange(0, min_open=True), help="Score at which an event is told."),
    click.option(
        "--alerts-per-week",
        type=FiniteRange(0, min_open=True),
        help="Alerts a week that may be raised on each series by chance, instead of --threshold; default 1.",
    ),
    click.option(
        "--mute", type=SPAN, multiple=True, help="Time of maintenance, in which nothing is told; UTC; repeatable."
    ),
)


def about_a_server(prometheus: str, lookback: str) -> Callable[[Any], Any]:
    """Return the options that ask a server; `prometheus` and `lookback` say in words what it is asked for."""
    return _options_of(
        click.option("--prometheus", metavar="URL", help=prometheus),
        click.option("--lookback", type=DURATION, default="6h", show_default=True, help=lookback),
        click.option(
            "--match", multiple=True, metavar="SELECTOR", help="Series to read, as '{namespace=\"shop\"}'; repeatable."
        ),
        click.option("--username", help="User name for basic authentication."),
        click.option("--password-file", type=PATH, help="File that holds the password."),
        click.option("--bearer-token-file", type=PATH, help="File that holds a bearer token."),
        click.option("--ca-file", type=PATH, help="Certificates to trust instead of the system's."),
        click.option("--client-cert", type=PATH, help="Client certificate."),
        click.option("--client-key", type=PATH, help="Key of the client certificate."),
        click.option("--insecure", is_flag=True, help="Do not verify the server's certificate."),
    )


about_the_server = about_a_server(
    "Read from a Prometheus-compatible server instead of a CASE.", "How much to read before --at."
)

about_the_graph = _options_of(
    click.option(
        "--graph",
        "where",
        metavar="WHERE",
        help="The graph: a file or bolt://HOST:7687; default HYPOCENTER_GRAPH, or hypocenter-graph.db in this folder.",
    ),
)
about_the_records = _options_of(
    click.option(
        "--records",
        metavar="WHERE",
        help="The records: a SQLite file or postgresql://USER@HOST/NAME; default HYPOCENTER_RECORDS.",
    ),
)
about_the_data = click.option(
    "--data-dir",
    type=PATH,
    metavar="DIR",
    help="Folder of the server's data; default: the setting HYPOCENTER_DATA_DIR.",
)
in_json = click.option("--json", "as_json", is_flag=True, help="Print plain JSON and nothing else.")

about_the_view = _options_of(
    click.option("--as-of", type=TIME, help="The graph as it was at this time; default now."),
    click.option("--learned", is_flag=True, help="With edges that are only suggested by metrics."),
)


def refuse_server_options(context: click.Context, but: Sequence[str] = ()) -> None:
    """Raise UsageError for an option, other than those of `but`, that means nothing without a server."""
    for name in _SERVER_OPTIONS:
        if name not in but and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --prometheus URL", context)
