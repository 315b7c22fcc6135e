"""Anomalies that detection told of."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from hypocenter.api.query.paging import Chosen, Page, told
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Number, Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.model import Direction, MetricKind
from hypocenter.stores.detections import KeptAnomaly

OfMetric = Annotated[str | None, Query(max_length=300, description="Those of this metric.", examples=["latency_p99"])]
Lasting = Annotated[bool, Query(description="Only those that last.")]


class Series(Shape):
    """Which series it is."""

    component: str = Field(description="The component that it measures.", examples=["cart"])
    metric: str = Field(description="What it measures.", examples=["latency_p99"])
    kind: MetricKind = Field(description="What kind of measure that is.")
    unit: str = Field(description="Its unit.", examples=["s"])
    stat: str = Field(description="How samples became one value.", examples=["p99"])
    side: str | None = Field(description="`server` or `client`, for one end of calls.", examples=["server"])
    peer: str | None = Field(description="The other end of the calls.", examples=["web"])
    host: bool = Field(description="Whether it is of the machine below the component.")


class Anomaly(Shape):
    """A span of a series that is unlikely under its own normal."""

    key: str = Field(description="What names it.", examples=["9f86d081884c7d65"])
    series: Series = Field(description="The series.")
    onset: Time = Field(description="When it began.")
    peak: Time = Field(description="When it was furthest from normal so far.")
    ended_at: Time | None = Field(description="Its last moment; null while it lasts.")
    score: Number = Field(description="-log10 of how likely such values are when all is well.", examples=[7.5])
    value: Number = Field(description="The series at the peak, in its unit.", examples=[2.5])
    expected: Number = Field(description="What was expected then.", examples=[0.2])
    low: Number = Field(description="Lower end of the expected band then.", examples=[0.1])
    high: Number = Field(description="Upper end of the expected band then.", examples=[0.4])
    direction: Direction = Field(description="Which way it left its normal.")

    @classmethod
    def of(cls, kept: KeptAnomaly) -> "Anomaly":
        """Return what is told of an anomaly."""
        found = kept.anomaly
        return cls(
            key=kept.key,
            series=Series.model_validate(found.series),
            onset=found.onset,
            peak=found.peak,
            ended_at=kept.ended_at,
            score=found.score,
            value=found.value,
            expected=found.expected,
            low=found.low,
            high=found.high,
            direction=found.direction,
        )


def routers() -> Routers:
    """Return the router of anomalies."""
    reading = new_router("anomalies")
    reading.add_api_route("/anomalies", list_anomalies)
    return {READ: reading}


def list_anomalies(sources: Sources, part: Chosen, metric: OfMetric = None, lasting: Lasting = False) -> Page[Anomaly]:
    """List anomalies, newest first by their onset."""
    return told(sources.records.detections.listed(part, metric=metric, lasting=lasting), part, Anomaly.of)
