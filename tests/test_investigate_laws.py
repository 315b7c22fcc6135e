"""Laws of a whole investigation: names, order of columns, the hour and the units of a system are of no account."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from hypocenter.readers import read_cases
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter_workers.investigate import Options, investigate

SCENARIO = """
system shop
start 2026-03-03T06:00:00Z
length 50m
step 30s
seed 11
host node-1 cpus=8 memory=32GiB
host node-2 cpus=8 memory=32GiB
service frontend on=node-1 workers=200 cpu=4ms cores=4
service cart on=node-2 workers=80 cpu=3ms
service payment on=node-2 workers=40 cpu=6ms
service account on=node-1 workers=40 cpu=4ms
database orders-db on=node-1 workers=60 cpu=2ms io=3ms
load frontend 20/s
frontend -> cart times=0.5 timeout=2s retries=1
frontend -> payment times=0.3 timeout=4s retries=1
frontend -> account times=0.3 timeout=2s
cart -> orders-db times=2 timeout=2s pool=25
account -> orders-db times=0.5 timeout=2s
fault cpu_hog payment at=35m severity=0.8 ramp=30s
decoy noisy account at=20m severity=0.4
"""
# Metrics alone, of one row a second; metrics, spans and references, of one row a minute.
LABELLED = ("rcd_sockshop", "nezha_onlineboutique")
IN_OTHER_UNITS = {
    "seconds": ("milliseconds", 1e3),
    "s": ("ms", 1e3),
    "bytes": ("mib", 2.0**-20),
    "mi": ("bytes", 2.0**20),
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = write_case(simulate(read_scenario(SCENARIO)), tmp_path_factory.mktemp("laws"))
    return next(iter(read_cases(folder)))


@cache
def labelled_case(folder):
    return next(iter(read_cases(next(path for path in sorted(folder.iterdir()) if path.name[0] != "_"))))


@pytest.fixture(scope="module", params=["simulated", *LABELLED])
def case(request):
    if request.param == "simulated":
        return request.getfixturevalue("simulated")
    folder = request.getfixturevalue("data_folder") / "cases" / request.param
    if not folder.is_dir():
        pytest.skip(f"HYPOCENTER_DATA has no cases/{request.param}")
    return labelled_case(folder)


@pytest.fixture(scope="module")
def told(case):
    return investigate(case, Options(at=case.started_at)).verdict


def summary(verdict, name=str, shift=timedelta(0)):
    """What a verdict says, with every component called `name(component)` and moved back by `shift`; ties by name."""
    suspects = sorted(verdict.suspects, key=lambda s: (-round(s.score, 9), name(s.component)))
    return {
        "suspects": [name(s.component) for s in suspects],
        "probabilities": [round(s.probability, 6) for s in suspects],
        "fault types": {name(s.component): s.fault_type for s in suspects if s.score},
        "cause": name(verdict.cause) if verdict.cause else None,
        "causes": [name(c) for c in verdict.causes],
        "candidates": sorted(map(name, verdict.candidates)),
        "ladder": [(t.change, name(t.cause) if t.cause else None, t.holds) for t in verdict.robustness],
        "onset": verdict.onset - shift,
        "target": name(verdict.target.component) if verdict.target else None,
        "observed": sorted(map(name, verdict.observed)),
    }


def assert_same(here, there):
    assert here.keys() == there.keys()
    for what, value in here.items():
        assert there[what] == value, what


def investigated(case):
    return investigate(case, Options(at=case.started_at)).verdict


def tables(case, change):
    """The case with `change` done to its metrics and to their references."""
    metrics = change(case.metrics) if case.metrics else None
    return replace(case, metrics=metrics, reference=tuple(map(change, case.reference)))


def components_of(case, verdict):
    return sorted({s.component for s in verdict.suspects} | {c.name for c in case.components})


def other_names(names):
    """New names in an order that has nothing to do with the old one; letters alone, so that no rule reads them."""
    order = np.random.default_rng(5).permutation(len(names))
    return {
        name: f"v{'aeiou'[k % 5]}{'bdfgklmnr'[k // 5 % 9]}{'aeiou'[k // 45]}q"
        for name, k in zip(names, order, strict=True)
    }


def renamer(names):
    """A function that puts the new name for each old one that stands in a text as a word of its own."""
    longest = sorted(names, key=lambda name: (-len(name), name))
    words = re.compile(r"(?<![A-Za-z0-9-])(" + "|".join(map(re.escape, longest)) + r")(?![A-Za-z0-9-])")
    return lambda text: words.sub(lambda found: names[found[1]], text) if isinstance(text, str) else text


def renamed(case, put):
    def of_table(table):
        labels = [{k: v if k == "__name__" else put(v) for k, v in label.items()} for label in table.labels]
        return replace(table, labels=tuple(labels))

    def of_frame(frame, columns):
        there = [] if frame is None else [column for column in columns if column in frame]
        return frame if frame is None else frame.assign(**{column: frame[column].map(put) for column in there})

    spans, lines = ("service", "operation"), ("service", "message")
    return replace(
        tables(case, of_table),
        spans=of_frame(case.spans, spans),
        reference_spans=of_frame(case.reference_spans, spans),
        log_lines=of_frame(case.log_lines, lines),
        reference_log_lines=of_frame(case.reference_log_lines, lines),
        service_minutes=of_frame(case.service_minutes, ("service",)),
        edge_minutes=of_frame(case.edge_minutes, ("caller", "callee")),
        alerts=tuple(replace(a, component=put(a.component)) for a in case.alerts),
        changes=tuple(replace(c, component=put(c.component)) for c in case.changes),
        components=tuple(replace(c, name=put(c.name)) for c in case.components),
        dependencies=case.dependencies
        and tuple(replace(d, caller=put(d.caller), callee=put(d.callee)) for d in case.dependencies),
        target=case.target and replace(case.target, component=put(case.target.component)),
    )


def test_other_names_for_all_components_give_the_same_verdict(case, told):
    names = other_names(components_of(case, told))
    old = {new: name for name, new in names.items()}
    there = investigated(renamed(case, renamer(names)))
    assert {s.component for s in there.suspects} == {names[s.component] for s in told.suspects}
    assert_same(summary(told), summary(there, old.__getitem__))


def test_the_order_of_columns_is_of_no_account_for_the_verdict(case, told):
    def permuted(table):
        order = np.random.default_rng(3).permutation(len(table.labels))
        return replace(table, labels=tuple(table.labels[j] for j in order), values=table.values[:, order])

    assert_same(summary(told), summary(investigated(tables(case, permuted))))


@pytest.mark.parametrize("shift", [timedelta(hours=7), timedelta(days=3)])
def test_the_same_incident_at_another_time_has_the_same_verdict(case, told, shift):
    def of_frame(frame):
        return frame if frame is None else frame.assign(time=frame["time"] + shift)

    frames = ("spans", "reference_spans", "log_lines", "reference_log_lines", "service_minutes", "edge_minutes")
    moved = replace(
        tables(case, lambda table: replace(table, times=table.times + np.timedelta64(shift))),
        **{name: of_frame(getattr(case, name)) for name in frames},
        alerts=tuple(replace(a, at=a.at and a.at + shift) for a in case.alerts),
        changes=tuple(replace(c, at=c.at + shift) for c in case.changes),
        masked=tuple(start + shift for start in case.masked),
        started_at=case.started_at + shift,
    )
    assert_same(summary(told), summary(investigated(moved), shift=shift))


def in_other_units(table):
    """Every metric whose name says its unit, in a thousandth or a millionth of it, and the name with it."""
    labels, values = [], table.values.copy()
    for j, label in enumerate(table.labels):
        words = label["__name__"].split("_")
        stated = [k for k, word in enumerate(words) if word in IN_OTHER_UNITS]
        if stated:
            words[stated[-1]], factor = IN_OTHER_UNITS[words[stated[-1]]]
            values[:, j] *= 1.0 if words[-1] in ("bucket", "count") else factor
            label = {**label, **({"le": str(float(label["le"]) * factor)} if "le" in label else {})}
        labels.append({**label, "__name__": "_".join(words)})
    return replace(table, labels=tuple(labels), values=values)


@pytest.mark.parametrize("case", ["simulated", "nezha_onlineboutique"], indirect=True)
def test_other_units_that_the_names_state_give_the_same_verdict(case):
    other = tables(case, in_other_units)
    assert other.metrics.labels != case.metrics.labels
    assert_same(summary(investigated(case)), summary(investigated(other)))
