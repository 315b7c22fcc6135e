"""What people say of verdicts through the command line, kept for good."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hypocenter.cli import main
from hypocenter.cli_feedback import SAYS
from hypocenter.history.past_incident import PastIncident
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
    first, second, teaches = shown.splitlines()
    assert first.endswith("UTC  Ada  right db")
    assert second.endswith("UTC  Ben  cause payment cpu  it was the deploy")
    assert teaches == "teaches      it began at payment, and it was a fault of type cpu"
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        said = records.feedback.opinions("INC-7")
    assert [(one.says, one.by, one.component) for one in said] == [("right", "Ada", "db"), ("cause", "Ben", "payment")]
    assert said[0].at <= said[1].at


def test_a_name_that_the_history_does_not_hold_is_kept_and_told(
    feedback: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        records.history.save_incidents([PastIncident("INC-7", "csv", "INC-7", system="shop")])
    assert feedback("INC-7", "right", "--by", "Ada")[2] == ""
    assert feedback("INC-7", "right", "--by", "Ada", "--system", "shop")[2] == ""
    for words in (("INC-70", "right", "--by", "Ada"), ("INC-7", "right", "--by", "Ada", "--system", "bank")):
        code, _, told = feedback(*words)
        assert code == 0
        assert f"the history holds no incident {words[0]} (yet)" in told


def test_an_incident_alone_shows_what_was_said(feedback: Callable[..., tuple[int, str, str]]) -> None:
    assert feedback("INC-7") == (0, "nothing was said of INC-7 yet\n", "")
    feedback("INC-7", "not-an-incident", "--by", "Ada")
    (said,) = json.loads(feedback("INC-7", "--json")[1])
    assert (said["says"], said["by"], said["component"]) == ("not-an-incident", "Ada", "")
    assert said["teaches"] == "it is left out, for it was no incident"
    assert json.loads(feedback("INC-8", "--json")[1]) == []


@pytest.mark.parametrize(
    ("words", "taught"),
    [
        (("right",), "nothing but how often verdicts are right: a COMPONENT says where the incident began"),
        (("wrong",), "nothing but how often verdicts are right: a COMPONENT says where the incident began"),
        (("right", "db"), "it began at db"),
        (("right", "--fault-type", "cpu"), "it was a fault of type cpu"),
        (("wrong", "db"), "it did not begin at db"),
        (("not-an-incident",), "it is left out, for it was no incident"),
    ],
)
def test_it_is_told_what_is_learned_from_it(
    feedback: Callable[..., tuple[int, str, str]], words: tuple[str, ...], taught: str
) -> None:
    code, shown, _ = feedback("INC-7", *words, "--by", "Ada")
    assert (code, shown.splitlines()[-1]) == (0, f"teaches      {taught}")


def test_where_two_systems_have_an_incident_of_that_name_the_system_is_asked_for(
    feedback: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    both = [PastIncident("7", "csv", name, system=name) for name in ("hotel", "shop")]
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        records.history.save_incidents([*both, PastIncident("8", "csv", "8", system="hotel")])
        code, shown, errors = feedback("7", "cause", "db", "--by", "Ada")
        assert (code, shown) == (2, "")
        assert "hypocenter feedback 7 ... --system SYSTEM`, one of: hotel, shop" in errors
        assert records.feedback.opinions() == ()
        assert feedback("7", "cause", "db", "--by", "Ada", "--system", "hotel")[0] == 0
        assert feedback("8", "cause", "db", "--by", "Ada")[0] == 0
        assert [one.system for one in records.feedback.opinions()] == ["hotel", ""]
    assert "cause db  in hotel" in feedback("7")[1]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=["zero", "half"])
@pytest.mark.parametrize("option", ["--by", "--note", "--fault-type", "--system"])
def test_what_is_no_text_is_refused_by_the_name_of_its_option(
    feedback: Callable[..., tuple[int, str, str]], option: str, text: str, tmp_path: Path
) -> None:
    words = {"--by": "Ada", option: text}
    code, shown, errors = feedback("INC-7", "right", "db", *(word for pair in words.items() for word in pair))
    assert (code, shown) == (2, "")
    assert f"{option} " in errors
    assert "cannot be kept" in errors
    assert not (tmp_path / "records.db").exists()


@pytest.mark.parametrize(
    "broken",
    [
        "{}",
        "[]",
        "half",
        '{"incident_id": "INC-7"}',
        '{"incident_id": "INC-7", "says": "perhaps", "by": "Ada", "at": "2026-03-01T12:00:00+00:00"}',
        '{"incident_id": "INC-7", "says": "right", "by": 7, "at": "2026-03-01T12:00:00+00:00"}',
        '{"incident_id": "INC-7", "says": "right", "by": "Ada", "at": "noon"}',
        '{"incident_id": "INC-7", "says": "right", "by": "Ada", "at": 7}',
        '{"incident_id": "INC-7", "says": "right", "by": "Ada", "at": "2026-03-01T12:00:00"}',
    ],
)
def test_a_damaged_opinion_is_told_by_its_number(
    feedback: Callable[..., tuple[int, str, str]], broken: str, tmp_path: Path
) -> None:
    for _ in range(2):
        feedback("INC-7", "right", "--by", "Ada")
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection, connection:
        connection.execute("UPDATE opinions SET record = ? WHERE number = 2", [broken])
    code, shown, errors = feedback("INC-7")
    assert (code, shown) == (2, "")
    assert errors.startswith("hypocenter: error: the record of opinion 2 is damaged")


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


def test_the_records_of_a_servers_data_directory_are_named_by_that(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYPOCENTER_RECORDS", raising=False)
    data = tmp_path / "data"
    data.mkdir()
    with pytest.raises(SystemExit):
        main(["feedback", "INC-7", "cause", "db", "--by", "Ada", "--data-dir", str(data)])
    with closing(open_records(str(data / "records.db"))) as records:
        assert [one.component for one in records.feedback.opinions("INC-7")] == ["db"]
    capsys.readouterr()
    for wrong, why in ((["--data-dir", tmp_path / "none"], "no such folder"), (["--records", "x"], "not both")):
        with pytest.raises(SystemExit) as ended:
            main(["feedback", "INC-7", *([] if "--data-dir" in wrong else ["--data-dir", str(data)]), *map(str, wrong)])
        assert ended.value.code == 2
        assert why in capsys.readouterr().err
