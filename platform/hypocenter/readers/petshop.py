"""Cases in PetShop's layout: `metrics.csv` with three header rows, `target.json`, and `graph.csv` in a folder above.

Hardt et al., "The PetShop Dataset: Finding Causes of Performance Issues across Microservices", CLeaR 2024.
"""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.model import Dependency
from hypocenter.readers.limits import Limits, check_file, limits_from_settings
from hypocenter.telemetry import Case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from hypocenter.model import Target
    from hypocenter.readers.statements import Record
    from hypocenter.readers.tables import Notes
    from hypocenter.telemetry import RawTable

METRICS, TARGET, GRAPH = "metrics.csv", "target.json", "graph.csv"
HEADERS = ("microservice", "metric", "statistic")
# An issue lies in a split, a split in a scenario, a scenario in the data set.
LEVELS = 3
_LINE = 10_000_000


def has_metrics(folder: Path) -> bool:
    """Whether `folder` holds a `metrics.csv` whose first three rows are headers, of words alone."""
    path = folder / METRICS
    if not path.is_file():
        return False
    rows = _first_rows(path, len(HEADERS))
    return len(rows) == len(HEADERS) and len(rows[0]) > 1 and all(_are_words(row[1:]) for row in rows)


def is_petshop_case(folder: Path) -> bool:
    """Whether `folder` holds such metrics and a `target.json`; without it they are a fault-free reference."""
    return (folder / TARGET).is_file() and has_metrics(folder)


def scenario_of(folder: Path) -> Path | None:
    """Return the folder that holds the `graph.csv` of a case: its own or the nearest above it, None without one."""
    return next((place for place in _places(folder) if (place / GRAPH).is_file()), None)


def read_petshop_case(folder: Path, limits: Limits | None = None) -> Case:
    """Return the case in `folder`, with its scenario's graph and fault-free recordings.

    Of `target.json` the field `target` alone is used: where and when the trouble was noticed. Raises InputError for a
    file that cannot be read, LimitError for one that is too large.
    """
    from hypocenter.readers.statements import as_record, moment_of, read_json
    from hypocenter.readers.tables import portable

    limits = limits or limits_from_settings()
    where = f"{folder / TARGET}: field 'target'"
    stated = as_record(as_record(read_json(folder / TARGET, limits), str(folder / TARGET)).get("target"), where)
    metrics, notes = _read_metrics(folder / METRICS, limits)
    target, target_notes = _target(stated, metrics, where)
    reference, reference_notes = _reference(folder, metrics, limits)
    dependencies, graph_notes = _dependencies(folder, target, limits)
    return Case(
        case_id=_case_id(folder),
        metrics=metrics,
        reference=reference,
        dependencies=dependencies,
        target=target,
        started_at=moment_of(stated, "timestamp", where),
        notes=portable((*notes, *target_notes, *reference_notes, *graph_notes), folder),
    )


def read_graph(path: Path, limits: Limits, entry: str | None = None) -> tuple[tuple[Dependency, ...], Notes]:
    """Return a `graph.csv`, an adjacency matrix whose rows call its columns, as dependencies.

    `entry` is where users are served. Should it be called by others and call nobody, the matrix is of the other
    direction, as the graph of effects is, and read so, with a note. Raises InputError when it is no such matrix.
    """
    from hypocenter.readers.frames import read_frame
    from hypocenter.readers.tables import as_numbers

    frame = read_frame(path, limits, lambda names: names[:1])
    if frame.shape[1] < 2:
        raise InputError(f"{path}: no adjacency matrix; its first row and column must name microservices")
    rows = [str(name) for name in frame.iloc[:, 0].astype("string").fillna("")]
    columns = ["" if str(name).startswith("Unnamed: ") else str(name) for name in frame.columns[1:]]
    cells = [as_numbers(frame.iloc[:, at])[0] for at in range(1, frame.shape[1])]
    calls = [(row, name) for at, row in enumerate(rows) for name, of in zip(columns, cells, strict=True) if of[at] > 0]
    if not calls or not all(all(pair) for pair in calls):
        raise InputError(f"{path}: no adjacency matrix; give 1 where the row's microservice calls the column's")
    return _directed(calls, entry, str(path))


def _directed(calls: list[tuple[str, str]], entry: str | None, where: str) -> tuple[tuple[Dependency, ...], Notes]:
    callers, callees = {caller for caller, _ in calls}, {callee for _, callee in calls}
    if entry is None or entry in callers or entry not in callees:
        return tuple(Dependency(caller, callee) for caller, callee in dict.fromkeys(calls)), ()
    note = f"{where}: {entry!r}, where the trouble was noticed, would call nobody; read as columns that call rows"
    return tuple(Dependency(callee, caller) for caller, callee in dict.fromkeys(calls)), (note,)


