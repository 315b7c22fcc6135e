"""Where the commands of `hypocenter graph` find the graph."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypocenter_graph.stores.contract import GraphStore, View

DEFAULT_FILE = "hypocenter-graph.db"


def graph_place(where: str | None) -> str:
    """Return the file or URL that is meant: what was typed, else the setting, else a file in this folder."""
    from hypocenter import settings

    return where or str(settings.read("graph") or DEFAULT_FILE)


def graph_file(where: str | None) -> list[Path]:
    """Return the file that holds the graph, which nothing else may be written to; [] for a server."""
    place = graph_place(where)
    return [] if "://" in place else [Path(place)]


@contextmanager
def opened(where: str | None) -> Iterator[GraphStore]:
    """Open the graph to write to it; a file that is not there is made."""
    from hypocenter_graph.stores.opening import open_graph

    with closing(open_graph(graph_place(where))) as store:
        yield store


@contextmanager
def read(where: str | None) -> Iterator[GraphStore]:
    """Open a graph that is there; raises InputError where no file is."""
    missing = next((path for path in graph_file(where) if not path.exists()), None)
    if missing is not None:
        raise InputError(f"{missing}: no graph there; fill one with: hypocenter graph import FILE --graph {missing}")
    with opened(where) as store:
        yield store


def view_asked(given: Mapping[str, Any]) -> View:
    """Return the view that `arguments.about_the_view` asks for."""
    from hypocenter_graph.stores.opening import view_as_of

    return view_as_of(given["as_of"] or datetime.now(UTC), learned=given["learned"])
