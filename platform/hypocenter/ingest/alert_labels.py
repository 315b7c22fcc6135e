"""What the labels of an alert tell: whose it is, how bad it is, and which alert it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.model import Alert
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS, component_of
from hypocenter.signals.identify import HOST_ORDER, OTHERS_ORDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

# Exporters that speak of others: what they say of themselves in `job` and `service` is not whose alert it is.
SPEAK_OF_WORKLOADS = ("kube-state-metrics", "kubelet", "cadvisor")
SPEAK_OF_MACHINES = ("node-exporter", "node_exporter", "windows-exporter")
SEVERITY_LABELS = ("severity", "priority", "level")
SUMMARIES = ("summary", "description", "message", "title")
_OFFSET, _PRIME = 0xCBF29CE484222325, 0x100000001B3


def label_order() -> tuple[str, ...]:
    """Return the labels that may name the component of an alert: those of the setting `alert_labels`, then all."""
    given = str(settings.read("alert_labels") or "").split(",")
    return (*filter(None, map(str.strip, given)), *DEFAULT_COMPONENT_LABELS)


def alert_of(labels: Mapping[str, str], annotations: Mapping[str, str], at: datetime, order: Sequence[str]) -> Alert:
    """Return an alert from its labels and annotations; its component is "" where no label tells.

    `order`: labels that may name the component, best first.
    """
    return Alert(
        component=component_of_alert(labels, order),
        name=labels.get("alertname", ""),
        at=at,
        severity=_first(labels, SEVERITY_LABELS),
        summary=_first(annotations, SUMMARIES),
    )


def component_of_alert(labels: Mapping[str, str], order: Sequence[str]) -> str:
    """Name the component that an alert is about, "" where no label tells.

    >>> from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS as order
    >>> component_of_alert({"job": "kube-state-metrics", "service": "kube-state-metrics", "pod": "cart-0"}, order)
    'cart'
    >>> component_of_alert({"job": "node-exporter", "instance": "db-7:9100"}, order)
    'db-7'
    """
    exporter = " ".join(labels.get(name, "") for name in ("job", "service"))
    chosen = [label for label in order if label not in DEFAULT_COMPONENT_LABELS]
    if any(name in exporter for name in SPEAK_OF_WORKLOADS):
        order = (*chosen, *OTHERS_ORDER, *order)
    elif any(name in exporter for name in SPEAK_OF_MACHINES):
        order = (*chosen, *HOST_ORDER, *order)
    return component_of(labels, order) or ""


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the fingerprint that Alertmanager gives to labels: FNV-1a over sorted names and values, 64 bits.

    >>> fingerprint({"alertname": "A"}), fingerprint({})
    ('d2c6efc389df0927', 'cbf29ce484222325')
    """
    state = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in b"%b\xff%b\xff" % (_bytes(name), _bytes(value)):
            state = (state ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _first(texts: Mapping[str, str], names: Sequence[str]) -> str:
    return next((texts[name] for name in names if name in texts), "")
