"""What docs/integrations say of Kubernetes and of incident tools is so: lines as pasted, on files."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import closing
from pathlib import Path

import pytest

from hypocenter.cli import main
from hypocenter.stores.opening import open_records
from hypocenter_graph.stores.opening import open_graph

PAGES = Path(__file__).parents[1] / "docs" / "integrations"
CLUSTER = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": "cart"}}, "spec": {"containers": [{"name": "cart"}]}}},
        }
    ],
}


def pasted(page: str, ending: str) -> list[str]:
    """Return the words of the line of a page that begins with our program and has such an ending."""
    text = (PAGES / page).read_text(encoding="utf-8")
    (line,) = [line for line in re.findall(r"^hypocenter (.*)$", text, re.MULTILINE) if line.endswith(ending)]
    return shlex.split(line)


def run(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code


def test_a_cluster_becomes_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.yaml").write_text(json.dumps(CLUSTER), encoding="utf-8")
    words = pasted("kubernetes.md", '/graph.db"')
    run([word.replace("$HYPOCENTER_DATA_DIR", str(tmp_path)) for word in words])
    with closing(open_graph(str(tmp_path / "graph.db"))) as graph:
        assert "shop/cart" in {claim.name for claim in graph.claims().components}


def test_an_export_becomes_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "records.db"))
    export = "number,short_description,opened_at,cmdb_ci\nINC1,Checkout is slow,2026-02-01 10:00:00,cart\n"
    (tmp_path / "incidents.csv").write_text(export, encoding="utf-8")
    run(pasted("incident-tools.md", "incidents.csv --from servicenow"))
    with closing(open_records()) as records:
        assert [each.incident_id for each in records.history.incidents()] == ["INC1"]
