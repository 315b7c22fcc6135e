"""Which scope a request needs: found by its method and path, before anything of its body is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from starlette.routing import Match

from hypocenter.access import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route
    from starlette.types import Scope as HttpScope


class Open(Enum):
    """What needs no scope: `EVERYBODY` may ask it, `KNOWN` whoever shows who they are."""

    EVERYBODY = "everybody"
    KNOWN = "known"


Need = Scope | Open


@dataclass(frozen=True)
class Needs:
    """Routes in the order in which they are tried, each with what it needs; what is none of them needs `KNOWN`."""

    routes: Sequence[tuple[Route, Need]]

    def of(self, scope: HttpScope) -> Need:
        """Return what a request needs: that of the first route that takes its method and path, as routers choose.

        The path of the route, with its parameters by name, is left in `scope["route_path"]`; "" where there is none.
        """
        for route, need in self.routes:
            if route.matches(scope)[0] is Match.FULL:
                scope["route_path"] = route.path
                return need
        scope["route_path"] = ""
        return Open.KNOWN
