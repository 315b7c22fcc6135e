"""What people say of verdicts through the command line, kept for good."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hypocenter.cli import main
from hypocenter.cli_feedback import SAYS
from hypocenter.stores.opening import open_records
from hypocenter.stores.records import Says

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def feedback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """`feedback(*words)` is exit code, output and errors of `hypocenter feedback` over records that are empty."""
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "records.db"))

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["feedback", *map(str, words)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


def test_the_command_knows_every_word_of_the_records() -> None:
    assert list(SAYS) == list(Says)


def test_what_is_said_is_kept_with_who_and_when_and_nothing_is_overwritten(
    feedback: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    feedback("INC-7", "right", "db", "--by", "Ada")
    code, shown, _ = feedback(
        *("INC-7", "cause", "payment", "--by", "Ben", "--fault-type", "cpu", "--note", "it was the deploy")
    )
    assert code == 0
    first, second = shown.splitlines()
    assert first.endswith("UTC  Ada  right db")
    assert second.endswith("UTC  Ben  cause payment cpu  it was the deploy")
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        said = records.feedback.opinions("INC-7")
    assert [(one.says, one.by, one.component) for one in said] == [("right", "Ada", "db"), ("cause", "Ben", "payment")]
    assert said[0].at <= said[1].at


def test_an_incident_alone_shows_what_was_said(feedback: Callable[..., tuple[int, str, str]]) -> None:
    assert feedback("INC-7") == (0, "nothing was said of INC-7 yet\n", "")
    feedback("INC-7", "not-an-incident", "--by", "Ada")
    (said,) = json.loads(feedback("INC-7", "--json")[1])
    assert (said["says"], said["by"], said["component"]) == ("not-an-incident", "Ada", "")
    assert json.loads(feedback("INC-8", "--json")[1]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("INC-7", "right"), "--by NAME"),
        (("INC-7", "cause", "--by", "Ada"), "name the COMPONENT"),
        (("INC-7", "not-an-incident", "db", "--by", "Ada"), "no COMPONENT"),
        (("INC-7", "not-an-incident", "--fault-type", "cpu", "--by", "Ada"), "no fault type"),
        (("INC-7", "perhaps", "--by", "Ada"), "'perhaps' is not one of"),
        (("INC-7", "--by", "Ada"), "say right, wrong"),
        (("INC-7", "--note", "hm"), "say right, wrong"),
        ((), "Missing argument"),
    ],
)
def test_what_says_nothing_is_refused(
    feedback: Callable[..., tuple[int, str, str]], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    code, shown, errors = feedback(*words)
    assert (code, shown) == (2, "")
    assert said in errors
    assert not (tmp_path / "records.db").exists()


def test_what_would_steer_a_terminal_is_shown_as_text(feedback: Callable[..., tuple[int, str, str]]) -> None:
    assert "\x1b" not in feedback("INC-7", "right", "--by", "A\x1b[2J", "--note", "a\nb")[1]
