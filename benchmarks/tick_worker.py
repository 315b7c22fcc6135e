"""A worker of the queue of ticks whose time of day is a number in Redis; `python tick_worker.py JOBS`."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from redis import Redis

from hypocenter.queues import DETECT
from hypocenter.rhythm import rhythm_of_settings
from hypocenter.stores.redis_place import redis_url
from hypocenter_workers.app import create_app
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.processes import Crew, run_worker

NOW = "bench:now"


def opened() -> LiveWork:
    """Return the work on the stores of the settings, that learns from an hour: there is no more."""
    clock = Redis.from_url(redis_url(), decode_responses=True)

    def now() -> datetime:
        return datetime.fromtimestamp(float(str(clock.get(NOW))), UTC)

    return LiveWork(now=now, rhythm=replace(rhythm_of_settings(), learn=timedelta(hours=1)))


def main(jobs: int) -> int:
    """Take ticks until SIGTERM."""
    app = create_app(redis_url(), opened)
    return run_worker(app, Crew([DETECT], jobs), lambda: print("ready", flush=True))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
