"""Who is believed to be whom: tokens of a real issuer that signs with generated keys, and headers of proxies."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from oidc_issuer import Issuer
from served import OTHER, Served, serving
from waiting import awaited

from hypocenter.access import Scope
from hypocenter.api.oidc import Claims, Oidc, oidc_of_settings
from hypocenter.api.oidc_keys import OLD_S, SOON_S, IssuerKeys, checked_url
from hypocenter.api.proxy_headers import proxy_of_settings
from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.access import Identity

CLAIMS = Claims("sub", "scope", "org", "default")


class Place:
    """An issuer, and what proves identities by it; its clock stands still until it is moved."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer, self.seconds = issuer, 0.0
        self.oidc = Oidc(IssuerKeys(issuer.url, lambda: self.seconds), "hypocenter", CLAIMS)

    def identity(self, token: str | bytes, scheme: str = "Bearer") -> Identity | None:
        text = token if isinstance(token, bytes) else token.encode()
        return self.oidc.identity({"headers": [(b"authorization", scheme.encode() + b" " + text)]})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as found:
        yield found


@pytest.fixture
def place(issuer: Issuer) -> Iterator[Place]:
    keys = dict(issuer.keys)
    yield Place(issuer)
    issuer.keys, issuer.says, issuer.is_away = keys, {}, False


@pytest.mark.parametrize("key", ["rsa", "ec"])
@pytest.mark.parametrize("scopes", ["openid hypocenter:feedback admin", ["hypocenter:feedback", 1, "read"]])
def test_a_token_of_the_issuer_proves_who_asks(place: Place, key: str, scopes: object) -> None:
    found = place.identity(place.issuer.token(key, scope=scopes, org=OTHER))
    assert found is not None
    assert (found.name, found.scopes, found.tenant, found.how) == ("ann", {Scope.FEEDBACK}, OTHER, "oidc")


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": None},
        {"iat": None},
        {"exp": NOW - timedelta(hours=1)},
        {"iat": NOW + timedelta(hours=1)},
        {"nbf": NOW + timedelta(hours=1)},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "x" * 201},
        {"org": None},
        {"org": 7},
    ],
)
def test_a_token_with_other_claims_proves_nothing(place: Place, claims: dict[str, Any]) -> None:
    assert place.identity(place.issuer.token(**{"org": OTHER, **claims})) is None


def test_a_clock_may_be_off_by_little(place: Place) -> None:
    soon = {"iat": NOW + timedelta(seconds=20), "exp": NOW + timedelta(minutes=5)}
    assert place.identity(place.issuer.token(org=OTHER, **soon)) is not None


@pytest.mark.parametrize("words", [None, 7, {}, "read admin ingest", ["admin"]])
def test_words_of_others_are_no_scopes(place: Place, words: object) -> None:
    found = place.identity(place.issuer.token(org=OTHER, scope=words))
    assert found is not None
    assert found.scopes == frozenset()


def _joined(head: dict[str, Any], claims: bytes, signature: str) -> str:
    return ".".join(
        [base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("="), claims.decode(), signature]
    )


