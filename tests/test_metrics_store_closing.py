"""A file of metrics that is closed while somebody asks it something that takes long."""

from __future__ import annotations

from contextlib import closing
from itertools import repeat
from threading import Event, Thread
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from hypocenter.errors import SourceError
from hypocenter.stores.duckdb_file import DuckDbFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S, MEMORY = 60.0, 1 << 28
ROWS = pa.record_batch({"number": list(range(1000))})


class Asking(Thread):
    """Asks a file for rows that never end; `told` is what it is told instead."""

    def __init__(self, file: DuckDbFile) -> None:
        super().__init__(name="asking", daemon=True)
        self._file, self.is_answered, self.told = file, Event(), ""
        self.start()
        assert self.is_answered.wait(PATIENCE_S)

    def run(self) -> None:
        endless = pa.RecordBatchReader.from_batches(ROWS.schema, self._rows())
        try:
            with self._file.snapshot(endless=endless) as connection:
                connection.execute("SELECT sum(number) FROM endless").fetchall()
        except SourceError as error:
            self.told = str(error)

    def _rows(self) -> Iterator[pa.RecordBatch]:
        for rows in repeat(ROWS):
            self.is_answered.set()
            yield rows


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[DuckDbFile]:
    with closing(DuckDbFile(tmp_path, MEMORY, 1)) as file:
        yield file


def test_what_is_asked_is_broken_off_and_the_folder_is_free(opened: DuckDbFile) -> None:
    asking = Asking(opened)
    opened.close()
    asking.join(PATIENCE_S)
    assert "cannot be read" in asking.told
    DuckDbFile(opened.folder, MEMORY, 1).close()


def test_a_file_that_is_opened_anew_waits_for_nobody(opened: DuckDbFile) -> None:
    asking = Asking(opened)
    opened.reopen()
    asking.join(PATIENCE_S)
    assert "cannot be read" in asking.told
    with opened.snapshot() as connection:
        assert connection.execute("SELECT version FROM format").fetchall() == [(1,)]
