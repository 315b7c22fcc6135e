"""Bodies that come in pieces, slowly, too long or packed; how the memory of all of them together is held to a limit."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from starlette.requests import ClientDisconnect, Request

from hypocenter.api.bodies import BodyMemory, Held, Memory, read_body
from hypocenter.api.intake import BodyLimits
from hypocenter.api.refusals import SlowError, UnsupportedError
from hypocenter.errors import HypocenterError, LimitError
from hypocenter.stores.metrics import BusyError

LIMITS = BodyLimits(sent=1000, unpacked=5000, seconds=5)


def _request(
    *pieces: bytes, headers: dict[str, str] | None = None, ends: bool = True, held: Held | None = None
) -> Request:
    """Return a request whose body comes in pieces; one that does not end waits for ever after them."""
    left = list(pieces)

    async def receive() -> dict[str, object]:
        if not left and not ends:
            await asyncio.Event().wait()
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left) or not ends}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "POST", "headers": raw}
    return Request(scope | ({"held": held} if held else {}), receive)


def _read(request: Request, limits: BodyLimits = LIMITS) -> bytes:
    return asyncio.run(read_body(request, limits))


def test_pieces_are_joined() -> None:
    assert _read(_request(b"ab", b"", b"cd")) == b"abcd"
    assert _read(_request()) == b""


def test_a_body_is_unpacked_however_long_it_is() -> None:
    for size in (10, 1 << 20):
        packed = gzip.compress(b"x" * size, 0)
        limits = BodyLimits(sent=len(packed), unpacked=size)
        assert len(_read(_request(packed, headers={"content-encoding": "gzip"}), limits)) == size


def test_a_body_may_be_as_long_as_the_limit() -> None:
    assert len(_read(_request(b"x" * 999, b"x"))) == 1000
    with pytest.raises(LimitError, match="1,000 bytes as sent"):
        _read(_request(b"x" * 999, b"xx"))


@pytest.mark.parametrize("announced", ["1001", "9" * 5000])
def test_a_body_that_is_announced_as_too_long_is_not_waited_for(announced: str) -> None:
    with pytest.raises(LimitError):
        _read(_request(headers={"content-length": announced}, ends=False))


def test_a_body_that_never_ends_is_not_waited_for_longer_than_the_limit() -> None:
    with pytest.raises(SlowError, match=r"0\.01 s"):
        _read(_request(b"a", ends=False), BodyLimits(seconds=0.01))


def test_an_encoding_that_is_not_taken_is_refused_before_the_body_is_read() -> None:
    request = _request(headers={"content-encoding": "gzip"}, ends=False)
    with pytest.raises(UnsupportedError, match="use snappy"):
        asyncio.run(read_body(request, LIMITS, ("snappy",)))


def test_where_no_encoding_is_named_the_usual_one_is_meant() -> None:
    read = read_body(_request(gzip.compress(b"a")), LIMITS, ("gzip",), unnamed="gzip")
    assert asyncio.run(read) == b"a"


def test_a_client_that_goes_away_is_told_apart() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        _read(Request({"type": "http", "method": "POST", "headers": []}, receive))


def test_all_bodies_together_stay_within_the_memory() -> None:
    memory = BodyMemory(1500)
    first, second = Held(memory), Held(memory)
    assert len(_read(_request(b"x" * 1000, held=first))) == 1000
    with pytest.raises(BusyError):
        _read(_request(b"x" * 501, held=second))
    first.end()
    second.end()
    assert memory.left == 1500
    assert len(_read(_request(b"x" * 1000, held=second))) == 1000


def test_what_is_unpacked_counts_too() -> None:
    packed = gzip.compress(b"x" * 5000)
    request = _request(packed, headers={"content-encoding": "gzip"}, held=Held(BodyMemory(5000)))
    with pytest.raises(BusyError):
        _read(request)


@pytest.mark.parametrize("error", [None, ClientDisconnect(), BusyError()])
def test_memory_is_given_back_however_a_request_ends(error: Exception | None) -> None:
    memory = BodyMemory(100)
    left_inside: list[int] = []

    async def app(scope: dict[str, Held], *_: object) -> None:
        scope["held"].take(60)
        left_inside.append(memory.left)
        if error:
            raise error

    async def call() -> None:
        await Memory(app, memory)({"type": "http"}, None, None)

    if error:
        with pytest.raises((ClientDisconnect, HypocenterError)):
            asyncio.run(call())
    else:
        asyncio.run(call())
    assert (left_inside, memory.left) == ([40], 100)
