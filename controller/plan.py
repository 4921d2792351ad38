"""A session's plan: everything that is decided before it begins, and that its decisions depend on.

The plan is frozen, complete and kept in the log as plain numbers: replaying a session needs its log and no task code of
the day it was recorded.
"""

import base64
import json
import math
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from controller import rigfile
from controller.task import Tables, compile_task, task_named
from controller.trials import STARTS, draw
from realtime.clock import from_seconds
from realtime.errors import DuettoError
from realtime.machine import ACTION, ARC, MEMORY, STATE, TRIAL, Action, LightFrom, Machine, Param
from realtime.records import ANIMALS, NEVER_NS, NO_ANIMAL, NS_PER_MS, Events, Line, Role, line_of
from realtime.sequencer import Core, new_core
from realtime.window import SCHEDULE, WINDOW, Schedule, stage_of_day

SHORTEST_TRIAL_S: Final = 0.5
"""No animal finishes trials faster than this; bounds the trial table where the ITI is 0."""

LIGHT_BY: Final[dict[int, LightFrom]] = {
    Action.LIGHT_AT_START: LightFrom.TRIAL_START,
    Action.LIGHT_AT_FIRST_POKE: LightFrom.FIRST_POKE,
    Action.LIGHT_AT_SHARED_STATE: LightFrom.SHARED_STATE,
}
"""The actions that start light, and from when that is."""
_DTYPES: Final = {
    "states": STATE,
    "arcs": ARC,
    "actions": ACTION,
    "schedule": SCHEDULE,
    "trials": TRIAL,
    "windows": WINDOW,
    "memory": MEMORY,
    "stages_ns": np.dtype("<i8"),
    "params": np.dtype("<i8"),
    "routes": np.dtype("<u2"),
}


class PlanError(DuettoError):
    """A session cannot be run as asked."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the loop decides by, as numbers.

    The arrays are those of :class:`~realtime.machine.Machine` and :class:`~realtime.sequencer.Core` before anything
    has happened; :meth:`machine` and :meth:`core` hand out fresh copies.
    """

    task: str
    state_names: tuple[str, ...]
    finished: int
    arrays: dict[str, NDArray[Any]]
    judged: tuple[int, ...]
    lasers: tuple[int, ...]
    grace_ns: int
    free_ns: tuple[int, int]
    test_ns: int
    """How long a laser test by hand lasts; 0 in logs from before there was one."""

    def machine(self) -> Machine:
        """Return the machine at the start of the session."""
        a = {name: array.copy() for name, array in self.arrays.items() if name != "routes"}
        return Machine(finished=self.finished, **a)

    def core(self, log: Events, words: NDArray[np.uint64]) -> Core:
        """Return a core that writes into ``log`` (EVENT (n,)), of which ``words`` (n, 8) is another view."""
        return new_core(
            log,
            words,
            self.arrays["routes"].copy(),
            judged=self.judged,
            lasers=self.lasers,
            grace_ns=self.grace_ns,
            free_ns=self.free_ns,
            test_ns=self.test_ns,
        )

    @property
    def animals(self) -> tuple[int, ...]:
        """Return which animal each machine judges, -1 for the pair."""
        return tuple(int(animal) for animal in self.arrays["memory"]["animal"])

    def to_text(self) -> str:
        """Return the plan as JSON: names as names, tables as base64 of little-endian bytes."""
        packed = {
            name: {"shape": array.shape, "base64": base64.b64encode(array.tobytes()).decode()}
            for name, array in self.arrays.items()
        }
        return json.dumps(
            {
                "task": self.task,
                "state_names": self.state_names,
                "finished": self.finished,
                "judged": self.judged,
                "lasers": self.lasers,
                "grace_ns": self.grace_ns,
                "free_ns": self.free_ns,
                "test_ns": self.test_ns,
                "arrays": packed,
            }
        )


