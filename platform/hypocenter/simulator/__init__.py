"""A microservice system with queues, retries and faults: labelled telemetry for demo, tests and learning."""

from __future__ import annotations

from hypocenter.simulator.case import write_case
from hypocenter.simulator.read import read_scenario
from hypocenter.simulator.scenario import Scenario
from hypocenter.simulator.send import ending_with_fault_at, fault_as_sent, send
from hypocenter.simulator.shapes import generate_scenario
from hypocenter.simulator.simulation import Simulation, simulate

__all__ = [
    "Scenario",
    "Simulation",
    "ending_with_fault_at",
    "fault_as_sent",
    "generate_scenario",
    "read_scenario",
    "send",
    "simulate",
    "write_case",
]
