"""The parts of a model: whatever is edited in them is refused by name, or leaves an opinion in finite numbers."""

from __future__ import annotations

import copy
import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learn_incidents import history, known_roots

from hypocenter.errors import InputError
from hypocenter.model_card import ModelCard
from hypocenter_workers.learn import contributions
from hypocenter_workers.learn.fault_types import FaultTypeModel
from hypocenter_workers.learn.fitting import Fitted
from hypocenter_workers.learn.levels import ungated
from hypocenter_workers.learn.model_file import Model, write_model, write_model_folder
from hypocenter_workers.learn.ranker import SuspectRanker
from hypocenter_workers.learn.serving import Served, chosen
from hypocenter_workers.learn.suspect_features import suspects_of
from hypocenter_workers.learn.type_trees import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PAST = history(40)
SUSPECTS, TYPES, MEMORY = "suspects.json", "fault_types.json", "fault_types_memory.json"
KNOWN = "fault_types_known.json"
ASKED = history(2, seed=1)[0][0]
CARD = ModelCard("40 past incidents", False, datetime(2026, 3, 1, tzinfo=UTC), "ab12", 40, 10, 1)


def fitted(level: str) -> Mapping[str, str]:
    known, roots = [suspects_of(example) for example, _ in PAST], [label.roots for _, label in PAST]
    ranker = SuspectRanker.fit_suspects(known, roots, level, ungated)
    types = FaultTypeModel.fit([e for e, _ in PAST], [label for _, label in PAST], known_roots(PAST), Settings())
    return Fitted(ranker, types).to_parts()


CORE_PARTS, LOCAL_PARTS = fitted("core"), fitted("local")


def served(parts: Mapping[str, str]) -> Served:
    return Served(Model(CARD, parts))


def numbers_of(parts: Mapping[str, str]) -> list[float]:
    """All numbers that a model says of an incident."""
    model = served(parts)
    said = model.opinion(ASKED)
    scores = [scored.score for scored in model.rescore(ASKED).scored]
    return [*scores, said.unknown, *(c.probability for c in said.fault_types), *(s.similarity for s in said.similar)]


def with_edit(parts: Mapping[str, str], part: str, path: tuple[Any, ...], value: Any) -> dict[str, str]:
    record = json.loads(parts[part])
    at = record
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return {**parts, part: json.dumps(record)}


def test_a_model_that_nobody_touched_is_read() -> None:
    for parts in (CORE_PARTS, LOCAL_PARTS):
        assert all(map(math.isfinite, numbers_of(parts)))
        assert Fitted.from_parts(parts).to_parts() == dict(parts)


def test_a_model_of_the_older_version_is_read_and_finds_nothing_strange() -> None:
    older = with_edit(
        with_edit(LOCAL_PARTS, TYPES, ("version",), 1), TYPES, ("trials", "doubt"), {"weights": [0.0] * 4}
    )
    parts = {name: part for name, part in older.items() if name != KNOWN}
    now, before = served(LOCAL_PARTS).opinion(ASKED), served(parts).opinion(ASKED)
    assert before.unknown == pytest.approx(0.1)
    assert [one.fault_type for one in before.fault_types] == [one.fault_type for one in now.fault_types]
    assert Fitted.from_parts(Fitted.from_parts(parts).to_parts()).types.known is None


