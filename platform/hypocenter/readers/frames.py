"""CSV and Parquet files to data frames, within limits and with one line of error."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, TextIO, cast

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from hypocenter.errors import InputError
from hypocenter.readers.limits import Limits, check_cells, check_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_SEPARATORS = (",", ";", "\t")
TABLE_SUFFIXES = (".parquet", ".csv", ".csv.gz")


def is_table(path: Path) -> bool:
    """Whether `path` is named like a table this package reads."""
    return path.name.lower().endswith(TABLE_SUFFIXES)


def find_table(folder: Path, stem: str) -> Path | None:
    """Return `folder`'s table of that name, Parquet before CSV, or None."""
    paths = (folder / (stem + suffix) for suffix in TABLE_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_frame(
    path: Path,
    limits: Limits,
    text_columns: Callable[[list[str]], Iterable[str]] = tuple,
    repeated: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Return the table in `path` as its file states it, the index of a Parquet file as columns.

    `text_columns` picks, of a CSV file's columns, those that are text even where it looks like numbers; where all are,
    empty cells alone are missing, and `NA` is a text. Of a CSV file's columns that `repeated` names the later ones are
    `name.1`, `name.2`. Raises InputError when it is no such file or names another column twice, LimitError when it is
    too large.
    """
    check_file(path, limits)
    if path.name.lower().endswith(".parquet"):
        return _read_parquet(path, limits)
    return _read_csv(path, limits, text_columns, repeated)


def column_names(path: Path, limits: Limits) -> list[str]:
    """Return the names of a table's columns without reading the rest of it; raises as `read_frame` does."""
    check_file(path, limits)
    try:
        if path.name.lower().endswith(".parquet"):
            return [str(name) for name in pq.read_schema(path).names]
        with _open_text(path) as lines:
            header = _first_line(lines, limits)
    except (pa.ArrowException, OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a table ({_line(error)}); write it again") from error
    return next(csv.reader([header], delimiter=separator_of(header)), [])


def require(frame: pd.DataFrame, columns: Iterable[str], where: str) -> None:
    """Raise InputError when `frame` lacks one of `columns`."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{where}: no column {', '.join(missing)}; it has {_some(list(frame.columns))}")


def _read_parquet(path: Path, limits: Limits) -> pd.DataFrame:
    try:
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
            check_cells(str(path), metadata.num_rows, metadata.num_columns, limits)
            _check_unique([column.path for column in map(metadata.schema.column, range(metadata.num_columns))], path)
            frame: pd.DataFrame = file.read().to_pandas()
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({_line(error)}); write it again") from error
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None:
        frame.index.name = "time"
    return frame.reset_index() if any(name is not None for name in frame.index.names) else frame


def _read_csv(
    path: Path, limits: Limits, text_columns: Callable[[list[str]], Iterable[str]], repeated: tuple[str, ...]
) -> pd.DataFrame:
    try:
        with _open_text(path) as lines:
            separator = separator_of(_first_line(lines, limits))
            lines.seek(0)
            table = filter(None, csv.reader(lines, delimiter=separator))
            header, first = next(table, []), next(table, [])
        _check_unique([name for name in header if name not in repeated], path)
        if len(first) > len(header):
            raise InputError(
                f"{path}: the first row has {len(first)} cells, the header {len(header)}; name each column"
            )
        rows = limits.cells // max(len(header), 1)
        types = dict.fromkeys(text_columns(header), "string")
        all_text = set(types) == set(header)
        # Where semicolons separate, commas are decimal; a column that has points instead is text, and read as such.
        decimal = "," if separator == ";" else "."
        frame = pd.read_csv(
            path, sep=separator, decimal=decimal, nrows=rows + 1, dtype=types, encoding="utf-8-sig", index_col=False,
            low_memory=False, keep_default_na=not all_text, na_values=[""] if all_text else None,
        )  # fmt: skip
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a CSV table ({_line(error)}); write a header and one row per line") from error
    check_cells(str(path), len(frame), len(header), limits)
    return frame


def _open_text(path: Path) -> TextIO:
    if path.name.lower().endswith(".gz"):
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _first_line(lines: TextIO, limits: Limits) -> str:
    """Return the first line that is not empty, "" when there is none."""
    line = lines.readline(limits.file_bytes)
    while line and not line.strip():
        line = lines.readline(limits.file_bytes)
    return line


def separator_of(header: str) -> str:
    r"""Return the separator that a header has most of outside quotes and braces: a comma, a semicolon or a tab.

    >>> separator_of('time\tup{job="a",pod="b"}\n'), separator_of("time;web|cpu"), separator_of("time")
    ('\t', ';', ',')
    """
    bare = re.sub(r'"[^"]*"|\{[^}]*\}', "", header)
    return max(_SEPARATORS, key=bare.count)


def _check_unique(columns: list[str], path: Path) -> None:
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} is there {columns.count(twice[0])} times; keep one of them")


def _some(names: list[object], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
