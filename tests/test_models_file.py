"""Models as files: what is written comes back, and whatever else is read is refused in one line."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError, LimitError
from hypocenter.model_card import Bin, Confusion, FeatureBins, Figure, ModelCard, card_from_json, card_to_json
from hypocenter_workers.learn import model_file
from hypocenter_workers.learn.model_file import Model, model_of, read_model, texts_of, write_model, write_model_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARD = ModelCard(
    trained_on="342 incidents of the history",
    simulated=False,
    created_at=NOON,
    data_hash="ab12",
    incidents=342,
    held_back=85,
    systems=2,
    first_at=NOON,
    labelled_by={"history": 300, "feedback": 42},
    fault_types={"cpu": 200, "netzwerk-Störung": 142},
    parameters={"ranker": {"trees": 60, "rate": 0.1}},
    figures=(Figure("root cause first", 0.81, 0.72, 0.88, 85, 0.7),),
    bins={"root cause": (Bin(0.15, 0.2, 40), Bin(0.9, 0.88, 45))},
    confusion=Confusion(("cpu", "memory"), ((40, 2), (3, 40))),
    features={"own_latency": FeatureBins((0.0, 1.5), (0.2, 0.3, 0.4, 0.1))},
    notes=("the ranker was not let through",),
)
MODEL = Model(CARD, {"ranker.txt": "tree\nversion=v4\n", "fault_types.json": '{"labels": ["cpu"]}'})
WRITERS = pytest.mark.parametrize("write", [write_model, write_model_folder])


@WRITERS
def test_a_model_comes_back_as_it_was_written(write: Callable[[Path, Model], None], tmp_path: Path) -> None:
    write(tmp_path / "model", MODEL)
    assert read_model(tmp_path / "model") == MODEL
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_same_model_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_model(tmp_path / name, MODEL)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_folder_of_an_archive_is_the_same_model(tmp_path: Path) -> None:
    write_model(tmp_path / "model.zip", MODEL)
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert read_model(tmp_path / "unpacked") == MODEL


def test_a_card_comes_back_as_it_was() -> None:
    assert card_from_json(json.loads(json.dumps(card_to_json(CARD)))) == CARD
    assert card_from_json(card_to_json(CARD) | {"of a later version": 1}) == CARD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", "yesterday"),
        ("incidents", "many"),
        ("figures", [{"name": "x"}]),
        ("figures", [{"unknown": 1}]),
        ("bins", [1]),
        ("confusion", {"fault_types": ["cpu"], "counts": [[1, 2]]}),
        ("confusion", {"fault_types": ["cpu"], "counts": [[1], [2]]}),
        ("features", {"x": {"edges": ["a"], "shares": []}}),
        ("parameters", 7),
        ("labelled_by", None),
        ("labelled_by", {"history": "many"}),
        ("simulated", "no"),
        ("created_at", "2026-03-01T12:00:00"),
        ("first_at", "2026-03-01T12:00:00"),
        ("incidents", 3.5),
        ("incidents", True),
        ("figures", [{"name": "x", "value": "<b>", "low": 0, "high": 1, "incidents": 3}]),
        ("figures", [{"name": "x", "value": 1, "low": 0, "high": 1, "incidents": "<b>"}]),
        ("bins", {"root cause": [{"said": "<b>", "right": 0.5, "incidents": 3}]}),
        ("gate", {"admitted": "no", "reason": "", "against": ""}),
        ("gate", {"admitted": True, "reason": 7, "against": ""}),
        ("notes", "one"),
        ("trained_on", 7),
    ],
)
def test_a_card_that_cannot_be_read_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"field '{field}' cannot be read"):
        card_from_json(card_to_json(CARD) | {field: value})


def test_a_card_without_a_field_names_it() -> None:
    record = card_to_json(CARD)
    del record["data_hash"]
    with pytest.raises(InputError, match="field 'data_hash' cannot be read"):
        card_from_json(record)


def altered(name: str, text: str | None) -> dict[str, str]:
    texts = texts_of(MODEL)
    return {key: kept for key, kept in texts.items() if key != name} | ({} if text is None else {name: text})


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({}, r"holds no manifest\.json"),
        (altered("ranker.txt", None), r"lacks its part ranker\.txt"),
        (altered("card.json", None), r"lacks its part card\.json"),
        (altered("ranker.txt", "tree\nversion=v5\n"), r"part ranker\.txt is damaged"),
        (altered("manifest.json", "{"), r"part manifest\.json is no JSON"),
        (altered("manifest.json", "[" * 100_000), r"part manifest\.json is no JSON"),
        (altered("manifest.json", "[]"), "names another format"),
        (altered("manifest.json", '{"format": "else"}'), "names another format"),
        (altered("manifest.json", '{"format": "hypocenter-model", "version": 2}'), "another version of Hypocenter"),
        (altered("manifest.json", '{"format": "hypocenter-model", "version": 1}'), "does not list the model's parts"),
        (altered("manifest.json", '{"format": "hypocenter-model", "version": 1, "parts": {}}'), r"lacks its part card"),
    ],
)
def test_texts_that_are_no_model_are_told(texts: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        model_of(texts)


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("not a zip")
    with pytest.raises(InputError, match=r"model: is no model: .*`hypocenter train --out` writes one"):
        read_model(tmp_path / "model")
    with pytest.raises(InputError, match="absent: is no model"):
        read_model(tmp_path / "absent")


def test_names_that_lead_out_of_the_archive_are_passed_over(tmp_path: Path) -> None:
    write_model(tmp_path / "model", MODEL)
    with zipfile.ZipFile(tmp_path / "model", "a") as archive:
        archive.writestr("../evil.txt", "x")
        archive.writestr("ranker.pkl", "x")
    assert read_model(tmp_path / "model") == MODEL


def test_a_text_that_is_none_is_told(tmp_path: Path) -> None:
    write_model_folder(tmp_path / "model", MODEL)
    (tmp_path / "model" / "ranker.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"model: the model's part ranker\.txt is no text"):
        read_model(tmp_path / "model")


def test_too_many_parts_or_bytes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "many", "w") as archive:
        for number in range(model_file.MOST_PARTS + 1):
            archive.writestr(f"part{number}.txt", "")
    with pytest.raises(LimitError, match="at most 64 parts"):
        read_model(tmp_path / "many")
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.txt", "w") as part:
        for _ in range(model_file.MOST_BYTES // 2**20 + 1):
            part.write(bytes(2**20))
    with pytest.raises(LimitError, match="bytes"):
        read_model(tmp_path / "bomb")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_the_same_model(data: st.DataObject, tmp_path: Path) -> None:
    write_model(tmp_path / "model", MODEL)
    content = bytearray((tmp_path / "model").read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    content[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
    (tmp_path / "model").write_bytes(bytes(content))
    try:
        found = read_model(tmp_path / "model")
    except InputError:
        return
    assert found == MODEL


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_model(tmp_path / "absent" / "model", MODEL)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_model(tmp_path / "folder", replace(MODEL, parts={}))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
