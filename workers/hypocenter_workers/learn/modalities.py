"""Which modalities of telemetry an incident had, and whether enough of those learned from were alike in that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter_workers.learn.signs import LOG, METRIC, TRACE, alerts_near, observed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypocenter_workers.learn.examples import Example

ALERT = "alert"
MODALITIES = (ALERT, METRIC, TRACE, LOG)
# So many incidents are a fair share of any history; of a short one, a tenth of it is.
ENOUGH, FAIR_SHARE = 20, 0.1


@dataclass(frozen=True, slots=True)
class KnownModalities:
    """The modalities that a fair share of the incidents learned from had, and those that a fair share lacked."""

    had: frozenset[str] = frozenset()
    lacked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, incidents: Sequence[frozenset[str]]) -> KnownModalities:
        """Count what incidents had: `ENOUGH` of them, or a tenth of all, are a fair share.

        >>> one = KnownModalities.of([frozenset({"alert"})] * 9 + [frozenset({"alert", "metric"})])
        >>> sorted(one.had), sorted(one.lacked)
        (['alert', 'metric'], ['log', 'metric', 'trace'])
        """
        fair = max(1.0, min(float(ENOUGH), FAIR_SHARE * len(incidents)))
        having = {modality: sum(modality in had for had in incidents) for modality in MODALITIES}
        return cls(
            frozenset(modality for modality, count in having.items() if count >= fair),
            frozenset(modality for modality, count in having.items() if len(incidents) - count >= fair),
        )

    def covers(self, modalities: frozenset[str]) -> bool:
        """Say whether each modality that an incident has, and each that it lacks, is known to be had or lacked."""
        return modalities <= self.had and set(MODALITIES) - modalities <= self.lacked

    def to_json(self) -> dict[str, list[str]]:
        """Return it as what JSON can hold."""
        return {"had": sorted(self.had), "lacked": sorted(self.lacked)}

    @classmethod
    def from_json(cls, stated: Mapping[str, Iterable[str]]) -> KnownModalities:
        """Read what `to_json` wrote. Raises InputError for a modality that there is not."""
        found = cls(frozenset(stated["had"]), frozenset(stated["lacked"]))
        unknown = sorted((found.had | found.lacked) - set(MODALITIES))
        if unknown:
            raise InputError(f"modality {unknown[0]!r} is none of {', '.join(MODALITIES)}")
        return found


def modalities_of(example: Example) -> frozenset[str]:
    """Return the modalities that an incident had: alerts around its start, and series, whether they moved or not."""
    return frozenset((*([ALERT] if any(alerts_near(example)) else []), *observed(example)))
