"""Scenes of the box made by hand: an opening, edges, states and counts of a session that nobody recorded."""

import numpy as np

from controller.messages.view import Counts, Opening, Records, TrialRow
from gui.scene import Scene
from realtime.records import NO_ANIMAL, NS_PER_S, Events, Kind, Line, Outcome, Role, no_events
from tests.controller import viewing_things

STATES = ["IDLE", "ITI", "READY", "A_FIRST", "B_FIRST", "SUCCESS", "MISS", "OMISSION", "REWARD", "PAUSED", "FINISHED"]
START_NS = 1_000_000_000_000
A, B = 0, 1


def opening(**changed: object) -> Opening:
    box: dict[str, object] = {
        "subjects": ("m341", "m342"),
        "start_ns": START_NS,
        "states": STATES,
        "stages_ns": [3 * NS_PER_S],
        "schedule": "fixed",
        "lines": {line.name.lower(): f"board pin {line.value}" for line in Line if line != Line.ARM},
        "lit_share": 0.0,
    }
    return viewing_things.opening(**(box | changed))


def counts(**changed: object) -> Counts:
    return viewing_things.counts(**({"states": [1]} | changed))


def event(kind: Kind, at_s: float, *, line: int = 0, state: str = "IDLE", value: float = 0.0, trial: int = 0) -> Events:
    one = no_events(1)
    one["kind"], one["t_ns"], one["line"] = kind, START_NS + round(at_s * NS_PER_S), line
    one["animal"] = line % 2 if kind <= Kind.LASER_OFF else NO_ANIMAL
    one["state"], one["value"], one["trial"] = STATES.index(state), value, trial
    return one


def edge(line: Line, at_s: float, *, on: bool) -> Events:
    kinds = {Role.POKE: Kind.POKE_IN, Role.LICK: Kind.LICK_IN, Role.VALVE: Kind.VALVE_ON, Role.LASER: Kind.LASER_ON}
    return event(Kind(kinds[Role(line // 2)] + (0 if on else 1)), at_s, line=line)


def entered(state: str, at_s: float, machine: int = 0, trial: int = 1) -> Events:
    return event(Kind.STATE, at_s, line=machine, state=state, trial=trial)


def ended(trial: int, outcome: Outcome, at_s: float, machine: int = 0) -> Events:
    return event(Kind.TRIAL, at_s, line=machine, value=outcome, trial=trial)


def row(trial: int, outcome: Outcome, end_s: float, machine: int = 0) -> TrialRow:
    end_ns = START_NS + round(end_s * NS_PER_S)
    nobody = {"first_ns": None, "first": NO_ANIMAL, "lag_ns": None}
    return viewing_things.row(trial, outcome, machine=machine, opened_ns=end_ns, end_ns=end_ns, **nobody)


def scene_with(*events: Events, now_s: float, about: Opening | None = None, known: Counts | None = None) -> Scene:
    scene = Scene()
    scene.take(opening() if about is None else about)
    if events:
        scene.take(Records(np.concatenate(events).tobytes()))
    scene.take(counts() if known is None else known)
    scene.at(START_NS + round(now_s * NS_PER_S), 0, 0.0)
    return scene
