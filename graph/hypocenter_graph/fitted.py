"""Constants of confidence, written by `benchmarks/bench_calibration.py --fit`, and not by hand.

`BELIEFS`: per source of the scores (series, or alerts alone) the sharpness of their log-odds, the doubt that leaves
room for something else, and how doubt grows with the logarithm of the kinds of signal seen; by maximum likelihood,
simulated and real incidents weighing the same, with a weak ridge. `THRESHOLDS`: (wanted precision, least probability at
which a cause is named), by a one-sided 90 % Clopper-Pearson bound. `LIMITS`: (coverage, most probability that may stand
before a candidate), split-conformal, the larger of the limits of simulated and of real incidents. Both are taken from
probabilities by beliefs that were fitted without the data set, or the shape of simulated system, that they are of.

Incidents it was fitted on: 600 alerts alone, 160 real, 1200 simulated.
"""

BELIEFS: dict[str, dict[str, float]] = {
    "series": {"sharpness": 1.3163, "doubt": -5.2248, "richness": 0.3977},
    "alerts": {"sharpness": 1.0478, "doubt": -1.4289, "richness": 0.0000},
}
THRESHOLDS: dict[str, tuple[tuple[float, float], ...]] = {
    "series": (
        (0.1, 0.1),
        (0.2, 0.2),
        (0.3, 0.3),
        (0.4, 0.4),
        (0.5, 0.5),
        (0.6, 0.5),
        (0.7, 0.5),
        (0.75, 0.5),
        (0.8, 0.5),
        (0.85, 0.5),
        (0.9, 0.5),
        (0.925, 0.53),
        (0.95, 0.74),
        (0.96, 0.8),
        (0.97, 0.89),
        (0.98, 0.95),
        (0.99, 0.99),
    ),
    "alerts": (
        (0.1, 0.1),
        (0.2, 0.22),
    ),
}
LIMITS: dict[str, tuple[tuple[float, float], ...]] = {
    "series": (
        (0.8, 0.0),
        (0.9, 0.36),
        (0.95, 0.8901),
        (0.99, 0.9941),
    ),
    "alerts": (
        (0.8, 0.7358),
        (0.9, 0.9329),
        (0.95, 0.9726),
        (0.99, 0.9833),
    ),
}
