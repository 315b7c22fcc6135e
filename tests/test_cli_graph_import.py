"""`hypocenter graph import` where it should take care: replacing much, only trying, finding nothing, being stopped."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("hypocenter")
GRAPH = Path("hypocenter-graph.db")
CALLS = "caller,callee\n" + "".join(f"web,s{n}\n" for n in range(7))
SPANS = "dependencies: [{caller: web, callee: cart, source: spans, seen: [[2026-01-01, 2026-01-02]]}]"
ODD = """\
caller,callee,type
a,b,RUNS_ON
b,a,RUNS_ON
p,q,INSTANCE_OF
q,p,INSTANCE_OF
web,web,
"""


@pytest.fixture
def shop(graph_command):
    """A graph of seven declared calls."""
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    assert graph_command("import", "calls.csv")[0] == 0
    Path("calls.csv").write_text("caller,callee\nweb,s0\n", encoding="utf-8")
    return graph_command


def exported(graph):
    return graph("export")[1]


def test_replacing_most_of_what_was_declared_wants_to_be_meant(shop):
    before = exported(shop)
    code, out, err = shop("import", "calls.csv", "--replace")
    assert (code, out) == (2, "")
    assert err == (
        "hypocenter: error: --replace ends 6 of the 7 claims that declared made before; nothing was written. "
        "If that is meant, say --yes\n"
    )
    assert exported(shop) == before
    code, out, err = shop("import", "calls.csv", "--replace", "--yes")
    assert (code, err) == (0, "")
    assert "retracted  6 declarations ended" in out


def test_a_dry_run_counts_all_and_writes_nothing(shop):
    before = exported(shop)
    Path("more.csv").write_text("caller,callee\nweb,s0\nweb,new\n", encoding="utf-8")
    code, out, err = shop("import", "more.csv", "--replace", "--dry-run")
    assert code == 0
    assert err == "hypocenter: note: --replace ends 6 of the 7 claims that declared made before\n"
    assert out.splitlines() == [
        "read       declared (1)",
        "declared   3 components, 2 dependencies",
        "new        1 components, 1 dependencies",
        "extended   0 components, 0 dependencies",
        "retracted  6 declarations ended",
        "graph      hypocenter-graph.db: nothing was written",
    ]
    assert exported(shop) == before
    assert json.loads(shop("import", "more.csv", "--dry-run", "--json")[1])["written"] is False


def test_a_dry_run_makes_no_graph(graph_command):
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    code, out, _ = graph_command("import", "calls.csv", "--dry-run")
    assert code == 0
    assert "new       8 components, 7 dependencies" in out
    assert not GRAPH.exists()


def test_what_only_saw_has_nothing_to_replace(graph_command):
    Path("graph.yaml").write_text(SPANS, encoding="utf-8")
    code, _, err = graph_command("import", "graph.yaml", "--replace")
    assert code == 0
    assert err == (
        "hypocenter: note: --replace finds nothing to replace: spans only saw, and what was seen ends by itself\n"
    )


@pytest.mark.parametrize(
    ("name", "text"), [("traces.json", '{"resourceSpans":[]}'), ("scrape.prom", "# HELP up x\nup 1\n")]
)
def test_files_without_anything_of_a_graph_make_none(graph_command, name, text):
    Path(name).write_text(text, encoding="utf-8")
    code, out, err = graph_command("import", name)
    assert code == 0
    assert "hypocenter: note: nothing of a graph was found, and nothing was written\n" in err
    assert out.splitlines()[-1] == "graph     hypocenter-graph.db: nothing was written"
    assert not GRAPH.exists()


def test_what_cannot_all_be_is_noted_and_kept(graph_command):
    Path("calls.csv").write_text(ODD, encoding="utf-8")
    contrary = "'a' and 'b' are each said to run on the other; both cannot be, and both are kept"
    code, _, err = graph_command("import", "calls.csv")
    assert (code, err.splitlines()) == (
        0,
        [
            "hypocenter: note: 'web' is said to lean on itself; that is kept, and nothing follows it",
            f"hypocenter: note: {contrary}",
            "hypocenter: note: 'p' and 'q' are each said to be an instance of the other; both cannot be, "
            "and both are kept",
        ],
    )
    assert graph_command("show", "a")[1].splitlines()[-1] == f"note: {contrary}"
    assert "note: 'web' is said to lean on itself" in graph_command("show", "web")[1]
    Path("calls.csv").write_text("caller,callee\nweb,cart\n", encoding="utf-8")
    assert graph_command("import", "calls.csv")[2] == ""


def test_stopped_while_it_reads_it_wrote_nothing(graph_command):
    os.mkfifo("traces.json")
    words = [COMMAND, "graph", "import", "traces.json"]
    # Opening one end of a pipe waits until the other is opened too.
    heeds = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    # What a shell runs in the background ignores the signal, and so would all that it starts.
    with (
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=heeds) as running,
        Path("traces.json").open("wb"),
    ):
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert (running.returncode, err) == (130, "hypocenter: stopped: nothing was written\n")
    assert not GRAPH.exists()


@pytest.mark.parametrize("made", [True, False])
def test_stopped_while_it_writes_the_graph_is_whole_and_can_be_completed(graph_command, made):
    Path("old.csv").write_text("caller,callee\nweb,old\n", encoding="utf-8")
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    if made:
        assert graph_command("import", "old.csv")[0] == 0
    other = sqlite3.connect(GRAPH, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    master, slave = pty.openpty()
    heeds = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([COMMAND, "graph", "import", "calls.csv"], stderr=slave, preexec_fn=heeds) as running:
        os.close(slave)
        shown = b""
        while b"opening the graph" not in shown:
            shown += os.read(master, 1000)
        running.send_signal(signal.SIGINT)
        other.close()
    shown += os.read(master, 1000)
    os.close(master)
    assert running.returncode == 130
    assert b"stopped: the graph may hold a part of this; importing the same again completes it" in shown
    known = json.loads(graph_command("show", "--json")[1])["dependencies"]
    assert [one["callee"] for one in known] == (["old"] if made else [])
    assert graph_command("import", "calls.csv")[0] == 0
