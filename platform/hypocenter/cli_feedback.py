"""The command that keeps what people say of a verdict, and shows what was said."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import about_the_records, in_json
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.stores.records import Opinion

# The values of `stores.records.Says`, which is too heavy for `--help`; a test holds the two together.
SAYS = ("right", "wrong", "cause", "not-an-incident")
CAUSE, NO_INCIDENT = "cause", "not-an-incident"


@click.command()
@click.argument("incident")
@click.argument("says", metavar="[right|wrong|cause|not-an-incident]", type=click.Choice(SAYS), required=False)
@click.argument("component", required=False, default="")
@click.option("--by", default="", metavar="NAME", help="Who says so.")
@click.option("--fault-type", default="", help="What kind of fault it was.")
@click.option("--note", default="", help="Anything else.")
@about_the_records
@in_json
def feedback(incident: str, says: str | None, component: str, records: str | None, as_json: bool, **words: str) -> None:
    """Say whether the verdict on an INCIDENT was right, or what the cause really was; kept, and learned from.

    COMPONENT is the real cause after `cause`, and what the verdict named after `right` and `wrong`. With INCIDENT
    alone, what was said of it is shown.
    """
    _check(says, component, words, click.get_current_context())
    from hypocenter.stores.opening import open_records

    with closing(open_records(records)) as opened:
        if says is not None:
            opened.feedback.add_opinion(_opinion(incident, says, component, words))
        _show(opened.feedback.opinions(incident), incident, as_json)


def _check(says: str | None, component: str, words: dict[str, str], context: click.Context) -> None:
    if says is None and any(words.values()):
        raise click.UsageError("say right, wrong, cause COMPONENT or not-an-incident", context)
    if says is not None and not words["by"]:
        raise click.UsageError("say who you are with --by NAME", context)
    if says == CAUSE and not component:
        raise click.UsageError("name the COMPONENT that was the cause", context)
    if says == NO_INCIDENT and (component or words["fault_type"]):
        raise click.UsageError("what was no incident has no COMPONENT and no fault type", context)


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

    return asdict(opinion) | {"at": opinion.at.isoformat()}


def _line(opinion: Opinion) -> str:
    about = " ".join(filter(None, (str(opinion.says), opinion.component, opinion.fault_type)))
    return "  ".join(filter(None, (f"{opinion.at:%Y-%m-%d %H:%M} UTC", opinion.by, about, opinion.note)))
