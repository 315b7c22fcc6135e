"""The methods of the comparison find what is plain to see, and the made series hold what they say."""

from __future__ import annotations

import csv

import bench_nab
import made
import methods
import nab
import numpy as np
import peers
import pytest

each_method = pytest.mark.parametrize("method", methods.METHODS, ids=[method.name for method in methods.METHODS])


def noise(rows=1200, seed=1):
    times = np.datetime64("2026-03-02", "ns") + np.arange(rows) * np.timedelta64(3600, "s")
    values = np.random.default_rng(seed).normal(50, 1, rows) + 3 * np.sin(2 * np.pi * np.arange(rows) / 24)
    return nab.Labelled("made/noise.csv", times, values, ())


@each_method
def test_every_method_finds_a_plain_spike(method):
    one = noise()
    one.values[800] += 40
    scores = method.score(one)
    assert scores.shape == one.values.shape
    assert np.isfinite(scores).all()
    # Methods that see windows of rows may score the rows behind the spike as high as the spike.
    assert one.probation + np.argmax(scores[one.probation :]) in range(800, 800 + methods.AUTOENCODER_SHINGLE)


@each_method
def test_every_method_bears_a_series_that_never_moves(method):
    one = noise()
    assert np.isfinite(method.score(nab.Labelled(one.name, one.times, np.full(1200, 7.0), ()))).all()


def test_the_z_score_is_that_of_the_fitted_rows():
    one = noise()
    fitted = one.values[: one.probation]
    assert methods.z_score(one)[900] == pytest.approx(abs(one.values[900] - fitted.mean()) / fitted.std())


def test_the_windowed_gaussian_sees_the_thousand_rows_before():
    one = noise()
    before = one.values[100:1100]
    assert methods.windowed_gaussian(one)[1100] == pytest.approx(abs(one.values[1100] - before.mean()) / before.std())


def test_a_window_holds_a_row_and_those_before_it():
    one = noise()
    fitted = one.values[: one.probation]
    z = (one.values - fitted.mean()) / fitted.std()
    windows = methods.shingled(one, 8)
    assert windows[100] == pytest.approx(z[93:101])
    assert windows[2] == pytest.approx([z[0]] * 6 + [z[1], z[2]])


@pytest.mark.parametrize("kind", made.KINDS)
def test_made_series_follow_their_seed_and_begin_without_anomalies(kind):
    one, again, other = made.series(kind, 1), made.series(kind, 1), made.series(kind, 2)
    assert np.array_equal(one.values, again.values)
    assert not np.array_equal(one.values, other.values)
    assert min(first for first, _ in one.windows) >= made.QUIET_DAYS * made.DAY > one.probation


def test_points_stand_out_alone_and_other_kinds_do_not():
    usual = made.SWING + 5
    for kind in ("contextual", "collective"):
        assert np.abs(made.series(kind, 1).values - 100).max() < usual
    point = made.series("point", 1)
    assert all(first == last for first, last in point.windows)


def test_scores_are_written_in_full_precision_beside_the_rows_as_they_were(tmp_path):
    text = "timestamp,value\n2026-01-01 00:00:00,1.50\n2026-01-01 00:05:00,2\n"
    (tmp_path / "data" / "made").mkdir(parents=True)
    (tmp_path / "data" / "made" / "one.csv").write_text(text)
    (tmp_path / "combined_windows.json").write_text('{"made/one.csv": []}')
    bench_nab.write_scores(tmp_path / "out", tmp_path, nab.load(tmp_path), [np.array([0.1 + 0.2, np.nan])])
    with (tmp_path / "out" / "made" / "one.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["timestamp", "value", "anomaly_score"],
            ["2026-01-01 00:00:00", "1.50", "0.30000000000000004"],
            ["2026-01-01 00:05:00", "2", "nan"],
        ]


def test_a_peer_that_is_missing_is_named(capsys):
    assert not peers.present("no_such_peer")
    assert "skipped: no_such_peer" in capsys.readouterr().out
