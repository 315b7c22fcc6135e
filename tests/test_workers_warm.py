"""A worker that was warmed loads nothing more for the first question of bands."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
from hypocenter_workers.live_work import LiveWork
LiveWork().warm()
from hypocenter_workers.detect import seasonal_kernels
from hypocenter_workers.ticks import kernels
import sys
loaded = [kernel.signatures for kernel in (kernels.lay, kernels.read_raw, seasonal_kernels.score_rows)]
print(all(loaded), "hypocenter_workers.bands" in sys.modules)
"""


def test_kernels_and_bands_are_loaded_ahead_of_the_first_question() -> None:
    ran = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=False)
    assert (ran.stdout.split(), ran.returncode) == (["True", "True"], 0), ran.stderr
