"""A worker of the settings as a process, whose clock a file moves: `python clocked_worker.py CLOCK`."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from hypocenter.queues import QUEUES
from hypocenter.stores.redis_place import redis_url
from hypocenter_workers.app import create_app
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.processes import Crew, run_worker


def now(clock: Path) -> datetime:
    """Return the time that the file tells."""
    return datetime.fromisoformat(clock.read_text(encoding="utf-8"))


def move(clock: Path, to: datetime) -> None:
    """Have the file tell another time; who reads it meanwhile finds the one or the other."""
    draft = clock.with_suffix(".draft")
    draft.write_text(to.isoformat(), encoding="utf-8")
    draft.replace(clock)


def main(clock: str) -> int:
    app = create_app(redis_url(), lambda: LiveWork(now=partial(now, Path(clock))))
    return run_worker(app, Crew(QUEUES, 2), lambda: print("ready", flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
