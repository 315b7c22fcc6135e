"""The lines of docs/integrations on alerts, changes and files do what the pages say."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml
from documented import PAGES, PLACE, blocks
from hypocenter_server import HypocenterServer

from hypocenter.api import events, uploads
from hypocenter.api.history_upload import PARAMETERS
from hypocenter.api.uploads import LARGEST_HISTORY
from hypocenter.history.sources import SOURCES
from hypocenter.ingest import json_values
from hypocenter.ingest.cdevents import CHANGES, INCIDENTS
from hypocenter.ingest.changes import decode_changes
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE_NAMES = ("alertmanager", "change-events", "files")
MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypocenterServer]:
    server = HypocenterServer(tmp_path_factory.mktemp("server") / "data")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ran(
    require: Callable[[str], str], server: HypocenterServer, tmp_path_factory: pytest.TempPathFactory
) -> list[subprocess.CompletedProcess[str]]:
    """What became of all lines for the shell."""
    require("curl")
    folder, environment = tmp_path_factory.mktemp("shell"), {**os.environ, "HYPOCENTER_TOKEN": "none-is-needed"}
    lines = [block for page in PAGE_NAMES for block in blocks(page, "sh")]
    scripts = ["set -eu\n" + block.replace(PLACE, server.url.removeprefix("http://")) for block in lines]
    return [
        subprocess.run(["bash", "-c", each], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        for each in scripts
    ]


def test_the_lines_for_the_shell_are_answered(ran: list[subprocess.CompletedProcess[str]]) -> None:
    assert len(ran) >= 5
    for done in ran:
        assert done.returncode == 0, (done.args, done.stdout, done.stderr)
        assert "{" in done.stdout


def test_what_the_pages_tell_of_is_kept(ran: list[subprocess.CompletedProcess[str]], server: HypocenterServer) -> None:
    with closing(open_records(str(server.data_dir / "records.db"))) as records:
        alerts = records.alerts.alerts(MARCH, MARCH)
        changes = records.changes.changes(MARCH - timedelta(hours=1), MARCH + timedelta(hours=1))
        history = [each.incident_id for each in records.history.incidents()]
    assert [each.alert.name for each in alerts] == ["slow checkout"]
    assert {each.change.component for each in changes} == {"cart"}
    assert {each.origin.source for each in changes} == {"changes", "cdevents"}
    assert history == ["INC-7"]


@pytest.mark.parametrize("page", PAGE_NAMES)
@pytest.mark.parametrize("language", ["yaml", "json"])
def test_what_is_to_be_pasted_can_be_read(page: str, language: str) -> None:
    for block in blocks(page, language):
        assert yaml.safe_load(block) if language == "yaml" else json.loads(block)


def test_the_template_of_argo_cd_makes_a_change_that_is_taken() -> None:
    block = next(block for block in blocks("change-events", "yaml") if "argocd" in block or "template." in block)
    template = yaml.safe_load(yaml.safe_load(block)["data"]["template.tell-hypocenter"])
    body = re.sub(
        r"\{\{\.app\.status\.operationState\.finishedAt\}\}",
        "2026-03-01T12:00:00Z",
        template["webhook"]["hypocenter"]["body"],
    )
    body = re.sub(r"\{\{\.app\.(metadata|status|spec)\.[\w.]+\}\}", "cart", body)
    change = decode_changes(body.encode(), MARCH + timedelta(days=1)).changes[0]
    assert (change.change.component, change.change.at, change.origin.key) == (
        "cart",
        MARCH,
        "id:cart-2026-03-01T12:00:00Z",
    )


def test_the_step_of_github_actions_makes_a_change_that_is_taken() -> None:
    step = yaml.safe_load(next(block for block in blocks("change-events", "yaml") if "GITHUB_RUN_ID" in block))[0]
    environment = {**os.environ, "GITHUB_REPOSITORY": "acme/cart", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1"}
    environment |= {"GITHUB_REF_NAME": "v1.4.2", "GITHUB_SERVER_URL": "https://github.com"}
    environment |= {"HYPOCENTER_URL": "http://h", "HYPOCENTER_TOKEN": "t"}
    script = "curl() { printf '%s\\n' \"$@\"; }\n" + step["run"]
    said = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=True, text=True).stdout
    body = said[said.index("{") :].encode()
    change = decode_changes(body.replace(b"\n", b" "), MARCH).changes[0]
    assert (change.change.title, change.origin.key) == ("v1.4.2", "id:acme/cart-7-1")
    assert change.change.reference == "https://github.com/acme/cart/actions/runs/7"


def test_the_limits_that_are_written_are_those_that_hold() -> None:
    text = (PAGES / "alertmanager.md").read_text(encoding="utf-8")
    limits = [json_values.MOST_RECORDS, json_values.MOST_LABELS, json_values.LONGEST_NAME, json_values.LONGEST_TEXT]
    for limit in limits:
        assert f"{limit:,}" in text
    assert f"{events.LARGEST >> 20} MiB" in text
    files = (PAGES / "files.md").read_text(encoding="utf-8")
    assert f"{LARGEST_HISTORY // 10**6} MB" in files
    assert {2: "two"}[uploads.MOST_AT_ONCE] in files


def test_every_parameter_source_and_event_is_written() -> None:
    files = (PAGES / "files.md").read_text(encoding="utf-8")
    for name in (*PARAMETERS, *SOURCES):
        assert f"`{name}`" in files
    changes = (PAGES / "change-events.md").read_text(encoding="utf-8")
    for name in (*CHANGES, *INCIDENTS):
        assert f"`{name}`" in changes
