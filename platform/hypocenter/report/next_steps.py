"""What a person may check next, derived from the verdict: suggestions for review, nothing acts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.report.wording import named_causes, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.model import Evidence, NextCheck, Suspect, Verdict

MOST = 4
_NETWORK = "Test the network to and from {0}: loss, delay, retransmits, recent changes of rules or routes."
_SLOW = "Trace a slow request into {0} and see where its time goes."
_CRASH = "Find out why {0} restarted: exit code, last log lines, failing probes."
_PATHS = "Compare what {0} asks of others before and after the onset: new calls, missing calls, retries."
CHECKS = {
    "cpu": "See what uses the processor of {0}: a profile, throttling by its limit, neighbours on its host.",
    "memory": "Look at the memory of {0}: its limit, recent out-of-memory kills, growth since the last restart.",
    "disk": "Look at the disks of {0}: free space, wait times, who else writes to them.",
    "network": _NETWORK,
    "network_gap": _NETWORK,
    "latency": _SLOW,
    "self_time": _SLOW,
    "errors": "Read the errors that {0} returns, the first ones after the onset before all others.",
    "saturation": "See what holds the workers, connections or queue places of {0}.",
    "traffic": "Find out who sends {0} its load, and whether that is wanted.",
    "log_surplus": "Read the log of {0} from the onset on, the lines that are new first.",
    "log_error": "Read the new complaint in the log of {0}, and what came just before it.",
    "log_missing": "Look in the log of {0} for work that it no longer finishes.",
    "calls_surplus": _PATHS,
    "calls_missing": _PATHS,
    "crash": _CRASH,
    "restarts": _CRASH,
    "callers": "Reach {0} from the host of a caller: is it there, and how long does a call take?",
    "silence": "Check whether {0} runs at all, or only its exporter is gone.",
}


def next_steps(verdict: Verdict) -> list[str]:
    """Return at most four things to check, the most useful first: the verdict's own check, where it has one."""
    check = verdict.next_check
    steps = [*_changes(verdict), *_checks(verdict), *_doubts(verdict)]
    if check is not None:
        steps = [check.text, *(step for step in steps if not _repeats(step, check))]
    return list(dict.fromkeys(steps))[:MOST]


def _repeats(step: str, check: NextCheck) -> bool:
    """Say whether a step asks for the same look at the same component as the check that comes first."""
    alike = step.split()[:2] == check.text.split()[:2]
    return alike and any(name in step for name in check.components)


def _leading(verdict: Verdict) -> list[Suspect]:
    named = [suspect for suspect in verdict.suspects if suspect.component in named_causes(verdict)]
    return named or list(verdict.suspects[:2])


def _changes(verdict: Verdict) -> Iterator[str]:
    for suspect in _leading(verdict):
        for item in suspect.evidence:
            if item.channel == "change" and item.supports and not _told(item, verdict):
                yield f"Review the change of {suspect.component}, and undo it if nothing speaks against: {item.text}"


def _told(item: Evidence, verdict: Verdict) -> bool:
    return verdict.next_check is not None and item.text.split(": ", 1)[-1] in verdict.next_check.text


def _checks(verdict: Verdict) -> Iterator[str]:
    leading = _leading(verdict)
    for suspect in leading:
        findings = sorted((item for item in suspect.evidence if item.supports), key=lambda item: -item.share)
        channels = [item.channel for item in findings if item.channel in CHECKS] or [suspect.fault_type]
        checks = dict.fromkeys(CHECKS[channel] for channel in channels if channel in CHECKS)
        yield from (check.format(suspect.component) for check in list(checks)[: max(3 - len(leading), 1)])


def _doubts(verdict: Verdict) -> Iterator[str]:
    causes = named_causes(verdict)
    if causes:
        others = [suspect for suspect in verdict.suspects if suspect.component not in causes]
        told = verdict.next_check.components if verdict.next_check else ()
        if others and others[0].probability >= 0.1 and others[0].component not in told:
            yield f"If that leads nowhere: {others[0].component} is next, at {percent(others[0].probability)}."
    if verdict.blind_spots:
        yield f"Look by hand at what could not be seen: {verdict.blind_spots[0]}"