def test_what_the_issuer_did_not_sign_proves_nothing(place: Place) -> None:
    good = place.issuer.token(org=OTHER)
    head, claims, signature = good.split(".")
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    payload = jwt.decode(good, options={"verify_signature": False})
    public = place.issuer.keys["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = [
        _joined({"alg": "none", "kid": "rsa"}, claims.encode(), ""),
        _joined({"alg": "HS256", "kid": "rsa"}, claims.encode(), signature),
        _joined({"alg": "ES256", "kid": "rsa"}, claims.encode(), signature),
        _joined({"alg": "RS256", "kid": "ec"}, claims.encode(), signature),
        _joined({"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}, claims.encode(), signature),
        jwt.encode(payload, forger, "RS256", {"kid": "rsa"}),
        jwt.encode(payload, forger, "RS256", {"kid": "rsa", "jwk": {"kty": "RSA"}, "jku": "https://evil.example"}),
        jwt.encode(payload, base64.b64encode(public), "HS256", {"kid": "rsa"}),
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{head}.{claims}.",
        "..",
        "a.b.c",
        "\ud800.b.c".encode("utf-8", "surrogatepass").decode("latin-1"),
        good + "." + signature,
        good.replace(".", "." + "A" * 20_000, 1),
    ]
    assert place.identity(good) is not None
    assert [place.identity(each) for each in forged] == [None] * len(forged)
    assert place.identity(good, "Basic") is None


def test_keys_are_fetched_once_and_when_they_are_turned_over(place: Place) -> None:
    issuer = place.issuer
    old = issuer.token(org=OTHER)
    begun = len(issuer.fetched)
    assert all(place.identity(each) for each in (old, issuer.token("ec", org=OTHER), old))
    assert len(issuer.fetched) - begun == 2
    issuer.keys = {"new": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
    place.seconds = SOON_S + 1
    assert place.identity(issuer.token("new", org=OTHER)) is not None
    assert place.identity(old) is None
    for _ in range(5):
        place.identity(jwt.encode({}, issuer.keys["new"], "RS256", {"kid": "nobody's"}))
    assert len(issuer.fetched) - begun == 4


def test_nobody_waits_for_an_issuer_that_is_asked_for_the_key_of_another(place: Place) -> None:
    issuer = place.issuer
    good, other = issuer.token(org=OTHER), issuer.token(org=OTHER, head={"kid": "nobody's"})
    assert place.identity(good) is not None
    begun = len(issuer.fetched)
    place.seconds = SOON_S + 1
    issuer.answers.clear()
    stranger = threading.Thread(target=place.identity, args=[other])
    stranger.start()
    try:
        awaited(lambda: len(issuer.fetched) > begun)
        assert place.identity(good) is not None
        with pytest.raises(SourceError, match="are being fetched"):
            place.identity(other)
        assert stranger.is_alive(), "whoever was asked meanwhile did not wait for it"
    finally:
        issuer.answers.set()
        stranger.join()
    assert place.identity(other) is None


def test_while_the_issuer_is_away_its_keys_are_believed_for_a_while(place: Place) -> None:
    issuer = place.issuer
    token = issuer.token(org=OTHER)
    assert place.identity(token) is not None
    issuer.is_away = True
    place.seconds = 1.5 * OLD_S
    assert place.identity(token) is not None
    place.seconds = 2.5 * OLD_S
    with pytest.raises(SourceError, match="cannot be fetched"):
        place.identity(token)
    issuer.is_away = False
    place.seconds += SOON_S + 1
    assert place.identity(token) is not None


@pytest.mark.parametrize(
    "says",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://192.0.2.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"padding": "x" * (2 << 20)},
    ],
)
def test_a_document_that_leads_elsewhere_is_not_followed(place: Place, says: dict[str, Any]) -> None:
    place.issuer.says = says
    with pytest.raises(SourceError, match="cannot be fetched"):
        place.identity(place.issuer.token(org=OTHER))


@pytest.mark.parametrize(
    "url", ["http://login.example", "ftp://x", "https://", "https://a:b@c", "https://a?b", "a", "https://\x00"]
)
def test_an_issuer_is_a_safe_place(url: str) -> None:
    with pytest.raises(InputError, match="OIDC_ISSUER"):
        checked_url(url)


def test_an_issuer_without_an_audience_is_refused() -> None:
    with pytest.raises(InputError, match="OIDC_AUDIENCE"):
        oidc_of_settings("default", {"HYPOCENTER_OIDC_ISSUER": "https://login.example"})
    assert oidc_of_settings("default", {}) is None


PROXIES = {
    "HYPOCENTER_PROXY_USER_HEADER": "X-Forwarded-User",
    "HYPOCENTER_PROXY_SCOPES_HEADER": "X-Forwarded-Groups",
    "HYPOCENTER_TRUSTED_PROXIES": "10.0.0.7, 2001:db8::/32",
}
SAID = [(b"x-forwarded-user", b"ann"), (b"x-forwarded-groups", b"admin, hypocenter:read")]


@pytest.mark.parametrize(
    ("address", "headers", "name"),
    [
        ("10.0.0.7", SAID, "ann"),
        ("::ffff:10.0.0.7", SAID, "ann"),
        ("2001:db8::1", SAID, "ann"),
        ("10.0.0.8", SAID, None),
        ("", SAID, None),
        ("not an address", SAID, None),
        ("10.0.0.7", [], None),
        ("10.0.0.7", [*SAID, *SAID], None),
        ("10.0.0.7", [(b"x-forwarded-user", b"a\x1bb")], None),
        ("10.0.0.7", [(b"x-forwarded-for", b"10.0.0.7"), (b"x-forwarded-user", b" ")], None),
    ],
)
def test_a_proxy_is_believed_at_its_address_alone(
    address: str, headers: list[tuple[bytes, bytes]], name: str | None
) -> None:
    proxy = proxy_of_settings("default", PROXIES)
    assert proxy is not None
    found = proxy.identity({"client": (address, 1), "headers": headers})
    assert (found and found.name) == name
    assert found is None or found.scopes == {Scope.READ}


@pytest.mark.parametrize("trusted", ["", "proxy.example", "10.0.0.7/8", ","])
def test_proxies_are_named_by_their_networks(trusted: str) -> None:
    with pytest.raises(InputError, match="TRUSTED_PROXIES"):
        proxy_of_settings("default", PROXIES | {"HYPOCENTER_TRUSTED_PROXIES": trusted})


@pytest.fixture
def served(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> Iterator[Served]:
    """A server behind a proxy at the address from which its requests come, which takes an issuer's tokens, too."""
    given = PROXIES | {
        "HYPOCENTER_TRUSTED_PROXIES": "192.0.2.0/24",
        "HYPOCENTER_OIDC_ISSUER": issuer.url,
        "HYPOCENTER_OIDC_AUDIENCE": "hypocenter",
        "HYPOCENTER_OIDC_TENANT_CLAIM": "org",
        "HYPOCENTER_TENANTS": OTHER,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with serving(tmp_path_factory.mktemp("behind")) as found:
        yield found


def test_a_server_takes_whatever_proves_who_asks(served: Served, issuer: Issuer) -> None:
    whoami, settings = "/api/v1/whoami", "/api/v1/settings"
    by_proxy = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "hypocenter:admin"}
    assert served.ask("GET", whoami, headers=by_proxy).json()["how"] == "proxy"
    assert served.ask("GET", whoami, "read").json()["how"] == "token"
    for tenant, status in ((OTHER, 200), ("unknown", 403)):
        shown = {"Authorization": f"Bearer {issuer.token(org=tenant, scope='hypocenter:read')}"}
        assert served.ask("GET", whoami, headers=shown).status_code == status
    assert served.ask("GET", whoami).status_code == 401
    for origin, status in (("http://localhost", 200), ("https://evil.example", 403), ("null", 403)):
        headers = by_proxy | {"Origin": origin}
        assert served.ask("PATCH", settings, headers=headers, json={"precision": 0.9}).status_code == status
