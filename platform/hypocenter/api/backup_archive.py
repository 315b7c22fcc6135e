"""A backup: a tar of what a data directory holds at one time, which ends with a manifest that says it is whole."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from tarfile import BLOCKSIZE, GNU_FORMAT, NUL, TarInfo
from typing import TYPE_CHECKING, Protocol

from hypocenter import __version__, settings
from hypocenter.api.parts import GRAPH_FILE, RECORDS_FILE, REPORTS
from hypocenter.api.pull_marks import FILE as MARKS_FILE
from hypocenter.api.tokens import FILE as TOKENS_FILE
from hypocenter.stores.duckdb_file import FILE as METRICS_FILE
from hypocenter.stores.duckdb_file import FORMAT as METRICS_FORMAT
from hypocenter.stores.schema import NEWEST
from hypocenter.stores.sqlite_copying import copy_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter.api.parts import Places

FORMAT = 1
MANIFEST = "manifest.json"
STAGING = "backup.tmp"
_SQLITE = {"records": RECORDS_FILE, "graph": GRAPH_FILE}
_BLOCK = 1 << 20
_END = 2 * BLOCKSIZE * NUL


class Copies(Protocol):
    """A store of metrics that writes what it holds in the data directory to a file."""

    def copy_into(self, file: Path) -> None:
        """Write all that is durable now to a new file."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of a backup: its path in the data directory, its size and its SHA-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: when it was begun (UTC, ISO 8601), by which versions, its files, and what lies elsewhere.

    `elsewhere` names the servers that keep a part, which are backed up by their own means. `tenant` is whose it is,
    None for the first.
    """

    made_at: str
    files: Sequence[Packed]
    elsewhere: Mapping[str, str]
    tenant: str | None = None
    format: int = FORMAT
    hypocenter: str = __version__
    schema: Mapping[str, str] = field(default_factory=lambda: {"records": NEWEST, "metrics": str(METRICS_FORMAT)})


def forget_staging(data_dir: Path) -> None:
    """Remove what a backup has left that was cut off."""
    shutil.rmtree(data_dir / STAGING, ignore_errors=True)


@contextmanager
def staged(places: Places, metrics: Copies) -> Iterator[Path]:
    """Copy what is kept to a folder in the data directory that is gone at the end.

    What tells of samples is copied before them, so that all it tells of is there: marks of what was read, records,
    graph. Raises SourceError when something cannot be copied.
    """
    folder = places.data_dir / STAGING
    forget_staging(places.data_dir)
    try:
        folder.mkdir(mode=0o700)
        _write_tokens(places, folder)
        _copy_plain(places.data_dir, folder)
        for part, file in _SQLITE.items():
            kept = Path(_where(places, part) or places.data_dir / file)
            if part not in elsewhere(places) and kept.is_file():
                copy_sqlite(kept, folder / file)
        metrics.copy_into(folder / METRICS_FILE)
        yield folder
    finally:
        forget_staging(places.data_dir)


def _write_tokens(places: Places, folder: Path) -> None:
    """Write the tokens of one tenant: what opens the data of others is theirs."""
    text = places.tokens().text()
    if text is not None:
        (folder / TOKENS_FILE).write_text(text, encoding="utf-8")


def _copy_plain(data_dir: Path, folder: Path) -> None:
    reports = sorted((data_dir / REPORTS).rglob("*"))
    for path in (data_dir / MARKS_FILE, *reports):
        # Each is replaced whole by its writers, and may be gone by now.
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink():
                copy = folder / path.relative_to(data_dir)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


def elsewhere(places: Places) -> Mapping[str, str]:
    """Return the parts that servers keep, with their addresses, without what could be a secret in these.

    A file that is named for all tenants holds what is others' as well, and counts as elsewhere for all but the first.
    """
    named = {part: _where(places, part) for part in ("metrics", *_SQLITE)}
    return {part: _shown(where) for part, where in named.items() if where and (places.is_foreign or "://" in where)}


def _where(places: Places, part: str) -> str | None:
    named = getattr(places, part) or settings.read(part)
    return str(named) if named else None


def _shown(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.partition('?')[0].rpartition('@')[2]}"


def archive(folder: Path, made_at: datetime, places: Places) -> Iterator[bytes]:
    """Yield the blocks of the tar of a folder's files, which are of `places`, and of their manifest as its end."""
    packed = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name, digest = path.relative_to(folder).as_posix(), sha256()
        size = path.stat().st_size
        yield _head(name, size, made_at)
        for block in _blocks(path):
            digest.update(block)
            yield block
        yield _filling(size)
        packed.append(Packed(name, size, digest.hexdigest()))
    manifest = Manifest(made_at.isoformat(timespec="seconds"), packed, elsewhere(places), places.tenant)
    text = json.dumps(asdict(manifest), indent=1).encode()
    yield from (_head(MANIFEST, len(text), made_at), text, _filling(len(text)), _END)


def _head(name: str, size: int, made_at: datetime) -> bytes:
    member = TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(made_at.timestamp())
    return member.tobuf(GNU_FORMAT)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _filling(size: int) -> bytes:
    return -size % BLOCKSIZE * NUL
