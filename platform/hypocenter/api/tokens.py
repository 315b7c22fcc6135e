"""Bearer tokens: made at random, kept as digests in a file of the data directory, compared in constant time."""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import re
import secrets
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hypocenter.access import Identity, Scope, scopes_of, tenant_name
from hypocenter.api.auth import one_header, shown_token
from hypocenter.api.durable import write_durably
from hypocenter.api.refusals import AbsentError
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from starlette.types import Scope as HttpScope

NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
NAMED = "1 to 64 letters, digits, dots, dashes, underscores, the first of them a letter or a digit"
FILE = "tokens.json"
PREFIX = "hyp_"
VERSION = 2
_TEXT = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43,}")


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is accepted: its name, the SHA-256 of its text, when it was made (UTC, ISO 8601), and what it opens.

    `scopes` are in their order of Scope. `tenant` is whose data it opens, "" for that of the setting `tenant`.
    A digest without salt or stretching is enough, since the text holds 256 random bits that nobody guesses.
    """

    name: str
    sha256: str
    created_at: str
    scopes: tuple[Scope, ...] = (Scope.INGEST,)
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a new token is to open; raises InputError when it is made without a scope or for no name of a tenant."""

    scopes: tuple[Scope, ...] = (Scope.INGEST,)
    tenant: str = ""

    @classmethod
    def of(cls, scopes: Iterable[str], tenant: str = "") -> Grant:
        """Return the grant of named scopes, each once and in their usual order."""
        given = scopes_of(scopes)
        return cls(tuple(each for each in Scope if each in given), tenant and tenant_name(tenant))


SENDING = Grant()


class TokenFile:
    """The tokens of one data directory. The file says all: who removes it forgets every token."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self._path = data_dir, data_dir / FILE

    def tokens(self) -> Sequence[Token]:
        """Return the tokens in the order of their making; raises InputError when the file is not one of ours."""
        try:
            return _tokens_of(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError, KeyError, AttributeError, InputError) as error:
            raise InputError(f"{self._path}: cannot be read as tokens ({error}); mend or remove it") from error

    def create(self, name: str, now: datetime, grant: Grant = SENDING) -> str:
        """Keep a new token and return its text, which nothing tells again.

        Raises InputError when the name is taken or is none.
        """
        text = PREFIX + secrets.token_urlsafe(32)
        made = _made(name, text, now, grant)
        with self._alone():
            kept = self.tokens()
            if any(_is(token, name, grant.tenant) for token in kept):
                raise InputError(f"there is a token {name} already; revoke it first, or choose another name")
            self._write((*kept, made))
        return text

    def adopt(self, name: str, text: str, now: datetime, grant: Grant = SENDING) -> bool:
        """Keep a token whose text was made elsewhere, instead of what was kept by its name; return whether it is new.

        Raises InputError when the name is none, or the text could be guessed.
        """
        if not _TEXT.fullmatch(text):
            raise InputError(f"the text of a token is {PREFIX} and at least 43 random letters, digits, - and _")
        made = _made(name, text, now, grant)
        with self._alone():
            kept = self.tokens()
            if any(replace(token, created_at=made.created_at) == made for token in kept):
                return False
            self._write((*(token for token in kept if not _is(token, name, grant.tenant)), made))
        return True

    def revoke(self, name: str, tenant: str = "") -> None:
        """Forget a token, so that it is accepted no more; raises AbsentError when there is none of that name."""
        with self._alone():
            kept = self.tokens()
            left = [token for token in kept if not _is(token, name, tenant)]
            if len(left) == len(kept):
                raise AbsentError(f"there is no token {name}; the list of tokens has those that there are")
            self._write(left)

    def keep(self, tokens: Iterable[Token]) -> None:
        """Keep tokens that were kept elsewhere, without those whose names are taken here."""
        with self._alone():
            kept = self.tokens()
            taken = {(token.name, token.tenant) for token in kept}
            self._write((*kept, *(token for token in tokens if (token.name, token.tenant) not in taken)))

    def version(self) -> tuple[int, int, int] | None:
        """Return what changes whenever the file does, None while there is none; quick."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _write(self, tokens: Sequence[Token]) -> None:
        write_durably(self._path, text_of(tokens))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other commands from changing the tokens at the same time."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock_file = os.open(self._path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(lock_file, "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror}") from error


