"""The commands that look after the tokens of those who send: create, list and revoke."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import click

from hypocenter.access import Scope
from hypocenter.arguments import about_the_data, in_json
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypocenter.api.tokens import TokenFile


MOST_CHARACTERS = 4096


@click.group(short_help="Look after the tokens of tools and people.")
def token() -> None:
    """Look after the tokens with which tools and people speak to `hypocenter serve`."""


@token.command(short_help="Make a token called NAME and print it, once.")
@click.argument("name")
@about_the_data
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([each.value for each in Scope]),
    multiple=True,
    default=[Scope.INGEST.value],
    show_default=True,
    help="What its owner may do: send, read, judge, or all of it and settings; repeatable.",
)
@click.option("--tenant", default="", help="Whose data it opens; default: the tenant of the settings.")
@click.option(
    "--from-file",
    type=click.File(encoding="utf-8"),
    help="Accept the token in this file, hyp_ and 43 random characters, instead of a new one; may be repeated.",
)
def create(name: str, data_dir: Path | None, from_file: TextIO | None, scopes: Sequence[str], tenant: str) -> None:
    """Make a token called NAME and print it, once; from then on whoever sends or reads needs one."""
    from hypocenter.api.tokens import Grant
    from hypocenter.cli_audit import note

    kept, grant = _tokens(data_dir), Grant.of(scopes, tenant)
    if from_file:
        new = kept.adopt(name, from_file.read(MOST_CHARACTERS).strip(), datetime.now(UTC), grant)
        click.echo(f"{name} is accepted {'from now on' if new else 'already'}", err=True)
    else:
        new = True
        click.echo(kept.create(name, datetime.now(UTC), grant))
        where = visible(str(kept.data_dir.resolve()))
        click.echo(f"copy it now: it is kept as a digest in {where}, and never shown again", err=True)
    if new:
        note(kept.data_dir, tenant, "token create", name, ",".join(grant.scopes))


@token.command("list", short_help="Show the tokens and what they are for.")
@about_the_data
@in_json
def list_(data_dir: Path | None, as_json: bool) -> None:
    """Show the tokens: their names, what they are for and when they were made."""
    found = _tokens(data_dir).tokens()
    if as_json:
        shown = [{name: value for name, value in asdict(each).items() if name != "sha256"} for each in found]
        click.echo(json.dumps(shown))
        return
    for each in found:
        click.echo(
            f"{each.name.ljust(24)}  {','.join(each.scopes).ljust(13)}  {each.created_at}  {each.tenant}".rstrip()
        )
    if not found:
        click.echo("there is no token; make one with: hypocenter token create NAME")


@token.command(short_help="Forget the token called NAME: it is accepted no more.")
@click.argument("name")
@about_the_data
@click.option("--tenant", default="", help="Whose data it opens; default: the tenant of the settings.")
def revoke(name: str, data_dir: Path | None, tenant: str) -> None:
    """Forget the token called NAME: it is accepted no more, also by a server that runs."""
    from hypocenter.cli_audit import note

    kept = _tokens(data_dir)
    kept.revoke(name, tenant)
    click.echo(f"{name} is accepted no more")
    note(kept.data_dir, tenant, "token revoke", name)


def _tokens(data_dir: Path | None) -> TokenFile:
    from hypocenter.api.data_directory import data_directory
    from hypocenter.api.tokens import TokenFile

    return TokenFile(data_directory(data_dir))
