"""NAB's scores: hand-computed cases, the two ends of the scale, properties, and a twin that goes row by row."""

from __future__ import annotations

import json
import math

import nab
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.errors import InputError


def labelled(rows, *windows, name="made/one.csv"):
    times = np.datetime64("2026-01-01", "ns") + np.arange(rows) * np.timedelta64(300, "s")
    return nab.Labelled(name, times, np.zeros(rows), windows)


def detections(rows, *at):
    scores = np.zeros(rows)
    scores[list(at)] = 1.0
    return scores


def scaled(position):
    return -1.0 if position >= 3 else 2 / (1 + math.exp(5 * position)) - 1


def naive(series, scores, threshold, profile):
    """Go through the rows as the rules say, one after the other."""
    points = perfect = null = 0.0
    for one, own in zip(series, scores, strict=True):
        probation = min(math.floor(0.15 * len(own)), 750)
        scored = [window for window in one.windows if window[1] >= probation]
        perfect += profile.hit * len(scored)
        null -= profile.miss * len(scored)
        told = set()
        for row, value in enumerate(own):
            if row < probation or not value >= threshold:
                continue
            window = next((w for w in one.windows if w[0] <= row <= w[1]), None)
            if window:
                if window not in told:
                    told.add(window)
                    points += profile.hit * scaled(-(window[1] - row + 1) / (window[1] - window[0] + 1)) / scaled(-1)
            else:
                before = [w for w in one.windows if w[1] < row]
                position = (row - before[-1][1]) / max(before[-1][1] - before[-1][0], 1) if before else 3.0
                points += profile.false_alarm * scaled(position)
        points -= profile.miss * (len(scored) - len(told))
    return 100 * (points - null) / (perfect - null)


