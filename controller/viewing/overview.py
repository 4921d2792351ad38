"""A recorded session as a whole: when trials, light, faults and people's actions were, whatever moment is shown."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from controller.messages.view import Note, Overview, Span
from controller.plan import Plan
from controller.viewing.book import states_with
from realtime.machine import Action
from realtime.records import NO_ANIMAL, SOURCE_ESTIMATOR, Events, Kind, Line, Operator, Outcome


def openings_of(events: Events, plan: Plan) -> NDArray[np.int64]:
    """Return when the loop opened trials, of any machine, ascending without repeats, shape (n,) [ns]."""
    return np.unique(events["arrival_ns"][_opening(events, plan)])


def overview_of(events: Events, plan: Plan, notes: list[Note]) -> Overview:
    """Return a session's overview.

    Parameters
    ----------
    events
        All of the session's, in the loop's order.
    plan
        What it decided by.
    notes
        All of them, in order.
    """
    kind = events["kind"]
    act = (kind == Kind.OPERATOR) & (events["value"] != Operator.NOTE)
    crossing = (kind == Kind.NEURAL) & (events["source"] == SOURCE_ESTIMATOR)
    return Overview(
        trials=_trials(events, plan),
        light=[*_light(events, Line.LASER_A), *_light(events, Line.LASER_B)],
        events=events[act | crossing | (kind == Kind.FAULT)].tobytes(),
        notes=notes,
    )


def _opening(events: Events, plan: Plan) -> NDArray[np.bool_]:
    """Return which events opened a trial, shape (n,)."""
    opening = np.fromiter(states_with(plan, Action.OPEN_TRIAL), np.int64)
    chosen: NDArray[np.bool_] = (events["kind"] == Kind.STATE) & np.isin(events["state"], opening)
    return chosen


def _trials(events: Events, plan: Plan) -> list[Span]:
    """Return the trials of every machine, by their openings; one that never ended has no outcome."""
    found: list[Span] = []
    last_ns = int(events["arrival_ns"][-1]) if events.size else 0
    opens = _opening(events, plan)
    for who, animal in enumerate(plan.animals):
        mine = events[(events["line"] == who) & (opens | (events["kind"] == Kind.TRIAL))]
        kinds = mine["kind"].tolist()
        for place, kind in enumerate(kinds):
            if kind != Kind.STATE:
                continue
            start_ns = int(mine["arrival_ns"][place])
            if place + 1 < len(kinds) and kinds[place + 1] == Kind.TRIAL:
                end = mine[place + 1]
                ended = int(end["arrival_ns"]), animal, int(end["trial"]), int(Outcome(int(end["value"])))
                found.append(Span(start_ns, *ended))
            elif place + 1 == len(kinds):
                found.append(Span(start_ns, last_ns, animal, int(mine["trial"][place])))
    return sorted(found, key=lambda trial: trial.start_ns)


def _light(events: Events, line: Line) -> list[Span]:
    """Return when one animal's laser was on, by its own reports."""
    edges = events[(events["line"] == line) & np.isin(events["kind"], (Kind.LASER_ON, Kind.LASER_OFF))]
    animal = int(line) % 2 if edges.size else NO_ANIMAL
    times = [*zip(edges["kind"].tolist(), edges["arrival_ns"].tolist(), strict=True)]
    if times and times[-1][0] == Kind.LASER_ON:
        times.append((Kind.LASER_OFF, int(events["arrival_ns"][-1])))
    return [Span(on_ns, off_ns, animal) for (kind, on_ns), (_, off_ns) in pairwise(times) if kind == Kind.LASER_ON]
