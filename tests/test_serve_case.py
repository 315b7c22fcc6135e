"""What a running server keeps is read out of it, by whoever may read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from hypocenter.cli import main

if TYPE_CHECKING:
    from hypocenter_server import HypocenterServer

SCENARIO = Path(__file__).parents[1] / "fixtures" / "scenarios" / "shop.scenario"
DAY = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def test_an_incident_is_investigated_while_the_server_goes_on(hypocenter_server: HypocenterServer, capsys, monkeypatch):
    monkeypatch.chdir(hypocenter_server.data_dir)
    code, _, said = run(
        capsys, "simulate", SCENARIO, "--to", f"{hypocenter_server.url}/api/v1/write", "--ending-at", "now"
    )
    assert code == 0, said
    change = {"component": "orders-db", "type": "config", "at": DAY["start"], "title": "more memory"}
    assert httpx.post(f"{hypocenter_server.url}/api/v1/changes", json=change).is_success
    asked = ("investigate", "--data-dir", hypocenter_server.data_dir, "--lookback", "3h", "--json")
    code, out, said = run(capsys, *asked)
    assert code == 0, said
    assert json.loads(out)["suspects"][0]["component"] == "orders-db"
    # Without a token anybody on this machine reads; once there is one, a token for reading is needed.
    tokens = {}
    for scope in ("ingest", "read"):
        _, text, _ = run(capsys, "token", "create", scope, "--scope", scope, "--data-dir", hypocenter_server.data_dir)
        tokens[scope] = hypocenter_server.data_dir / f"{scope}.token"
        tokens[scope].write_text(text, encoding="utf-8")
    code, _, said = run(capsys, *asked)
    assert (code, "a valid token is needed" in said, "--scope read" in said) == (2, True, True)
    assert "--bearer-token-file" in said
    code, _, said = run(capsys, *asked, "--bearer-token-file", tokens["ingest"])
    assert (code, "a token of scope read is needed" in said) == (2, True)
    code, out, said = run(capsys, *asked, "--bearer-token-file", tokens["read"])
    assert code == 0, said
    reader = {"Authorization": f"Bearer {tokens['read'].read_text(encoding='utf-8').strip()}"}
    sent = httpx.post(f"{hypocenter_server.url}/api/v1/changes", json=change, headers=reader)
    assert (sent.status_code, "a token of scope ingest is needed" in sent.text) == (403, True)
    again = ("simulate", SCENARIO, "--to", hypocenter_server.url, "--ending-at", "now")
    code, _, said = run(capsys, *again)
    assert (code, "401" in said) == (3, True)
    code, _, said = run(capsys, *again, "--bearer-token-file", tokens["ingest"])
    assert code == 0, said


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({}, "start: say from when"),
        ({"start": DAY["start"]}, "end: say to when"),
        ({**DAY, "start": "yesterday-ish"}, "start: "),
        ({**DAY, "match": "{"}, "--match"),
        (DAY, "nothing that matches was kept"),
    ],
)
def test_what_cannot_be_answered_is_told(hypocenter_server: HypocenterServer, params, reason):
    answer = httpx.get(f"{hypocenter_server.url}/api/v1/case", params=params)
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
