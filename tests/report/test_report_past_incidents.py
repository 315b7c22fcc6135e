"""What past incidents say, on the page: types of fault, why, which incidents were alike and what ended them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hypocenter.model import FaultTypeChance, LearnedOpinion, SimilarIncident
from hypocenter.report import render
from hypocenter.report.past_incidents import MOST_SIMILAR, MOST_TYPES, UNLIKE_ANY, past_incidents


def with_learned(investigation, learned):
    return replace(investigation, verdict=replace(investigation.verdict, learned=learned))


def test_the_page_tells_the_types_the_reasons_and_what_ended_incidents_that_looked_alike(sample):
    page = render(sample("shop"))
    for told in ("What past incidents say", "142 confirmed incidents", "disk stall", "slow query", UNLIKE_ANY,
                 "9 times as busy", "INC-2041", "Moved the volume", "INC-1877", "not written down"):  # fmt: skip
        assert told in page


def test_a_page_without_a_model_is_silent_of_past_incidents(sample):
    assert "What past incidents say" not in render(sample("plain"))
    knows_nothing = with_learned(sample("shop"), LearnedOpinion("nothing"))
    assert "What past incidents say" not in render(knows_nothing)


def test_it_says_who_ordered_the_suspects_only_where_the_model_did(sample):
    shop = sample("shop")
    told = replace(shop.verdict.learned, re_ranked=False)
    assert "It ordered the suspects" in render(shop)
    assert "It ordered the suspects" not in render(with_learned(shop, told))


def test_types_stand_by_their_chance_and_the_least_are_left_out(sample):
    kinds = tuple(FaultTypeChance(f"kind-{n}", n / 100) for n in range(9))
    section = past_incidents(with_learned(sample("shop"), LearnedOpinion("m", fault_types=kinds, unknown=0.5)).verdict)
    assert [words for words, _, _ in section.types] == [UNLIKE_ANY, "kind-8", "kind-7", "kind-6"]
    assert len(section.types) == MOST_TYPES


def test_many_alike_are_cut_to_the_first(sample):
    alike = tuple(SimilarIncident(f"INC-{n}", 0.5) for n in range(50))
    section = past_incidents(with_learned(sample("shop"), LearnedOpinion("m", similar=alike)).verdict)
    assert [incident for incident, *_ in section.similar] == [f"INC-{n}" for n in range(MOST_SIMILAR)]


@pytest.mark.parametrize("chance", [math.nan, 0.0, 1.0])
def test_any_chance_can_be_drawn(sample, chance):
    learned = LearnedOpinion("m", fault_types=(FaultTypeChance("kind", chance),), unknown=chance, re_ranked=True)
    assert "What past incidents say" in render(with_learned(sample("shop"), learned))
