"""What an export has no field for stays as it is kept: a poorer export takes nothing away."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypocenter.history.building import Told
    from hypocenter.history.findings import Findings
    from hypocenter.history.past_incident import HistoryStore, PastIncident

CHUNK = 500
_LABELS = "labels:"


def with_what_is_kept(
    told: Iterable[Told], store: HistoryStore, label_names: frozenset[str], findings: Findings
) -> Iterator[PastIncident]:
    """Yield the incidents, each with what is kept of it in those fields that its row does not speak of.

    A field that is there and empty does empty what is kept; telemetry alone stays in any case, since it was attached
    here. `label_names` are those that the tool gives to labels; `findings` counts what stayed.
    """
    walk = iter(told)
    while chunk := list(islice(walk, CHUNK)):
        kept = store.current((incident.source, incident.key) for incident, _ in chunk)
        for incident, unsaid in chunk:
            before = kept.get((incident.source, incident.key))
            stays = _staying(incident, unsaid, before, label_names) if before else {}
            findings.kept.update(stays.keys())
            yield replace(incident, **stays) if stays else incident


def _staying(
    incident: PastIncident, unsaid: frozenset[str], before: PastIncident, label_names: frozenset[str]
) -> dict[str, Any]:
    plain = {name for name in unsaid if not name.startswith(_LABELS)} | {"telemetry"}
    missing = {name for name in plain if getattr(before, name) and not getattr(incident, name)}
    more = [label for label in before.labels if _label_field(label, label_names) in unsaid]
    stays: dict[str, Any] = {name: getattr(before, name) for name in sorted(missing)}
    if not set(more).issubset(incident.labels):
        stays["labels"] = _joined(incident.labels, more, before.labels)
    return stays


def _label_field(label: str, label_names: frozenset[str]) -> str:
    """Return the name that `Told` has for where a label comes from; a bare one may hold a colon too."""
    name = label.partition(":")[0]
    return _LABELS + (name if name in label_names else "")


def _joined(labels: tuple[str, ...], more: Iterable[str], before: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels of both, in the order of before where nothing but the order would change."""
    joined = tuple(dict.fromkeys((*labels, *more)))
    return before if sorted(joined) == sorted(before) else joined
