"""Training from files and records, through the command line and a real worker, to a model at work."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from worker_process import PATIENCE_S, running

from hypocenter.cli import main
from hypocenter.errors import InputError
from hypocenter.history.past_incident import PastIncident
from hypocenter.model_life import PROMOTED, promote
from hypocenter.stores.opening import open_records
from hypocenter.stores.records import ModelEvent, Opinion, Says, Status
from hypocenter_workers.learn.from_history import examples
from hypocenter_workers.learn.model_file import read_model
from hypocenter_workers.learn.orders import Order, fulfil, order_from_json
from hypocenter_workers.learn.registry import register
from hypocenter_workers.learn.serving import Served, load, load_served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICES = ("web", "cart", "payment", "stock", "search", "mail")
SHOWN = {"cpu": "cpu_usage", "memory": "heap_used"}


def incident(number: int, draw: np.random.Generator) -> dict[str, Any]:
    """An incident in which the root shows one quiet sign that tells its type, and a bystander shouts."""
    root, loud = draw.choice(SERVICES, 2, replace=False).tolist()
    fault = sorted(SHOWN)[number % 2]
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    shown = [(root, SHOWN[fault]), *((loud, f"latency_{n}") for n in range(3))]
    events = [{"entity": who, "name": name, "kind": "metric", "state": "up", "ts": None} for who, name in shown]
    return {
        "case_id": f"incident-{number}",
        "system": "shop",
        "inject_time": began.isoformat(),
        "root_entity": root,
        "fault_type": fault,
        "nodes": list(SERVICES),
        "edges": [["web", service] for service in SERVICES[1:]],
        "events": events,
    }


def written(folder: Path, count: int, seed: int = 0, name: str = "shop.jsonl") -> Path:
    draw = np.random.default_rng(seed)
    lines = [json.dumps(incident(number, draw)) for number in range(count)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("history"), 48)


@pytest.fixture(scope="module")
def model(history: Path) -> Path:
    """A model that was trained on the history, as a file."""
    place = history.with_name("shop.model")
    fulfil(Order((str(history),), out=str(place)), NOON)
    return place


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(*words)` is exit code, output and errors of `hypocenter`, whose records would be made in `tmp_path`."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HYPOCENTER_RECORDS", raising=False)

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


def test_files_alone_are_enough_and_no_records_are_made(run: Run, history: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(history.read_text().splitlines()[:12]) + "\n")
    code, shown, errors = run("train", few, "--out", tmp_path / "few.model")
    assert (code, errors) == (0, "")
    assert shown.startswith("trained on   12 past incidents, ")
    assert "note         suspects stay in the unlearned order" in shown
    assert read_model(tmp_path / "few.model").card.incidents == 12
    assert not (tmp_path / "home").exists()


def test_the_card_says_what_was_learned_and_how_well(model: Path) -> None:
    card = read_model(model).card
    assert (card.trained_on, card.systems, card.simulated) == ("48 past incidents", 1, False)
    assert (card.labelled_by, card.fault_types) == ({"truth": 48}, {"cpu": 24, "memory": 24})
    assert card.first_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert card.last_at == datetime(2026, 2, 17, tzinfo=UTC)
    first = next(figure for figure in card.figures if figure.name == "root cause first")
    assert first.unlearned is not None
    assert first.value > first.unlearned
    assert first.incidents == card.held_back < card.incidents
    assert card.gate is not None
    assert card.gate.admitted
    assert "tells 2 fault types" in card.gate.reason
    assert card.confusion is not None
    assert set(card.bins) == {"root cause", "fault type"}
    assert card.features


def test_the_model_finds_what_the_unlearned_order_does_not(model: Path, tmp_path: Path) -> None:
    learned = load(model)
    right, before, types = 0, 0, 0
    later = list(examples([written(tmp_path, 20, seed=7)]))
    for example, label in later:
        ranking = learned.rescore(example)
        opinion = learned.opinion(replace(example, ranking=ranking))
        right += ranking.scored[0].component in label.roots
        before += example.ranking.scored[0].component in label.roots
        types += opinion.fault_types[0].fault_type == label.fault_type
        assert opinion.model == "shop.model: 48 past incidents, this one among them"
        assert opinion.unknown is not None
        assert sum(one.probability for one in opinion.fault_types) + opinion.unknown == pytest.approx(1)
    assert right >= 15 > before
    assert types >= 18


def test_the_same_history_gives_the_same_model(model: Path, history: Path) -> None:
    again = fulfil(Order((str(history),), out=str(history.with_name("again.model"))), NOON)
    assert again.model == read_model(model)
    assert history.with_name("again.model").read_bytes() == model.read_bytes()


def test_the_hash_is_of_incidents_and_labels(model: Path, history: Path, tmp_path: Path) -> None:
    lines = history.read_text().splitlines()[:6]
    hashes = set()
    for name, changed in (
        ("as it is", lines),
        ("reversed", lines[::-1]),
        ("another label", [lines[0].replace('"cpu"', '"disk"'), *lines[1:]]),
        ("one less", lines[1:]),
    ):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(changed) + "\n")
        trained = fulfil(Order((str(tmp_path / f"{name}.jsonl"),), out=str(tmp_path / "m")), NOON)
        hashes.add(trained.model.card.data_hash)
    assert len(hashes) == 3


def test_a_registered_model_is_compared_with_what_serves(run: Run, history: Path, tmp_path: Path) -> None:
    records = tmp_path / "records.db"
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(history.read_text().splitlines()[:12]) + "\n")
    for _ in range(2):
        assert run("train", few, "--register", "shop", "--records", records)[0] == 0
        run("models", "promote", "shop", 1, "--records", records, "--force", "--reason", "the first")
    with closing(open_records(str(records))) as opened:
        first, second = opened.models.models()
    assert (first.status, second.status) == (Status.SERVING, Status.CANDIDATE)
    assert first.card["gate"]["against"] == ""
    assert second.card["gate"]["against"] == "shop version 1"
    assert not second.card["gate"]["admitted"]
    assert "may be chance" in second.card["gate"]["reason"]
    assert load_served("shop", str(records)).label == "shop version 1: 12 past incidents"


def test_what_serves_and_cannot_be_read_any_more_stands_in_nobodys_way(history: Path, tmp_path: Path) -> None:
    order = Order((str(written(tmp_path, 40)),), register="shop", records=str(tmp_path / "records.db"))
    first = fulfil(order, NOON)
    with closing(open_records(order.records)) as opened:
        older = replace(first.model, parts={**first.model.parts, "fault_types.json": '{"version": 0}'})
        register(opened.models, "shop", older)
        promote(opened.models, ModelEvent("shop", 2, PROMOTED, NOON, reason="it was good once", forced=True))
        fulfil(order, NOON)
        promote(opened.models, ModelEvent("shop", 3, PROMOTED, NOON))
        gate = opened.models.models()[-1].card["gate"]
    assert gate["reason"].startswith("shop version 2 cannot be read")
    assert gate["against"] == "shop version 2"


def test_features_of_incidents_since_training_are_compared_with_it(run: Run, model: Path, tmp_path: Path) -> None:
    later, records = written(tmp_path, 6, seed=3), str(tmp_path / "records.db")
    since = [
        PastIncident(f"incident-{n}", "csv", str(n), started_at=NOON, root_components=("web",), telemetry=str(later))
        for n in range(6)
    ]
    with closing(open_records(records)) as opened:
        register(opened.models, "shop", read_model(model))
        opened.history.save_incidents(since)
    told = json.loads(run("models", "show", "shop", "--records", records, "--drift", "--json")[1])["drift"]
    assert told["incidents"] == 6
    assert {one["feature"] for one in told["features"]} == set(read_model(model).card.features)
    assert all(one["stability"] >= 0 for one in told["features"])
    assert told["reasons"] == []


def test_what_does_not_serve_cannot_be_loaded(history: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "records.db")
    with pytest.raises(InputError, match="there is no model shop"):
        load_served("shop", place)


def test_the_kept_history_and_what_people_said_are_learned_from(run: Run, history: Path, tmp_path: Path) -> None:
    records = str(tmp_path / "records.db")
    kept = [
        PastIncident(f"incident-{n}", "csv", str(n), root_components=("web",), fault_type="cpu", telemetry=str(history))
        for n in range(4)
    ]
    gone = PastIncident("gone", "csv", "gone", root_components=("web",), telemetry=str(tmp_path / "gone.jsonl"))
    unlabelled = PastIncident("incident-9", "csv", "9", telemetry=str(history))
    with closing(open_records(records)) as opened:
        opened.history.save_incidents([*kept, gone, unlabelled])
        opened.feedback.add_opinion(Opinion("incident-0", Says.NOT_AN_INCIDENT, "Ada", NOON))
        opened.feedback.add_opinion(Opinion("incident-9", Says.RIGHT, "Ada", NOON, "cart"))
        opened.feedback.add_opinion(Opinion("incident-1", Says.CAUSE, "Ada", NOON, "cart", "disk"))
    code, shown, errors = run("train", "--kept", "--out", tmp_path / "m", "--records", records, "--json")
    assert code == 0
    assert "gone.jsonl" in errors
    told = json.loads(shown)
    assert told["version"] is None
    assert told["card"]["labelled_by"] == {"feedback": 2, "history": 2}
    assert told["card"]["fault_types"] == {"cpu": 2, "disk": 1}


def of_system(folder: Path, system: str) -> Path:
    """Twelve incidents of another system, of the same ids."""
    place = written(folder, 12, name=f"{system}.jsonl")
    place.write_text(place.read_text().replace('"system": "shop"', f'"system": "{system}"'), encoding="utf-8")
    return place


def test_an_opinion_is_on_the_incident_of_its_system_alone(tmp_path: Path) -> None:
    both = (str(of_system(tmp_path, "hotel")), str(of_system(tmp_path, "bakery")))
    order = Order(both, out=str(tmp_path / "m"), records=str(tmp_path / "records.db"))
    notes: list[str] = []
    with closing(open_records(order.records)) as opened:
        opened.feedback.add_opinion(Opinion("incident-0", Says.CAUSE, "Ada", NOON, "cart", "disk"))
        with pytest.raises(InputError, match=r"incident-0 is an incident of more than one .*one of: bakery, hotel"):
            fulfil(order, NOON)
        later = NOON + timedelta(hours=1)
        opened.feedback.add_opinion(Opinion("incident-0", Says.CAUSE, "Ada", later, "cart", "disk", system="hotel"))
        opened.feedback.add_opinion(Opinion("incident-1", Says.CAUSE, "Ada", later, "cart", "disk", system="hostel"))
        opened.feedback.add_opinion(Opinion("incident-2", Says.WRONG, "Ada", later))
    card = fulfil(order, NOON, note=notes.append).model.card
    assert (card.labelled_by, card.fault_types["disk"]) == ({"feedback": 1, "truth": 23}, 1)
    assert notes == ["what was said of incident-1 in hostel is not learned: it was read as one of system bakery, hotel"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "m"), "give one or more HISTORY, or --kept"),
        (("HISTORY",), "give --out MODEL, --register NAME or both"),
        (("HISTORY", "--out", "HISTORY"), "is or lies in the input"),
        (("absent.jsonl", "--out", "m"), "absent.jsonl"),
        (("EMPTY", "--out", "m"), "no incident in it"),
        (("BROKEN", "--out", "m"), "broken.jsonl:3: not a JSON object"),
    ],
)
def test_what_cannot_be_trained_is_told_and_nothing_is_written(
    run: Run, history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    empty, broken = tmp_path / "empty.jsonl", tmp_path / "broken.jsonl"
    empty.write_text("")
    broken.write_text("\n".join([*history.read_text().splitlines()[:2], '{"case_id": "half']))
    meant = {"HISTORY": history, "EMPTY": empty, "BROKEN": broken}
    code, shown, errors = run("train", *(meant.get(word, word) for word in words))
    assert (code, shown) == (2, "")
    assert said in errors
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "home").exists()


def test_an_order_is_read_from_json() -> None:
    message = {"paths": ["/cases"], "kept": True, "register": "shop", "jobs": 2}
    assert order_from_json(message) == Order(("/cases",), kept=True, register="shop", jobs=2)


@pytest.mark.parametrize(
    "message",
    [
        {"paths": "/cases"},
        {"paths": [1]},
        {"kept": "yes"},
        {"jobs": 0},
        {"jobs": True},
        {"register": None},
        {"out": "/srv/worker/any.file"},
        {"records": "postgresql://me@elsewhere.example/db"},
        {"records": None},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_an_order_that_cannot_be_read_names_the_field(message: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(message))):
        order_from_json(message)


def test_an_order_for_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to learn from"):
        fulfil(Order(out="m"), NOON)
    with pytest.raises(InputError, match="goes nowhere"):
        fulfil(Order(("/cases",)), NOON)


def test_a_model_of_other_parts_is_told_when_it_is_asked(model: Path, tmp_path: Path) -> None:
    whole = read_model(model)
    broken = {name: text for name, text in whole.parts.items() if name != "fault_types.json"}
    (example, _), *_ = examples([written(tmp_path, 1)])
    with pytest.raises(InputError, match=r"fault_types\.json"):
        Served(replace(whole, parts=broken)).opinion(example)


@pytest.mark.redis
def test_a_worker_trains_and_tells_what_it_does(redis_server: str, tmp_path: Path) -> None:
    order = {"paths": [str(written(tmp_path, 6))], "register": "shop"}
    heard: list[dict[str, Any]] = []
    with running(redis_server, tmp_path, HYPOCENTER_RECORDS=str(tmp_path / "records.db")) as app:
        trained = app.send_task("hypocenter.train", [order]).get(timeout=PATIENCE_S, on_message=heard.append)
        refused = app.send_task("hypocenter.train", [{**order, "paths": [str(tmp_path / "absent")]}])
        with pytest.raises(InputError, match="absent"):
            refused.get(timeout=PATIENCE_S)
    doing = [message["result"]["doing"] for message in heard if message["status"] == "PROGRESS"]
    assert "read 6 labelled incidents" in doing
    assert (trained["name"], trained["version"], trained["card"]["incidents"]) == ("shop", 1, 6)
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        assert [model.data_hash for model in records.models.models()] == [trained["card"]["data_hash"]]
