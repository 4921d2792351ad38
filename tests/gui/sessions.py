"""Literal sessions to be shown: every number of them is written here."""

from typing import Any

from controller.messages.view import Problem
from gui.scene import Scene
from realtime.records import NS_PER_S
from tests.controller.viewing_things import STATES, changed, counts, opening, setup, standing

START_NS = 5 * NS_PER_S
OPENING = opening(
    session="2026-11-22_091500_m1-m2_day7",
    folder="sessions/2026-11-22_091500_m1-m2_day7",
    day=7,
    start_ns=START_NS,
    epoch_ns=1_795_339_462 * NS_PER_S,
    lit_share=1 / 6,
    calibrated=(True, False),
    free_ms=(30.0, 25.5),
)
COUNTS = counts(
    t_ns=START_NS + 600 * NS_PER_S,
    started_ns=START_NS,
    pokes=(50, 51),
    licks=(300, 310),
    rewards=(39, 41),
    free=(2, 3),
    earned=(37, 38),
    open_s=(1.17, 1.23),
    water_ul=(117.04, None),
    free_ul=(3.04, None),
    lit_s=(12.34, 0.0),
    outcomes={"SUCCESS": 38, "MISS": 20, "OMISSION": 1, "ABORTED": 0},
    lit=(5, 9),
    control=(33, 49),
    trial=59,
    states=[2],
    window_ns=3 * NS_PER_S // 2,
    armed=True,
)
STANDING = standing(t_ns=START_NS + 600 * NS_PER_S, elapsed_s=600.0)
SETUP = setup(day=7, window="1.5 s, stage 2 of 3")
PROBLEMS = [
    Problem("subjects", "A and B have the same name; name two animals"),
    Problem("minutes", "0 min is no session; give at least 0.02"),
    Problem("output", "/data cannot be written; choose another folder"),
]


def say(scene: Scene, *messages: Any) -> Scene:
    """A scene that has been told these as well."""
    for message in messages:
        scene.take(message)
    return scene


def running(state: str = "READY", after_s: float = 600.0, **counts: Any) -> Scene:
    """A live session that runs, some seconds after its start, in a state."""
    scene = say(Scene(), OPENING, changed(COUNTS, states=[STATES.index(state)], **counts), STANDING)
    scene.at(START_NS + round(after_s * NS_PER_S), 0, 0.0)
    return scene
