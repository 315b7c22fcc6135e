"""Tokens of tenants in backups: each holds those of its own tenant, and a restored server accepts them all again."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from served import FIRST, OTHER, Served, serving

from hypocenter.api.backup_archive import MANIFEST
from hypocenter.api.backup_restoring import restore
from hypocenter.api.tokens import FILE, Grant, TokenFile, Verifier

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> tuple[Served, dict[str, Path]]:
    """A server of two tenants that has ended, and the backup that an admin of each has made of it."""
    folder, made = tmp_path_factory.mktemp("backups"), {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_TENANTS", OTHER)
        with serving(folder / "data") as served:
            for tenant in (FIRST, OTHER):
                made[tenant] = folder / f"{tenant}.tar"
                made[tenant].write_bytes(served.ask("POST", "/api/v1/backup", "admin", tenant).content)
    return served, made


def kept(folder: Path) -> set[tuple[str, str]]:
    """Return name and tenant of each token of a data directory."""
    return {(token.name, token.tenant) for token in TokenFile(folder).tokens()}


def owners(folder: Path, served: Served) -> dict[tuple[str, str], tuple[str, str] | None]:
    """Return as whom a server of a data directory knows those who show the tokens that were made."""
    verifier = Verifier(TokenFile(folder))
    found = {key: verifier.token(text.encode()) for key, text in served.tokens.items()}
    return {key: token and (token.tenant or FIRST, token.name) for key, token in found.items()}


def repacked(packed: bytes, change: dict[str, str]) -> bytes:
    """Return a backup whose tokens say something else, with a manifest to match."""
    goal = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(packed)) as old, tarfile.open(fileobj=goal, mode="w") as new:
        texts = {member.name: old.extractfile(member).read() for member in old}  # type: ignore[union-attr]
        tokens = json.loads(texts[FILE])
        said = {**tokens, "tokens": [{**token, **change} for token in tokens["tokens"]]}
        texts[FILE] = json.dumps(said).encode()
        manifest = json.loads(texts[MANIFEST])
        for each in manifest["files"]:
            each.update(bytes=len(texts[each["name"]]), sha256=sha256(texts[each["name"]]).hexdigest())
        texts[MANIFEST] = json.dumps(manifest).encode()
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            new.addfile(member, io.BytesIO(text))
    return goal.getvalue()


def test_a_backup_holds_the_tokens_of_its_tenant_alone(backups: tuple[Served, dict[str, Path]], tmp_path: Path) -> None:
    served, made = backups
    for tenant, own in ((FIRST, ""), (OTHER, OTHER)):
        restore(made[tenant], tmp_path / "alone" / tenant)
        assert kept(tmp_path / "alone" / tenant) == {(scope, own) for name, scope in served.tokens if name == tenant}
        for (name, _), token in served.tokens.items():
            if name != tenant:
                digest = next(each.sha256 for each in TokenFile(served.folder).tokens() if each.tenant != own)
                assert digest.encode() not in made[tenant].read_bytes()
                assert token.encode() not in made[tenant].read_bytes()


def test_a_server_that_is_restored_accepts_the_tokens_of_all(
    backups: tuple[Served, dict[str, Path]], tmp_path: Path
) -> None:
    served, made = backups
    home = tmp_path / "again"
    restore(made[FIRST], home)
    restore(made[OTHER], home / "tenants" / OTHER)
    assert owners(home, served) == {key: key for key in served.tokens}
    assert not (home / "tenants" / OTHER / FILE).exists(), "nobody reads what would be kept there"


def test_tokens_that_are_there_already_stay_as_they_are(
    backups: tuple[Served, dict[str, Path]], tmp_path: Path
) -> None:
    served, made = backups
    home = tmp_path / "again"
    newer = TokenFile(home).create("admin", NOW, Grant.of(["admin"], OTHER))
    restore(made[OTHER], home / "tenants" / OTHER)
    verifier = Verifier(TokenFile(home))
    assert verifier.token(newer.encode()) is not None
    assert verifier.token(served.tokens[OTHER, "admin"].encode()) is None
    assert verifier.token(served.tokens[OTHER, "read"].encode()) is not None


def test_a_backup_brings_no_tokens_of_other_tenants_with_it(
    backups: tuple[Served, dict[str, Path]], tmp_path: Path
) -> None:
    served, made = backups
    # As whoever is its admin could write it: a backup is not signed.
    forged = tmp_path / "forged.tar"
    forged.write_bytes(repacked(made[OTHER].read_bytes(), {"tenant": ""}))
    restore(forged, tmp_path / "again" / "tenants" / OTHER)
    found = Verifier(TokenFile(tmp_path / "again")).token(served.tokens[OTHER, "admin"].encode())
    assert found is not None
    assert found.tenant == OTHER


def test_where_nobody_needs_a_token_nobody_does_after_a_restore(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as served:
        (served.folder / FILE).unlink()
        anyone = served.ask("POST", "/api/v1/backup", headers={"Host": "localhost"})
    (tmp_path / "open.tar").write_bytes(anyone.content)
    restore(tmp_path / "open.tar", tmp_path / "again")
    assert not (tmp_path / "again" / FILE).exists()
