"""Cases of any layout are found at any depth, once each, and what belongs to a case is none itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.readers import read_cases
from hypocenter.readers.folders import case_folders, is_case, layout_of

if TYPE_CHECKING:
    from pathlib import Path

WIDE = "time,web|cpu\n2026-01-31T12:00:00Z,1\n"
HEADED = "microservice,web\nmetric,latency\nstatistic,p50\n2026-01-31T12:00:00Z,1\n"
TARGET = '{"target": {"node": "web"}}'
CONTENTS = {
    "case": {"case.json": '{"case_id": "c"}', "metrics.csv": WIDE},
    "bare": {"metrics.csv": WIDE},
    "rcaeval": {"data.csv": "time,web_cpu\n1769860800,1\n", "inject_time.txt": "1769860800"},
    "petshop": {"metrics.csv": HEADED, "target.json": TARGET},
    "reference": {"metrics.csv": HEADED},
    "empty": {"notes.txt": "no case"},
    "half": {"inject_time.txt": "1769860800"},
}
LAYOUTS = {"case": "case", "bare": "case", "rcaeval": "rcaeval", "petshop": "petshop"}


def write(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in CONTENTS[content].items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("content", CONTENTS)
def test_a_folder_has_the_layout_of_its_files(tmp_path: Path, content: str) -> None:
    folder = write(tmp_path / "one", content)
    assert layout_of(folder) == LAYOUTS.get(content)
    if content in LAYOUTS:
        assert len(list(read_cases(folder))) == 1
    else:
        with pytest.raises(InputError, match="no case here"):
            list(read_cases(folder))


def test_what_a_case_json_states_is_a_case_of_our_own(tmp_path: Path) -> None:
    for content in ("petshop", "case"):
        write(tmp_path / "both", content)
    (case,) = read_cases(tmp_path / "both")
    assert (layout_of(tmp_path / "both"), case.case_id, case.target) == ("case", "c", None)


_NAMES = st.sampled_from(["a", "b", "_n", ".h"])
_PLACES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=3).map("/".join), st.sampled_from(sorted(CONTENTS)), max_size=6
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=_PLACES)
def test_the_walk_finds_what_a_look_at_every_folder_finds(
    tmp_path_factory: pytest.TempPathFactory, places: dict[str, str]
) -> None:
    root = tmp_path_factory.mktemp("cases")
    for place, content in places.items():
        write(root / place, content)
    found = list(case_folders(root))
    assert sorted(found) == sorted(slowly_found(root))


def slowly_found(root: Path) -> list[Path]:
    """Every case below `root` that neither lies in a case nor behind a name that is passed over."""
    return [
        folder
        for folder in root.rglob("*")
        if folder.is_dir()
        and is_case(folder)
        and not any(part.startswith(("_", ".")) for part in folder.relative_to(root).parts)
        and not any(is_case(above) for above in folder.parents if above.is_relative_to(root) and above != root)
    ]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be listed"):
        list(case_folders(tmp_path / "gone"))
