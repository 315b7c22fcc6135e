"""The commands that copy the data directory to one file, while its server runs, and make a directory of such a file."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import PATH, about_the_data
from hypocenter.errors import InputError
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.api.backup_archive import Manifest

# A server copies all it has before it answers.
_TIMEOUT_S = 3600.0


@click.command(short_help="Write what a server keeps to a file, while it runs.")
@click.argument("destination", metavar="DEST", type=PATH)
@about_the_data
@click.option("--bearer-token-file", type=PATH, help="File that holds a token of scope admin, for a running server.")
def backup(destination: Path, data_dir: Path | None, bearer_token_file: Path | None) -> None:
    """Write what the server keeps in its data directory to the new file DEST, also while the server runs."""
    from hypocenter.api.backup_restoring import checked
    from hypocenter.api.data_directory import address_of_owner, data_directory

    folder = data_directory(data_dir)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the one that `hypocenter serve` said it keeps its data in")
    owner = address_of_owner(folder)
    with _draft(destination) as draft:
        if owner is None:
            _made_here(folder, draft)
        else:
            _made_there(owner, bearer_token_file, draft)
        manifest = checked(draft)
    _tell(destination, manifest)
    if manifest.tenant is None:
        _tell_of_tenants(folder)


@contextmanager
def _draft(destination: Path) -> Iterator[Path]:
    """Yield a file that becomes `destination` at a good end, durably; what is cut off leaves nothing by that name."""
    if destination.exists():
        raise InputError(f"{destination}: is there already; name a new file")
    draft = destination.with_name(f".{destination.name}.part")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.rename(destination)
    except OSError as error:
        raise InputError(f"{destination}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _made_here(folder: Path, draft: Path) -> None:
    from hypocenter.api.backup_archive import archive, staged
    from hypocenter.api.data_directory import owned
    from hypocenter.api.parts import Places
    from hypocenter.stores.opening_metrics import open_metrics

    made_at, places = datetime.now(UTC), Places(folder)
    with (
        owned(folder),
        closing(open_metrics(folder)) as metrics,
        staged(places, metrics) as copied,
        draft.open("wb") as file,
    ):
        file.writelines(archive(copied, made_at, places))


def _made_there(url: str, token_file: Path | None, draft: Path) -> None:
    from hypocenter.readers.prometheus_options import secret_in
    from hypocenter.readers.served import Ask, fetch

    token = secret_in(token_file) if token_file else None
    fetch(Ask("POST", f"{url}/api/v1/backup", token, _TIMEOUT_S), draft)


def _tell(destination: Path, manifest: Manifest) -> None:
    held = sum(each.bytes for each in manifest.files)
    whose = f" of tenant {manifest.tenant}" if manifest.tenant else ""
    click.echo(
        f"{visible(str(destination))}  {held:,} bytes in {len(manifest.files)} files{whose}, as of {manifest.made_at}"
    )
    for part, where in manifest.elsewhere.items():
        click.echo(f"not in it: {part}, kept by {visible(where)}; {_means(where)}", err=True)


def _means(where: str) -> str:
    """Return how what is kept somewhere else is backed up.

    >>> _means("postgresql://db/hypocenter")
    'back that up with pg_dump'
    """
    means = {
        "postgresql": "back that up with pg_dump",
        "http": "back that up by its snapshots, after this",
        "": "the backup of the first tenant holds it",
    }
    scheme = where.partition("://")[0].partition("+")[0] if "://" in where else ""
    return means.get(scheme.removesuffix("s"), "back that up with hypocenter graph export or neo4j-admin")


def _tell_of_tenants(folder: Path) -> None:
    from hypocenter.api.parts import TENANTS

    for tenant in sorted(each.name for each in (folder / TENANTS).glob("*") if each.is_dir()):
        click.echo(f"not in it: tenant {visible(tenant)}, of which a backup is made with a token of its own", err=True)


@click.command(short_help="Make a data directory of a backup.")
@click.argument("source", metavar="SOURCE", type=PATH)
@click.option("--data-dir", type=PATH, metavar="DIR", required=True, help="Folder to make of it; new or empty.")
def restore(source: Path, data_dir: Path) -> None:
    """Make a data directory of the backup SOURCE, after all of it was checked."""
    from hypocenter.api.backup_restoring import restore as make

    manifest = make(source, data_dir)
    where, tenant = visible(str(data_dir)), manifest.tenant
    use = f"tenants/{tenant} of a data directory" if tenant else f"start it with: hypocenter serve --data-dir {where}"
    click.echo(f"{where}  as of {manifest.made_at}; {use}")
    for part, place in manifest.elsewhere.items():
        click.echo(f"not in it: {part}, which was kept by {visible(place)}", err=True)
