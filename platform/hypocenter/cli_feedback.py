"""The command that keeps what people say of a verdict, and shows what was said."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import about_the_data, about_the_records, in_json
from hypocenter.errors import InputError
from hypocenter.stores.documents import is_storable
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypocenter.history.past_incident import HistoryStore
    from hypocenter.stores.records import Opinion

# The values of `stores.records.Says`, which is too heavy for `--help`; a test holds the two together.
SAYS = ("right", "wrong", "cause", "not-an-incident")
CAUSE, NO_INCIDENT = "cause", "not-an-incident"


@click.command(short_help="Say whether a verdict was right, or what the cause was.")
@click.argument("incident")
@click.argument("says", metavar="[right|wrong|cause|not-an-incident]", type=click.Choice(SAYS), required=False)
@click.argument("component", required=False, default="")
@click.option("--by", default="", metavar="NAME", help="Who says so.")
@click.option("--fault-type", default="", help="What kind of fault it was.")
@click.option("--note", default="", help="Anything else.")
@click.option("--system", default="", help="Which incident, where several systems have one of that name.")
@about_the_records
@about_the_data
@in_json
def feedback(
    incident: str,
    says: str | None,
    component: str,
    records: str | None,
    data_dir: Path | None,
    as_json: bool,
    **words: str,
) -> None:
    """Say whether the verdict on an INCIDENT was right, or what the cause really was; kept, and learned from.

    COMPONENT is the real cause after `cause`, and what the verdict named after `right` and `wrong`. With INCIDENT
    alone, what was said of it is shown.
    """
    _check(says, component, words, click.get_current_context())
    _check_texts({"INCIDENT": incident, "COMPONENT": component} | words)
    from hypocenter.stores.opening import open_records

    with closing(open_records(_place(records, data_dir))) as opened:
        said = _opinion(incident, says, component, words) if says is not None else None
        if said is not None:
            known = _check_system(said, opened.history)
            opened.feedback.add_opinion(said)
            if not known:
                click.echo(visible(f"hypocenter: note: the history holds no incident {incident} (yet)"), err=True)
        _show(opened.feedback.opinions(incident), incident, as_json)
    if said is not None and not as_json:
        click.echo(f"teaches      {visible(_taught(said))}")


def _place(records: str | None, data_dir: Path | None) -> str | None:
    """Return which records are meant: those of a server's data directory are named by that, unless a setting does."""
    from hypocenter import settings
    from hypocenter.stores.opening import FILE

    if data_dir is None:
        return records
    if records is not None:
        raise click.UsageError("give --records or --data-dir, not both", click.get_current_context())
    if not data_dir.is_dir():
        raise InputError(f"{data_dir}: no such folder; name the one that `hypocenter serve` said it keeps its data in")
    return str(settings.read("records") or data_dir / FILE)


def _check(says: str | None, component: str, words: dict[str, str], context: click.Context) -> None:
    if says is None and any(words.values()):
        raise click.UsageError("say right, wrong, cause COMPONENT or not-an-incident", context)
    if says is not None and not words["by"]:
        raise click.UsageError("say who you are with --by NAME", context)
    if says == CAUSE and not component:
        raise click.UsageError("name the COMPONENT that was the cause", context)
    if says == NO_INCIDENT and (component or words["fault_type"]):
        raise click.UsageError("what was no incident has no COMPONENT and no fault type", context)


def _check_texts(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        if not is_storable(text):
            shown = name if name.isupper() else "--" + name.replace("_", "-")
            raise InputError(f"{shown} {text!r:.60} holds characters that cannot be kept; write it in UTF-8")


def _check_system(opinion: Opinion, history: HistoryStore) -> bool:
    """Say whether the history knows the incident; raises InputError when it does not say of which of several it is."""
    from hypocenter_workers.learn.labels import ambiguous

    systems = {one.system for one in history.incidents() if one.incident_id == opinion.incident_id}
    if len(systems) > 1 and not opinion.system:
        raise InputError(ambiguous(opinion.incident_id, systems))
    return opinion.system in systems if opinion.system else bool(systems)


def _taught(opinion: Opinion) -> str:
    from hypocenter_workers.learn.labels import taught

    return taught(opinion) or "nothing but how often verdicts are right: a COMPONENT says where the incident began"


def _opinion(incident: str, says: str, component: str, words: dict[str, str]) -> Opinion:
    from hypocenter.stores.records import Opinion, Says

    return Opinion(incident, Says(says), component=component, at=datetime.now(UTC), **words)


def _show(opinions: Sequence[Opinion], incident: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_record(opinion) for opinion in opinions]))
    elif not opinions:
        click.echo(f"nothing was said of {visible(incident)} yet")
    else:
        for opinion in opinions:
            click.echo(visible(_line(opinion)))


def _record(opinion: Opinion) -> dict[str, str]:
    from dataclasses import asdict

    return asdict(opinion) | {"at": opinion.at.isoformat(), "teaches": _taught(opinion)}


def _line(opinion: Opinion) -> str:
    about = " ".join(filter(None, (str(opinion.says), opinion.component, opinion.fault_type)))
    of = opinion.system and f"in {opinion.system}"
    return "  ".join(filter(None, (f"{opinion.at:%Y-%m-%d %H:%M} UTC", opinion.by, about, of, opinion.note)))
