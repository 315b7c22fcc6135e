"""Where detector states lie between ticks: a cache, which may lose what it holds at any time."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from hypocenter.errors import SourceError
from hypocenter.stores.identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from hypocenter.stores.detections import Position

LIFETIME_S = 7 * 86_400
SPARE_BYTES = 512_000_000
MICROSECOND = 1_000_000


class StateCache(Protocol):
    """States by shard and the position that they are of; those of one tenant. Every call may raise SourceError."""

    def load(self, shard: int, position: Position) -> bytes | None:
        """Return the state that a shard had at a position, None when it is not there."""

    def save(self, shard: int, position: Position, state: bytes) -> None:
        """Keep a state, in the place of what was kept of that position."""

    def forget(self, shard: int, before: int) -> None:
        """Forget a shard's states of versions before one."""


class FileStates:
    """States in files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, shard: int, position: Position) -> bytes | None:
        """Return the state that a shard had at a position, None when it is not there."""
        try:
            return (self._folder / _name(shard, position)).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"{self._folder}: a detector state cannot be read: {error}") from error

    def save(self, shard: int, position: Position, state: bytes) -> None:
        """Keep a state; whoever reads at the same time sees all of it or nothing."""
        from tempfile import NamedTemporaryFile

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as file, _taken_away(Path(file.name)):
                file.write(state)
                file.close()
                Path(file.name).replace(self._folder / _name(shard, position))
        except OSError as error:
            raise SourceError(f"{self._folder}: a detector state cannot be kept: {error}") from error

    def forget(self, shard: int, before: int) -> None:
        """Forget a shard's states of versions before one."""
        try:
            for path in sorted(self._folder.glob(f"{shard}_*")):
                if int(path.name.split("_")[1]) < before:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise SourceError(f"{self._folder}: a detector state cannot be forgotten: {error}") from error


class RedisStates:
    """States of a tenant in a Redis server; what nobody asked for in a week is forgotten."""

    def __init__(self, redis: Redis, tenant: str) -> None:
        self._redis = redis
        self._prefix = f"hypocenter:{identity_of(tenant)[:32]}:state:"

    def load(self, shard: int, position: Position) -> bytes | None:
        """Return the state that a shard had at a position, None when it is not there."""
        with _told():
            found: bytes | None = self._redis.hget(self._key(shard), _name(shard, position))  # type: ignore[assignment]
        return found

    def save(self, shard: int, position: Position, state: bytes) -> None:
        """Keep a state, in the place of what was kept of that position."""
        with _told():
            self._redis.hset(self._key(shard), _name(shard, position), state)
            self._redis.expire(self._key(shard), LIFETIME_S)

    def forget(self, shard: int, before: int) -> None:
        """Forget a shard's states of versions before one."""
        with _told():
            names: list[bytes] = self._redis.hkeys(self._key(shard))  # type: ignore[assignment]
            old = [name for name in names if int(name.split(b"_")[1]) < before]
            if old:
                self._redis.hdel(self._key(shard), *old)

    def _key(self, shard: int) -> str:
        return f"{self._prefix}{shard}"


class SparedStates:
    """States of another cache; those that it would not take stay in this process, so that it need not learn them anew.

    Of these the oldest go where they are more than `most_bytes`. Safe to share between threads.
    """

    def __init__(self, inner: StateCache, most_bytes: int = SPARE_BYTES) -> None:
        self._inner, self._most = inner, most_bytes
        self._lock = Lock()
        self._spare: dict[tuple[int, Position], bytes] = {}

    def load(self, shard: int, position: Position) -> bytes | None:
        """Return the state that a shard had at a position, None when it is not there."""
        with self._lock:
            spare = self._spare.get((shard, position))
        return self._inner.load(shard, position) if spare is None else spare

    def save(self, shard: int, position: Position, state: bytes) -> None:
        """Keep a state, in the place of what was kept of that position; raises SourceError where it is only spared."""
        try:
            self._inner.save(shard, position, state)
        except SourceError:
            self._keep(shard, position, state)
            raise
        self._drop({(shard, position)})

    def forget(self, shard: int, before: int) -> None:
        """Forget a shard's states of versions before one."""
        with self._lock:
            old = {key for key in self._spare if key[0] == shard and key[1].version < before}
        self._drop(old)
        self._inner.forget(shard, before)

    def _keep(self, shard: int, position: Position, state: bytes) -> None:
        with self._lock:
            self._spare.pop((shard, position), None)
            self._spare[shard, position] = state
            while sum(map(len, self._spare.values())) > self._most:
                del self._spare[next(iter(self._spare))]

    def _drop(self, keys: set[tuple[int, Position]]) -> None:
        with self._lock:
            for key in keys:
                self._spare.pop(key, None)


@contextmanager
def _taken_away(draft: Path) -> Iterator[None]:
    """Leave no draft where the block fails: on a disk that is full each tick would leave another."""
    try:
        yield
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def _told() -> Iterator[None]:
    """Tell what Redis' errors mean."""
    from redis import RedisError

    try:
        yield
    except RedisError as error:
        raise SourceError(f"the Redis server that keeps detector states: {error}") from error


def _name(shard: int, position: Position) -> str:
    """Name a state by version and watermark: ticks that raced wrote states of one version up to other times."""
    return f"{shard}_{position.version}_{round(position.watermark.timestamp() * MICROSECOND)}"
