"""The fault-type model: what it tells, how sure it is, what it does with little, and its texts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from learn_incidents import SHOWN, history, known_roots

from hypocenter.errors import InputError
from hypocenter_workers.learn.examples import Label
from hypocenter_workers.learn.fault_types import UNKNOWN, FaultTypeModel
from hypocenter_workers.learn.incident_features import features_of

PAST = history(60)
LATER = history(30, seed=1)


@pytest.fixture(scope="module")
def model() -> FaultTypeModel:
    return FaultTypeModel.fit([e for e, _ in PAST], [label for _, label in PAST], known_roots(PAST))


def test_it_tells_types_apart_that_it_has_learned(model: FaultTypeModel) -> None:
    said = [model.predict(e, s).likeliest for (e, _), s in zip(LATER, known_roots(LATER), strict=True)]
    assert sum(s == label.fault_type for s, (_, label) in zip(said, LATER, strict=True)) >= 27


def test_chances_and_the_unknown_sum_to_one_likeliest_first(model: FaultTypeModel) -> None:
    for (example, _), suspects in zip(LATER, known_roots(LATER), strict=True):
        said = model.predict(example, suspects)
        chances = [chance for _, chance in said.chances]
        assert sum(chances) + said.unknown == pytest.approx(1.0)
        assert chances == sorted(chances, reverse=True)
        assert {name for name, _ in said.chances} == set(SHOWN)


def test_its_reasons_name_what_the_incident_shows(model: FaultTypeModel) -> None:
    (example, label), suspects = next(
        (pair, s) for pair, s in zip(LATER, known_roots(LATER), strict=True) if pair[1].fault_type == "memory leak"
    )
    said = model.predict(example, suspects)
    assert any("memory" in reason or "heap" in reason for reason in said.reasons)
    assert all(f"speaks for {label.fault_type}" in reason for reason in said.reasons)


def test_similar_incidents_say_what_fixed_them_and_leave_out_the_incident_itself(model: FaultTypeModel) -> None:
    example, label = PAST[0]
    alike = model.predict(example, {label.roots[0]: 1.0}).similar
    assert alike
    assert example.incident_id not in {each.past.incident_id for each in alike}
    assert alike[0].past.fixed_by == f"mended {alike[0].past.fault_type}"
    assert [a.similarity for a in alike] == sorted((a.similarity for a in alike), reverse=True)


def test_an_incident_of_that_id_in_another_system_is_another_one(model: FaultTypeModel) -> None:
    example, label = PAST[0]
    alike = model.predict(replace(example, system="elsewhere"), {label.roots[0]: 1.0}).similar
    assert (alike[0].past.incident_id, alike[0].past.system) == (example.incident_id, example.system)
    assert alike[0].similarity > 0.8


def test_a_model_read_from_its_texts_says_the_same(model: FaultTypeModel) -> None:
    again = FaultTypeModel.from_parts(model.to_parts())
    for (example, _), suspects in list(zip(LATER, known_roots(LATER), strict=True))[:5]:
        assert again.predict(example, suspects) == model.predict(example, suspects)
    assert again.to_parts() == model.to_parts()


def test_the_same_history_gives_the_same_model(model: FaultTypeModel) -> None:
    again = FaultTypeModel.fit([e for e, _ in PAST], [label for _, label in PAST], known_roots(PAST))
    assert again.to_parts() == model.to_parts()


def test_without_labels_everything_is_unknown() -> None:
    nothing = FaultTypeModel.fit([e for e, _ in PAST], [Label() for _ in PAST])
    said = nothing.predict(PAST[0][0])
    assert (said.chances, said.unknown, said.fault_type, said.likeliest) == ((), 1.0, UNKNOWN, UNKNOWN)
    assert FaultTypeModel.from_parts(nothing.to_parts()).predict(PAST[0][0]) == said


def test_a_single_type_is_the_only_one_said() -> None:
    one = FaultTypeModel.fit([PAST[0][0], PAST[3][0]], [PAST[0][1], PAST[3][1]])
    said = one.predict(LATER[0][0])
    assert said.chances == (("memory leak", 1.0),)
    assert [each.past.incident_id for each in said.similar]


def test_types_with_one_or_two_incidents_are_learned_too() -> None:
    few = [*PAST[:2], *PAST[3:4], PAST[2]]
    model = FaultTypeModel.fit([e for e, _ in few], [label for _, label in few], known_roots(few))
    assert model.classes == tuple(sorted(SHOWN))
    assert sum(chance for _, chance in model.predict(LATER[0][0], known_roots(LATER)[0]).chances) <= 1.0


def test_labels_without_a_root_are_learned_from_their_suspects() -> None:
    rootless = [replace(label, roots=()) for _, label in PAST]
    model = FaultTypeModel.fit([e for e, _ in PAST], rootless, known_roots(PAST))
    said = [model.predict(e, s).likeliest for (e, _), s in zip(LATER, known_roots(LATER), strict=True)]
    assert sum(s == label.fault_type for s, (_, label) in zip(said, LATER, strict=True)) >= 24


@pytest.mark.parametrize("part", ["fault_types.json", "fault_types_memory.json", "fault_types_rooted.txt"])
@pytest.mark.parametrize("damage", ["", "{", "no model"])
def test_a_damaged_or_missing_part_is_named(model: FaultTypeModel, part: str, damage: str) -> None:
    parts = {**model.to_parts(), part: damage}
    with pytest.raises(InputError):
        FaultTypeModel.from_parts(parts)
    del parts[part]
    with pytest.raises(InputError):
        FaultTypeModel.from_parts(parts)


def test_features_may_come_first(model: FaultTypeModel) -> None:
    incidents = [features_of(e, s) for (e, _), s in zip(PAST, known_roots(PAST), strict=True)]
    again = FaultTypeModel.fit_features(incidents, [label for _, label in PAST])
    assert again.to_parts() == model.to_parts()
