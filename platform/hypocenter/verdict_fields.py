"""What each field of a verdict means: the sentences of docs/verdict.md, and of the schemas of its JSON."""

from collections.abc import Mapping

from hypocenter import model

MEANINGS: Mapping[type, Mapping[str, str]] = {
    model.Verdict: {
        "case_id": "What was investigated: the case's own id, or its folder's name.",
        "system": "The system it belongs to; empty when the source does not say.",
        "suspects": "Most probable first.",
        "cause": (
            "The component that broke first; null when the verdict abstains. Where there are several, the most "
            "probable."
        ),
        "causes": "All root causes, where several components broke independently; empty when the verdict abstains.",
        "abstained": "True when no suspect is probable enough to be named: the suspects are candidates, nothing more.",
        "onset": "When the incident began; null when nothing in the data dates it.",
        "onset_uncertainty_s": "Half the width, in seconds, of the interval in which the onset lies.",
        "target": "The symptom that the investigation started from.",
        "propagation": "How the failure spread: the cause first, the symptom last.",
        "ruled_out": "What looked guilty and is not.",
        "blind_spots": "What could not be seen, one sentence each. A verdict is only as good as its view.",
        "timeline": "Dated facts in order of time.",
        "graph": "The part of the dependency graph that the verdict is about.",
        "summary": "The verdict in a sentence or two.",
        "observed": "The components that the telemetry covers.",
        "candidates": (
            "The smallest set of suspects that holds the root cause with probability `coverage`; empty where no "
            "set is known to. A long list says that the data do not tell."
        ),
        "coverage": "In how many of such verdicts the cause is among the `candidates`; null where that is not known.",
        "wanted_precision": "The share of named causes that the user wants to be right.",
        "threshold": (
            "The probability from which on a cause is named, so that `wanted_precision` is kept. Below it the "
            "verdict abstains."
        ),
        "robustness": (
            "Who would be the first suspect if something were missing or wrong; empty where nobody is suspected."
        ),
        "next_check": (
            "The observation expected to tell most of which of the first two suspects it is; null where the "
            "second is out of question (below 2 %)."
        ),
        "learned": "What was learned from past incidents says; null where no model was asked.",
    },
    model.Suspect: {
        "component": "The component's name.",
        "probability": (
            "Probability that this component is the root cause, given that there is an incident and that it has "
            "one cause: where `causes` names several, the sum of theirs is the probability that at least one of "
            "them is a cause."
        ),
        "score": "What the ranking gave it. Comparable within one verdict only.",
        "fault_type": "The kind of fault that fits the evidence best; `unknown` when none does.",
        "path": "The components from this suspect to the symptom, along the dependencies.",
        "evidence": "The findings, for and against.",
        "series": (
            "What shows it best: a metric as `component|metric`, a log statement as `component|template:words`; "
            "null where no series does."
        ),
        "counterfactual": "Where the symptom would be without it; null where the fit is too poor to say.",
    },
    model.Counterfactual: {
        "series": "The series of the symptom: `component|metric`.",
        "unit": "The unit of the numbers.",
        "observed": "Its level during the incident.",
        "expected": "Its level without the suspect's deviation, as estimated.",
        "low": "Lower end of the interval around `expected`.",
        "high": "Upper end.",
        "level": "The probability that the truth lies between `low` and `high`.",
        "text": "All that as a sentence.",
    },
    model.Evidence: {
        "channel": (
            "The kind of finding, such as `cpu`, `latency`, `errors`, `silence`, `change`, or, against, "
            "`exoneration`, `earlier`, and `change` for one that came after the onset."
        ),
        "text": "The finding as a sentence.",
        "supports": "True for a finding that speaks for this suspect, false for one against it.",
        "share": "Its part of the suspect's score, 0 to 1.",
        "series": (
            "The series that it was found in: `component|metric`, with `:peer` for an edge. That of a caller in "
            "`callers`, which tells what callers lose on a suspect."
        ),
        "unit": "Unit of `before` and `after`: `s`, `share` (0 to 1), `1/s`, `cores`, `bytes`, `bytes/s`, `count`.",
        "before": "The value that was normal.",
        "after": "The value during the incident.",
        "onset": "When this finding began.",
    },
    model.Target: {
        "component": "The component that users felt, or whose objective is broken.",
        "metric": "The metric of it, where one was given.",
    },
    model.Step: {
        "component": "The component that fell ill.",
        "onset": "When it did.",
        "via": "The component it leans on, through which the trouble came; null for the first step.",
        "text": "What was seen.",
    },
    model.RuledOut: {
        "component": "The component that looked guilty.",
        "reason": "Why it is not, with numbers.",
        "test": "The name of the test that clears it; empty where the reason says it all.",
    },
    model.Trial: {
        "change": "What was taken away or made wrong, such as `without log lines`.",
        "cause": "The first suspect then; null when there is none.",
        "holds": "Whether it is the one that the verdict puts first.",
    },
    model.LearnedOpinion: {
        "model": (
            "What the model was trained on; the one that ships with the package says that its incidents were simulated."
        ),
        "re_ranked": "True when the model ordered the suspects; only one that proved better than the ranking does.",
        "fault_types": "Types of fault, as past incidents call them, the most probable first.",
        "unknown": (
            "The probability of a fault unlike any that the model was shown. With `fault_types` it adds up to 1."
        ),
        "reasons": "What speaks for the first type.",
        "similar": "Past incidents that looked like this one, the most alike first.",
    },
    model.SimilarIncident: {
        "incident_id": "The past incident.",
        "similarity": "How much it looked like this one; 1 is a twin.",
        "roots": "Where it began.",
        "fault_type": "Its type of fault, as it was confirmed.",
        "fixed_by": "What ended it.",
    },
    model.NextCheck: {
        "components": "The two suspects that it tells apart, the more probable first.",
        "text": "What to look at, and what either outcome would mean.",
    },
    model.TimelineEntry: {
        "at": "When it happened.",
        "type": "`onset`, `anomaly`, `alert` or `change`.",
        "component": "Where.",
        "text": "What.",
    },
    model.GraphView: {
        "nodes": "The components in it.",
        "edges": "The dependencies between them.",
        "omitted": "How many components of the system are left out of this view.",
    },
    model.GraphNode: {
        "component": "The component's name.",
        "type": "`service`, `host`, `pod`, `instance`, `database`, `cache`, `queue` or `external`.",
        "state": "`cause`, `suspect`, `affected`, `normal` or `unobserved`.",
        "score": "How anomalous it is: -log10 of the tail probability.",
    },
    model.Dependency: {
        "caller": "The component that leans on the other.",
        "callee": "The component that is leaned on.",
        "type": "`CALLS`, `RUNS_ON`, `INSTANCE_OF`, `PUBLISHES`, `CONSUMES` or `DEPENDS_ON`.",
        "source": "Who claims so: `declared`, `spans`, `labels`, ...",
        "confidence": "How sure that is, 0 to 1.",
        "calls_per_s": "Calls per second when it was last seen, where the source counts them.",
    },
    model.FaultTypeChance: {
        "fault_type": "The type, as past incidents call it.",
        "probability": "How likely it is.",
    },
}
