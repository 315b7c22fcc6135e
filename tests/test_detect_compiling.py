"""Compiled kernels outlive a process where a folder can be written, and work where none can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hypocenter_workers

KERNEL = """
from hypocenter_workers.detect.compiling import compiled

@compiled
def double(x):
    return 2 * x
"""
USE = """
import sys
sys.path.insert(0, sys.argv[1])
from hypocenter_workers.detect.compiling import was_kept
from small_kernels import double
before = was_kept(double)
assert double(21) == 42
assert was_kept(double) == bool(double.stats.cache_path)
hits = sum(double.stats.cache_hits.values())
assert before == bool(hits)
print(hits, double.stats.cache_path)
"""
PACKAGES = Path(hypocenter_workers.__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    """A folder with a module of kernels that anybody may read."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "small_kernels.py").write_text(KERNEL)
    for path in (tmp_path, shared):
        path.chmod(0o755)
    return shared


def use(folder, home, cache_dir=None):
    """Call the kernel in a process of its own: how often machine code was found, and where."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
    environ |= {"HOME": str(home), "PYTHONPATH": str(PACKAGES), "PYTHONDONTWRITEBYTECODE": "1"}
    environ |= {"NUMBA_CACHE_DIR": str(cache_dir)} if cache_dir else {}
    done = subprocess.run(
        [sys.executable, "-c", USE, str(folder)], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    hits, path = done.stdout.split(maxsplit=1)
    return int(hits), path.strip()


@pytest.fixture
def nowhere(tmp_path):
    """A home in which no folder can be made, whoever asks."""
    home = tmp_path / "home"
    home.write_text("a file, so that nothing can be made below it")
    return home


def shut(folder):
    """Leave nothing to write to: a file stands where the folder of machine code would be made."""
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    (folder / "__pycache__").write_text("")


def test_a_second_process_finds_the_machine_code(folder, nowhere):
    first, second = use(folder, nowhere), use(folder, nowhere)
    assert first == (0, str(folder / "__pycache__"))
    assert second == (1, str(folder / "__pycache__"))


def test_another_folder_may_be_named(folder, nowhere, tmp_path):
    assert use(folder, nowhere, tmp_path / "code")[0] == 0
    hits, path = use(folder, nowhere, tmp_path / "code")
    assert hits == 1
    assert path.startswith(str(tmp_path / "code"))


def test_the_home_folder_serves_where_the_source_cannot_be_written(folder, tmp_path):
    shut(folder)
    home = tmp_path / "own"
    home.mkdir()
    assert [use(folder, home)[0], use(folder, home)[0]] == [0, 1]


def test_without_any_folder_kernels_work_all_the_same(folder, nowhere):
    shut(folder)
    assert use(folder, nowhere) == (0, "None")
    assert use(folder, nowhere) == (0, "None")


def test_what_an_installation_compiled_is_used_where_nothing_can_be_written(folder, nowhere):
    use(folder, nowhere)
    code = folder / "__pycache__"
    code.chmod(0o555)
    if os.access(code, os.W_OK):
        # Nothing is closed to root but what is immutable.
        subprocess.run(["chattr", "+i", str(code)], capture_output=True, check=True)
    try:
        assert use(folder, nowhere) == (1, str(code))
    finally:
        subprocess.run(["chattr", "-i", str(code)], capture_output=True, check=False)


def test_a_change_in_any_module_of_kernels_voids_the_code_of_all(folder, nowhere):
    use(folder, nowhere)
    (folder / "other_kernels.py").write_text("SIZE = 2\n")
    assert use(folder, nowhere)[0] == 0
    assert use(folder, nowhere)[0] == 1


def test_everything_that_detects_can_be_compiled_ahead(tmp_path):
    """What is compiled ahead is all there is to compile: a table of series then adds no machine code."""
    environ = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "code"), "PYTHONPATH": str(PACKAGES)}
    table = tmp_path / "t.csv"
    rows = [f"2026-03-{1 + r // 24:02d}T{r % 24:02d}:00:00Z,{r % 7},{r % 5}" for r in range(300)]
    table.write_text("\n".join(["time,a,b", *rows]))

    def run(*words):
        done = subprocess.run([sys.executable, *words], env=environ, check=True, capture_output=True, text=True)
        return done.stdout, sorted(path.name for path in (tmp_path / "code").rglob("*.nbc"))

    _, ahead = run("-m", "hypocenter_workers.detect.prepare")
    assert ahead
    said, after = run("-c", "from hypocenter.cli import main; main()", "detect", str(table))
    assert "2 series" in said
    assert after == ahead
