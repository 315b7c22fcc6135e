"""The command that shows the audit log, and what notes there what commands on the machine itself have done."""

from __future__ import annotations

import json
import os
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import TIME, about_the_data, in_json
from hypocenter.errors import HypocenterError, InputError
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.api.parts import Places
    from hypocenter.stores.audit import AuditEntry, AuditStore

CLI = "cli"
OUTCOMES = ("done", "refused", "failed")
_PAGE = 500


@click.command()
@about_the_data
@click.option("--tenant", default="", help="Whose log it is; default: the tenant of the settings.")
@click.option("--who", help="Only what this token or user did; `cli` is a command on the machine itself.")
@click.option("--action", help="Only actions in which these words stand.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only what came out so.")
@click.option("--since", type=TIME, help="Only what was done from this time on.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most entries to show.")
@in_json
def audit(data_dir: Path | None, tenant: str, since: datetime | None, limit: int, as_json: bool, **only: str) -> None:
    """Show who changed what, newest first."""
    places = _places(data_dir, tenant)
    kept = _records_of(places)
    if "://" not in kept and not Path(kept).is_file():
        raise InputError(f"{kept}: nothing was kept there; name the server's folder with --data-dir")
    with _opened(places) as store:
        matching = (each for each in _newest(store, since) if _is_meant(each, **only))
        found = list(islice(matching, limit))
    if as_json:
        click.echo(json.dumps([{**asdict(each), "at": each.at.isoformat()} for each in found]))
        return
    for each in found:
        click.echo(visible(_line(each)))
    if not found:
        click.echo("there is no such entry")


def note(data_dir: Path, tenant: str, action: str, target: str, details: str = "") -> None:
    """Keep in a tenant's audit log what a command has done; where that fails it is told: it has been done already."""
    from hypocenter.stores.audit import AuditEntry

    said = f"{details} by uid {os.getuid()}".lstrip()
    try:
        with _opened(_places(data_dir, tenant)) as store:
            store.add(AuditEntry(datetime.now(UTC), CLI, CLI, f"hypocenter {action}", target, "done", details=said))
    except (HypocenterError, OSError) as error:
        click.echo(visible(f"hypocenter: note: it is not in the audit log: {error}"), err=True)


def _places(data_dir: Path | None, tenant: str) -> Places:
    from hypocenter.access import served_tenants, tenant_name
    from hypocenter.api.data_directory import data_directory
    from hypocenter.api.parts import Places

    places = Places(data_directory(data_dir))
    return places if tenant in ("", served_tenants()[0]) else places.of(tenant_name(tenant))


def _records_of(places: Places) -> str:
    from hypocenter import settings
    from hypocenter.api.parts import RECORDS_FILE

    return str(settings.read("records") or places.data_dir / RECORDS_FILE)


@contextmanager
def _opened(places: Places) -> Iterator[AuditStore]:
    from hypocenter.stores.opening import open_records

    kept = _records_of(places)
    # What is kept tells of a system, and is for the eyes of its owner.
    before = os.umask(0o077)
    try:
        if Path(kept).parent == places.data_dir:
            places.data_dir.mkdir(parents=True, exist_ok=True)
        with closing(open_records(kept, places.tenant)) as records:
            yield records.audit
    finally:
        os.umask(before)


def _newest(store: AuditStore, since: datetime | None) -> Iterator[AuditEntry]:
    """Yield entries, newest first, back to a time."""
    before = None
    while rows := store.newest(_PAGE, before):
        # Several processes add to it: one that is a moment older may come before one that is newer.
        recent = [row.entry for row in rows if since is None or row.entry.at >= since]
        if not recent:
            return
        yield from recent
        before = rows[-1].number


def _is_meant(entry: AuditEntry, who: str | None, action: str | None, outcome: str | None) -> bool:
    return who in (None, entry.who) and outcome in (None, entry.outcome) and (action or "") in entry.action


def _line(entry: AuditEntry) -> str:
    who = f"{entry.who or 'nobody'} ({entry.how or 'unknown'})"
    at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
    return f"{at}  {entry.outcome.ljust(7)}  {who.ljust(20)}  {entry.action}  {entry.target}  {entry.details}".rstrip()
