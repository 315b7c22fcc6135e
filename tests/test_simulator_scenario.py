"""Scenario text: what it says, what is refused and how clearly, and that no text whatever causes a traceback."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.model import ComponentType
from hypocenter.simulator import read_scenario
from hypocenter.simulator.faults import FAULTS
from hypocenter.simulator.parser import HEADERS, OPTIONS
from hypocenter.simulator.simulation import run
from hypocenter.simulator.system import build

SCENARIOS = Path(__file__).parent.parent / "fixtures" / "scenarios"
SMALL = """\
system tiny
start 2026-03-02T06:00:00+01:00
length 10m
step 10s
seed 5
host box cpus=4 memory=8GiB
service web on=box workers=20 cpu=3ms cores=1.5 memory=100MiB limit=300MiB
database store io=2ms    # a comment
cache fast
queue post
service mailer wait=20ms
external bank wait=40ms
web -> fast timeout=100ms optional=yes
web -> store times=0.5 timeout=1s retries=2 backoff=10ms pool=8 behind=fast hit=80%
web -> bank times=0.1
web -> post times=0.2
mailer <- post
load web 300/m daily=0.1 peak=20h weekly=10% noise=0
fault slow_query store at=5m30s severity=40% ramp=30s for=2m
decoy deploy mailer at=2m title="mailer 2: new # words"
gap web at=1m for=20s
silent bank
telemetry edges=client detail=compact missed=0 traces=10 lines=1 window=4m
set web workers=30
set web -> bank timeout=250ms
"""


def test_a_scenario_says_what_its_text_says():
    scenario = read_scenario(SMALL)
    assert (scenario.system, scenario.steps, scenario.seed) == ("tiny", 60, 5)
    assert scenario.start == datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
    web, store = scenario.components[0], scenario.components[1]
    assert (web.workers, web.cpu, web.cores, web.limit) == (30, 0.003, 1.5, 300 * 2**20)
    assert (store.type, store.io, store.cpu) == (ComponentType.DATABASE, 0.002, 0.001)
    calls = {call.callee: call for call in scenario.calls}
    assert (calls["store"].pool, calls["store"].behind, calls["store"].hit) == (8, "fast", 0.8)
    assert (calls["bank"].times, calls["bank"].timeout) == (0.1, 0.25)
    assert scenario.loads[0].rate == 5
    fault = scenario.faults[0]
    assert (fault.at, fault.severity, fault.ramp, fault.length) == (330, 0.4, 30, 120)
    assert scenario.decoys[0].title == "mailer 2: new # words"
    assert scenario.telemetry.edges == "client"


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.scenario")), ids=lambda path: path.stem)
def test_every_shipped_scenario_reads(path):
    scenario = read_scenario(path)
    assert scenario.components
    assert bool(scenario.faults) == (path.stem != "calm")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("servce web2", "'servce' is no statement; known are"),
        ("service", "service takes NAME, found 'nothing'"),
        ("service a b", "service takes NAME, found 'a b'"),
        ("service web", "'web' is defined twice; use set"),
        ("host web", "'web' is defined twice; use set"),
        ("service x colour=red", "service has no option 'colour'; it has on, workers"),
        ("service x cpu=fast", "cpu 'fast' is not a duration; write for example 250ms"),
        ("service x cpu=0ms", "needs cpu, io or wait time above zero"),
        ("service x memory=2GiB", "limit must be above memory"),
        ("service x memory=2", "memory '2' is not a size; write for example 512MiB"),
        ("service x workers=0", "workers '0' is not a whole number from 1"),
        ("service x on=cloud", "no host is called 'cloud'; add 'host cloud'"),
        ("web -> nowhere", "no component is called 'nowhere'"),
        ("web ->", "write 'caller -> callee' or 'consumer <- queue'"),
        ("web -> mailer fast", "'fast' is no option; write for example times=0.5"),
        ("web -> bank", "web -> bank is written twice; raise times instead"),
        ("web -> mailer", "mailer is called too; a consumer takes messages only"),
        ("web -> mailer retries=51", "retries '51' must be at most 50"),
        ("web -> mailer behind=bank2", "behind=bank2 needs 'web -> bank2' above this line"),
        ("mailer <- store", "'store' is no queue; add 'queue store'"),
        ("load nobody 3/s", "no component is called 'nobody'"),
        ("load web 3", "rate '3' is not a rate; write for example 80/s"),
        ("load web 3/s daily=3", "daily '3' must lie between 0 and 1"),
        ("fault meteor web at=1m", "no fault type is called 'meteor'; known are cpu_hog"),
        ("fault cpu_hog web", "fault needs at=..."),
        ("fault cpu_hog mars at=1m", "no component or host is called 'mars'"),
        ("fault slow_query web at=1m", "slow_query strikes database, and web is a service"),
        ("fault pool_exhaustion mailer at=1m", "needs a component with pool, which mailer has not"),
        ("fault cpu_hog web at=11m", "at lies behind the end"),
        ("fault network_delay web at=1m peer=mailer", "peer=mailer neither calls web nor is called by it"),
        ("decoy strange web at=1m", "type 'strange' must be one of noisy, deploy"),
        ("gap web at=1m", "gap needs for=..."),
        ("silent ghost", "no component is called 'ghost'"),
        ("telemetry detail=some", "detail 'some' must be one of full, compact"),
        ("set ghost cpu=1ms", "nothing named 'ghost' stands above"),
        ("set web load=1", "service has no option 'load'"),
        ("step 0s", "step '0s' must be longer than zero"),
        ("step 20m", "length divided by step must lie between 8 and"),
        ("start yesterday", "start 'yesterday' is not a time with a zone"),
        ("start 2026-01-01T00:00:00", "is not a time with a zone"),
        ("length 1h 2h", "length takes one value"),
        ('decoy deploy web at=1m title="open', "No closing quotation; close the quote"),
        ("include other.base", "include works in scenario files only"),
    ],
)
def test_a_wrong_line_is_named_with_its_fix(line, message):
    with pytest.raises(InputError, match=r"^scenario(:\d+)?: ") as raised:
        read_scenario(SMALL + line + "\n")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_calls_in_a_circle_are_shown():
    with pytest.raises(InputError, match=re.escape("a -> b -> c -> a; take one of them out")):
        read_scenario("service a\nservice b\nservice c\na -> b\nb -> c\nc -> a\nload a 1/s\n")


def test_a_problem_is_found_at_its_own_line_through_includes(tmp_path):
    (tmp_path / "base").write_text("service web\n\nweb -> ghost\n", encoding="utf-8")
    (tmp_path / "case.scenario").write_text("include base\nload web 1/s\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"^base:3: no component is called 'ghost'"):
        read_scenario(tmp_path / "case.scenario")


def test_includes_that_include_themselves_end(tmp_path):
    path = tmp_path / "loop.scenario"
    path.write_text("include loop.scenario\n", encoding="utf-8")
    with pytest.raises(InputError, match="does a file include itself"):
        read_scenario(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00service", b""])
def test_a_file_that_is_no_text_is_one_clear_error(tmp_path, content):
    path = tmp_path / "some.scenario"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"some\.scenario"):
        read_scenario(path)


words = st.sampled_from([word for line in SMALL.splitlines() for word in line.split()])


@given(st.lists(st.lists(words | st.text(max_size=12), max_size=7).map(" ".join), max_size=12).map("\n".join))
def test_no_text_causes_a_traceback(text):
    try:
        read_scenario(text + "\n")
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


@given(st.integers(0, len(SMALL) - 1), st.text(max_size=5), st.integers(0, 30))
def test_no_damage_to_a_good_text_causes_a_traceback(at, put, cut):
    try:
        read_scenario(SMALL[:at] + put + SMALL[at + cut :])
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


milliseconds = st.floats(0.01, 5000).map(lambda value: f"{value:.2f}ms")


@st.composite
def scenarios(draw):
    """Small systems of any proportion, mostly overloaded, under some fault."""
    a, b = (
        f"workers={draw(st.integers(1, 400))} queue={draw(st.integers(0, 5000))} cpu={draw(milliseconds)} "
        f"io={draw(milliseconds)} spread={draw(st.integers(0, 100))} cores={draw(st.integers(1, 9))}"
        for _ in range(2)
    )
    call = (
        f"times={draw(st.integers(0, 20))} timeout={draw(milliseconds)} retries={draw(st.integers(0, 50))} "
        f"pool={draw(st.integers(0, 50))} network={draw(milliseconds)}"
    )
    fault = draw(
        st.sampled_from(
            [
                "cpu_hog web",
                "crash_loop web",
                "memory_leak store",
                "partition store",
                "packet_loss web",
                "disk_full store",
                "bad_config store",
                "disk_stall box",
                "noisy_neighbour box",
            ]
        )
    )
    return f"""
        length 4m
        host box
        service web on=box {a}
        database store on=box {b}
        web -> store {call}
        load web {draw(st.integers(0, 100_000))}/s
        fault {fault} at=1m severity={draw(st.floats(0, 1)):.3f}
    """  # fmt: skip


@settings(max_examples=60)
@given(scenarios())
def test_whatever_is_accepted_runs_and_stays_finite(text):
    scenario = read_scenario(text)
    for record in run(scenario, build(scenario)):
        for name, values in ((name, values) for name, values in vars(record).items() if name != "parts"):
            assert np.isfinite(values).all() or name == "capacity", name
            assert (values >= -1e-9).all(), name
        assert (record.failing <= 1 + 1e-9).all()
        assert (record.served <= record.arrivals.max() + record.queue.max() + 1e-6).all()


def test_the_manual_names_every_statement_option_and_fault_type():
    manual = (SCENARIOS.parent.parent / "docs" / "simulator.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)", manual))
    options = {option for kind in OPTIONS.values() for option in kind}
    kinds = set(OPTIONS) - {"call", "consume"}
    assert options | kinds | set(HEADERS) | set(FAULTS) | {"include", "set"} <= named


def test_the_manual_says_where_each_fault_strikes():
    manual = (SCENARIOS.parent.parent / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", manual, re.MULTILINE)) >= set(FAULTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("service a\n", "needs at least one component and one load"),
        ("service a\nload a 1/s\nstep 11m\nlength 5h\n", "step must be at most 10m"),
        ("service a\nload a 1/s\nlength 1ms\n", "length divided by step must lie between 8 and 200000"),
        ("service a\nload a 1/s\nservice b\nqueue q\nb <- q\nb <- q\n", "b consumes already; one queue per consumer"),
        ("service a\nload a 1/s\ndecoy deploy a at=7h\n", "at lies behind the end of the scenario"),
        ("service a\nload a 1/s\ninclude\n", "include takes one file name"),
        ("service a\nload a 1/s\nset\n", "set takes a component, or 'a -> b', and key=value options"),
        ("service a\nload a 1/s\nservice ''\n", "must be a name of printable characters"),
        ("".join(f"service a{i}\n" for i in range(5001)) + "load a1 1/s\n", "has more than 5000 components and hosts"),
        (
            "".join(f"service a{i}\n" for i in range(999)) + "load a1 1/s\nlength 30d\n",
            "components and calls times steps",
        ),
    ],
)
def test_a_scenario_that_cannot_be_simulated_says_why(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_scenario(text)
