"""What holds for all tests: how long examples are tried, what needs OpenMP, the labelled data.

Fixtures that open servers, stores and commands are plugins beside what they open; the conftest.py above names them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from in_process_queues import forget_messages

GROW_TREES = (
    *("test_learn_", "test_train", "test_models_", "test_feedback", "test_history_evaluate", "test_benchmarks_learn"),
    "test_model_card",
)
# How long an example takes says more about the machine than about the code.
settings.register_profile("hypocenter", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.register_profile("soak", settings.get_profile("hypocenter"), derandomize=False, max_examples=2500)
settings.load_profile("hypocenter")


@pytest.fixture(scope="module", autouse=True)
def _no_messages_of_other_modules() -> None:
    """What another module's tests sent in this process would be done by the next module's workers."""
    forget_messages()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that grow trees where the system lacks the library that LightGBM's wheel leaves to it."""
    if os.environ.get("CI") or sys.platform != "linux" or _has_openmp():
        return
    skip = pytest.mark.skip(reason="libgomp.so.1 is missing, so LightGBM cannot be loaded (Debian: libgomp1)")
    for item in items:
        if item.path.name.startswith(GROW_TREES):
            item.add_marker(skip)


def _has_openmp() -> bool:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The labelled data set that HYPOCENTER_DATA names."""
    named = os.environ.get("HYPOCENTER_DATA")
    if not named:
        pytest.skip("HYPOCENTER_DATA does not name a folder of labelled data")
    folder = Path(named)
    assert folder.is_dir(), f"HYPOCENTER_DATA={named} is not a folder"
    return folder
