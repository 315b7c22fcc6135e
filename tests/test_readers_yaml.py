"""YAML and JSON files to plain values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError, LimitError
from hypocenter.readers.limits import Limits
from hypocenter.readers.yaml_documents import DEEPEST, read_yaml, yaml_documents

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def nested(level: int) -> str:
    return "[" * level + "]" * level


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_a_file_holds_several_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("\ufeff# a comment\na: 1\n---\n---\n- b\n...\n", encoding="utf-8")
    assert read_yaml(path) == [{"a": 1}, ["b"]]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("12:30", "12:30"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("-12", -12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5e3", 1500.0),
        ("-.inf", float("-inf")),
        ("~", None),
        ("null", None),
        ("'7'", "7"),
        ("!!str 7", "7"),
        ("<<", "<<"),
    ],
)
def test_plain_words_are_what_the_core_schema_says(word: str, value: object) -> None:
    assert yaml_documents(f"a: {word}", "a.yaml") == [{"a": value}]


@given(VALUES)
@hypothesis_settings(max_examples=60)
def test_json_is_read_as_it_was_also_by_the_reader_of_yaml(value: object) -> None:
    assert yaml_documents(json.dumps([value]), "a.json") == [[value]]
    # A comment makes it YAML.
    assert yaml_documents("# \n" + json.dumps([value], ensure_ascii=False), "a.yaml") == [[value]]


def test_json_may_be_indented_with_tabs() -> None:
    assert yaml_documents('{\n\t"a": [\n\t\t1]}', "a.json") == [{"a": [1]}]


def test_aliases_and_merges_are_followed() -> None:
    text = "base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\nlist: [*b]\nboth: {<<: [{z: 0, x: 9}, *b]}"
    (read,) = yaml_documents(text, "a.yaml")
    assert read["mine"] == {"x": 1, "y": 3}
    assert read["list"] == [{"x": 1, "y": 2}]
    assert read["both"] == {"z": 0, "x": 9, "y": 2}


def test_anchors_end_with_their_document() -> None:
    with pytest.raises(InputError, match=r"line 3: \*a stands for nothing"):
        yaml_documents("a: &a 1\n---\nb: *a", "a.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: key 'a' is there twice; keep one"),
        ('{"a": 1,\n"a": 2}', "line 2: key 'a' is there twice"),
        ("a:\n  - [b\n", "line 3: did not find expected"),
        ("a: b: c", "line 1: mapping values are not allowed"),
        ("x: !Ref y", "line 1: tag '!Ref' is not known; leave it out"),
        ("!!python/object/apply:os.system ['true']", "tag 'python/object/apply:os.system' is not known"),
        ("? [a]\n: b", "a key must be plain text"),
        ("k: &k [x]\n*k : b", "a key must be plain text"),
        ("a: &a [*a]", "*a stands for nothing before it"),
        ("<<: 3", "<< merges mappings alone"),
        ("a: \x00", "not YAML"),
        ("a: \ud800", "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        yaml_documents(text, "a.yaml")
    assert str(caught.value).startswith("a.yaml:")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + nested(DEEPEST + 1),
        "a: " + nested(200_000),
        "- " * (DEEPEST + 1) + "x",
        "- " * 200_000 + "x",
        nested(200_000),
        '{"a":' * 200_000 + "1" + "}" * 200_000,
    ],
    ids=["flow", "very deep flow", "block", "very deep block", "JSON lists", "JSON objects"],
)
def test_deep_nesting_is_refused_and_no_crash(text: str) -> None:
    with pytest.raises(LimitError, match=rf"nested more than {DEEPEST} deep"):
        yaml_documents(text, "a.yaml")


def test_nesting_within_the_limit_is_read() -> None:
    assert yaml_documents("- " * DEEPEST + "x", "a.yaml")


def test_aliases_of_aliases_cannot_stand_for_millions_of_values() -> None:
    assert yaml_documents(bomb(4), "a.yaml")
    with pytest.raises(LimitError, match="aliases repeat more than 100,000 values; write them out"):
        yaml_documents(bomb(12), "a.yaml")


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1111111111")
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_FILE_BYTES"):
        read_yaml(path, Limits(file_bytes=4))
    path.write_bytes(b"a: \xff")
    with pytest.raises(InputError, match=r"a\.yaml: cannot be read .*UTF-8"):
        read_yaml(path)
    with pytest.raises(InputError, match=r"absent\.yaml"):
        read_yaml(tmp_path / "absent.yaml")


@given(st.text(st.sampled_from("ab:-[]{},&*!<? \n'\"#|>%~1.0"), max_size=40))
@hypothesis_settings(max_examples=300)
def test_nothing_else_than_our_errors_comes_of_any_text(text: str) -> None:
    try:
        yaml_documents(text, "a.yaml")
    except HypocenterError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any error is fine as long as it is one line