@pytest.mark.parametrize(
    ("part", "path", "value"),
    [
        (MEMORY, ("places", 0), 2_000_000_000),
        (MEMORY, ("places", 0), -5),
        (MEMORY, ("places", 0), 10**30),
        (MEMORY, ("places", 0), 0.5),
        (MEMORY, ("ends", 1), 10**6),
        (MEMORY, ("ends", -1), 3),
        (MEMORY, ("values",), [1.0]),
        (MEMORY, ("values", 0), math.nan),
        (MEMORY, ("rarity", 0), math.inf),
        (MEMORY, ("rarity",), [1.0]),
        (MEMORY, ("past",), []),
        (MEMORY, ("past", 0, "roots"), "web"),
        (TYPES, ("classes",), ["cpu hog", "memory leak"]),
        (TYPES, ("classes",), ["cpu hog", "memory leak", "packet loss", "rain"]),
        (TYPES, ("classes", 0), "packet loss"),
        (TYPES, ("columns", "rooted"), ["all|any"]),
        (TYPES, ("columns",), {}),
        (TYPES, ("trials", "doubt", "weights"), [1.0]),
        (TYPES, ("trials", "doubt", "weights", 0), math.nan),
        (TYPES, ("trials", "doubt", "weights", 1), -1.0),
        (TYPES, ("trials", "doubt", "limit"), math.nan),
        (TYPES, ("trials", "doubt", "reached"), 0.5),
        (TYPES, ("trials", "doubt", "reached", 0), [0.5]),
        (TYPES, ("trials", "doubt", "reached", 0), math.inf),
        (KNOWN, ("places", 0), 2_000_000_000),
        (KNOWN, ("places", 0), -5),
        (KNOWN, ("ends", -1), 3),
        (KNOWN, ("ends",), []),
        (KNOWN, ("values", 0), math.nan),
        (KNOWN, ("values", 0), 1e30),
        (TYPES, ("trials", "sharpness"), 1e300),
        (TYPES, ("trials", "local"), "no"),
        (SUSPECTS, ("weights", 0), math.nan),
        (SUSPECTS, ("weights", 0), 1e308),
        (SUSPECTS, ("weights",), [1.0]),
        (SUSPECTS, ("elsewhere",), math.nan),
        (SUSPECTS, ("elsewhere",), 2),
        (SUSPECTS, ("elsewhere",), 1),
        (SUSPECTS, ("boosters",), 0),
        (SUSPECTS, ("boosters",), 4),
        (SUSPECTS, ("level",), "core"),
        (SUSPECTS, ("abroad",), "no"),
        (SUSPECTS, ("habits", "incidents"), 0),
        (SUSPECTS, ("habits", "sums", "web"), [1.0]),
        (SUSPECTS, ("marks", "weights", 0, 1), math.inf),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_when_the_model_is_first_asked(
    part: str, path: tuple[Any, ...], value: Any
) -> None:
    model = served(with_edit(LOCAL_PARTS, part, path, value))
    with pytest.raises(InputError, match=rf"({part.removesuffix('.json')}|suspects-0|fault_types_).*train it again"):
        model.rescore(ASKED)


@pytest.mark.parametrize("name", ["suspects-0.txt", "fault_types_rooted.txt"])
@pytest.mark.parametrize(
    ("found", "instead"),
    [
        (r"max_feature_idx=\d+", "max_feature_idx=3"),
        (r"tree_sizes=\d+", "tree_sizes=7"),
        (r"split_feature=\d+", "split_feature=2000000000"),
        (r"left_child=\S+", "left_child=0"),
        (r"right_child=\S+", "right_child=-900"),
        (r"leaf_value=\S+", "leaf_value=nan"),
        (r"threshold=\S+ ", "threshold="),
        (r"num_leaves=\d+", "num_leaves=900"),
        (r"num_cat=0", "num_cat=1"),
        (r"(?s)Tree=0.*", ""),
        (r"(?s).*", "no model"),
    ],
)
def test_trees_that_are_broken_are_refused_or_read_as_they_were(name: str, found: str, instead: str) -> None:
    broken, count = re.subn(found, instead, LOCAL_PARTS[name], count=1)
    assert count == 1
    model = served({**LOCAL_PARTS, name: broken})
    if "tree_sizes" in instead:
        assert model.rescore(ASKED).scored == served(LOCAL_PARTS).rescore(ASKED).scored
        return
    with pytest.raises(InputError, match=rf"{re.escape(name)}: .*train it again"):
        model.rescore(ASKED)


@pytest.mark.parametrize("name", ["suspects-0.txt", "fault_types_rooted.txt"])
def test_trees_of_another_part_are_refused(name: str) -> None:
    other = {"suspects-0.txt": "fault_types_rooted.txt", "fault_types_rooted.txt": "suspects-0.txt"}[name]
    with pytest.raises(InputError, match=re.escape(name)):
        Fitted.from_parts({**LOCAL_PARTS, name: LOCAL_PARTS[other]})
    with pytest.raises(InputError, match=r"suspects-0\.txt"):
        Fitted.from_parts({**LOCAL_PARTS, "suspects-0.txt": CORE_PARTS["suspects-0.txt"]})


def places(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a record holds a number or a list."""
    if isinstance(record, list | int | float):
        yield path
    items = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for step, value in items:
        yield from places(value, (*path, step))


def grouped() -> dict[tuple[str, str], list[tuple[Any, ...]]]:
    """The places of each part by the field that they are in, so that long lists do not crowd out the rest."""
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for part, text in sorted(LOCAL_PARTS.items()):
        for path in places(json.loads(text)) if part.endswith(".json") else ():
            found.setdefault((part, path[0]), []).append(path)
    return found


PLACES = grouped()
ODD = st.sampled_from([math.nan, math.inf, -1, 0, 2, 0.5, 1e308, 10**12, 10**400 - 1, True, None, "x", [], {}, [[1]]])


@settings(max_examples=60)
@given(data=st.data())
def test_any_number_or_list_that_is_edited_is_refused_or_leaves_a_finite_opinion(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(PLACES)))
    part, path = field[0], data.draw(st.sampled_from(PLACES[field]))
    value: Any = data.draw(ODD)
    at = json.loads(LOCAL_PARTS[part])
    for step in path:
        at = at[step]
    if isinstance(at, list) and data.draw(st.booleans()):
        value = copy.copy(at[:-1]) if data.draw(st.booleans()) else [*at, value]
    try:
        said = numbers_of(with_edit(LOCAL_PARTS, part, path, value))
    except InputError:
        return
    assert all(map(math.isfinite, said))


def test_every_family_of_features_has_words() -> None:
    features = FaultTypeModel.from_parts(LOCAL_PARTS).trees
    assert features is not None
    names = {name for view in features.columns().values() for name in view}
    assert {name.partition("|")[0] for name in names} >= {"all", "own", "standing", "callers"}
    for name in sorted(names):
        said = contributions.sentence(name, 0.25, 0.1, "db", "network-loss")
        assert f"({name.partition('|')[0]})" not in said, said
        assert said.endswith(": 10 % of what speaks for network-loss")
    said = contributions.sentence("standing|chance", 0.248, 0.1, "db", "network-loss")
    assert said == "a chance of 25 % that it began at db: 10 % of what speaks for network-loss"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and empty records, of `--model shop`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "records.db"))
    return tmp_path / "shop"


def test_a_file_or_folder_that_is_no_model_does_not_hide_a_registered_name(shop: Path) -> None:
    with pytest.raises(InputError) as unknown:
        chosen("shop")
    shop.mkdir()
    with pytest.raises(InputError, match=r"shop, which lies in this folder, is no model") as both:
        chosen("shop")
    assert str(both.value).startswith(str(unknown.value))
    shop.rmdir()
    shop.write_text("a list of shops")
    with pytest.raises(InputError, match=r"model shop.* is no model"):
        chosen("shop")


@pytest.mark.parametrize("write", [write_model, write_model_folder])
def test_a_model_in_the_working_folder_is_read_by_its_bare_name(shop: Path, write: Any) -> None:
    write(shop, Model(CARD, {}))
    read = chosen("shop")
    assert read is not None
    assert read.label.endswith("40 past incidents")
