"""The command that says what is wrong, and what is to be done."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import PATH, about_the_data, in_json
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypocenter.api.doctor.examined import Stores
    from hypocenter.api.doctor.findings import Finding


@click.command(short_help="Look for what is wrong, and say what is to be done.")
@click.argument("url", required=False)
@about_the_data
@click.option("--bearer-token-file", type=PATH, help="File that holds a token of scope admin, for a running server.")
@in_json
def doctor(url: str | None, data_dir: Path | None, bearer_token_file: Path | None, as_json: bool) -> None:
    """Look for what is wrong with the server at URL, or with that of a data directory, and say what is to be done."""
    from hypocenter.api.data_directory import address_of_owner, data_directory
    from hypocenter.api.doctor.asking import ask
    from hypocenter.api.doctor.examining import exit_code, worst_first
    from hypocenter.readers.prometheus_options import secret_in

    folder = data_directory(data_dir)
    owner = url or address_of_owner(folder)
    token = secret_in(bearer_token_file) if bearer_token_file else None
    found = worst_first(ask(owner.rstrip("/"), token, _now)) if owner else _examined(folder)
    click.echo(json.dumps({"findings": [each.told() for each in found]}) if as_json else _text(found))
    raise click.exceptions.Exit(exit_code(found))


def _examined(folder: Path) -> Sequence[Finding]:
    """Examine a directory that no server owns."""
    from hypocenter.api.doctor.examined import Examined
    from hypocenter.api.doctor.examining import examine, worst_first
    from hypocenter.api.doctor.findings import Finding
    from hypocenter.api.parts import Places
    from hypocenter.errors import HypocenterError

    places = Places(folder)
    with ExitStack() as stack:
        try:
            stores, failed = _opened(folder, stack), []
        except HypocenterError as error:
            stores, failed = None, [Finding("cannot-tell", "stores", str(error))]
        return worst_first([*failed, *examine(Examined(places, _now, stores))])


def _opened(folder: Path, stack: ExitStack) -> Stores | None:
    """Open what is in a directory, which nothing is added to; None where no server ever kept anything there."""
    from hypocenter import settings
    from hypocenter.api.data_directory import owned
    from hypocenter.api.doctor.examined import Stores
    from hypocenter.api.parts import GRAPH_FILE, RECORDS_FILE
    from hypocenter.stores.opening import open_records
    from hypocenter.stores.opening_metrics import open_metrics
    from hypocenter.stores.work_board import MemoryBoard
    from hypocenter_graph.stores.opening import open_graph

    if not (folder / RECORDS_FILE).is_file() and not settings.read("records"):
        return None
    stack.enter_context(owned(folder))
    records = open_records(str(settings.read("records") or folder / RECORDS_FILE))
    stack.enter_context(closing(records))
    graph = stack.enter_context(closing(open_graph(str(settings.read("graph") or folder / GRAPH_FILE))))
    metrics = stack.enter_context(closing(open_metrics(folder)))
    return Stores(metrics, records, graph, MemoryBoard())


def _text(found: Sequence[Finding]) -> str:
    if not found:
        return "nothing is wrong"
    width = max(len(each.code) for each in found)
    return "\n".join(_lines(each, width) for each in found)


def _lines(found: Finding, width: int) -> str:
    severity = str(found.kind.severity).ljust(7)
    said = f"{severity}  {found.code.ljust(width)}  {visible(found.subject)}: {visible(found.message)}"
    return f"{said}\n{' ' * (width + 11)}{found.kind.advice}"


def _now() -> datetime:
    return datetime.now(UTC)
