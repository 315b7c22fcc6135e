"""`hypocenter graph` from outside: filling it, looking at it, and what it says of wrong names, files and servers."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

COMMAND = Path(sys.executable).with_name("hypocenter")
CALLS = """\
caller,callee,type
web,cart,
web,orders,
cart,cart-db,
orders,mails,PUBLISHES
mailer,mails,CONSUMES
cart-db,node-1,RUNS_ON
"""
GRAPH = """\
components:
- {name: cart, owner: shop team, links: [https://run.example.com/cart], aliases: [basket]}
dependencies:
- {caller: web, callee: cart, source: spans, calls_per_s: 12.5,
   seen: [[2026-01-01, 2026-01-02], [2026-03-01, 2026-03-02]]}
- {caller: web, callee: old, source: spans, seen: [[2026-01-01, 2026-01-02]]}
- {caller: web, callee: new, source: spans, seen: [[2026-03-01, 2026-03-02]]}
- {caller: web, callee: kept, first: 2025-12-01}
- {caller: cart, callee: guess, source: learned, confidence: 0.4, seen: [[2026-01-01, 2026-03-02]]}
"""
ISTIO = 'istio_requests_total{{reporter="source",source_workload="{}",destination_workload="{}"}} 7\n'


@pytest.fixture
def graph(graph_command):
    return graph_command


@pytest.fixture
def shop(graph):
    """A graph of six dependencies, in the usual file of the current folder."""
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    assert graph("import", "calls.csv")[0] == 0
    return graph


@pytest.fixture
def history(graph):
    """A graph that changed between January and March."""
    Path("graph.yaml").write_text(GRAPH, encoding="utf-8")
    assert graph("import", "graph.yaml")[0] == 0
    return graph


def as_json(called):
    code, out, err = called
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    value = json.loads(out)
    assert value["schema_version"] == 1
    return value


def edges(value):
    return [(one["caller"], one["callee"]) for one in value["dependencies"]]


def test_import_tells_what_was_found_and_what_is_new(graph):
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    code, out, err = graph("import", "calls.csv")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "read      declared (1)",
        "declared  7 components, 6 dependencies",
        "new       7 components, 6 dependencies",
        "extended  0 components, 0 dependencies",
        "graph     hypocenter-graph.db",
    ]
    again = as_json(graph("import", "calls.csv", "--json"))
    assert again["new"] == {"components": 0, "dependencies": 0}
    assert again["sources"] == {"declared": {"components": 7, "dependencies": 6}}


def test_nothing_is_written_when_one_of_several_files_is_wrong(graph):
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    Path("bad.json").write_text('[["web"]]', encoding="utf-8")
    code, out, err = graph("import", "calls.csv", "bad.json")
    assert (code, out) == (2, "")
    assert err.startswith("hypocenter: error: bad.json: dependencies[0]")
    assert not Path("hypocenter-graph.db").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give one or more FILEs, or --prometheus URL"),
        (("nowhere.csv",), "nowhere.csv: no such file or folder"),
        (("calls.csv", "--username", "me"), "--username needs --prometheus URL"),
        (("calls.csv", "--from", "nonsense"), "'nonsense' is not one of"),
        (("calls.csv", "--names", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_wrong_words_are_one_line_and_write_nothing(graph, words, said):
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    code, out, err = graph("import", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not Path("hypocenter-graph.db").exists()


def test_names_are_resolved_by_the_users_file(graph):
    Path("calls.csv").write_text("caller,callee\nweb,cart-v12\n", encoding="utf-8")
    Path("names.yaml").write_text('"cart-v[0-9]+": cart\n', encoding="utf-8")
    code, _, err = graph("import", "calls.csv", "--names", "names.yaml")
    assert code == 0
    assert err == "hypocenter: note: 1 names are other names of components: 'cart-v12' of 'cart'\n"
    assert as_json(graph("path", "web", "cart-v12", "--json"))["path"] == ["web", "cart"]


def test_what_is_no_longer_declared_ends_where_it_is_replaced(graph):
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    assert graph("import", "calls.csv", "--at", "2026-01-01")[0] == 0
    Path("calls.csv").write_text("caller,callee\nweb,cart\nweb,orders\ncart,cart-db\n", encoding="utf-8")
    code, out, _ = graph("import", "calls.csv", "--replace", "--at", "2026-02-01")
    assert code == 0
    assert "retracted  3 declarations ended" in out
    assert edges(as_json(graph("show", "mails", "--as-of", "2026-01-31", "--json"))) != []
    assert edges(as_json(graph("show", "mails", "--as-of", "2026-02-02", "--json"))) == []
    told = as_json(graph("as-of", "2026-01-15", "--until", "2026-02-15", "--json"))
    assert len(told["vanished"]) == 3


def test_show_counts_and_lists_components(shop):
    code, out, err = shop("show")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(r"graph         as of \d{4}-\d\d-\d\d \d\d:\d\d UTC", lines[0])
    assert lines[1:4] == [
        "components    7 (4 service, 1 database, 1 host, 1 queue)",
        "dependencies  6 (3 CALLS, 1 CONSUMES, 1 PUBLISHES, 1 RUNS_ON)",
        "told by       6 declared",
    ]
    assert lines[6].split() == ["cart", "service", "1", "1", "declared"]


def test_show_tells_all_that_is_known_of_a_component(history):
    code, out, _ = history("show", "basket", "--as-of", "2026-03-02", "--learned")
    assert code == 0
    lines = out.splitlines()
    assert lines[:6] == [
        "component    cart",
        "type         service",
        "owner        shop team",
        "links        https://run.example.com/cart",
        "other names  basket",
        "told by      spans, learned",
    ]
    assert re.split("  +", lines[8]) == [
        "web", "CALLS", "spans", "0.95", "12.5",
        "2026-01-01 00:00 to 2026-01-02 00:00; 2026-03-01 00:00 to 2026-03-02 00:00",
    ]  # fmt: skip
    assert re.split("  +", lines[11])[:4] == ["guess", "CALLS", "learned", "0.4"]


def test_suggested_edges_are_shown_only_when_they_are_asked_for(history):
    at = ("--as-of", "2026-03-02", "--json")
    assert ("cart", "guess") not in edges(as_json(history("show", *at)))
    assert ("cart", "guess") in edges(as_json(history("show", *at, "--learned")))
    assert as_json(history("path", "web", "guess", *at))["path"] == []
    assert as_json(history("path", "web", "guess", *at, "--learned"))["path"] == ["web", "cart", "guess"]


def test_depth_widens_what_is_shown_around_a_component(shop):
    near, far = (as_json(shop("show", "cart-db", "--depth", depth, "--json")) for depth in (1, 2))
    assert edges(near) == [("cart", "cart-db"), ("cart-db", "node-1")]
    assert ("web", "cart") in edges(far)


def test_a_path_names_each_step(shop):
    code, out, err = shop("path", "web", "mailer")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "web -> orders -> mails -> mailer"
    assert [line.split()[:3] for line in lines[3:]] == [
        ["web", "orders", "CALLS"],
        ["orders", "mails", "PUBLISHES"],
        ["mails", "mailer", "CONSUMES"],
    ]
    assert "CONSUMES (of mailer)" in lines[5]


def test_no_path_is_an_answer(shop):
    code, out, err = shop("path", "cart", "web")
    assert (code, err) == (0, "")
    assert out == "no path: cart does not lean on web, directly or not; but web leans on cart: web -> cart\n"
    assert as_json(shop("path", "cart", "web", "--json"))["path"] == []
    assert shop("path", "web", "web")[1] == "web\n"


def test_impact_is_what_leans_on_it_nearest_first(shop):
    code, out, _ = shop("impact", "node-1")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["1", "cart-db"], ["2", "cart"], ["3", "web"]]
    assert shop("impact", "web")[1] == "nothing leans on web\n"
    few = as_json(shop("impact", "node-1", "--most", 1, "--json"))
    assert ([one["name"] for one in few["impact"]], few["left_out"]) == (["cart-db"], 1)


def test_the_graph_as_it_was_and_what_changed_since(history):
    told = as_json(history("as-of", "2026-01-02", "--until", "2026-03-02", "--json"))
    assert edges(told) == [("web", "cart"), ("web", "kept"), ("web", "old")]
    assert told["vanished"] == [["web", "old", "CALLS"]]
    assert told["appeared"] == [["web", "new", "CALLS"]]
    assert told["returned"] == [["web", "cart", "CALLS"]]
    _, out, _ = history("as-of", "2026-01-02", "--until", "2026-03-02")
    changes = [line.split("  ")[0] for line in out.splitlines()[-3:]]
    assert changes == ["appeared", "came back", "vanished"]
    _, out, _ = history("as-of", "2026-03-02", "--until", "2026-03-02")
    assert out.splitlines()[-1] == "no dependency changed until 2026-03-02 00:00 UTC"


def test_pictures_are_written_and_show_what_vanished(history):
    code, _, err = history("as-of", "2026-01-02", "--until", "2026-03-02", "--svg", "then.svg")
    assert (code, err) == (0, "")
    then = ElementTree.parse("then.svg").getroot()
    assert sum(e.get("class") == "cross" for e in then.iter()) == 2  # the line and its entry in the legend
    assert history("show", "cart", "--as-of", "2026-03-02", "--svg", "cart.svg")[0] == 0
    assert "Around cart" in Path("cart.svg").read_text(encoding="utf-8")
    assert history("export", "--format", "svg", "--as-of", "2026-03-02", "--out", "all.svg")[0] == 0
    assert ElementTree.parse("all.svg").getroot().get("role") == "img"


def test_a_picture_of_many_says_what_was_cut(graph):
    star = [["hub", f"s{n:03}"] for n in range(229)]
    Path("star.json").write_text(json.dumps(star), encoding="utf-8")
    assert graph("import", "star.json")[0] == 0
    assert graph("show", "--svg", "all.svg")[0] == 0
    assert "200 of 230 components, the most connected; 30 are not drawn" in Path("all.svg").read_text(encoding="utf-8")
    code, out, _ = graph("show", "s000", "--depth", 2, "--svg", "near.svg")
    assert code == 0
    said = "the 200 nearest components; at least 30 more are as near as the last"
    assert out.splitlines()[-1] == said
    assert said in Path("near.svg").read_text(encoding="utf-8")


def test_a_picture_never_replaces_the_graph(shop):
    code, _, err = shop("show", "--svg", "hypocenter-graph.db")
    assert code == 2
    assert "--svg hypocenter-graph.db: is or lies in the input" in err
    assert shop("export", "--out", "hypocenter-graph.db")[0] == 2
    assert shop("show")[0] == 0


def test_an_export_makes_the_same_graph_again(history):
    code, out, err = history("export", "--out", "graph.json")
    assert (code, out, err) == (0, "", "")
    assert history("import", "graph.json", "--graph", "again.db", "--at", "2031-01-01")[0] == 0
    assert history("export", "--graph", "again.db")[1] == Path("graph.json").read_text(encoding="utf-8")


def test_a_view_is_exported_when_a_time_is_named(history):
    then = json.loads(history("export", "--as-of", "2026-01-02")[1])
    assert edges(then) == [("web", "cart"), ("web", "kept"), ("web", "old")]
    _, out, _ = history("export", "--format", "csv", "--as-of", "2026-01-02")
    head = ["caller", "callee", "type", "source", "confidence", "calls_per_s", "first", "last"]
    assert next(csv.reader(out.splitlines())) == head
    assert len(out.splitlines()) == 5


@pytest.mark.parametrize("words", [("show", "card"), ("path", "web", "card"), ("impact", "card")])
def test_an_unknown_component_is_told_the_names_like_it(shop, words):
    code, out, err = shop(*words)
    assert (code, out) == (2, "")
    assert err == "hypocenter: error: 'card' is no component of the graph; is it 'cart', 'cart-db'?\n"


def test_where_there_is_no_graph_it_says_how_to_fill_one(graph):
    code, out, err = graph("show", "--graph", "none.db")
    assert (code, out) == (2, "")
    assert err == (
        "hypocenter: error: none.db: no graph there; fill one with: hypocenter graph import FILE --graph none.db\n"
    )
    assert not Path("none.db").exists()


def test_a_graph_that_holds_nothing_then_says_so(history):
    assert "the graph holds nothing as of 2020-01-01 00:00 UTC" in history("show", "--as-of", "2020-01-01")[1]


def test_the_setting_names_the_graph(graph, monkeypatch):
    monkeypatch.setenv("HYPOCENTER_GRAPH", "mine.db")
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    assert graph("import", "calls.csv")[1].splitlines()[-1] == "graph     mine.db"
    assert Path("mine.db").exists()


def test_a_server_that_does_not_answer_is_exit_code_3(graph, monkeypatch):
    monkeypatch.setenv("HYPOCENTER_NEO4J_TIMEOUT", "2")
    code, out, err = graph("show", "--graph", "bolt://127.0.0.1:9")
    assert (code, out, err.count("\n")) == (3, "", 1)
    code, out, err = graph("import", "--prometheus", "http://127.0.0.1:9")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert not Path("hypocenter-graph.db").exists()


def test_hostile_names_are_data_and_steer_no_terminal(graph):
    names = ["\x1b[2J", "\u202edb", "a\nb", "'; DROP", "<svg onload=x>", "`MATCH (n) DETACH DELETE n`", "日本"]
    Path("graph.json").write_text(json.dumps({"dependencies": [["web", name] for name in names]}), encoding="utf-8")
    assert graph("import", "graph.json")[0] == 0
    for words in (("show",), ("impact", names[0]), ("path", "web", names[0]), ("as-of", "now"), ("show", names[1])):
        code, out, err = graph(*words)
        assert code == 0
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out + err)
    assert sorted(callee for _, callee in edges(as_json(graph("show", "--json")))) == sorted(names)
    assert graph("show", "--svg", "all.svg")[0] == 0
    assert ElementTree.parse("all.svg") is not None


@given(st.lists(st.tuples(*[st.text(min_size=1, max_size=8)] * 2), min_size=1, max_size=4))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_names_are_kept_or_refused_in_one_line(graph, pairs):
    Path("hypocenter-graph.db").unlink(missing_ok=True)
    Path("graph.json").write_text(json.dumps(pairs), encoding="utf-8")
    code, _, err = graph("import", "graph.json")
    assert code in (0, 2)
    if code:
        assert err.startswith("hypocenter: error: graph.json")
        assert err.count("\n") == 1
    else:
        assert graph("show", "--svg", "all.svg")[0] == 0


@pytest.mark.prometheus
def test_a_prometheus_server_tells_its_calls(graph, prometheus_server):
    scenario = Path(__file__).parents[1] / "fixtures" / "scenarios" / "shop.scenario"
    sending = [COMMAND, "simulate", scenario, "--to", prometheus_server]
    sent = subprocess.run(sending, capture_output=True, text=True, check=False)
    assert sent.returncode == 0, sent.stderr
    at = "2026-03-03T11:40:00Z"
    told = as_json(graph("import", "--prometheus", prometheus_server, "--at", at, "--lookback", "1h", "--json"))
    assert told["inputs"] == {"server": 1}
    assert told["sources"]["service_graph"]["dependencies"] > 10
    assert ("checkout", "orders") in edges(as_json(graph("show", "--as-of", at, "--json")))
    code, _, err = graph("import", "--prometheus", prometheus_server, "--at", at, "--match", '{client="nobody-else"}')
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.neo4j
def test_a_neo4j_server_answers_as_a_file_does(graph, neo4j_server, tenant, monkeypatch):
    Path("password").write_text(neo4j_server.password, encoding="utf-8")
    for name, value in (("TENANT", tenant), ("NEO4J_USER", neo4j_server.user), ("NEO4J_PASSWORD_FILE", "password")):
        monkeypatch.setenv(f"HYPOCENTER_{name}", value)
    Path("graph.yaml").write_text(GRAPH, encoding="utf-8")
    Path("calls.csv").write_text(CALLS, encoding="utf-8")
    questions = (
        ("import", "graph.yaml", "calls.csv", "--at", "2026-02-01"),
        ("show", "--as-of", "2026-03-02", "--learned"),
        ("show", "basket", "--depth", 2, "--as-of", "2026-03-02"),
        ("path", "web", "mailer", "--as-of", "2026-03-02"),
        ("impact", "node-1", "--as-of", "2026-03-02"),
        ("as-of", "2026-01-02", "--until", "2026-03-02"),
        ("export",),
        ("show", "card"),
    )
    for words in questions:
        file, server = (graph(*words, "--graph", where) for where in ("file.db", neo4j_server.url))
        assert file[0] == server[0], server
        assert [line for line in file[1].splitlines() if not line.startswith("graph  ")] == [
            line for line in server[1].splitlines() if not line.startswith("graph  ")
        ]


def test_progress_is_shown_where_somebody_looks(tmp_path):
    import pty

    (tmp_path / "calls.csv").write_text(CALLS, encoding="utf-8")
    master, slave = pty.openpty()
    done = subprocess.run(
        [COMMAND, "graph", "import", "calls.csv"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=slave, check=False
    )
    os.close(slave)
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert done.returncode == 0
    assert "reading calls.csv" in shown
    assert "writing" in shown
