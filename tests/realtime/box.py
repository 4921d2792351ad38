"""A box with two animals, told in sentences: who does what when, and when the loop hears of it.

Every time is an argument, in ns; nothing waits and nothing is simulated. A box without a rig: a task, its numbers, and
which board each animal's beam is on.
"""

from dataclasses import dataclass, field

import numpy as np

from controller import plan as plans
from controller.task import Task, compile_task, task_named
from realtime.digest import first_broken, words_of
from realtime.machine import MEMORY, TRIAL, Param
from realtime.records import (
    MAX_SOURCES,
    N_LINES,
    NEVER_NS,
    NO_ROUTE,
    NS_PER_MS,
    NS_PER_S,
    SOURCE_ESTIMATOR,
    SOURCE_OPERATOR,
    Kind,
    Line,
    Operator,
    Outcome,
    no_events,
)
from realtime.replay import Difference
from realtime.sequencer import MOST_FROM_ONE
from realtime.window import SCHEDULE, WINDOW, Schedule
from tests.realtime.kernels import Kernels, as_loaded

S = NS_PER_S
MS = NS_PER_MS
A, B = 0, 1
ONE_BOARD = (2, 2)
TWO_BOARDS = (2, 3)


@dataclass(frozen=True)
class Light:
    """Light on one trial (its row, from 0)."""

    row: int
    light_from: int
    animals: int = 3
    sham: bool = False
    stays: bool = False
    machine: int = 0


@dataclass(frozen=True)
class Setup:
    """The numbers of a box; the defaults are those of most stories."""

    task: str | Task = "cooperation"
    boards: tuple[int, int] = ONE_BOARD
    animals: str = "both"
    windows: tuple[int, ...] = (1 * S,)
    schedule: tuple = (Schedule.FIXED, 1, 0, 0.0, 0.0)
    iti: int | tuple[int, ...] = 2 * S
    trials: int = 50
    limit: int = NEVER_NS
    drink: int = 2 * S
    timeout: int = 1 * S
    valve: int = 30 * MS
    light: int = 8 * S
    lights: tuple[Light, ...] = ()
    grace: int = 5 * MS
    free: int = 40 * MS
    test: int = 200 * MS
    lasers: bool = True
    room: int = MOST_FROM_ONE + 2000

    def plan(self) -> plans.Plan:
        """Return the plan of a session in this box."""
        task = task_named(self.task) if isinstance(self.task, str) else self.task
        tables = compile_task(task)
        animals = plans.animals_of(task.scope, self.animals)
        m = len(animals)
        memory = np.zeros(m, MEMORY)
        memory["animal"], memory["deadline_ns"] = animals, NEVER_NS
        params = np.zeros((m, len(Param)), np.int64)
        for number, ns in (
            (Param.TRIAL_LIMIT, self.limit),
            (Param.DRINK, self.drink),
            (Param.TIMEOUT, self.timeout),
            (Param.VALVE_A, self.valve),
            (Param.VALVE_B, self.valve),
            (Param.LIGHT, self.light),
        ):
            params[:, number] = ns
        trials = np.zeros((m, self.trials), TRIAL)
        trials["iti_ns"] = self.iti
        for light in self.lights:
            row = trials[light.machine, light.row : light.row + 1]
            row["light_from"], row["light_animals"] = light.light_from, light.animals
            row["sham"], row["light_stays"] = light.sham, light.stays
        schedule = np.zeros(1, SCHEDULE)
        schedule[0] = self.schedule
        return plans.Plan(
            task=task.name,
            state_names=tables.names,
            finished=tables.finished,
            arrays={
                "states": tables.states,
                "arcs": tables.arcs,
                "actions": tables.actions,
                "schedule": schedule,
                "trials": trials,
                "windows": np.zeros(m, WINDOW),
                "memory": memory,
                "stages_ns": np.array(self.windows, np.int64),
                "params": params,
                "routes": self._routes(),
            },
            judged=tuple(sorted(set(self.boards))),
            lasers=tuple(sorted(set(self.boards))) if self.lasers else (),
            grace_ns=self.grace,
            free_ns=(self.free, self.free),
            test_ns=self.test,
        )

    def _routes(self) -> np.ndarray:
        routes = np.full(N_LINES, NO_ROUTE, np.uint16)
        for line in Line:
            laser = line in (Line.LASER_A, Line.LASER_B)
            if line != Line.ARM and (self.lasers or not laser):
                routes[line] = self.boards[line % 2]
        return routes


