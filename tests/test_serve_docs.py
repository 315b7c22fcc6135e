"""The page on the server names every path that it answers and every metric that it tells; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from hypocenter_server import HypocenterServer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
PLACES = sorted((ROOT / "docs" / "integrations").glob("*.md"))
OURS = "hypocenter_"
PREFIXES = ("/otlp", "/api/v1/otlp", "/prometheus/api/v1")


def test_every_path_and_metric_is_documented(hypocenter_server: HypocenterServer) -> None:
    url = hypocenter_server.url
    for path in re.findall(r"`(/[\w/]+)`", PAGE.partition("## The data")[0]):
        # 400 is a question that lacks what it has to say, 405 one that has to be posted.
        assert httpx.get(url + path).status_code in ((404,) if path in PREFIXES else (200, 400, 405)), path
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    names = {family.name for family in families if family.name.startswith(OURS)}
    told = PAGE + (ROOT / "docs" / "detection-live.md").read_text(encoding="utf-8")
    documented = set(re.findall(rf"`({OURS}\w+?)(?:_total)?(?:\{{[\w,]+\}})?`", told))
    assert names <= documented | {f"{name}_created" for name in documented}


@pytest.mark.parametrize("page", PLACES, ids=[page.name for page in PLACES])
def test_links_of_integrations_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_integration_is_in_the_list() -> None:
    listed = (ROOT / "docs" / "integrations" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PLACES if page.name != "README.md" and f"({page.name})" not in listed] == []
