"""Files that say what metrics measure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError
from hypocenter.model import MetricKind
from hypocenter.readers.overrides import overrides_of, read_overrides
from hypocenter_workers.messages import options_from_json

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_a_file_names_kind_and_unit_by_name_or_pattern(tmp_path: Path) -> None:
    told = {"lod": {"kind": "traffic"}, "rt_.*": {"kind": "latency", "unit": "ms"}}
    path = tmp_path / "kinds.json"
    path.write_text(json.dumps(told))
    assert read_overrides(path) == told
    assert options_from_json({"overrides": told}).overrides == told


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([], "must be an object"),
        ({"lod": "traffic"}, "'lod' must be an object with kind and/or unit"),
        ({"lod": {}}, "kind and/or unit"),
        ({"lod": {"kind": "loudness"}}, MetricKind.LATENCY.value),
        ({"lod": {"unit": "furlong"}}, "unit 'furlong' is not known"),
        ({"lod": {"unit": 3}}, "unit 3 is not known"),
        ({"(": {"kind": "cpu"}}, "no regular expression"),
    ],
)
def test_what_is_wrong_is_named(value: object, named: str) -> None:
    with pytest.raises(InputError, match=r"kinds\.json") as raised:
        overrides_of(value, "kinds.json")
    assert named in str(raised.value)


@given(JSON)
def test_nothing_else_than_our_errors_comes_of_any_json(value: object) -> None:
    try:
        overrides_of(value, "kinds.json")
    except HypocenterError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any error is fine as long as it is one line
