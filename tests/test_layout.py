"""The tree: top-level folders are no packages, so `platform` stays Python's own module."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("platform/hypocenter", "workers/hypocenter_workers", "graph/hypocenter_graph")


@pytest.mark.parametrize("folder", ["platform", "workers", "graph", "tests", "benchmarks"])
def test_top_level_folders_are_no_packages(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_folder_of_tests_is_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_platform_is_pythons_own_module_even_from_the_root() -> None:
    command = [sys.executable, "-c", "import hypocenter, platform; print(platform.__file__)"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert Path(shown.strip()).parent == Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed_and_whole(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    modules = list((ROOT / package).rglob("*.py"))
    assert [path for path in modules if not (path.parent / "__init__.py").is_file()] == []


def test_names_of_test_files_are_unique() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_locks_name_hashes_and_no_address() -> None:
    for lock in (ROOT / "locks").glob("*.txt"):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        assert text.count("==") <= text.count("--hash=sha256:")
