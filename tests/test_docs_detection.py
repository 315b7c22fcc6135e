"""The examples of docs/detection.md do what they show."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hypocenter.readers.series_tables import series_of
from hypocenter_workers.detect.calendar import Calendar
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.events import Kind
from hypocenter_workers.detect_table import default_detector, detect
from hypocenter_workers.detection_outputs import to_json

PAGE = Path(__file__).parents[1] / "docs" / "detection.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_examples_show_what_they_give(capsys: pytest.CaptureFixture[str]) -> None:
    code = "\n".join(re.findall(r"^```pycon\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, str(PAGE), 0)
    outcome = doctest.DocTestRunner().run(examples)
    assert outcome.attempted > 25
    assert outcome.failed == 0, capsys.readouterr().out


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_every_kind_of_event_is_explained(kind: Kind) -> None:
    assert re.search(rf"^\|.*`{kind.name.lower()}`.*\|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("flag", Flag, ids=lambda flag: flag.name)
def test_every_state_is_explained(flag: Flag) -> None:
    assert re.search(rf"^\| `{flag.name}` \|", TEXT, re.MULTILINE)


def test_every_field_of_the_json_is_explained() -> None:
    values = np.random.default_rng(1).normal(size=600)
    values[500] = 60.0
    frame = pd.DataFrame({"time": pd.date_range("2026-03-02", periods=600, freq="5min", tz="UTC"), "value": values})
    found = json.loads(json.dumps(to_json(detect(series_of(frame, "t"), default_detector(Calendar())))))
    event = found["events"][0]
    assert [field for field in (*found, *event) if f"`{field}`" not in TEXT] == []
