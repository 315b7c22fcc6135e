"""From settings to a pull, what it remembers, and what it tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.utils import floatToGoString
from pull_place import (
    NOW,
    Place,
    Script,
    matrix,
    seconds,
    stopping,
)
from scripted_prometheus import failure, success
from waiting import awaited

from hypocenter.api.pull_marks import FILE, Marks
from hypocenter.api.pull_metrics import PullMetrics
from hypocenter.api.pulling import new_pull
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripted_prometheus import Server


def test_a_pull_tells_how_it_goes(pull_place: Place, pull_server: Server, pull_script: Script) -> None:
    registry = CollectorRegistry()
    with stopping(pull_place.pull(pull_server.url, interval_s=0.01)) as pull:
        registry.register(PullMetrics(pull))
        pull.turn()
        told = generate_latest(registry).decode()
        assert f"hypocenter_pull_last_success_timestamp_seconds {floatToGoString(NOW.timestamp())}" in told
        assert "hypocenter_pull_up 1.0" in told
        assert "hypocenter_pull_series 1.0" in told
        assert f"hypocenter_pull_samples_total {len(seconds(pull_place))}.0" in told
        pull_script.reply = failure(500)
        pull.start()
        awaited(lambda: pull.status.failures > 0)
    assert "hypocenter_pull_up 0.0" in generate_latest(registry).decode()


@pytest.mark.parametrize("text", ["{", "[]", '{"place": "x"}', '{"place": "x", "until_ms": {"a": "b"}}', "\xff"])
def test_marks_that_cannot_be_read_are_told_before_anything_is_pulled(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"pull\.json: cannot be read"):
        Marks(tmp_path, "x")


def test_marks_are_there_whole_or_as_they_were(tmp_path: Path) -> None:
    Marks(tmp_path, "x").move("up{}", 5)
    Marks(tmp_path, "x").move("down{}", 6)
    again = Marks(tmp_path, "x")
    assert (again.until("up{}"), again.until("down{}"), again.until("other{}")) == (5, 6, None)
    assert Marks(tmp_path, "y").until("up{}") is None
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    for name in ("METRICS", "PULL_URL", "PULL_MATCH", "PULL_INTERVAL", "PULL_TOKEN_FILE", "METRICS_TOKEN_FILE"):
        monkeypatch.delenv(f"HYPOCENTER_{name}", raising=False)

    def set_all(**named: str) -> None:
        for name, value in named.items():
            monkeypatch.setenv(f"HYPOCENTER_{name.upper()}", value)

    return set_all


def test_nothing_is_pulled_unless_a_server_is_named(pull_place: Place, settings_of: Callable[..., None]) -> None:
    settings_of()
    assert new_pull(pull_place.intake, pull_place.folder) is None


def test_settings_tell_what_is_pulled(pull_place: Place, pull_server: Server, settings_of: Callable[..., None]) -> None:
    (pull_place.folder / "token").write_text("abc\n")
    settings_of(
        pull_url=pull_server.url, pull_match='up{a="b c"} {x="y"}', pull_token_file=str(pull_place.folder / "token")
    )
    pull = new_pull(pull_place.intake, pull_place.folder)
    assert pull is not None
    with stopping(pull):
        pull.turn()
    asked = {params["query"].partition("[")[0] for _, params in pull_server.asked}
    assert {'up{a="b c"}', '{x="y"}'} < asked
    assert pull_server.authorizations == {"Bearer abc"}
    assert max(seconds(pull_place)) == 0


@pytest.mark.parametrize("given", ["setting", "option"])
def test_the_server_that_keeps_the_metrics_is_asked_for_alerts(
    pull_place: Place, pull_server: Server, settings_of: Callable[..., None], given: str
) -> None:
    pull_server.script = lambda _, params: (
        success({"resultType": "vector", "result": []}) if "[" not in params["query"] else matrix()
    )
    if given == "setting":
        settings_of(metrics=pull_server.url, pull_url=pull_server.url + "/")
    pull = new_pull(pull_place.intake, pull_place.folder, pull_server.url if given == "option" else None)
    assert pull is not None
    with stopping(pull):
        pull.turn()
    assert all("ALERTS" in params["query"] or "count(" in params["query"] for _, params in pull_server.asked)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"pull_url": "prometheus:9090"}, "http://"),
        ({"pull_url": "http://h", "pull_match": "up{"}, "selector"),
        ({"pull_url": "http://h", "pull_interval": "0.1"}, "HYPOCENTER_PULL_INTERVAL"),
        ({"pull_url": "http://h", "pull_interval": "nan"}, "HYPOCENTER_PULL_INTERVAL"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    pull_place: Place, settings_of: Callable[..., None], named: dict[str, str], words: str
) -> None:
    settings_of(**named)
    with pytest.raises(InputError, match=words):
        new_pull(pull_place.intake, pull_place.folder)
