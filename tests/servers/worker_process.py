"""A Celery worker as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter_workers.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

PATIENCE_S = 120


@contextmanager
def running(redis_server: str, folder: Path, **settings: str) -> Iterator[Celery]:
    """An app whose tasks a worker process of its own takes; its log is shown when it does not end in peace."""
    celery = str(Path(sys.executable).with_name("celery"))
    command = [celery, "-A", "hypocenter_workers.app", "worker", "--concurrency", "1", "--loglevel", "WARNING"]
    environment = {**os.environ, "HYPOCENTER_REDIS_URL": redis_server, **settings}
    with (folder / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        with create_app(redis_server) as app:
            yield app
        process.terminate()
        code = process.wait(timeout=PATIENCE_S)
        log.seek(0)
        assert code == 0, log.read()
