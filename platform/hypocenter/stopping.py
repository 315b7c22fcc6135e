"""What a command leaves behind when it is stopped by Ctrl-C or by a service manager."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def telling_when_stopped(what: str) -> Iterator[None]:
    """Say what was left behind when SIGINT or SIGTERM stops what is done inside; raises click.Abort then."""
    # A thread other than the main one may set no handler, and is sent no signal.
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if main else None
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"hypocenter: stopped: {what}", err=True)
        raise click.Abort from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
