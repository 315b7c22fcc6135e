"""All checks, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hypocenter.api.doctor import of_data, of_servers, of_settings, of_work
from hypocenter.api.doctor.findings import EXIT_CODES, Finding
from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.api.doctor.examined import Examined

Check = Callable[["Examined"], Iterator[Finding]]
OF_SERVER: Sequence[Check] = (
    of_settings.settings_parse,
    of_settings.secrets_are_readable,
    of_settings.data_directory_is_ours,
    of_servers.redis_answers,
    of_servers.records_answer,
    of_servers.graph_answers,
    of_servers.metrics_answer,
    of_data.retention_covers_learning,
)
OF_TENANT: Sequence[Check] = (
    of_data.samples_are_of_now,
    of_data.series_have_components,
    of_data.components_have_neighbours,
    of_data.disk_has_room,
    of_work.detection_goes_on,
    of_work.pull_goes_on,
    of_work.webhook_was_told,
)


def examine(examined: Examined) -> list[Finding]:
    """Return what every check found, the worst first; what could not be checked is among it.

    Settings and servers are the first tenant's to see.
    """
    checks = OF_TENANT if examined.places.is_foreign else (*OF_SERVER, *OF_TENANT)
    return worst_first(finding for check in checks for finding in _found(check, examined))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by how bad they are, each once."""
    return sorted(dict.fromkeys(findings), key=lambda each: -EXIT_CODES[each.kind.severity])


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 2 where something does not work, 1 where something may not, else 0."""
    return max((EXIT_CODES[each.kind.severity] for each in findings), default=0)


def _found(check: Check, examined: Examined) -> list[Finding]:
    try:
        return list(check(examined))
    except HypocenterError as error:
        return [Finding("cannot-tell", check.__name__.replace("_", " "), str(error))]