@st.composite
def corpora(draw):
    series, scores = [], []
    for number in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(20, 60))
        edges = sorted(draw(st.sets(st.integers(rows // 5, rows - 1), min_size=2, max_size=6)))
        windows = list(zip(edges[::2], edges[1::2], strict=False))
        series.append(labelled(rows, *windows, name=f"made/{number}.csv"))
        cells = st.sampled_from([0.0, 0.5, 1.0, 2.5, math.nan, math.inf])
        scores.append(np.array(draw(st.lists(cells, min_size=rows, max_size=rows))))
    return series, scores


def test_a_detector_that_never_speaks_scores_0():
    one = labelled(100, (40, 59))
    assert nab.score([one], [np.zeros(100)], 1.0) == dict.fromkeys(
        ["standard", "reward_low_FP_rate", "reward_low_FN_rate"], 0.0
    )


def test_speaking_at_the_first_row_of_every_window_alone_scores_100():
    series = [labelled(100, (40, 49), (70, 89)), labelled(50, (20, 20))]
    scores = [detections(100, 40, 70), detections(50, 20)]
    assert nab.score(series, scores, 1.0) == pytest.approx(
        {"standard": 100, "reward_low_FP_rate": 100, "reward_low_FN_rate": 100}
    )


def test_a_hit_half_way_and_a_false_alarm_by_hand():
    # Window of 10 rows: row 45 is at -(49 - 45 + 1) / 10 = -0.5. Row 20 comes before any window and costs its weight.
    one = labelled(100, (40, 49))
    worth = (2 / (1 + math.exp(-2.5)) - 1) / (2 / (1 + math.exp(-5)) - 1)
    found = nab.score([one], [detections(100, 20, 45, 46)], 1.0)
    assert found["standard"] == pytest.approx(100 * (worth - 0.11 + 1) / 2)
    assert found["reward_low_FP_rate"] == pytest.approx(100 * (worth - 0.22 + 1) / 2)
    assert found["reward_low_FN_rate"] == pytest.approx(100 * (worth - 0.11 + 2) / 3)


def test_a_false_alarm_costs_less_soon_after_a_window():
    one = labelled(100, (40, 49))
    near, far = (nab.score([one], [detections(100, 40, row)], 1.0)["standard"] for row in (52, 90))
    assert near == pytest.approx(100 + 50 * 0.11 * (2 / (1 + math.exp(5 * 3 / 9)) - 1))
    assert far == pytest.approx(100 - 50 * 0.11)


def test_the_probationary_period_is_not_scored():
    one = labelled(100, (40, 49))
    assert one.probation == 15
    assert nab.score([one], [detections(100, *range(15), 40)], 1.0)["standard"] == pytest.approx(100)
    assert nab.score([one], [detections(100, 15, 40)], 1.0)["standard"] == pytest.approx(100 - 50 * 0.11)
    assert labelled(20_000).probation == 750


def test_a_window_that_ends_in_the_probationary_period_is_no_window():
    assert nab.score([labelled(100, (3, 9), (40, 49))], [detections(100, 40)], 1.0)["standard"] == pytest.approx(100)


def test_a_score_at_the_threshold_is_a_detection_and_nan_never_is():
    one = labelled(100, (40, 49))
    scores = np.full(100, np.nan)
    scores[40] = 2.5
    assert nab.score([one], [scores], 2.5)["standard"] == pytest.approx(100)
    assert nab.score([one], [scores], np.nextafter(2.5, 3))["standard"] == 0


def test_a_threshold_is_chosen_for_all_series_together():
    series = [labelled(100, (40, 49)), labelled(100, (40, 49))]
    scores = [detections(100, 40) * 0.4, detections(100, 40) * 0.6 + detections(100, *range(60, 95)) * 0.5]
    assert nab.best(series, scores)["standard"] == (pytest.approx(50), 0.6)
    assert nab.best(series[:1], scores[:1])["standard"] == (pytest.approx(100), 0.4)


def test_where_every_threshold_is_worse_than_silence_none_is_chosen():
    one = labelled(100, (40, 49))
    assert nab.best([one], [detections(100, *range(50, 100))])["standard"] == (0.0, math.inf)


def test_series_without_windows_have_false_alarms_but_no_score():
    one = labelled(100)
    assert math.isnan(nab.score([one], [detections(100, 50)], 1.0)["standard"])
    assert nab.by_file([one], [detections(100, 3, 50, 60)], 1.0) == [
        nab.FileResult("made/one.csv", 0, 0, 2, pytest.approx(-0.22))
    ]
    with pytest.raises(InputError, match="labelled window"):
        nab.best([one], [detections(100, 50)])


def test_long_after_a_window_of_one_row_is_far_behind():
    assert nab.score([labelled(5000, (1000, 1000))], [detections(5000, 1000, 4999)], 1.0)["standard"] == pytest.approx(
        100 - 50 * 0.11
    )


def test_files_and_categories_are_told_apart():
    series = [labelled(100, (40, 49), (70, 79), name="a/1.csv"), labelled(100, name="b/2.csv")]
    scores = [detections(100, 40, 41, 90), detections(100, 50)]
    first, second = nab.by_file(series, scores, 1.0)
    assert (first.hits, first.misses, first.false_alarms) == (1, 1, 1)
    assert (second.hits, second.misses, second.false_alarms) == (0, 0, 1)
    assert {name: [one.name for one in ones] for name, (ones, _) in nab.by_category(series, scores).items()} == {
        "a": ["a/1.csv"],
        "b": ["b/2.csv"],
    }


@given(corpora(), st.sampled_from([0.0, 0.5, 0.7, 1.0, 2.5, 3.0, math.inf]))
def test_scores_are_those_of_the_row_by_row_twin(corpus, threshold):
    found = nab.score(*corpus, threshold)
    assert found == pytest.approx({p.name: naive(*corpus, threshold, p) for p in nab.PROFILES}, abs=1e-9)


@given(corpora())
def test_the_best_score_is_that_of_its_threshold_and_none_is_better(corpus):
    tried = {0.0, 0.5, 1.0, 2.5, math.inf}
    for profile in nab.PROFILES:
        score, threshold = nab.best(*corpus)[profile.name]
        assert score >= max(naive(*corpus, each, profile) for each in tried) - 1e-9
        if threshold < math.inf:
            assert score == pytest.approx(naive(*corpus, threshold, profile), abs=1e-9)


@given(corpora(), st.sampled_from([0.5, 1.0, 2.5]))
def test_another_monotone_scale_changes_nothing(corpus, threshold):
    series, scores = corpus
    moved = [own * 7 + 3 for own in scores]
    assert nab.score(series, moved, threshold * 7 + 3) == pytest.approx(nab.score(series, scores, threshold))


@given(corpora(), st.sampled_from([0.5, 1.0, 2.5]))
def test_files_sum_to_the_corpus(corpus, threshold):
    series, scores = corpus
    files = nab.by_file(series, scores, threshold)
    windows = sum(len(one.scored_windows) for one in series)
    assert sum(file.hits + file.misses for file in files) == windows
    points = sum(file.points for file in files)
    assert nab.score(series, scores, threshold)["standard"] == pytest.approx(50 * (points + windows) / windows)


def written(folder, text, windows):
    (folder / "data" / "made").mkdir(parents=True)
    (folder / "data" / "made" / "one.csv").write_text(text)
    (folder / "combined_windows.json").write_text(json.dumps(windows))
    return folder


ROWS = "timestamp,value\n2026-01-01 00:00:00,1.5\n2026-01-01 00:05:00,2\n2026-01-01 00:05:00,3\n2026-01-01 00:10:00,4\n"


def test_series_are_read_with_their_windows_and_times_that_rise(tmp_path):
    limits = {"made/one.csv": [["2026-01-01 00:05:00.000000", "2026-01-01 00:10:00.000000"]], "made/absent.csv": []}
    (one,) = nab.load(written(tmp_path, ROWS, limits))
    assert (one.name, one.category, one.windows, one.values.tolist()) == (
        "made/one.csv", "made", ((1, 3),), [1.5, 2, 3, 4],
    )  # fmt: skip
    assert (np.diff(one.times) > np.timedelta64(0)).all()
    assert one.labels.tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("windows", "said"),
    [({}, "no entry"), ({"made/one.csv": [["2026-01-01 00:06:00", "2026-01-01 00:10:00"]]}, "no row at")],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, windows, said):
    with pytest.raises(InputError, match=said):
        nab.load(written(tmp_path, ROWS, windows))


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"combined_windows\.json"):
        nab.load(tmp_path)


def test_other_lengths_are_refused():
    with pytest.raises(InputError, match="100 rows and 99 scores"):
        nab.score([labelled(100, (40, 49))], [np.zeros(99)], 1.0)


@pytest.mark.data
def test_the_series_at_hand_are_read_whole(data_folder):
    series = nab.load(data_folder / "nab")
    assert len(series) == len(list((data_folder / "nab" / "data").glob("*/*.csv")))
    perfect = [detections(len(one.values), *(first for first, _ in one.windows)) for one in series]
    assert nab.score(series, perfect, 1.0)["standard"] == pytest.approx(100)
