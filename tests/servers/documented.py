"""What the pages of docs/integrations say to paste."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

PAGES = Path(__file__).parents[2] / "docs" / "integrations"
PLACE = "127.0.0.1:4477"


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of one language on a page, in its order."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def pasted(page: str, number: int, **places: str) -> Any:
    """Return a page's YAML block as it is pasted, with other `places` for those that it names."""
    block = blocks(page, "yaml")[number]
    for known, other in (
        (PLACE, places["server"]),
        ("/etc/alertmanager/", places["folder"]),
        ("/etc/prometheus/", places["folder"]),
    ):
        block = block.replace(known, other)
    return yaml.safe_load(block)