def from_text(text: str) -> Plan:
    """Return the plan that :meth:`Plan.to_text` wrote.

    Raises
    ------
    PlanError
        If the text is none, or of a layout this version does not know.
    """
    try:
        fields = json.loads(text)
        arrays = {
            name: np.frombuffer(base64.b64decode(fields["arrays"][name]["base64"]), dtype)
            .reshape(fields["arrays"][name]["shape"])
            .copy()
            for name, dtype in _DTYPES.items()
        }
        return Plan(
            task=str(fields["task"]),
            state_names=tuple(fields["state_names"]),
            finished=int(fields["finished"]),
            arrays=arrays,
            judged=tuple(fields["judged"]),
            lasers=tuple(fields["lasers"]),
            grace_ns=int(fields["grace_ns"]),
            free_ns=(int(fields["free_ns"][0]), int(fields["free_ns"][1])),
            test_ns=int(fields.get("test_ns", 0)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(
            f"the session's plan cannot be read ({error!r}); it is damaged or of another version"
        ) from error


def animals_of(scope: str, animals: str) -> tuple[int, ...]:
    """Return which animal each machine judges: -1 for the pair."""
    if scope == "pair":
        return (NO_ANIMAL,)
    return {"a": (0,), "b": (1,), "both": (0, 1)}[animals]


def trials_needed(minutes: float, iti_min_s: float) -> int:
    """Return how many trials a session of ``minutes`` can have at most."""
    return math.ceil(minutes * 60.0 / max(iti_min_s, SHORTEST_TRIAL_S)) + 1


class Volumes(Protocol):
    """What turns volumes into openings: a rig's calibration."""

    def valve_ms(self, line: Line, ul: float) -> float:
        """Return how long the valve on ``line`` must open for ``ul`` [ms]."""


def openings_ns(opening_ms: float, volume_ul: float | None, volumes: Volumes | None, *, key: str) -> tuple[int, int]:
    """Return how long the valves of A and B open for one reward [ns].

    Raises
    ------
    PlanError
        If a volume is asked for and there is no calibration; what the calibration itself refuses, it says itself.
    """
    if volume_ul is None:
        both_ns = round(opening_ms * NS_PER_MS)
        return both_ns, both_ns
    if volumes is None:
        raise PlanError(f"[reward] {key}: volumes need a calibration of both valves; run 'duetto calibrate'")
    a_ns, b_ns = (
        round(volumes.valve_ms(line_of(Role.VALVE, animal), volume_ul) * NS_PER_MS) for animal in range(len(ANIMALS))
    )
    return a_ns, b_ns


def _params(rig: rigfile.Rig, machines: int, openings_ns: tuple[int, int]) -> NDArray[np.int64]:
    """Return the machines' numbers before the first trial [ns], shape (machines, len(Param))."""
    params = np.zeros((machines, len(Param)), np.int64)
    task = rig.task
    params[:, Param.TRIAL_LIMIT] = from_seconds(task.trial_limit_s) if task.trial_limit_s else NEVER_NS
    params[:, Param.DRINK] = from_seconds(task.drink_s)
    params[:, Param.TIMEOUT] = from_seconds(task.timeout_s)
    params[:, (Param.VALVE_A, Param.VALVE_B)] = openings_ns
    params[:, Param.LIGHT] = from_seconds(rig.inhibition.max_s)
    return params


def _window(window: rigfile.Window, day: int, machines: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Return the stages [ns], the schedule and the machines' windows on this day of training."""
    kind = Schedule[window.schedule.upper()]
    stages_s = (window.fixed_s,) if kind == Schedule.FIXED else tuple(window.stages_s)
    schedule = np.zeros(1, SCHEDULE)
    schedule[0] = (kind, len(stages_s), window.criterion_trials, window.advance_above, window.retreat_below)
    windows = np.zeros(machines, WINDOW)
    windows["stage"] = stage_of_day(day, tuple(window.stage_days)) if kind == Schedule.DAYS else 0
    return np.array([from_seconds(s) for s in stages_s], np.int64), schedule, windows


def _check_light(rig: rigfile.Rig, scope: str, tables: Tables) -> None:
    """Refuse light that would never begin, or end the moment it begins."""
    light = rig.inhibition
    started = {LIGHT_BY[action] for action in map(int, tables.actions["code"]) if action in LIGHT_BY}
    if light.fraction and STARTS[light.from_] not in started:
        known = " or ".join(f"from = {name!r}" for name, start in STARTS.items() if start in started)
        raise PlanError(
            f"[inhibition] task {rig.task.name} starts no light from {light.from_}, so the chosen trials would be "
            f"dark: write {known or 'lit = False in the task'}, fraction = 0 for no light, or take another task"
        )
    if scope == "each" and light.fraction and light.from_ == "first_poke" and light.until == "outcome":
        raise PlanError(
            f"[inhibition] task {rig.task.name}: a poke is itself the outcome, so light from first_poke until outcome "
            "would never be on; write from = 'trial_start' or until = 'fixed'"
        )


def make(
    rig: rigfile.Rig, *, seed: int, day: int, minutes: float, trials: int | None, volumes: Volumes | None = None
) -> Plan:
    """Plan a session.

    Parameters
    ----------
    rig
        A checked rig file.
    seed
        From which the trial table is drawn.
    day
        Day of training, from 1.
    minutes
        Longest duration [min].
    trials
        How many trials, or None for as many as fit.
    volumes
        The rig's calibration; needed where the rig says its rewards in µl.

    Raises
    ------
    PlanError, TrainingDayError, UnknownTask, TaskError
        If the session makes no sense.
    """
    task = task_named(rig.task.name)
    tables: Tables = compile_task(task)
    if task.lit:
        _check_light(rig, task.scope, tables)
    animals = animals_of(task.scope, rig.task.animals)
    n_trials = trials if trials is not None else trials_needed(minutes, rig.task.iti_min_s)
    memory = np.zeros(len(animals), MEMORY)
    memory["animal"] = animals
    memory["deadline_ns"] = NEVER_NS
    stages_ns, schedule, windows = _window(rig.window, day, len(animals))
    routes = rigfile.routes(rig)
    earned_ns = openings_ns(rig.reward.valve_ms, rig.reward.volume_ul, volumes, key="volume_ul")
    iti_s = (rig.task.iti_min_s, rig.task.iti_max_s)
    return Plan(
        task=task.name,
        state_names=tables.names,
        finished=tables.finished,
        arrays={
            "states": tables.states,
            "arcs": tables.arcs,
            "actions": tables.actions,
            "schedule": schedule,
            "trials": draw(seed, rig.inhibition, iti_s, n_trials, animals, lit=task.lit),
            "windows": windows,
            "memory": memory,
            "stages_ns": stages_ns,
            "params": _params(rig, len(animals), earned_ns),
            "routes": routes,
        },
        judged=tuple(sorted({int(routes[line_of(Role.POKE, animal)]) for animal in range(2)})),
        lasers=tuple(rigfile.laser_devices(rig)),
        grace_ns=round(rig.loop.grace_ms * NS_PER_MS),
        free_ns=openings_ns(rig.reward.free_valve_ms, rig.reward.free_volume_ul, volumes, key="free_volume_ul"),
        test_ns=rig.inhibition.test_ms * NS_PER_MS,
    )
