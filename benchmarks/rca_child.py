"""Peers in an interpreter of their own: one child that answers request after request, each within a limit."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rca_frames import Frame

CHILD = Path(__file__).parent / "rca_packaged.py"
LIMIT_S = 60.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class PeerFailed(Exception):  # noqa: N818 - it is an answer, not a defect of ours
    """A peer gave no answer: it raised an error, died, or took longer than a case may take."""


@dataclass
class Child:
    """A process of `python` that runs peers; it starts with the first request and again after one that it failed.

    It ends when its input closes, so at the latest with this process.
    """

    python: Path
    limit_s: float = LIMIT_S
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def ask(
        self, method: str, frame: Frame, edges: Iterable[tuple[int, int]] = (), symptoms: Sequence[int] = ()
    ) -> list[float]:
        """Return the method's score of each series, NaN where it names none; raises PeerFailed.

        `edges` are (cause, effect) and `symptoms` are columns of the frame.
        """
        names = frame.names
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frame.npz"
            np.savez(path, allow_pickle=False, values=frame.values)
            reply = self._exchanged(
                {
                    "method": method,
                    "path": str(path),
                    "names": names,
                    "start": frame.start,
                    "edges": [(names[cause], names[effect]) for cause, effect in edges],
                    "symptoms": [names[symptom] for symptom in symptoms],
                }
            )
        return [reply.get(name, float("nan")) for name in names]

    def close(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _exchanged(self, request: dict[str, object]) -> dict[str, float]:
        asked, answers = self._pipes()
        try:
            asked.write(json.dumps(request) + "\n")
            asked.flush()
            line = self._line(answers)
        except (BrokenPipeError, PeerFailed):
            self.close()
            raise
        reply = json.loads(line)
        if "error" in reply:
            raise PeerFailed(reply["error"])
        return dict(reply["scores"])

    def _line(self, answers: IO[str]) -> str:
        with selectors.DefaultSelector() as ready:
            ready.register(answers, selectors.EVENT_READ)
            if not ready.select(self.limit_s):
                raise PeerFailed(f"took more than {self.limit_s:g} s")
        line = answers.readline()
        if not line:
            raise PeerFailed("the process ended without an answer")
        return line

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        if self.process is None:
            self.process = subprocess.Popen(
                [str(self.python), str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | ONE_THREAD,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return self.process.stdin, self.process.stdout


@dataclass
class Tally:
    """How often each peer gave no answer, and why; such a case counts as a miss."""

    cases: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, cases: Mapping[str, int], failures: Iterable[tuple[str, str, int]]) -> None:
        """Count more runs, by peer, and more failures: (peer, reason, how many)."""
        self.cases.update(cases)
        self.failures.update({(peer, reason): count for peer, reason, count in failures})

    def clear(self) -> None:
        """Count from nothing again."""
        self.cases.clear()
        self.failures.clear()

    def lines(self) -> tuple[str, ...]:
        """Return a line per peer and reason."""
        return tuple(
            f"{peer}: no answer in {count} of {self.cases[peer]} runs: {reason}"
            for (peer, reason), count in sorted(self.failures.items())
        )


def interpreter() -> Path | None:
    """Return the interpreter of the environment that holds the peers; None where it is not there."""
    python = Path(sys.prefix) / "rca" / "bin" / "python"
    return python if python.exists() else None
