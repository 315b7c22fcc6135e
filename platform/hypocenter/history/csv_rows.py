"""Tables of incidents: CSV with any usual separator, whose column names may repeat."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.history.row import BadRow, Row
from hypocenter.history.text_files import LONGEST_LINE, first_line, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypocenter.history.row import Names
    from hypocenter.history.text_files import TextFile

SEPARATORS = (",", ";", "\t", "|")


def csv_rows(text: TextFile, names: Names, note: Callable[[str], None]) -> Iterator[Row | BadRow]:
    """Yield the rows below the header one by one, with all cells of a name that several columns bear.

    `note` is told when the last line has no end, as in a file that was cut off there.

    A row with more or fewer cells than the header is a BadRow. Raises InputError for what is no CSV from some line on,
    as where a quoted cell has no end.
    """
    line, header = first_line(text)
    above, last = line - 1, [header]
    reader = csv.reader(_again(last, lines_of(text)), delimiter=_separator(header), strict=True)
    # The limit is the module's, and smaller than what people write into one cell.
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        columns = [names(name or f"column {at}") for at, name in enumerate(next(reader), start=1)]
        line = above + reader.line_num + 1
        for cells in reader:
            if cells:
                yield _row(line, columns, cells)
            line = above + reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{text.where}: line {line}: no whole row of a CSV ({error}); export it again") from error
    finally:
        csv.field_size_limit(before)
    if not last[0].endswith(("\n", "\r")):
        note(f"{text.where}: line {line - 1} has no end; if the export broke off there, its last cell is cut")


def _again(last: list[str], lines: Iterator[str]) -> Iterator[str]:
    """Yield the line in `last` and all that follow, each of which is in `last` from then on."""
    yield last[0]
    for last[0] in lines:
        yield last[0]


def _separator(header: str) -> str:
    """Return the separator of a header: the one that is there most often, outside of quotes."""
    bare = "".join(header.split('"')[::2])
    return max(SEPARATORS, key=bare.count)


def _row(line: int, columns: Sequence[str], cells: list[str]) -> Row | BadRow:
    if len(cells) < len(columns) or any(cells[len(columns) :]):
        return BadRow(line, f"more or fewer cells than the {len(columns)} of the header", f"{len(cells)} cells")
    fields: dict[str, list[str]] = {}
    for name, cell in zip(columns, cells, strict=False):
        texts = fields.setdefault(name, [])
        if cell and (cell := cell.strip()):
            texts.append(cell)
    return Row(line, fields)