@dataclass
class Box:
    """One session. A punctual loop wakes the moment something is due; another one only when something arrives."""

    setup: Setup = field(default_factory=Setup)
    kernels: Kernels = field(default_factory=as_loaded)
    punctual: bool = True

    def __post_init__(self) -> None:
        self.plan = self.setup.plan()
        log = no_events(self.setup.room)
        self.core, self.machine = self.plan.core(log, words_of(log)), self.plan.machine()
        self.now = -NEVER_NS
        self._counted = [0] * (MAX_SOURCES + 8)

    # -- what happens ----------------------------------------------------------------------------------------------

    def arrive(self, event: np.ndarray, at: int) -> int:
        """Let an event arrive at ``at``; what was due before then has happened. Return the loop's status."""
        if self.punctual:
            self._wake_until(at - 1)
        self.now = at
        with np.errstate(over="ignore"):
            return int(self.kernels.take(self.core, self.machine, event, at))

    def until(self, at: int) -> None:
        """Let time pass until ``at``, with all that falls due."""
        self._wake_until(at)
        self.now = at

    def wake(self, at: int) -> int:
        """Let the loop look once, at ``at``."""
        self.now = at
        with np.errstate(over="ignore"):
            return int(self.kernels.drain(self.core, self.machine, at))

    def _wake_until(self, at: int) -> None:
        with np.errstate(over="ignore"):
            while (due := self.kernels.next_wake(self.core, self.machine)) <= at:
                self.kernels.drain(self.core, self.machine, max(due, self.now))

    def edge(self, kind: Kind, animal: int, t: int, *, arrives: int | None = None, **fields: int) -> int:
        """Let a board report an edge of ``animal``, stamped ``t``."""
        event = no_events(1)
        role = {Kind.LICK_IN: Line.LICK_A, Kind.LICK_OUT: Line.LICK_A}.get(kind, Line.POKE_A)
        event["kind"], event["t_ns"], event["animal"], event["line"] = kind, t, animal, role + animal
        event["source"] = self.setup.boards[animal]
        return self._from_device(event, t if arrives is None else arrives, fields)

    def _from_device(self, event: np.ndarray, at: int, fields: dict) -> int:
        for name, value in fields.items():
            event[name] = value
        source = int(event["source"][0])
        self._counted[source] = int(fields.get("source_seq", self._counted[source] + 1))
        event["source_seq"] = self._counted[source]
        return self.arrive(event, at)

    def poke(self, animal: int, t: int, **rest: int) -> int:
        """Let ``animal`` break its beam at ``t``."""
        return self.edge(Kind.POKE_IN, animal, t, **rest)

    def leave(self, animal: int, t: int, **rest: int) -> int:
        """Let ``animal`` leave its beam at ``t``."""
        return self.edge(Kind.POKE_OUT, animal, t, **rest)

    def estimate(self, level: int, t: int, *, value: float = 2.0, arrives: int | None = None, **fields: int) -> int:
        """Let the estimators say that an estimate is now on this side of its threshold, found at ``t``."""
        event = no_events(1)
        event["kind"], event["t_ns"], event["source"] = Kind.NEURAL, t, SOURCE_ESTIMATOR
        event["line"], event["value"] = level, value
        return self._from_device(event, t if arrives is None else arrives, fields)

    def report(self, board: int, t: int, *, arrives: int | None = None, uncertainty: float = 0.0) -> int:
        """Let a board show that it has reported everything up to ``t``, by a clock so uncertain [ns]."""
        event = no_events(1)
        event["kind"], event["t_ns"], event["source"], event["value"] = Kind.CLOCK, t, board, uncertainty
        return self._from_device(event, t if arrives is None else arrives, {})

    def fault(self, board: int, code: float, t: int, *, arrives: int | None = None, **fields: int) -> int:
        """Let a board (or, as 1, the host) report a fault."""
        event = no_events(1)
        event["kind"], event["t_ns"], event["source"], event["value"] = Kind.FAULT, t, board, code
        return self._from_device(event, t if arrives is None else arrives, fields)

    def press(self, what: Operator, t: int, *, animal: int = -1, arrives: int | None = None) -> int:
        """Let a person ask for something at ``t``."""
        event = no_events(1)
        event["kind"], event["t_ns"], event["source"], event["value"] = Kind.OPERATOR, t, SOURCE_OPERATOR, what
        event["animal"] = animal
        return self.arrive(event, t if arrives is None else arrives)

    def start(self, t: int = 0) -> "Box":
        """Let a person start the session."""
        self.press(Operator.START, t)
        return self

    # -- what came of it -------------------------------------------------------------------------------------------

    @property
    def log(self) -> np.ndarray:
        """Return everything so far, in loop order."""
        return self.core.log[: int(self.core.memory["seq"][0])]

    def of(self, *kinds: Kind) -> np.ndarray:
        """Return the records of some kinds."""
        return self.log[np.isin(self.log["kind"], kinds)]

    def state(self, machine: int = 0) -> str:
        """Return the state that a machine is in."""
        return self.plan.state_names[int(self.machine.memory["state"][machine])]

    def entered(self, machine: int = 0) -> list[tuple[str, int]]:
        """Return the states that a machine entered, and when."""
        records = self.of(Kind.STATE)
        return [(self.plan.state_names[r["state"]], int(r["t_ns"])) for r in records if r["line"] == machine]

    def outcomes(self, machine: int = 0) -> list[tuple[int, Outcome, int]]:
        """Return trial, outcome and time of each decision of a machine."""
        records = self.of(Kind.TRIAL)
        return [(int(r["trial"]), Outcome(int(r["value"])), int(r["t_ns"])) for r in records if r["line"] == machine]

    def ended(self, machine: int = 0) -> list[Outcome]:
        """Return the outcomes alone."""
        return [outcome for _, outcome, _ in self.outcomes(machine)]

    def commands(self) -> list[tuple[Line, int, int, int]]:
        """Return line, duration [ns], time and flags of each command."""
        return [(Line(r["line"]), int(r["value"]), int(r["t_ns"]), int(r["flags"])) for r in self.of(Kind.COMMAND)]

    def rewards(self) -> list[tuple[Line, int]]:
        """Return line and time of each command that opens a valve."""
        valves = (Line.VALVE_A, Line.VALVE_B)
        return [(line, t) for line, value, t, _ in self.commands() if line in valves and value > 0]

    def count(self, name: str) -> int:
        """Return one of the core's counters."""
        return int(self.core.memory[name][0])

    def decided_again(self, events: np.ndarray | None = None) -> tuple[int, Difference]:
        """Return where deciding again differs first from ``events`` (the log), and how."""
        events = np.ascontiguousarray(self.log if events is None else events)
        log = no_events(events.size + 2 * MOST_FROM_ONE)
        with np.errstate(over="ignore"):
            core, machine = self.plan.core(log, words_of(log)), self.plan.machine()
            verdict = self.kernels.redecide(core, machine, events, words_of(events))
        return int(verdict.place), Difference(int(verdict.difference))

    def prove(self) -> None:
        """Fail unless the log is whole and decides itself again: what every story must leave behind."""
        assert self.log["seq"].tolist() == list(range(1, self.log.size + 1))
        assert first_broken(self.log) == -1
        assert self.decided_again() == (-1, Difference.NONE)
        nonces = self.of(Kind.COMMAND)["source_seq"]
        assert np.unique(nonces).size == nonces.size
        assert (np.diff(self.log["arrival_ns"]) >= 0).all()
