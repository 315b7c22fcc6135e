"""Topology files in CSV and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hypocenter.errors import InputError
from hypocenter.model import Dependency, DependencyType
from hypocenter.readers.topology import read_topology

if TYPE_CHECKING:
    from pathlib import Path

SHOP = (Dependency("web", "cart"), Dependency("cart", "web"), Dependency("cart", "cart"), Dependency("007", "web"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "caller,callee\nweb,cart\ncart,web\ncart,cart\n007,web\nweb,cart\n"),
        ("t.csv", "Callee, Caller ,note\ncart,web,x\nweb,cart ,\ncart,cart,\nweb,007,\n"),
        ("t.csv", "web,cart\ncart,web\ncart,cart\n007,web\n"),
        ("t.csv", "web;cart\ncart;web\ncart;cart\n007;web\n"),
        ("t.csv", "\ufeffcaller\tcallee\nweb\tcart\ncart\tweb\ncart\tcart\n007\tweb\n"),
        ("t.csv", "From,To\nweb,cart\ncart,web\ncart,cart\n007,web\n"),
        ("t.csv", "target,source,type\ncart,web,\nweb,cart,calls\ncart,cart,\nweb,007,\n"),
        ("t.csv", "src,dst\nweb,cart\ncart,web\ncart,cart\n007,web\n"),
        ("t.csv", "parent,child\nweb,cart\ncart,web\ncart,cart\n007,web\n"),
        ("t.csv", "client,server\nweb,cart\ncart,web\ncart,cart\n007,web\n"),
        ("t.json", '[["web","cart"],["cart","web"],["cart","cart"],["007","web"],["web","cart"]]'),
    ],
)
def test_who_calls_whom_is_read_once_and_in_order(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_topology(tmp_path / name) == SHOP


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "caller,callee,type\nweb,db,\nweb,node-1,runs_on\n"),
        ("t.json", '[["web","db"],["web","node-1","RUNS_ON"]]'),
    ],
)
def test_a_dependency_may_have_a_type(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_topology(tmp_path / name) == (
        Dependency("web", "db"),
        Dependency("web", "node-1", DependencyType.RUNS_ON),
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"caller,callee\n", "no dependency in it"),
        ("t.csv", b"", "write a header"),
        ("t.csv", b"caller,target\na,b\n", "no column callee; it has 'caller', 'target'"),
        ("t.csv", b"a,b,c\n1,2,3\n", "no column caller, callee"),
        ("t.csv", b"caller,callee\na,b\na,\n", "row 3 lacks a caller or a callee"),
        ("t.csv", b"caller,callee\na,\xff\n", "not UTF-8"),
        ("t.csv", b"caller,callee,type\na,b,LIKES\n", "'LIKES' is none of CALLS"),
        ("t.json", b"[]", "no dependency in it"),
        ("t.json", b'{"a": "b"}', "must be a JSON list"),
        ("t.json", b'[["a"]]', "[0]: must be [caller, callee]"),
        ("t.json", b"web,cart", "not JSON"),
        ("absent.json", None, "cannot be read"),
    ],
)
def test_another_shape_is_one_line_with_the_file(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_topology(tmp_path / name)
    assert words in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
