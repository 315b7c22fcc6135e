"""Where services run: pods, instances and hosts that the resource attributes of spans name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.discover.sightings import Link, is_name, name_within
from hypocenter_graph.discover.span_facts import codes_of, distinct, texts_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def within_namespaces(spans: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, set[str]]]:
    """Return spans whose services and pods are called as in their namespace, and all that go by each bare name."""
    meant: dict[str, set[str]] = {}
    if "namespace" not in spans:
        return spans, meant
    namespaces = codes_of(texts_of(spans, "namespace"))
    for column in ("service", "pod"):
        names = codes_of(texts_of(spans, column))
        group, first = distinct([namespaces[0], names[0]])
        pairs = [(namespaces[1][namespaces[0][row]], names[1][names[0][row]]) for row in first.tolist()]
        full = [_within(*pair) for pair in pairs]
        for (_, name), whole in zip(pairs, full, strict=True):
            meant.setdefault(name, set()).add(whole)
        spans = spans.assign(**{column: [full[place] for place in group.tolist()]})
    return spans, meant


def _within(namespace: str, name: str) -> str:
    whole = name_within(namespace, name)
    return whole if name and is_name(whole) else name


class Place(NamedTuple):
    """What a resource says of where it is; "" where it does not."""

    service: str
    pod: str
    node: str
    host: str
    instance: str
    container: str


def places_of(spans: pd.DataFrame) -> tuple[list[Place], NDArray[np.int64]]:
    """Return the places there are and the place of each span."""
    coded = [codes_of(texts_of(spans, name)) for name in Place._fields]
    place, first = distinct([codes for codes, _ in coded])
    return [Place(*(words[codes[row]] for codes, words in coded)) for row in first.tolist()], place


def place_links(place: Place) -> tuple[Link, ...]:
    """Return `INSTANCE_OF` from the pod or else the instance to its service, and `RUNS_ON` from either to its host.

    Instances are named `service@id`: an id need not be unique beyond its service.

    >>> [(link.caller, link.type.value, link.callee) for link in place_links(Place("cart", "cart-0", "n1", "", "", ""))]
    [('cart-0', 'INSTANCE_OF', 'cart'), ('cart-0', 'RUNS_ON', 'n1')]
    """
    unit = place.pod or (f"{place.service}@{place.instance}" if place.instance else "")
    kind = ComponentType.POD if place.pod else ComponentType.INSTANCE
    host = _host_of(place)
    links = []
    if unit and unit != place.service:
        links.append(Link(unit, place.service, DependencyType.INSTANCE_OF, None, kind))
    if host and host != (unit or place.service):
        above = kind if unit else None
        links.append(Link(unit or place.service, host, DependencyType.RUNS_ON, ComponentType.HOST, above))
    return tuple(links)


def _host_of(place: Place) -> str:
    """Return the machine; inside a pod or container `host.name` is the pod's or the container's own."""
    contained = place.pod or (place.container and place.container.startswith(place.host))
    return place.node or ("" if contained else place.host)
