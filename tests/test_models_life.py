"""Models from registration to rolling back, over records of both kinds and through the command line."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hypocenter.cli import main
from hypocenter.errors import InputError
from hypocenter.history.past_incident import PastIncident
from hypocenter.model_card import FeatureBins, Figure, Gate, ModelCard
from hypocenter.model_life import PROMOTED, promote, roll_back, serving
from hypocenter.stores.opening import open_records
from hypocenter.stores.records import ModelEvent, Opinion, Says
from hypocenter_workers.learn.model_file import Model, write_model
from hypocenter_workers.learn.registry import load, register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.records import ModelStore

    Run = Callable[..., tuple[int, str, str]]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARD = ModelCard(
    trained_on="342 incidents of the history",
    simulated=False,
    created_at=NOON,
    data_hash="ab12",
    incidents=40,
    held_back=10,
    systems=1,
    last_at=NOON,
    figures=(Figure("root cause first", 0.81, 0.72, 0.88, 85, 0.7),),
    gate=Gate(True, "0.81 against 0.70 on 85 later incidents"),
    features={"all|metric up": FeatureBins((1.0, 2.0), (0.2, 0.5, 0.3, 0.0))},
)
REFUSED = replace(CARD, gate=Gate(False, "0.71 against 0.70 is no proof on 85 later incidents"))


def registered(store: ModelStore, card: ModelCard = CARD) -> int:
    return register(store, "shop", Model(card, {"suspects.json": "{}"}))


def promoted(version: int, reason: str = "", forced: bool = False) -> ModelEvent:
    return ModelEvent("shop", version, PROMOTED, NOON, "Ada", reason, forced)


def against(version: int) -> ModelCard:
    return replace(CARD, gate=Gate(True, "better", f"shop version {version}"))


def test_a_registered_model_is_the_model(records: SqlRecords) -> None:
    version = registered(records.models)
    assert load(records.models, "shop", version) == Model(CARD, {"suspects.json": "{}"})
    assert serving(records.models, "shop") is None


def test_a_model_that_the_gate_let_through_is_promoted(records: SqlRecords) -> None:
    promote(records.models, promoted(registered(records.models)))
    current = serving(records.models, "shop")
    assert current is not None
    assert current.version == 1
    with pytest.raises(InputError, match="shop version 1 is serving already"):
        promote(records.models, promoted(1))


@pytest.mark.parametrize(
    ("card", "said"), [(REFUSED, "no proof on 85 later incidents"), (replace(CARD, gate=None), "compared with nothing")]
)
def test_one_that_it_did_not_is_promoted_by_force_with_a_reason_alone(
    records: SqlRecords, card: ModelCard, said: str
) -> None:
    version = registered(records.models, card)
    with pytest.raises(InputError, match=said):
        promote(records.models, promoted(version))
    with pytest.raises(InputError, match="needs a reason"):
        promote(records.models, promoted(version, forced=True))
    assert serving(records.models, "shop") is None
    promote(records.models, promoted(version, "the old one is broken", forced=True))
    (event,) = records.models.model_events("shop")
    assert (event.forced, event.reason) == (True, "the old one is broken")


def test_what_was_compared_with_another_than_what_serves_is_not_promoted(records: SqlRecords) -> None:
    first, second = registered(records.models), registered(records.models)
    third = registered(records.models, against(first))
    promote(records.models, promoted(first))
    with pytest.raises(InputError, match="compared with the unlearned ranking, and shop version 1 serves now"):
        promote(records.models, promoted(second))
    promote(records.models, promoted(third))
    current = serving(records.models, "shop")
    assert current is not None
    assert current.version == third


class Overtaken:
    """Records of models in which somebody else is served just before what is asked to be."""

    def __init__(self, store: ModelStore, first: Callable[[], object]) -> None:
        self._store, self._first = store, first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def serve(self, event: ModelEvent, *given: Any, **named: Any) -> None:
        self._first()
        self._store.serve(event, *given, **named)


def test_of_two_that_beat_what_serves_only_one_takes_its_place(records: SqlRecords) -> None:
    first = registered(records.models)
    second, third = registered(records.models, against(first)), registered(records.models, against(first))
    promote(records.models, promoted(first))
    overtaken: Any = Overtaken(records.models, lambda: promote(records.models, promoted(second)))
    with pytest.raises(InputError, match="another version of shop serves by now"):
        promote(overtaken, promoted(third))
    assert [event.version for event in records.models.model_events("shop")] == [first, second]
    current = serving(records.models, "shop")
    assert current is not None
    assert current.version == second


def test_of_two_that_roll_back_at_once_only_one_goes_back(records: SqlRecords) -> None:
    registered(records.models)
    for version in (1, 2):
        registered(records.models, against(version))
    for version in (1, 2, 3):
        promote(records.models, promoted(version))
    overtaken: Any = Overtaken(records.models, lambda: roll_back(records.models, "shop", NOON))
    with pytest.raises(InputError, match="another version of shop serves by now"):
        roll_back(overtaken, "shop", NOON)
    current = serving(records.models, "shop")
    assert current is not None
    assert current.version == 2


def test_rolling_back_leads_through_what_served(records: SqlRecords) -> None:
    registered(records.models)
    for version in (1, 2):
        registered(records.models, against(version))
    for version in (1, 2, 3):
        promote(records.models, promoted(version))
    assert [roll_back(records.models, "shop", NOON).version for _ in range(2)] == [2, 1]
    with pytest.raises(InputError, match="no version of shop served before"):
        roll_back(records.models, "shop", NOON)
    assert [event.action for event in records.models.model_events("shop")] == ["promoted"] * 3 + ["rolled back"] * 2
    with pytest.raises(InputError, match="there is no model bakery; choose from: shop"):
        roll_back(records.models, "bakery", NOON)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(*words)` is exit code, output and errors of `hypocenter models`, over records in `tmp_path`."""
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "records.db"))
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["models", *map(str, words)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture
def own(run: Run, tmp_path: Path) -> Iterator[SqlRecords]:
    """The records that the commands see."""
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        yield records


def test_the_commands_lead_a_model_through_its_life(run: Run, own: SqlRecords) -> None:
    assert run("list") == (0, "no model is registered; train one with: hypocenter train HISTORY --register NAME\n", "")
    registered(own.models)
    registered(own.models, against(1))
    code, told, _ = run("promote", "shop", 1, "--by", "Ada")
    assert (code, told.splitlines()[0]) == (0, "shop version 1 is serving")
    assert "--model shop" in told
    assert run("promote", "shop", 2)[0] == 0
    assert run("rollback", "shop", "--reason", "it slowed") == (0, "shop version 1 is serving\n", "")
    first, second = run("list")[1].splitlines()
    told = "shop version 1 serving 2026-03-01 12:00 342 incidents of the history; root cause first 0.810"
    assert " ".join(first.split()) == told
    assert "retired" in second
    assert [model["status"] for model in json.loads(run("list", "--json")[1])] == ["serving", "retired"]


def test_what_the_gate_refused_is_told(run: Run, own: SqlRecords) -> None:
    registered(own.models, REFUSED)
    code, shown, errors = run("promote", "shop", 1)
    assert (code, shown) == (2, "")
    assert "no proof on 85 later incidents; or: --force --reason TEXT" in errors
    assert run("promote", "shop", 2)[2].startswith("hypocenter: error: there is no model shop version 2")
    assert run("promote", "shop", 1, "--force", "--reason", "because")[0] == 0


def test_show_tells_the_model_that_serves_and_writes_its_card(run: Run, own: SqlRecords, tmp_path: Path) -> None:
    registered(own.models)
    registered(own.models, replace(CARD, trained_on="999 incidents"))
    promote(own.models, promoted(1))
    code, shown, _ = run("show", "shop", "--card", "card.html")
    assert code == 0
    for line in (
        "model        shop version 1 · serving",
        "trained on   342 incidents of the history, 2026-03-01 12:00 UTC",
        "measured     root cause first 0.810 (0.720 to 0.880, 0.700 without it)",
        "gate         let through: 0.81 against 0.70 on 85 later incidents",
        "life         2026-03-01 12:00 UTC version 1 promoted by Ada",
    ):
        assert line in shown.splitlines()
    assert "<title>shop version 1 – model card</title>" in (tmp_path / "card.html").read_text()
    assert "999 incidents" in run("show", "shop", 2)[1]
    assert run("show", "shop", 3)[0] == 2


def test_show_tells_a_file(run: Run, tmp_path: Path) -> None:
    write_model(tmp_path / "my.model", Model(CARD, {"suspects.json": "{}"}))
    told = json.loads(run("show", "my.model", "--json")[1])
    assert (told["model"], told["card"]["data_hash"], told["drift"]) == ("my.model", "ab12", None)


def test_show_proposes_to_train_anew(run: Run, own: SqlRecords) -> None:
    registered(own.models)
    later = NOON + timedelta(days=40)
    for number in range(10):
        own.feedback.add_opinion(Opinion(f"INC-{number}", Says.WRONG, "Ada", later))
    own.history.save_incidents(
        PastIncident(str(n), "jira", str(n), started_at=later, root_components=("db",)) for n in range(20)
    )
    lines = run("show", "shop")[1].splitlines()
    assert "judged       2026-04: 0 of 10 right" in lines
    assert [line for line in lines if line.startswith("train anew")] == [
        "train anew   20 incidents with a known root came since; it was trained on 342 incidents of the history",
        "train anew   of 10 verdicts judged since, 0 were right; measured in training were 81%",
    ]


def test_telemetry_that_is_gone_is_told_and_the_rest_compared(run: Run, own: SqlRecords, tmp_path: Path) -> None:
    registered(own.models)
    later = NOON + timedelta(days=1)
    gone = PastIncident("1", "jira", "1", started_at=later, root_components=("db",), telemetry=str(tmp_path / "gone"))
    own.history.save_incidents([gone])
    code, _, errors = run("show", "shop", "--drift")
    assert code == 0
    assert "hypocenter: note:" in errors
    assert "gone" in errors
