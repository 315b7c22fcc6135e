"""An import that is stopped half-way keeps nothing, and says so."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., tuple[int, str, str]]

COMMAND = Path(sys.executable).with_name("hypocenter")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_stopped_says_that_nothing_was_imported(
    history_command: Command, tmp_path: Path, sent: signal.Signals
) -> None:
    table = tmp_path / "own.csv"
    table.write_text("incident_id\n" + "".join(f"I-{number}\n" for number in range(100_000)))
    # What a shell runs in the background ignores the signal, and so would all that it starts.
    heeds = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    words = [str(COMMAND), "history", "import", str(table), "--from", "csv"]
    master, slave = pty.openpty()
    with subprocess.Popen(words, stderr=slave, preexec_fn=heeds) as running:
        os.close(slave)
        shown = b""
        while b"10,000 incidents read" not in shown:
            shown += os.read(master, 1000)
        running.send_signal(sent)
        while b"stopped" not in shown:
            shown += os.read(master, 1000)
    os.close(master)
    assert running.returncode == 130
    assert b"hypocenter: stopped: nothing was imported" in shown
    assert history_command("export")[1] == ""
