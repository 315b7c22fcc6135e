"""What `hypocenter serve` kept in its data directory, as a case."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.records import Records
    from hypocenter.telemetry import Case

# Calls and log lines of the last minute are still being counted, and would look as if there were fewer.
COUNTING = timedelta(minutes=1)


def read_kept(data_dir: Path, given: Mapping[str, Any]) -> Case:
    """Return what a data directory holds of the time before `--at` and of the while after it.

    While a server owns the directory it is asked for that. Raises InputError where nothing was kept then, SourceError
    when the server does not answer.
    """
    from hypocenter.api.data_directory import address_of_owner
    from hypocenter.readers.prometheus_options import DEFAULT_MATCH_OF_KEPT, PrometheusOptions, secret_in
    from hypocenter.readers.served_case import read_served
    from hypocenter.stores.stored_case import read_stored

    at: datetime = given["at"]
    lookback: timedelta = given["lookback"]
    window = at - lookback, min(at + PrometheusOptions().lookahead, datetime.now(UTC) - COUNTING)
    match = given["match"] or DEFAULT_MATCH_OF_KEPT
    owner = address_of_owner(data_dir)
    if owner is not None:
        token = given["bearer_token_file"]
        case = read_served(owner, secret_in(token) if token else None, window, match)
    else:
        with _stores(data_dir) as (metrics, records):
            case = read_stored(metrics, records, window, match)
    return replace(case, case_id=f"kept-{at:%Y-%m-%dT%H%M%SZ}")


def graph_of(data_dir: Path) -> str | None:
    """Return the graph that a server kept in its data directory, None where it kept none there."""
    from hypocenter.api.parts import GRAPH_FILE

    return str(data_dir / GRAPH_FILE) if (data_dir / GRAPH_FILE).is_file() else None


@contextmanager
def _stores(data_dir: Path) -> Iterator[tuple[MetricsStore, Records]]:
    from hypocenter.api.data_directory import owned
    from hypocenter.stores.opening import FILE, open_records
    from hypocenter.stores.opening_metrics import open_metrics

    if not data_dir.is_dir():
        raise InputError(f"{data_dir}: no such folder; name the one that `hypocenter serve` said it keeps its data in")
    place = settings.read("records") or data_dir / FILE
    with owned(data_dir), closing(open_metrics(data_dir)) as metrics, closing(open_records(str(place))) as records:
        yield metrics, records
