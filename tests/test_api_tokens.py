"""Tokens: shown once, kept as digests, seen by a running server; nobody needs one while there is none."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hypocenter.api.auth import shown_token
from hypocenter.api.tokens import FILE, Grant, TokenFile, Verifier, digest
from hypocenter.cli import main
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def owner_of(verifier: Verifier, text: bytes) -> str | None:
    found = verifier.token(text)
    return found and found.name


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "data")


@pytest.fixture
def token_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["token", *words, "--data-dir", str(tmp_path)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


def test_a_token_is_known_by_its_text_alone(tokens: TokenFile) -> None:
    text = tokens.create("prometheus", NOW).encode()
    verifier = Verifier(tokens)
    assert owner_of(verifier, text) == "prometheus"
    for other in (b"", text[:-1], text + b"x", text.upper(), tokens.tokens()[0].sha256.encode(), b"prometheus"):
        assert owner_of(verifier, other) is None


def test_a_token_is_for_sending_unless_it_is_made_for_reading(tokens: TokenFile) -> None:
    texts = tokens.create("sender", NOW), tokens.create("reader", NOW, Grant.of(["read"]))
    verifier = Verifier(tokens)
    assert [found and found.scopes for found in map(verifier.token, map(str.encode, texts))] == [("ingest",), ("read",)]


def test_a_file_of_the_first_version_is_still_read(tokens: TokenFile, tmp_path: Path) -> None:
    old = {"name": "a", "sha256": digest(b"x"), "created_at": "2026-01-01T00:00:00+00:00"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_text(json.dumps({"tokens": [{**old, "scope": "read"}, {**old, "name": "b"}]}))
    assert [(each.name, each.scopes, each.tenant) for each in tokens.tokens()] == [
        ("a", ("read",), ""),
        ("b", ("ingest",), ""),
    ]
    tokens.create("c", NOW, Grant.of(["feedback", "read", "read"], "acme"))
    assert [(each.name, each.scopes, each.tenant) for each in tokens.tokens()][1:] == [
        ("b", ("ingest",), ""),
        ("c", ("read", "feedback"), "acme"),
    ]


def test_a_file_of_a_later_version_lets_nobody_in(tokens: TokenFile, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_text('{"version": 3, "tokens": []}')
    with pytest.raises(InputError, match="newer Hypocenter"):
        Verifier(tokens).asks()


@pytest.mark.parametrize(("scopes", "tenant"), [([], ""), (["write"], ""), (["read"], "../acme"), (["read"], "a b")])
def test_what_a_token_opens_must_be_there(scopes: list[str], tenant: str) -> None:
    with pytest.raises(InputError, match=r"scope|tenant"):
        Grant.of(scopes, tenant)


def test_what_is_kept_does_not_tell_a_token_and_is_for_its_owner_only(tokens: TokenFile, tmp_path: Path) -> None:
    text = tokens.create("prometheus", NOW)
    kept = tmp_path / "data" / FILE
    assert text.removeprefix("hyp_") not in kept.read_text(encoding="utf-8")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.with_suffix(".lock").stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_no_two_tokens_have_the_same_text(tokens: TokenFile) -> None:
    texts = [tokens.create(f"t{number}", NOW) for number in range(20)]
    assert len(set(texts)) == 20
    assert all(len(text) == len("hyp_") + 43 for text in texts)


def test_a_change_is_seen_at_once(tokens: TokenFile) -> None:
    verifier = Verifier(tokens)
    assert not verifier.asks()
    text = tokens.create("a", NOW).encode()
    assert verifier.asks()
    assert owner_of(verifier, text) == "a"
    tokens.revoke("a")
    assert owner_of(verifier, text) is None


def test_it_stays_closed_when_the_last_token_goes(tokens: TokenFile, tmp_path: Path) -> None:
    tokens.create("a", NOW)
    verifier = Verifier(tokens)
    assert verifier.asks()
    tokens.revoke("a")
    assert verifier.asks()
    (tmp_path / "data" / FILE).unlink()
    assert verifier.asks()
    assert Verifier(tokens).asks() is False


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"tokens": [1]}', '{"tokens": [{"name": "a"}]}', "\x00"])
def test_a_file_that_is_no_file_of_tokens_lets_nobody_in(tokens: TokenFile, tmp_path: Path, kept: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_text(kept, encoding="utf-8")
    verifier = Verifier(tokens)
    for _ in range(2):
        with pytest.raises(InputError, match=FILE):
            verifier.asks()


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a" * 65, "ä", "a\n", "../a"])
def test_a_name_is_plain(tokens: TokenFile, name: str) -> None:
    with pytest.raises(InputError, match="name of a token"):
        tokens.create(name, NOW)


def test_names_are_taken_once(tokens: TokenFile) -> None:
    first = tokens.create("a", NOW).encode()
    with pytest.raises(InputError, match="already"):
        tokens.create("a", NOW)
    assert owner_of(Verifier(tokens), first) == "a"
    with pytest.raises(InputError, match="no token b"):
        tokens.revoke("b")


def test_the_commands_show_a_token_once(token_command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, text, told = token_command("create", "prometheus")
    assert code == 0
    assert "never shown again" in told
    assert str(tmp_path) in told, "a token of another folder than the server's would open nothing"
    assert owner_of(Verifier(TokenFile(tmp_path)), text.strip().encode()) == "prometheus"
    code, listed, _ = token_command("list", "--json")
    assert [entry["name"] for entry in json.loads(listed)] == ["prometheus"]
    assert TokenFile(tmp_path).tokens()[0].sha256 not in listed
    assert text.strip() not in token_command("list")[1]
    assert token_command("revoke", "prometheus")[0] == 0
    assert token_command("revoke", "prometheus")[0] == 2
    assert "hypocenter token create" in token_command("list")[1]


def test_a_folder_that_cannot_be_written_is_told(
    token_command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / FILE).mkdir()
    code, _, told = token_command("create", "a")
    assert code == 2
    assert FILE in told


def _basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b"Bearer abc", b"abc"),
        (b"bearer  abc ", b"abc"),
        (_basic("anyone:abc"), b"abc"),
        (_basic(":a:b"), b"a:b"),
        (_basic("abc"), b""),
        (b"Basic !!", b""),
        (b"Basic \xff", b""),
        (b"Basic", b""),
        (b"Bearer", b""),
        (b"abc", b""),
        (b"Digest abc", b""),
        (b"", b""),
    ],
)
def test_a_header_shows_a_token_in_two_ways(header: bytes, shown: bytes) -> None:
    assert shown_token(header) == shown


def test_a_token_made_elsewhere_takes_the_place_of_the_one_before(
    token_command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    first, second = (f"hyp_{letter * 43}" for letter in "ab")
    file = tmp_path / "secret"
    said = []
    for text in (first, first, second):
        file.write_text(f"{text}\n", encoding="utf-8")
        said.append(token_command("create", "shop", "--scope", "read", "--from-file", str(file))[1:])
    assert said == [("", f"shop is accepted {how}\n") for how in ("from now on", "already", "from now on")]
    verifier = Verifier(TokenFile(tmp_path))
    assert (owner_of(verifier, first.encode()), owner_of(verifier, second.encode())) == (None, "shop")


@pytest.mark.parametrize("text", ["", "secret", "hyp_" + "a" * 42, "a" * 60, "hyp_" + "a" * 42 + "\u00e4"])
def test_a_text_that_could_be_guessed_is_no_token(tokens: TokenFile, text: str) -> None:
    with pytest.raises(InputError, match="at least 43 random letters"):
        tokens.adopt("shop", text, NOW)
    assert tokens.tokens() == ()