def _places(folder: Path) -> list[Path]:
    place = folder.resolve()
    return [place, *place.parents[:LEVELS]]


def _case_id(folder: Path) -> str:
    """Return the folder's name, behind those of the folders it has in its scenario and the scenario's own."""
    scenario, place = scenario_of(folder), folder.resolve()
    return "-".join((scenario.name, *place.relative_to(scenario).parts)) if scenario else place.name


def _dependencies(folder: Path, target: Target | None, limits: Limits) -> tuple[tuple[Dependency, ...] | None, Notes]:
    scenario = scenario_of(folder)
    if scenario is None:
        return None, (f"{folder}/{GRAPH}: neither here nor in the {LEVELS} folders above; who calls whom is unknown",)
    dependencies, notes = read_graph(scenario / GRAPH, limits, target.component if target else None)
    return dependencies, tuple(note.removeprefix(f"{scenario}/") for note in notes)


def _reference(folder: Path, metrics: RawTable, limits: Limits) -> tuple[tuple[RawTable, ...], Notes]:
    """Return the fault-free recordings beside the case or beside a folder that holds it, the nearest ones."""
    found = next((folders for place in _places(folder)[1:] if (folders := list(_fault_free(place)))), [])
    tables: list[RawTable] = []
    notes: Notes = ()
    for each in found:
        table, own = _read_metrics(each / METRICS, limits)
        tables.append(table)
        notes += tuple(note.removeprefix(f"{each.parent}/") for note in own)
    return tuple(sorted(tables, key=lambda table: bool(table.times[-1] >= metrics.times[0]))), notes


def _fault_free(place: Path) -> Iterator[Path]:
    for path in sorted(place.glob(f"*/{METRICS}")):
        if not (path.parent / TARGET).exists() and has_metrics(path.parent):
            yield path.parent


def _target(stated: Record, metrics: RawTable, where: str) -> tuple[Target | None, Notes]:
    from hypocenter.readers.statements import target_of, text_of

    text_of(stated, "node", where)
    columns = {(each.get("component", ""), each.get("__name__", "")) for each in metrics.labels}
    target = target_of({"target": stated}, columns, where)
    if target is None or any(component == target.component for component, _ in columns):
        return target, ()
    return None, (f"{where}: no metric bears {target.component!r}; left out",)


def _read_metrics(path: Path, limits: Limits) -> tuple[RawTable, Notes]:
    from hypocenter.readers.tables import wide_table

    check_file(path, limits)
    rows = _first_rows(path, len(HEADERS) + 1)
    if len(rows) <= len(HEADERS):
        raise InputError(f"{path}: no rows below its three header rows; give at least one sample")
    names = _column_names(rows[: len(HEADERS)], path)
    # Below the names of columns a frame may name its index, in a row of its own.
    headers = len(HEADERS) + (not any(rows[len(HEADERS)][1:]) and not rows[len(HEADERS)][0][:1].isdecimal())
    return wide_table(_body(path, names, headers, limits), str(path))


def _column_names(rows: Sequence[Sequence[str]], path: Path) -> list[str]:
    """Return `time` and `microservice|metric_statistic`, as case folders name their series."""
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{path}: its three header rows differ in length; name each column in each of them")
    if not all(cell.strip() for row in rows for cell in row[1:]):
        raise InputError(f"{path}: a column lacks its {', '.join(HEADERS[:2])} or {HEADERS[2]}; name it in each row")
    names = [f"{component}|{metric}_{statistic}" for component, metric, statistic in zip(*rows, strict=True)][1:]
    name, count = max(Counter(names).items(), key=lambda counted: counted[1])
    if count > 1:
        raise InputError(f"{path}: column {name!r} is there {count} times; keep one of them")
    return ["time", *names]


def _body(path: Path, names: list[str], headers: int, limits: Limits) -> pd.DataFrame:
    import pandas as pd

    from hypocenter.readers.limits import check_cells

    most = limits.cells // len(names) + 1
    try:
        frame = pd.read_csv(
            path, header=None, names=names, skiprows=headers, nrows=most, index_col=False, low_memory=False
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning, ValueError, OSError) as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a CSV table ({text}); write three header rows and one row per line") from error
    check_cells(str(path), len(frame), len(names), limits)
    return frame


def _first_rows(path: Path, count: int) -> list[list[str]]:
    """Return the first rows of a CSV file that are not empty, fewer when it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            short = (line for line in iter(lambda: lines.readline(_LINE), ""))
            return list(islice(filter(None, csv.reader(short)), count))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _are_words(cells: Sequence[str]) -> bool:
    return bool(cells) and all(cell.strip() and not _is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
