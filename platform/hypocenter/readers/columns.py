"""Column names to labels: `component|metric[:peer]` and the Prometheus notation `name{label="value"}`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SELECTOR = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?\{(?P<labels>.*)\}", re.DOTALL)
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# As Prometheus writes names that are no plain words: quoted, and a metric's as a first string of its own.
_LABEL = re.compile(
    rf"\s*(?:(?P<name>[a-zA-Z_][a-zA-Z0-9_]*|{_QUOTED})\s*=\s*)?(?P<value>{_QUOTED})\s*(?:,|$)", re.DOTALL
)
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


def labels_of(columns: Iterable[str], where: str = "the table") -> tuple[dict[str, str], ...]:
    """Return the labels of each column: `__name__`, and `component` and `peer` where the column states them.

    A colon in a metric begins a peer when a column's component has that name, or when it is the only colon; two
    colons and no such component are a recording rule's name (`level:metric:operations`). Raises InputError for a
    column in Prometheus notation whose labels do not parse.

    >>> labels_of(["db|cpu", "db|edge_p50:web", 'up{job="db"}'])[1:]
    ({'__name__': 'edge_p50', 'component': 'db', 'peer': 'web'}, {'__name__': 'up', 'job': 'db'})
    >>> labels_of(['{"http.requests","service.name"="web"}'])
    ({'__name__': 'http.requests', 'service.name': 'web'},)
    """
    names = list(columns)
    components = {name.rpartition("|")[0] for name in names if "|" in name}
    try:
        return tuple(_labels(name, components) for name in names)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def check_components(labels: Sequence[Mapping[str, str]], where: str) -> tuple[str, ...]:
    """Return a note that counts the series that name no component; raises InputError when none names one."""
    nameless = [each.get("__name__", "") for each in labels if not each.keys() - {"__name__"}]
    if labels and len(nameless) == len(labels):
        raise InputError(f"{where}: no column names a component, as {nameless[0]!r}; write `component|metric`")
    return (f"{where}: {len(nameless)} series name no component, as {nameless[0]!r}",) if nameless else ()


def _labels(name: str, components: set[str]) -> dict[str, str]:
    selector = _SELECTOR.fullmatch(name)
    if selector is not None:
        return _selector_labels(name, selector)
    component, pipe, metric = name.rpartition("|")
    if not pipe:
        return {"__name__": name}
    metric, peer = _metric_and_peer(metric, components)
    labels = {"__name__": metric, "component": component}
    return {**labels, "peer": peer} if peer else labels


def _metric_and_peer(text: str, components: set[str]) -> tuple[str, str]:
    metric, _, peer = text.partition(":")
    is_edge = bool(metric) and bool(peer) and (peer in components or ":" not in peer)
    return (metric, peer) if is_edge else (text, "")


def _selector_labels(column: str, selector: re.Match[str]) -> dict[str, str]:
    labels = {"__name__": selector["name"]} if selector["name"] else {}
    text, position = selector["labels"], 0
    while text[position:].strip():
        label = _LABEL.match(text, position)
        if label is None:
            raise InputError(f'column {column!r}: write labels as name="value", separated by commas')
        labels[_unquoted(label["name"] or "__name__")] = _unquoted(label["value"])
        position = label.end()
    return labels


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), text[1:-1], flags=re.DOTALL)
