"""Accuracy on the labelled data that HYPOCENTER_DATA names: better than everything trivial, with one configuration."""

from __future__ import annotations

import pytest

from hypocenter_workers.evaluate import OURS, evaluate
from hypocenter_workers.scoreboard import rows

pytestmark = pytest.mark.data


def overall(data_folder, dataset):
    folder = data_folder / "cases" / dataset
    if not folder.is_dir():
        pytest.skip(f"HYPOCENTER_DATA has no cases/{dataset}")
    return {row.method: row for row in rows(evaluate([folder])) if row.fault_type is None}


@pytest.mark.parametrize("dataset", ["petshop", "nezha_onlineboutique", "nezha_trainticket"])
def test_every_trivial_baseline_is_beaten(data_folder, dataset):
    found = overall(data_folder, dataset)
    ours = found.pop(OURS)
    assert ours.avg5.mean > max(row.avg5.mean for row in found.values())
    assert ours.avg5.mean > 2 * found["random"].avg5.mean


def test_the_easy_set_stays_easy(data_folder):
    found = overall(data_folder, "rcd_sockshop")
    assert found[OURS].ac1.mean >= 0.96
    # The baselines stay strong: whoever weakens them makes every comparison worthless.
    assert found["largest-z"].ac1.mean >= 0.95
