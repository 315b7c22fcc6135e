"""Whose a point is: the labels of its series, from the attributes of its resource, its scope and its own.

Sources: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", Resource Attributes, Instrumentation
Scope and Metric Attributes; prometheus.io/docs, "Using Prometheus as your OpenTelemetry backend", Promoting resource
attributes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from hypocenter.ingest.otlp_names import label_name
from hypocenter.ingest.series_labels import NAME, checked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.batches import Labels
    from hypocenter.ingest.otlp_metrics_rows import Attributes

# What describes a resource and does not tell it from another: it would make its series anew with each release or
# restart, or (the address that was scraped) be taken for whom it calls.
_DESCRIBES = re.compile(
    r"(telemetry|os|webengine|server|url|net|http)\."
    r"|process\.(?!pid$|executable\.name$)|container\.(?!name$|id$)|host\.(?!name$|id$)"
    r"|k8s\.(.*\.(uid|start_time|labels?\..*|annotations?\..*)|container\.restart_count)$"
)


def promoted(resource: Attributes) -> dict[str, str]:
    """Return the labels that a resource gives to all of its series, but for what only describes it.

    >>> promoted((("service.name", "cart"), ("k8s.pod.name", "cart-0"), ("os.type", "linux"), ("k8s.pod.uid", "e5")))
    {'k8s_pod_name': 'cart-0', 'service_name': 'cart'}
    """
    return joined({key: value for key, value in resource if not _DESCRIBES.match(key)})


def identity(resource: Attributes, scope: str) -> dict[str, str]:
    """Return the labels that say who reports: `job`, `instance` and the scope, those that are known.

    >>> identity((("service.name", "cart"), ("service.namespace", "shop")), "http")
    {'job': 'shop/cart', 'otel_scope_name': 'http'}
    """
    told = dict(resource)
    service, namespace = told.get("service.name", ""), told.get("service.namespace", "")
    job = f"{namespace}/{service}" if namespace and service else service
    own = {"job": job, "instance": told.get("service.instance.id", ""), "otel_scope_name": scope}
    return {name: value for name, value in own.items() if value}


def joined(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return attributes as labels; those that come to one name are joined with `;`, in order of their own names.

    >>> joined({"http.method": "GET", "http_method": "get", "empty": ""})
    {'http_method': 'GET;get'}
    """
    found: dict[str, str] = {}
    for key in sorted(attributes):
        name, value = label_name(key), attributes[key]
        if name and value:
            found[name] = f"{found[name]};{value}" if name in found else value
    return found


class SeriesOfScope:
    """Names the series of one scope of one resource."""

    def __init__(self, resource: Attributes, scope: str) -> None:
        self._promoted, self._identity = promoted(resource), identity(resource, scope)

    def base(self, attributes: Attributes) -> Labels:
        """Return the labels of a point but for its name, in order; its own outrank the resource's. Raises LabelsError.

        >>> SeriesOfScope((("service.name", "cart"),), "").base((("job", "?"), ("http.route", "/")))
        (('http_route', '/'), ('job', 'cart'), ('service_name', 'cart'))
        """
        pairs = {**self._promoted, **joined(dict(attributes)), **self._identity}
        whole = checked([(NAME, "?"), *pairs.items()])
        return tuple([pair for pair in whole if pair[0] != NAME])


def named(base: Labels, name: str, extra: tuple[str, str] | None = None) -> Labels:
    """Return a series' labels in order: its base, its name, and `le` or `quantile` in place of a label of that name.

    >>> named((("job", "a"), ("zone", "b")), "up", ("le", "1"))
    (('__name__', 'up'), ('job', 'a'), ('le', '1'), ('zone', 'b'))
    """
    at = bisect_left(base, (NAME,))
    if extra is None:
        return (*base[:at], (NAME, name), *base[at:])
    place = bisect_left(base, extra[:1])
    after = place + (place < len(base) and base[place][0] == extra[0])
    return (*base[:at], (NAME, name), *base[at:place], extra, *base[after:])
