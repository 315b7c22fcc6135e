"""Made-up incidents to learn from: a small shop in which faults of known types begin at known components."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import Alert, Component, Dependency
from hypocenter.telemetry import Case
from hypocenter_workers.learn.examples import Example, Label
from hypocenter_workers.learn.from_history import example_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SERVICES = ("web", "cart", "orders", "payment", "stock", "mail")
CALLS = (("web", "cart"), ("web", "orders"), ("cart", "stock"), ("orders", "payment"), ("orders", "mail"))
# What a fault of each type shows at its root: modality, name, state.
SHOWN: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "memory leak": (("metric", "heap_used_bytes", "up"), ("metric", "memory_rss_bytes", "up"), ("log", "oom", "")),
    "cpu hog": (("metric", "cpu_usage_seconds", "up"), ("metric", "request_duration_p95", "up")),
    "packet loss": (("trace", "call", "500"), ("metric", "network_receive_bytes", "down")),
}
NOISE = (("metric", "disk_read_bytes", "up"), ("metric", "threads", "up"), ("trace", "call", "slow"))


def incident(
    number: int,
    fault_type: str,
    root: str,
    rng: np.random.Generator,
    *,
    at: datetime | None = None,
    system: str = "shop",
) -> tuple[Example, Label]:
    """Return an incident of a type at a root, with noise everywhere and one in five of its own signs missing."""
    own = [each for each in SHOWN[fault_type] if rng.random() < 0.8] or list(SHOWN[fault_type][:1])
    alerts = [_alert(root, each, at) for each in own]
    alerts += [_alert(c, each, at) for c in SERVICES for each in NOISE if rng.random() < 0.2]
    case = Case(
        f"{system}-{number:04d}",
        system,
        alerts=tuple(alerts),
        components=tuple(Component(name) for name in SERVICES),
        dependencies=tuple(Dependency(*call) for call in CALLS),
        started_at=at,
    )
    return example_of(case), Label((root,), fault_type, "test", f"mended {fault_type}")


def history(
    count: int, seed: int = 0, *, types: Sequence[str] = tuple(SHOWN), dated: bool = False
) -> list[tuple[Example, Label]]:
    """Return `count` incidents, types and roots dealt in turn; with `dated` one an hour."""
    rng = np.random.default_rng(seed)
    return [
        incident(
            number,
            types[number % len(types)],
            SERVICES[int(rng.integers(len(SERVICES)))],
            rng,
            at=START + timedelta(hours=number) if dated else None,
        )
        for number in range(count)
    ]


def known_roots(pairs: Sequence[tuple[Example, Label]]) -> list[dict[str, float]]:
    """Return suspects as a good ranker would name them: mostly the root, and a little the first service."""
    return [{SERVICES[0]: 0.2, label.roots[0]: 0.8} for _, label in pairs]


def renamed(example: Example, names: Mapping[str, str]) -> Example:
    """Return an incident whose components have other names."""
    alerts = tuple(replace(a, component=names[a.component]) for a in example.case.alerts)
    dependencies = tuple(
        replace(d, caller=names[d.caller], callee=names[d.callee]) for d in example.case.dependencies or ()
    )
    components = tuple(replace(c, name=names[c.name]) for c in example.case.components)
    return example_of(replace(example.case, alerts=alerts, dependencies=dependencies, components=components))


def _alert(component: str, shown: tuple[str, str, str], at: datetime | None) -> Alert:
    modality, name, state = shown
    return Alert(component, name, at, modality, state)
