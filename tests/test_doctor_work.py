"""`hypocenter doctor` of what is due and not done: readings, messages, ticks; what is mended is found no more."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypocenter_server import HypocenterServer
from incident_server import serving
from own_prometheus import OwnPrometheus
from prometheus_client import CollectorRegistry
from pull_place import MINUTE, Place, Script, stopping
from scripted_prometheus import failure
from waiting import awaited

from hypocenter.api.doctor.examined import Examined
from hypocenter.api.doctor.of_work import pull_goes_on
from hypocenter.api.parts import Places
from hypocenter.api.pull_metrics import PullMetrics
from hypocenter.stores.detections import Position
from hypocenter.stores.live_incidents import LiveIncident, Status
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripted_prometheus import Server

    Doctor = Callable[..., tuple[int, dict[str, Any]]]

CONFIG = (
    "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: self, static_configs: [{targets: ['127.0.0.1:PORT']}]}]"
)


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


def test_a_server_that_is_read_and_is_not_there(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, require: Callable[[str], str]
) -> None:
    with OwnPrometheus(require("prometheus"), tmp_path, CONFIG) as prometheus:
        port = prometheus.port
    monkeypatch.setenv("HYPOCENTER_PULL_INTERVAL", "1")
    with HypocenterServer(tmp_path / "data", "--pull", f"http://127.0.0.1:{port}") as server:
        awaited(lambda: "pull-stale" in doctor(server.url)[1])
        assert doctor(server.url)[1]["pull-stale"]["message"] == "no reading went well so far"
        with OwnPrometheus(require("prometheus"), tmp_path, CONFIG, port=port):
            awaited(lambda: "pull-stale" not in doctor(server.url)[1])


@pytest.mark.parametrize("interval", [MINUTE, 30 * MINUTE])
def test_a_server_that_was_read_and_is_in_trouble(
    interval: timedelta,
    pull_place: Place,
    pull_server: Server,
    pull_script: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HYPOCENTER_PULL_INTERVAL", str(interval.total_seconds()))
    registry = CollectorRegistry()
    examined = Examined(Places(tmp_path), lambda: pull_place.now[0], number=registry.get_sample_value)
    with stopping(pull_place.pull(pull_server.url)) as pull:
        registry.register(PullMetrics(pull))
        pull.turn()
        pull_place.now[0] += interval
        assert list(pull_goes_on(examined)) == []
        pull_script.reply = failure(503, "in trouble")
        pull_place.now[0] += 6 * MINUTE
        (found,) = pull_goes_on(examined)
        late_s = (interval + 6 * MINUTE).total_seconds()
        assert (found.code, found.message) == (
            "pull-stale",
            f"the last reading that went well was {late_s:.0f} s ago",
        )
        pull_script.reply = None
        pull.turn()
        assert list(pull_goes_on(examined)) == []


def test_incidents_that_the_receiver_did_not_take(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (tmp_path / "secret").write_text("0123456789abcdef", encoding="utf-8")
    (tmp_path / "secret").chmod(0o600)
    incident = LiveIncident("0a0b", Status.OPEN, ago(minutes=11), ago(minutes=10), ago(minutes=10), ("cart",), ())
    with closing(open_records(str(data / "records.db"))) as records:
        assert records.incidents.save(incident)
    with serving(lambda *_: (503, {}, b"")) as receiver:
        monkeypatch.setenv("HYPOCENTER_WEBHOOK_URL", f"{receiver.url}/hook")
        monkeypatch.setenv("HYPOCENTER_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
        with HypocenterServer(data, "--detection") as server:
            awaited(lambda: bool(receiver.asked))
            found = doctor(server.url)[1]["webhook-failed"]
            assert found["message"] == "it was not told of 1 incidents, such as 0a0b"
            receiver.answer = lambda *_: (204, {}, b"")
            awaited(lambda: "webhook-failed" not in doctor(server.url)[1])


def test_shards_that_are_behind(tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    monkeypatch.setenv("HYPOCENTER_SHARDS", "1")
    with closing(open_records(str(data / "records.db"))) as records:
        behind = ago(hours=2).replace(second=0, microsecond=0)
        assert records.detections.commit(0, None, Position(behind, 1), [])
    with HypocenterServer(data) as server:
        _, found = doctor(server.url)
        assert {"shards-lagging", "beat-gone"} <= set(found)
        assert found["shards-lagging"]["message"].startswith("1 of 1 shards are up to 7")
    with HypocenterServer(data, "--detection") as server:
        awaited(lambda: {"shards-lagging", "beat-gone"}.isdisjoint(doctor(server.url)[1]))
