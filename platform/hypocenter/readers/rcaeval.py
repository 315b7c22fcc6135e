"""Cases in RCAEval's layout: `<service>_<fault>/<n>/` with a table of metrics and `inject_time.txt`.

Pham et al., "RCAEval: A Benchmark for Root Cause Analysis of Microservice Systems with Telemetry Data", WWW 2025.
The folder's name is the answer, so nothing of it is in the case.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

from hypocenter.catalog import measure
from hypocenter.errors import InputError
from hypocenter.model import MetricKind
from hypocenter.readers.limits import Limits, check_file, limits_from_settings
from hypocenter.readers.times import to_datetime
from hypocenter.telemetry import Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from hypocenter.readers.tables import Notes
    from hypocenter.telemetry import RawTable

INJECT_TIME = "inject_time.txt"
METRICS = (
    "data.csv", "simple_data.csv", "simple_metrics.csv", "metrics.parquet", "metrics.csv", "metrics.json",
)  # fmt: skip


def is_rcaeval_case(folder: Path) -> bool:
    """Whether `folder` holds `inject_time.txt` and a table of metrics beside it."""
    return (folder / INJECT_TIME).is_file() and _metrics_file(folder) is not None


def read_rcaeval_case(folder: Path, limits: Limits | None = None) -> Case:
    """Return the case in `folder`: metrics, and the spans and log lines that lie beside them.

    The first of `METRICS` is read. Its id is drawn from the folder's place, since its name would tell the answer.
    Raises InputError for a file that cannot be read, LimitError for one that is too large.
    """
    from hypocenter.readers.rcaeval_records import read_log_lines, read_spans
    from hypocenter.readers.tables import portable

    limits = limits or limits_from_settings()
    metrics, notes = _metrics(folder, limits)
    spans, span_notes = read_spans(folder, limits)
    log_lines, log_notes = read_log_lines(folder, limits)
    return Case(
        case_id=blind_id(folder),
        metrics=metrics,
        spans=spans,
        log_lines=log_lines,
        started_at=_inject_time(folder / INJECT_TIME, limits),
        notes=portable((*notes, *span_notes, *log_notes), folder),
    )


def blind_id(folder: Path) -> str:
    """Return the id of a case: ten hexadecimal digits of the SHA-256 of its folder's name below the data set's.

    >>> from pathlib import Path
    >>> blind_id(Path("RE1/cart_cpu/1")) == blind_id(Path("elsewhere/cart_cpu/1"))
    True
    """
    place = folder.resolve()
    return sha256(f"{place.parent.name}/{place.name}".encode()).hexdigest()[:10]


def series_names(columns: Iterable[str]) -> dict[str, str]:
    """Map `<service>_<metric>` to `service|metric`; a column that lacks either, or has a `|`, is left out of the map.

    Metrics may hold `_` as services may: where a column holds several, it is cut behind the longest service that
    another column names without doubt, else so that the shortest rest is a metric of a known kind.

    >>> series_names(["carts_cpu", "carts_lat_90", "my_db_mem", "up"])
    {'carts_cpu': 'carts|cpu', 'carts_lat_90': 'carts|lat_90', 'my_db_mem': 'my_db|mem'}
    """
    names = [name for name in columns if "|" not in name]
    services = {name.partition("_")[0] for name in names if name.count("_") == 1}
    cut = {name: _cut(name, services) for name in names}
    return {name: f"{service}|{metric}" for name, (service, metric) in cut.items() if service and metric}


def _cut(name: str, services: set[str]) -> tuple[str, str]:
    cuts = [(name[: found.start()], name[found.end() :]) for found in re.finditer("_", name)][::-1]
    if len(cuts) < 2:
        return cuts[0] if cuts else ("", "")
    known = (cut for cut in cuts if cut[0] in services)
    measured = (cut for cut in cuts if measure(cut[1]).kind is not MetricKind.OTHER)
    return next(known, None) or next(measured, cuts[-1])


def _metrics_file(folder: Path) -> Path | None:
    return next((folder / name for name in METRICS if (folder / name).is_file()), None)


def _metrics(folder: Path, limits: Limits) -> tuple[RawTable, Notes]:
    from hypocenter.readers.tables import time_column, wide_table

    path = _metrics_file(folder)
    if path is None:
        raise InputError(f"{folder}: no metrics; give one of {', '.join(METRICS)}")
    frame = _frame(path, limits)
    time = time_column(frame, str(path))
    # A time column that is there twice, and a frame's row numbers, are no series.
    spare = [name for name in map(str, frame.columns) if re.fullmatch(rf"{re.escape(time)}\.\d+|Unnamed: \d+|", name)]
    names = series_names(str(name) for name in frame.columns if name != time)
    if not names.keys() - set(spare) and not any("|" in str(name) for name in frame.columns):
        raise InputError(f"{path}: no column is named `<service>_<metric>`; name one so, as `cart_cpu`")
    return wide_table(frame.drop(columns=spare).rename(columns=names), str(path))


def _frame(path: Path, limits: Limits) -> pd.DataFrame:
    from hypocenter.readers.frames import read_frame
    from hypocenter.readers.statements import as_record, read_json

    if path.suffix != ".json":
        return read_frame(path, limits, repeated=("time", "Time"))
    return _from_pairs(as_record(read_json(path, limits), str(path)), str(path), limits)


def _from_pairs(stated: Mapping[str, object], where: str, limits: Limits) -> pd.DataFrame:
    """Return `{series: [[time, value], ...]}` as a frame with a row for every time that any series has."""
    import pandas as pd

    from hypocenter.readers.limits import check_cells

    columns = {name: _samples(pairs, f"{where}: field {name!r}") for name, pairs in stated.items() if pairs}
    times = sorted(set().union(*columns.values()))
    check_cells(where, len(times), len(columns), limits)
    cells = {name: [samples.get(time) for time in times] for name, samples in columns.items() if name != "time"}
    return pd.DataFrame({"time": times, **cells})


def _samples(pairs: object, where: str) -> dict[float, object]:
    if not isinstance(pairs, list) or not all(_is_sample(pair) for pair in pairs):
        raise InputError(f"{where}: must be a list of [time, value], times in seconds")
    return {pair[0]: pair[1] for pair in pairs}


def _is_sample(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], (int, float)) and pair[0] == pair[0]


def _inject_time(path: Path, limits: Limits) -> datetime:
    check_file(path, limits)
    with path.open("rb") as lines:
        first = lines.readline(200).decode(errors="replace").strip()
    return to_datetime(first, f"{path}: line 1")
