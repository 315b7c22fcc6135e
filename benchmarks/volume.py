"""VUS-PR of scores kept in an .npz file, by aeon; run by the interpreter of an environment of its own.

Called as `python volume.py FILE BUFFER`; FILE holds `labels:N` and `scores:N` for N = 0, 1, ...; prints a JSON list.
Measure: J. Paparrizos et al., "Volume Under the Surface", PVLDB 15(11), 2022.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Print the VUS-PR of each series of the file."""
    from aeon.benchmarking.metrics.anomaly_detection import range_pr_vus_score

    path, buffer = arguments
    found = []
    with np.load(path, allow_pickle=False) as arrays:
        for number in range(len(arrays.files) // 2):
            labels, scores = arrays[f"labels:{number}"].astype(np.int64), arrays[f"scores:{number}"]
            told = len(np.unique(scores)) > 1
            found.append(float(range_pr_vus_score(labels, scores, max_buffer_size=int(buffer))) if told else 0.0)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
