"""Per-metric detectors: each learns a series' own normal and scores blocks of time x series."""
