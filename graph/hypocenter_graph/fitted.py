"""Constants of confidence, written by `benchmarks/bench_calibration.py --fit`, and not by hand.

`BELIEFS`: per source of the scores (series, or alerts alone) the sharpness of their log-odds, the doubt that leaves
room for something else, and how doubt grows with the logarithm of the kinds of signal seen; by maximum likelihood,
simulated and real incidents weighing the same, with a weak ridge. `THRESHOLDS`: (wanted precision, least probability at
which a cause is named), by a one-sided 95 % Clopper-Pearson bound. `LIMITS`: (coverage, most probability that may stand
before a candidate), split-conformal, the larger of the limits of simulated and of real incidents.

Incidents it was fitted on: 600 alerts alone, 160 real, 397 simulated.
"""

BELIEFS = {
    "series": {"sharpness": 1.0873, "doubt": -3.3233, "richness": 1.3553},
    "alerts": {"sharpness": 1.0478, "doubt": -1.4289, "richness": 0.0000},
}
THRESHOLDS = {
    "series": (
        (0.5, 0.5),
        (0.6, 0.5),
        (0.7, 0.5),
        (0.75, 0.5),
        (0.8, 0.5),
        (0.85, 0.5),
        (0.9, 0.61),
        (0.925, 0.71),
        (0.95, 0.88),
        (0.96, 0.92),
        (0.97, 0.94),
        (0.98, 0.97),
    ),
    "alerts": ((0.5, 0.59),),
}
LIMITS = {
    "series": (
        (0.8, 0.0),
        (0.9, 0.8184),
        (0.95, 0.9436),
        (0.99, 0.9909),
    ),
    "alerts": (
        (0.8, 0.7636),
        (0.9, 0.9038),
        (0.95, 0.9356),
        (0.99, 0.956),
    ),
}
