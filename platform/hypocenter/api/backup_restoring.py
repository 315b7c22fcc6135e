"""From a backup to a data directory: every byte checked against the manifest before anything is put in its place."""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from hypocenter.api.backup_archive import FORMAT, MANIFEST, Manifest, Packed
from hypocenter.api.data_directory import RESTORING
from hypocenter.api.parts import TENANTS
from hypocenter.api.tokens import FILE as TOKENS_FILE
from hypocenter.api.tokens import TokenFile
from hypocenter.errors import InputError
from hypocenter.stores.duckdb_file import FORMAT as METRICS_FORMAT
from hypocenter.stores.schema import NEWEST

if TYPE_CHECKING:
    from pathlib import Path
    from tarfile import TarFile, TarInfo
    from typing import IO

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,3}", re.ASCII)
# What the file system has in the uppermost folder of a disk.
_OF_DISK = "lost+found"
_LONGEST_MANIFEST = 64 << 20
_BLOCK = 1 << 20


def checked(source: Path) -> Manifest:
    """Read a backup as a whole and return its manifest.

    Raises InputError when it is none, is cut off or damaged, or was made by a newer version.
    """
    return _read(source, None)


def restore(source: Path, data_dir: Path) -> Manifest:
    """Make a data directory of a backup; what was not there before is there whole, or no server starts with it.

    That of a tenant, restored to `tenants/NAME` of a data directory, has its tokens kept with those of all others.
    Raises InputError as `checked` does, and when there is something in the directory already.
    """
    if data_dir.exists() and (not data_dir.is_dir() or any(each.name != _OF_DISK for each in data_dir.iterdir())):
        raise InputError(f"{data_dir}: is not empty; a backup is restored to a folder that is new or empty")
    try:
        return _restored(source, data_dir)
    except OSError as error:
        raise InputError(f"{data_dir}: cannot be written: {error.strerror}") from error


def _restored(source: Path, data_dir: Path) -> Manifest:
    # A folder that is there may be where a volume is mounted, beside which nothing can be written.
    draft = data_dir / RESTORING if data_dir.is_dir() else data_dir.absolute().with_name(f".{data_dir.name}{RESTORING}")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        manifest = _read(source, draft)
        if manifest.tenant is not None and data_dir.absolute().parts[-2:] == (TENANTS, manifest.tenant):
            _bring_tokens(draft, data_dir.absolute().parents[1], manifest.tenant)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _put(draft, data_dir)
    return manifest


def _bring_tokens(draft: Path, home: Path, tenant: str) -> None:
    """Keep the tokens of a tenant where a server looks for them; whatever they say, they open its data alone."""
    tokens = TokenFile(draft)
    if tokens.version() is not None:
        TokenFile(home).keep(replace(token, tenant=tenant) for token in tokens.tokens())
        (draft / TOKENS_FILE).unlink()


def _put(draft: Path, data_dir: Path) -> None:
    if draft.parent != data_dir:
        draft.replace(data_dir)
        return
    for each in draft.iterdir():
        each.rename(data_dir / each.name)
    draft.rmdir()


def _read(source: Path, into: Path | None) -> Manifest:
    try:
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as packed:
            return _members(packed, into)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    except tarfile.TarError as error:
        raise InputError(f"{source}: is no backup, or is damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error


def _members(packed: TarFile, into: Path | None) -> Manifest:
    found: list[Packed] = []
    for member in packed:
        content = _content(packed, member)
        if member.name == MANIFEST:
            return _agreed(_manifest(content.read(_LONGEST_MANIFEST)), found)
        found.append(_unpacked(member, content, into))
    raise InputError("is cut off: its end is missing; make another backup")


def _content(packed: TarFile, member: TarInfo) -> IO[bytes]:
    content = packed.extractfile(member) if member.type == tarfile.REGTYPE and not member.issparse() else None
    if content is None or not _NAME.fullmatch(member.name):
        raise InputError(f"holds {member.name[:100]!r}, which no backup does")
    return content


def _unpacked(member: TarInfo, content: IO[bytes], into: Path | None) -> Packed:
    digest = sha256()
    with _opened(None if into is None else into / member.name) as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            file.write(block)
        file.flush()
        if into is not None:
            os.fsync(file.fileno())
    return Packed(member.name, member.size, digest.hexdigest())


def _opened(path: Path | None) -> IO[bytes]:
    if path is None:
        return open(os.devnull, "wb")  # noqa: PTH123 - closed by who asked
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _manifest(text: bytes) -> Manifest:
    try:
        stated = json.loads(text)
        if stated["format"] != FORMAT:
            raise InputError(f"is a backup of format {stated['format']}, and this version knows {FORMAT}")
        return _printable(Manifest(**{**stated, "files": [Packed(**each) for each in stated["files"]]}))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError("has a manifest that is none; make another backup") from error


def _printable(manifest: Manifest) -> Manifest:
    """Return the manifest where its texts are texts, which terminals may be shown; raises ValueError, TypeError."""
    named = (*manifest.elsewhere.items(), *manifest.schema.items())
    texts = (manifest.made_at, manifest.hypocenter, manifest.tenant or "", *(text for pair in named for text in pair))
    if not all(map(str.isprintable, texts)) or not manifest.schema["metrics"].isdecimal():
        raise ValueError("no text")
    return manifest


def _agreed(manifest: Manifest, found: list[Packed]) -> Manifest:
    """Return the manifest where it says what was found, and this version can read that."""
    if list(manifest.files) != found:
        stated = {each.name: each for each in manifest.files}
        wrong = [each.name for each in found if stated.get(each.name) != each]
        wrong += sorted(set(stated) - {each.name for each in found})
        raise InputError(f"is damaged: {', '.join(wrong[:5])} not as the manifest says; use another backup")
    if manifest.schema["records"] > NEWEST or int(manifest.schema["metrics"]) > METRICS_FORMAT:
        raise InputError(f"was made by Hypocenter {manifest.hypocenter}, which is newer; restore it with that version")
    return manifest
