"""The board in a Redis server, for parts that run as processes of their own."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from hypocenter import settings
from hypocenter.errors import InputError, SourceError
from hypocenter.stores.redis_place import redis_url
from hypocenter.stores.work_board import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT_S = 5.0
# Both steps of each in one: between two of ours the name could pass to somebody else.
_HOLD = """
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
"""
_LET_GO = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisBoard:
    """The WorkBoard of one tenant in the Redis server at `url`; nothing connects until it is asked."""

    def __init__(self, url: str, tenant: str) -> None:
        try:
            # One quick retry only: a connection that a restart broke is made anew, and an outage is told at once.
            self._redis = Redis.from_url(
                url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
            )
        except ValueError as error:
            raise InputError(f"HYPOCENTER_REDIS_URL cannot be read: {error}") from error
        self._prefix = f"hypocenter:{tenant}"
        self._hold, self._let_go = self._redis.register_script(_HOLD), self._redis.register_script(_LET_GO)

    def now(self) -> datetime:
        """Return the time of day, in UTC, of the Redis server: clocks of machines that meet there may differ."""
        with _told():
            seconds, micros = self._redis.time()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)

    def hold(self, name: str, by: str, seconds: float) -> bool:
        """Take a name, or have it longer where it is ours; False when somebody else has it."""
        with _told():
            return bool(self._hold([self._key(name)], [by, max(1, int(seconds * 1000))]))

    def let_go(self, name: str, by: str) -> None:
        """Give a name back; nothing happens where it is not ours (any more)."""
        with _told():
            self._let_go([self._key(name)], [by])

    def add(self, figure: Figure, amount: float = 1) -> None:
        """Add to a number that only grows."""
        with _told():
            self._redis.hincrbyfloat(f"{self._prefix}:totals", json.dumps(figure), amount)

    def put(self, figure: Figure, value: float) -> None:
        """Set a number that is as it is now."""
        with _told():
            self._redis.hset(f"{self._prefix}:levels", json.dumps(figure), repr(float(value)))

    def pin(self, name: str, text: str, seconds: float) -> None:
        """Leave a text for whoever asks for its name within some seconds, in the place of what was there."""
        with _told():
            self._redis.set(f"{self._prefix}:pinned:{name}", text, px=max(1, int(seconds * 1000)))

    def pinned(self, name: str) -> str | None:
        """Return the text of a name, None where there is none (any more)."""
        with _told():
            found: Any = self._redis.get(f"{self._prefix}:pinned:{name}")
        return None if found is None else found.decode()

    def totals(self) -> Mapping[Figure, float]:
        """Return the numbers that only grow."""
        return self._all("totals")

    def levels(self) -> Mapping[Figure, float]:
        """Return the numbers as they are now."""
        return self._all("levels")

    def close(self) -> None:
        """Let go of connections."""
        self._redis.close()

    def _key(self, name: str) -> str:
        return f"{self._prefix}:hold:{name}"

    def _all(self, which: str) -> Mapping[Figure, float]:
        with _told():
            found: Any = self._redis.hgetall(f"{self._prefix}:{which}")
        return {Figure(*json.loads(name)): float(value) for name, value in found.items()}


def open_board(where: str | None = None, tenant: str | None = None) -> RedisBoard:
    """Return the board in the Redis server that `where` or the setting `redis_url` names; it is not asked yet."""
    return RedisBoard(redis_url(where), tenant or str(settings.read("tenant")))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise SourceError(f"Redis: {error}") from error
