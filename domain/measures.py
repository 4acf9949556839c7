"""What is measured of a server while it runs: counters, gauges and histograms, as monitoring systems know them.

In base units (seconds, bytes). Labels take few values: no id, no name of a client's, nothing that somebody outside can
make more of.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Labels = tuple[str, ...]


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """``suffix``: what a histogram's have behind its name."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One name, and what has been measured under it."""

    name: str
    kind: Kind
    text: str
    """What it is, in a sentence."""
    samples: Sequence[Sample]


class Counter:
    """Only grows."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._values: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, amount: float = 1, *labels: str) -> None:
        self._values[labels] = self._values.get(labels, 0) + amount

    def family(self) -> Family:
        samples = [Sample(value, _named(self._labels, labels)) for labels, value in self._values.items()]
        return Family(self._name, Kind.COUNTER, self._text, samples)


class Histogram:
    """How many were how large: ``bounds`` are the largest of each bucket, in order; one without end is added."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str] = ()) -> None:
        self._name = name
        self._text = text
        self._bounds = bounds
        self._labels = labels
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        if not labels:
            self._begin(())

    def observe(self, value: float, *labels: str) -> None:
        counts = self._counts.get(labels) or self._begin(labels)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def family(self) -> Family:
        samples = [sample for labels in self._counts for sample in self._samples(labels)]
        return Family(self._name, Kind.HISTOGRAM, self._text, samples)

    def _begin(self, labels: Labels) -> list[int]:
        self._sums[labels] = 0.0
        counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
        return counts

    def _samples(self, labels: Labels) -> Iterator[Sample]:
        named, so_far = _named(self._labels, labels), 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts[labels], strict=True):
            so_far += count
            yield Sample(so_far, {**named, "le": bound}, "_bucket")
        yield Sample(self._sums[labels], named, "_sum")
        yield Sample(so_far, named, "_count")


def gauge(name: str, text: str, value: float) -> Family:
    return Family(name, Kind.GAUGE, text, [Sample(value, {})])


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Family:
    """One for each value of a label."""
    return Family(name, Kind.GAUGE, text, [Sample(value, {label: key}) for key, value in values.items()])


def _named(names: Sequence[str], values: Labels) -> dict[str, str]:
    return dict(zip(names, values, strict=True))
