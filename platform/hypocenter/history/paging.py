"""Whether the pages of a server get on: a new place each time, and not only empty pages."""

from __future__ import annotations

import hashlib

from hypocenter.errors import SourceError

# Access rules may hide a whole page of records, but not for long.
MOST_EMPTY = 20


class Progress:
    """Watches the way through the pages of one question; `server` names it in errors."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._places: set[bytes] = set()
        self._empty = 0

    def check(self, following: object, count: int) -> None:
        """Take note of a page of `count` records, after which `following` is the place to go on at.

        Raises SourceError for a place that was named before, and for `MOST_EMPTY` empty pages in a row.
        """
        self._empty = 0 if count else self._empty + 1
        if self._empty >= MOST_EMPTY:
            raise SourceError(
                f"{self._server}: gives {MOST_EMPTY} empty pages in a row and says that there are more; see what the "
                "user of the token may read, or ask for less with --query, --since and --until"
            )
        # A place may be a long text of the server's; its hash is short.
        place = hashlib.sha256(repr(following).encode()).digest()
        if place in self._places:
            raise SourceError(f"{self._server}: gives the same page again and again; try again later")
        self._places.add(place)
