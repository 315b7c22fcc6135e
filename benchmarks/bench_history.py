"""Importing a table of incidents into the history: time and memory by its number of rows."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import results

SIZES = (10_000, 100_000, 1_000_000)
READ = "read"
STEPS = (READ, "import", "import again")
HEADER = "incident_id,started_at,resolved_at,symptom_component,root_component,fault_type,confirmed_by,source,notes"
NOTE = (
    "A made table of incidents in our own columns, read and checked, then imported into a new SQLite file, then "
    "imported again, which changes nothing; each in a process of its own. Seconds are processor time of one core, so "
    "that a busy machine does not show much in them; `peak MB` is the most memory that the process held at any time, "
    "with Python and its libraries."
)


def main() -> None:
    """Make a table of each size, read and import it in child processes, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="rows (default: %(default)s)")
    parser.add_argument("--read-only-from", type=int, help="rows from which a table is read and not imported")
    parser.add_argument("data", nargs="?", help="not used: the tables are made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for size in given.sizes for row in _measured(Path(folder), size, given.read_only_from)]
    results.keep("history", sorted(rows, key=lambda row: STEPS.index(str(row["step"]))), note=NOTE)


def _measured(folder: Path, size: int, read_only_from: int | None) -> list[results.Row]:
    table, records = folder / f"{size}.csv", folder / f"{size}.db"
    _make(table, size)
    done = STEPS[:1] if read_only_from is not None and size >= read_only_from else STEPS
    return [{"step": step, "rows": size, **_in_a_child(table, records if step != READ else None)} for step in done]


def _make(table: Path, size: int) -> None:
    """Write a table of `size` incidents, forty a day, of 400 components, in which every row is different."""
    with table.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for number in range(size):
            began = 1_400_000_000 + number * 432
            kind = ("cpu", "memory", "disk", "network")[number % 4]
            file.write(
                f"INC-{number:07d},{began},{began + 2700},web-{number % 50},service-{number % 400},{kind},on call,,"
                f'"restarted, then fine after {number % 97} minutes"\n'
            )


def _in_a_child(table: Path, records: Path | None) -> dict[str, results.Cell]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        seconds, megabytes = pool.submit(_run, table, records).result()
    return {"seconds": seconds, "peak MB": megabytes}


def _run(table: Path, records: Path | None) -> tuple[float, float]:
    """Read the table, or import it where `records` names a place; return processor seconds and megabytes."""
    from hypocenter.history.findings import Findings
    from hypocenter.history.importing import import_history, read_history
    from hypocenter.history.reading import Reading
    from hypocenter.stores.opening import open_records

    before = time.process_time()
    if records is None:
        for _ in read_history(table, Reading("csv"), Findings()):
            pass
    else:
        opened = open_records(str(records))
        import_history(table, Reading("csv"), opened.history, Findings())
        opened.close()
    return time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
