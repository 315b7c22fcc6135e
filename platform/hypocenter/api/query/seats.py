"""Who may listen at the same time: so many in the whole process, and none of its tenants takes the others' seats."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hypocenter.errors import SourceError

# Half of the connections that a process takes, so that those who listen leave room for those who ask.
MOST_LISTENERS = 500


class Seats:
    """Seats of one process for those who listen, `most` in all; they belong to one event loop.

    Half of them are divided among the tenants, and kept for each; the other half is for whoever comes first.
    """

    def __init__(self, tenants: int = 1, most: int = MOST_LISTENERS) -> None:
        self._own = max(most // 2 // tenants, 1)
        self._common = max(most - self._own * tenants, 0)
        self._taken = Counter[str]()

    @contextmanager
    def seat(self, tenant: str) -> Iterator[None]:
        """Hold a seat while somebody of a tenant listens; raises SourceError where there is none for them."""
        taken = self._taken[tenant]
        if taken >= self._own and self._in_common() >= self._common:
            raise SourceError(f"{taken} listen already, which is the limit; come again later, or ask by GET")
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1

    def _in_common(self) -> int:
        return sum(max(taken - self._own, 0) for taken in self._taken.values())
