"""What files say of the graph: each read by the discoverer of its kind.

Files of one kind that refer to each other, such as manifests of Kubernetes, are read together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.discover.files import Input


@dataclass(frozen=True)
class Asked:
    """When declarations were made and saved answers given, how far back those reach, and whether to suggest edges.

    `tell` hears what is being read.
    """

    at: datetime
    lookback: timedelta
    learn: bool = False
    tell: Callable[[str], None] | None = None

    def telling(self, text: str) -> None:
        """Tell what is being done, where somebody listens."""
        if self.tell is not None:
            self.tell(text)


def discover(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    """Yield what the inputs say of the graph, as their sources name it. Raises InputError that names file and place."""
    for kind, read in _READERS.items():
        mine = [each for each in inputs if each.kind == kind]
        if mine:
            yield from read(mine, asked)


def _together(inputs: Sequence[Input]) -> str:
    """Return what begins messages about files that are read together."""
    return str(inputs[0].path) + (f" and {len(inputs) - 1} more" if len(inputs) > 1 else "")


def _documents(each: Input) -> tuple[Any, ...]:
    from hypocenter.readers.yaml_documents import read_yaml

    return tuple(read_yaml(each.path)) if each.documents is None else each.documents


def _read_declared(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter_graph.discover.declared import read_declared

    for each in inputs:
        asked.telling(f"reading {each.path}")
        yield read_declared(each.path, asked.at)


def _read_kubernetes(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter_graph.discover.kubernetes import discover_kubernetes

    yield _catalog(discover_kubernetes, inputs, asked)


def _read_backstage(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter_graph.discover.backstage import discover_backstage

    yield _catalog(discover_backstage, inputs, asked)


def _catalog(
    read: Callable[[Iterable[object], str, datetime], Discovered],
    inputs: Sequence[Input],
    asked: Asked,
) -> Discovered:
    """Read the documents of all files as one; a file that is wrong by itself is named."""
    asked.telling(f"reading {_together(inputs)}")
    documents = [_documents(each) for each in inputs]
    for each, own in zip(inputs, documents, strict=True) if len(inputs) > 1 else ():
        read(own, str(each.path), asked.at)
    return read([document for own in documents for document in own], _together(inputs), asked.at)


def _read_otlp(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter.readers.otlp import read_otlp

    yield _of_spans(inputs, ((read_otlp(each.path), ()) for each in inputs), asked)


def _read_spans(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter.readers.limits import limits_from_settings
    from hypocenter.readers.records import SPANS, read_records

    limits = limits_from_settings()
    yield _of_spans(inputs, (read_records(each.path, SPANS, limits) for each in inputs), asked)


def _of_spans(inputs: Sequence[Input], frames: Iterator[tuple[Any, Sequence[str]]], asked: Asked) -> Discovered:
    """A trace may begin in one file and end in the next."""
    import pandas as pd

    from hypocenter_graph.discover.spans import discover_spans

    read, notes = [], list[str]()
    for each in inputs:
        asked.telling(f"reading {each.path}")
        frame, bent = next(frames)
        read.append(frame)
        notes += bent
    asked.telling("looking who calls whom")
    found = discover_spans(read[0] if len(read) == 1 else pd.concat(read, ignore_index=True), _together(inputs))
    return replace(found, notes=(*notes, *found.notes))


def _read_prometheus(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter.readers.exposition import read_exposition
    from hypocenter_graph.discover.cases import discover_counters

    for each in inputs:
        asked.telling(f"reading {each.path}")
        yield from discover_counters(read_exposition(each.path, asked.at), str(each.path))


def _read_jaeger(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter_graph.discover.jaeger import discover_jaeger

    for each in inputs:
        asked.telling(f"reading {each.path}")
        value = (_documents(each) or (None,))[0]
        yield discover_jaeger(value, str(each.path), asked.at, asked.lookback)


def _read_cases(inputs: Sequence[Input], asked: Asked) -> Iterator[Discovered]:
    from hypocenter.readers import read_cases
    from hypocenter_graph.discover.cases import discover_case

    for each in inputs:
        asked.telling(f"reading {each.path}")
        for case in read_cases(each.path):
            yield from discover_case(case, str(each.path), asked.at, learn=asked.learn)


_READERS: Mapping[str, Callable[[Sequence[Input], Asked], Iterator[Discovered]]] = {
    "declared": _read_declared,
    "kubernetes": _read_kubernetes,
    "backstage": _read_backstage,
    "otlp": _read_otlp,
    "spans": _read_spans,
    "prometheus": _read_prometheus,
    "jaeger": _read_jaeger,
    "case": _read_cases,
}
