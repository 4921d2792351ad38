"""What a session's events add up to: trials by outcome, pokes, water, light. Pure functions over event arrays."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.plan import Plan
from realtime.jit import python_body
from realtime.records import (
    ANIMALS,
    DISARMING,
    NO_ANIMAL,
    NS_PER_S,
    WITHHELD,
    Events,
    Fault,
    Flag,
    Kind,
    Line,
    Operator,
    Outcome,
    Role,
)
from realtime.window import judged

OUTCOMES: Final = tuple(Outcome)
_judged = python_body(judged)


@dataclass(slots=True)
class Tally:
    """Running counts; :meth:`add` takes events in loop order, as they come."""

    plan: Plan
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    pokes: list[int] = field(default_factory=lambda: [0, 0])
    rewards: list[int] = field(default_factory=lambda: [0, 0])
    """Valve openings that the device reported."""
    open_s: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """How long each valve was open, by the device's own edges."""
    lit_s: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """How long each laser was on, by the device's own edges; laser tests by hand count."""
    lit_trials: list[int] = field(default_factory=lambda: [0, 0])
    """Of the trials with light (sham excluded): successes, and all with a poke."""
    trial: int = 0
    states: dict[int, int] = field(default_factory=dict)
    events: int = 0
    late: int = 0
    lost: int = 0
    faults: list[Fault] = field(default_factory=list)
    started_ns: int = 0
    last_ns: int = 0
    armed: bool = False
    stopped: bool = False
    """Whether the loop was told to stop, by whatever way."""
    uncertain_ns: int = 0
    """Greatest uncertainty of the time between two animals' pokes, over all trials: 0 where one clock stamps both."""
    windows_ns: list[int] = field(default_factory=list)
    """Windows by which the first machine's trials were judged, in the order of use."""
    _on_ns: dict[int, int] = field(default_factory=dict)
    _windows: NDArray[np.void] = field(init=False)
    _lit_trials: list[int] = field(default_factory=lambda: [0, 0])
    """The last trial in which each animal's laser was told to be on, other than by hand."""

    def __post_init__(self) -> None:
        self._windows = self.plan.arrays["windows"].copy()

    def add(self, events: Events) -> None:
        """Count ``events``, which follow those counted before."""
        self.events += events.size
        for event in events:
            kind = int(event["kind"])
            self.last_ns = max(self.last_ns, int(event["arrival_ns"]))
            if kind == Kind.CLOCK:
                continue
            self._add_one(event, kind, int(event["animal"]))

    def _add_one(self, event: np.void, kind: int, animal: int) -> None:
        t_ns, value = int(event["t_ns"]), float(event["value"])
        self.late += bool(event["flags"] & Flag.LATE)
        if kind == Kind.POKE_IN and animal in (0, 1):
            self.pokes[animal] += 1
        elif kind == Kind.TRIAL:
            self.uncertain_ns = max(self.uncertain_ns, int(event["uncertainty_ns"]))
            self._add_trial(int(event["line"]), int(event["trial"]), Outcome(int(value)))
        elif kind == Kind.STATE:
            self.states[int(event["line"])] = int(event["state"])
        elif kind == Kind.COMMAND:
            laser = int(event["line"]) in (Line.LASER_A, Line.LASER_B)
            if laser and value > 0 and not int(event["flags"]) & (WITHHELD | Flag.FREE):
                self._lit_trials[int(event["line"]) % 2] = int(event["trial"])
        elif kind in (Kind.VALVE_ON, Kind.LASER_ON):
            self._on_ns[int(event["line"])] = t_ns
            if kind == Kind.VALVE_ON and animal in (0, 1):
                self.rewards[animal] += 1
        elif kind in (Kind.VALVE_OFF, Kind.LASER_OFF):
            self._off(int(event["line"]), t_ns)
        elif kind == Kind.FAULT:
            self.faults.append(Fault(int(value)))
            self.armed = self.armed and self.faults[-1] not in DISARMING
        elif kind == Kind.OPERATOR:
            if value == Operator.START:
                self.started_ns = t_ns
            elif value in (Operator.ARM, Operator.DISARM, Operator.STOP):
                self.armed = value == Operator.ARM
                self.stopped = self.stopped or value == Operator.STOP

    def _add_trial(self, who: int, trial: int, outcome: Outcome) -> None:
        """Count an ended trial, and whether it had light."""
        self.outcomes[outcome] += 1
        self.trial = max(self.trial, trial)
        if who == 0 and (not self.windows_ns or self.windows_ns[-1] != self.window_ns):
            self.windows_ns.append(self.window_ns)
        _judged(self.plan.arrays["schedule"], self._windows[who : who + 1], int(outcome))
        row = self.plan.arrays["trials"][who, trial - 1]
        whose = (0, 1) if self.plan.animals[who] == NO_ANIMAL else (self.plan.animals[who],)
        lit = any(trial == self._lit_trials[animal] for animal in whose)
        chosen = row["light_from"] and not row["sham"] and lit  # a chosen trial in which no laser was told on was dark
        if chosen and outcome in (Outcome.SUCCESS, Outcome.MISS):
            self.lit_trials[0] += outcome == Outcome.SUCCESS
            self.lit_trials[1] += 1

    def _off(self, line: int, t_ns: int) -> None:
        """Add up how long an output was on."""
        on_ns = self._on_ns.pop(line, None)
        if on_ns is None:
            return
        total = self.open_s if line // 2 == Role.VALVE else self.lit_s
        total[line % 2] += (t_ns - on_ns) / NS_PER_S

    @property
    def trials(self) -> int:
        """Trials that ended."""
        return sum(self.outcomes.values())

    @property
    def successes(self) -> int:
        """Trials that ended in SUCCESS."""
        return self.outcomes[Outcome.SUCCESS]

    @property
    def judged(self) -> int:
        """Trials in which at least one animal poked: successes and misses."""
        return self.outcomes[Outcome.SUCCESS] + self.outcomes[Outcome.MISS]

    @property
    def window_ns(self) -> int:
        """The window that the first machine's next trial is judged by."""
        return self.window_of(0)

    def window_of(self, who: int) -> int:
        """Return the window that machine ``who``'s next trial is judged by: it follows from plan and outcomes [ns]."""
        return int(self.plan.arrays["stages_ns"][int(self._windows["stage"][who])])

    @property
    def finished(self) -> bool:
        """Whether every machine has nothing more to do."""
        return len(self.states) == len(self.plan.animals) and all(s == self.plan.finished for s in self.states.values())

    def state_names(self) -> str:
        """Return the machines' states, by name."""
        names = [self.plan.state_names[self.states.get(who, 0)] for who in range(len(self.plan.animals))]
        if len(names) == 1:
            return names[0]
        labels = [ANIMALS[animal] for animal in self.plan.animals]
        return ", ".join(f"{label} {name}" for label, name in zip(labels, names, strict=True))


def poke_times(events: Events, animal: int) -> NDArray[np.int64]:
    """Return an animal's poke times in event-time order [ns], shape (pokes,); duplicates are not counted."""
    chosen = (events["kind"] == Kind.POKE_IN) & (events["animal"] == animal) & (events["flags"] & Flag.DUPLICATE == 0)
    times: NDArray[np.int64] = np.sort(events["t_ns"][chosen])
    return times
