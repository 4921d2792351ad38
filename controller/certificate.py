"""The session's own latency certificate: what the loop and the wires did, from the events themselves.

For every earned reward: the beam's stamp, when the loop read it and decided, and the board's own stamp of the valve's
edge. All three are on the session clock; the device's two stamps are mapped onto it with an uncertainty that is stated.
Deadlines and turns are measured inside the loop. The certificate is stored in the session's log.
"""

import os
import platform
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from realtime.loop import Measure, bin_edges_ns
from realtime.records import WITHHELD, Events, Flag, Kind, Line

PERCENTILES: Final = (50.0, 99.0, 99.9)
US: Final = 1000.0
_ON_A_PATH: Final = (Kind.POKE_IN, Kind.COMMAND, Kind.VALVE_ON, Kind.VALVE_OFF)
_MOST_POKES: Final = 10_000
"""Pokes that a reward may still follow from: it follows within a window of seconds."""


def _quantiles(values_ns: NDArray[np.float64]) -> dict[str, float | int]:
    """Return count, percentiles and maximum in µs."""
    if values_ns.size == 0:
        return {"n": 0}
    named = {f"p{p:g}_us": round(float(np.percentile(values_ns, p)) / US, 1) for p in PERCENTILES}
    return {"n": int(values_ns.size), **named, "max_us": round(float(values_ns.max()) / US, 1)}


def binned_quantiles(counts: NDArray[np.int64]) -> dict[str, float | int]:
    """Return count, percentiles and maximum of a histogram's upper bin edges in µs (within 9 %)."""
    total = int(counts.sum())
    if total == 0:
        return {"n": 0}
    cumulated, edges = np.cumsum(counts), bin_edges_ns()
    named = {
        f"p{p:g}_us": round(float(edges[np.searchsorted(cumulated, total * p / 100.0)]) / US, 1) for p in PERCENTILES
    }
    return {"n": total, **named, "max_us": round(float(edges[np.flatnonzero(counts)[-1]]) / US, 1)}


def _histogram(values_ns: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return the non-empty bins, eight per octave: upper edges in µs and counts."""
    edges = bin_edges_ns()
    places, counts = np.unique(np.searchsorted(edges, values_ns), return_counts=True)
    upper = edges[np.minimum(places, edges.size - 1)] / US
    return {"upper_us": [round(float(u), 3) for u in upper], "count": [int(c) for c in counts]}


class RewardPaths:
    """Follows every earned reward from beam to valve; :meth:`add` takes events in loop order, as they come.

    Attributes
    ----------
    paths
        Of each reward: beam stamp, its arrival, the decision, the valve's edge [ns].
    """

    def __init__(self) -> None:
        self.paths: list[tuple[float, float, float, float]] = []
        self._waiting: dict[int, tuple[float, float, float]] = {}
        self._pokes: dict[int, float] = {}
        self._open: set[int] = set()
        self._overtaken = 0

    @property
    def missing(self) -> int:
        """Rewards whose valve edge was not reported (yet)."""
        return self._overtaken + len(self._waiting)

    def add(self, events: Events) -> None:
        """Follow ``events``, which come after those before."""
        withheld = WITHHELD | Flag.FREE
        for event in events[np.isin(events["kind"], _ON_A_PATH)]:
            kind, line, t_ns = int(event["kind"]), int(event["line"]), int(event["t_ns"])
            if kind == Kind.POKE_IN:
                self._pokes[t_ns] = float(event["arrival_ns"])
                if len(self._pokes) > _MOST_POKES:
                    del self._pokes[next(iter(self._pokes))]
            elif kind == Kind.COMMAND and line in (Line.VALVE_A, Line.VALVE_B) and event["value"] > 0:
                if event["flags"] & withheld or t_ns not in self._pokes or line in self._open:
                    continue  # a valve that is open, by hand, stays so for longer: that is no edge
                self._overtaken += line in self._waiting
                self._waiting[line] = (float(t_ns), self._pokes[t_ns], float(event["arrival_ns"]))
            elif kind == Kind.VALVE_OFF:
                self._open.discard(line)
            elif kind == Kind.VALVE_ON:
                self._open.add(line)
                if line in self._waiting:
                    self.paths.append((*self._waiting.pop(line), float(t_ns)))


def reward_paths(events: Events) -> tuple[NDArray[np.float64], int]:
    """Follow every earned reward from beam to valve.

    Parameters
    ----------
    events
        A session's events in loop order.

    Returns
    -------
    paths : float64 (rewards, 4)
        Beam stamp, its arrival, the decision, the valve's edge [ns].
    missing : int
        Rewards whose valve edge was never reported.
    """
    followed = RewardPaths()
    followed.add(events)
    return np.array(followed.paths, np.float64).reshape(-1, 4), followed.missing


def machine_description() -> dict[str, str]:
    """Return what this machine is and how busy it has been."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    load = "/".join(f"{x:.2f}" for x in os.getloadavg())
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "load_1_5_15_min": load,
    }


def certificate(
    events: Events, histogram: NDArray[np.int64] | None, counters: dict[str, int], texts: dict[str, str]
) -> dict[str, Any]:
    """Return the certificate of a session.

    Parameters
    ----------
    events
        All events in loop order.
    histogram
        The loop's own gauges, shape (len(Measure), N_BINS), or None where the loop did not hand them over.
    counters, texts
        What the loop counted, and how it ran (backend, scheduling policy).
    """
    paths, missing = reward_paths(events)
    beam, arrival, decision, edge = paths.T
    parts = {
        "beam_to_arrival": arrival - beam,
        "arrival_to_decision": decision - arrival,
        "decision_to_edge": edge - decision,
        "beam_to_edge": edge - beam,
    }
    uncertainty = events["value"][events["kind"] == Kind.CLOCK]
    found: dict[str, Any] = {name: _quantiles(values) for name, values in parts.items()}
    found["beam_to_edge_histogram"] = _histogram(parts["beam_to_edge"])
    if histogram is not None:
        found["deadline_late"] = binned_quantiles(histogram[Measure.DEADLINE_LATE])
        found["turn"] = binned_quantiles(histogram[Measure.TURN])
    found["edges_missing"] = missing
    found["late"] = int(np.count_nonzero(events["flags"] & Flag.LATE))
    found["clamped"] = int(np.count_nonzero(events["flags"] & Flag.CLAMPED))
    found["counters"] = counters
    found["clock_uncertainty_max_us"] = round(float(uncertainty.max()) / US, 1) if uncertainty.size else None
    found["loop"] = texts
    found["machine"] = machine_description()
    return found
