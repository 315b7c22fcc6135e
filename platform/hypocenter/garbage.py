"""What a process has loaded for good, kept from being looked through again and again."""

from __future__ import annotations

import gc


def keep_for_good() -> None:
    """Take what is there now for what stays until the process ends: collections look at what comes later alone.

    Some hundred thousand objects are loaded before the first request; to look through them takes a tenth of a second
    in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