def _is(token: Token, name: str, tenant: str) -> bool:
    """Whether a token is the one of that name; each tenant has names of its own."""
    return (token.name, token.tenant) == (name, tenant)


@dataclass(frozen=True, slots=True)
class TenantTokens:
    """The tokens of one tenant among those of a file.

    `tenant` is "" for that of the setting, whose name `known_as` tokens may say as well.
    """

    file: TokenFile
    tenant: str = ""
    known_as: str = ""

    def text(self) -> str | None:
        """Return what a file of these alone holds; None where there is no file, and nobody needs a token."""
        return None if self.file.version() is None else text_of(self.tokens())

    def tokens(self) -> Sequence[Token]:
        """Return them in the order of their making."""
        return [token for token in self.file.tokens() if token.tenant in (self.tenant, self.known_as or self.tenant)]

    def create(self, name: str, now: datetime, scopes: tuple[Scope, ...]) -> str:
        """Keep a new token and return its text; raises InputError when the name is taken or is none."""
        return self.file.create(name, now, Grant(scopes, self.tenant))

    def revoke(self, name: str) -> None:
        """Forget a token, however it says whose it is; raises AbsentError when there is none of that name."""
        named = [token.tenant for token in self.tokens() if token.name == name]
        for tenant in named or [self.tenant]:
            self.file.revoke(name, tenant)


def text_of(tokens: Sequence[Token]) -> str:
    """Return what a file of tokens holds."""
    return json.dumps({"version": VERSION, "tokens": [asdict(token) for token in tokens]}, indent=1)


def _tokens_of(kept: dict[str, Any]) -> tuple[Token, ...]:
    """Return the tokens of a file; the first version had one scope for each, and no tenant."""
    version = kept.get("version", 1)
    if version == 1:
        entries = [{"scopes": [each.pop("scope", Scope.INGEST)], **each} for each in map(dict, kept["tokens"])]
    elif version == VERSION:
        entries = kept["tokens"]
    else:
        raise InputError(f"it is of version {version!r:.20}, which a newer Hypocenter wrote")
    return tuple(_token_of(**entry) for entry in entries)


def _token_of(name: str, scopes: Sequence[str], tenant: str = "", **rest: str) -> Token:
    grant = Grant.of(scopes, tenant)
    return Token(_name_of(name), **rest, scopes=grant.scopes, tenant=grant.tenant)


def _name_of(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise InputError(f"{name!r} is no name of a token; use {NAMED}")
    return name


def _made(name: str, text: str, now: datetime, grant: Grant) -> Token:
    made_at = now.astimezone(UTC).isoformat(timespec="seconds")
    return Token(_name_of(name), digest(text.encode()), made_at, grant.scopes, grant.tenant)


def digest(text: bytes) -> str:
    """Return what is kept of a token's text."""
    return sha256(text).hexdigest()


class Verifier:
    """Tells whose a token is; sees tokens that are made or revoked while it lives.

    Where no token was ever made nobody is asked for one; once there was one, that is over for as long as it lives.
    Tokens without a tenant are of `tenant`. Safe to share between threads.
    """

    def __init__(self, file: TokenFile, tenant: str = "") -> None:
        self._file, self._tenant = file, tenant
        self._version: tuple[int, int, int] | None = None
        self._tokens: Sequence[Token] = ()
        self._asks = False

    def asks(self) -> bool:
        """Whether a token is asked for; raises InputError when the file of tokens cannot be read."""
        self._look()
        return self._asks

    def identity(self, scope: HttpScope) -> Identity | None:
        """Return who shows a token in the head of a request, None where it shows none that is known."""
        token = self.token(shown_token(one_header(scope, b"authorization")))
        if token is None:
            return None
        return Identity(token.name, frozenset(token.scopes), token.tenant or self._tenant, "token")

    def token(self, text: bytes) -> Token | None:
        """Return the token with this text, None when there is none; in the same time for any text."""
        tokens = self._look()
        shown, found = digest(text), None
        for token in tokens:
            if hmac.compare_digest(token.sha256, shown):
                found = token
        return found

    def _look(self) -> Sequence[Token]:
        version = self._file.version()
        if version != self._version:
            # The version goes last: a file that could not be read is tried again.
            self._tokens = self._file.tokens()
            self._version = version
        self._asks = self._asks or version is not None
        return self._tokens
