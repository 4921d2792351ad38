"""The book of a session: what its events add up to, as a viewer is shown it.

:class:`Book` takes events in the loop's order, from a journal that grows or from a log, and says what is new. It reads
no clock: what is due when, the caller says.
"""

import copy
from dataclasses import dataclass, field
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.calibration import Calibration, curve_of
from controller.messages.view import Counts, Light, TrialRow
from controller.plan import Plan
from controller.tally import Tally
from controller.viewing.valve import Valve
from realtime.machine import Action
from realtime.records import NO_ANIMAL, NS_PER_MS, WITHHELD, Events, Fault, Flag, Kind, Line, Outcome, Role

UNSHOWN: Final = (Kind.CLOCK, Kind.HEALTH, Kind.TIMER)
"""Kinds that no viewer needs: most of a journal."""
EDGE_WAIT_NS: Final = 50 * NS_PER_MS
"""How long a trial's row waits for the laser's own edge, which may follow the outcome."""
VALVES: Final = (Line.VALVE_A, Line.VALVE_B)
UNOPENED: Final = (Fault.DEVICE_REFUSED, Fault.DEVICE_GAP, Fault.DEVICE_DUTY, Fault.EDGE_MISSING)
"""Faults of a line after which a valve that was told to open has not."""


def shown(events: Events) -> Events:
    """Return those of ``events`` that viewers are shown."""
    return events[~np.isin(events["kind"], UNSHOWN)]


@dataclass(slots=True)
class _Open:
    """A trial of one machine that is open or waits for its row."""

    opened_ns: int = 0
    first_ns: int | None = None
    first: int = -1
    lag_ns: int | None = None
    lit: bool = False
    ended: TrialRow | None = None
    """Its row but for the light."""


def states_with(plan: Plan, action: Action) -> frozenset[int]:
    """Return the states that do ``action`` when they are entered."""
    states, codes = plan.arrays["states"], plan.arrays["actions"]["code"]
    found = (
        number
        for number, state in enumerate(states)
        if action in codes[int(state["first_action"]) : int(state["first_action"]) + int(state["n_actions"])]
    )
    return frozenset(found)


@dataclass(slots=True)
class Book:
    """What a session's events add up to.

    Parameters
    ----------
    plan
        What the session decides by.
    calibration
        How much water an opening gives.

    Attributes
    ----------
    tally
        The session's running counts.
    pokes_ns
        Poke times of A and B in the order in which the loop took them, duplicates left out [ns].
    """

    plan: Plan
    calibration: Calibration
    tally: Tally = field(init=False)
    pokes_ns: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    licks: list[int] = field(default_factory=lambda: [0, 0])
    water_ul: list[float | None] = field(default_factory=lambda: [None, None])
    free_ul: list[float | None] = field(default_factory=lambda: [None, None])
    gaps: int = 0
    """Events before which others of their device are missing."""
    _opening: frozenset[int] = field(init=False)
    _marking: frozenset[int] = field(init=False)
    _open: list[_Open] = field(init=False)
    _held: list[tuple[int, _Open]] = field(default_factory=list)
    _valves: dict[int, Valve] = field(default_factory=lambda: {line: Valve() for line in VALVES})
    _on_ns: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tally = Tally(self.plan)
        self._open = [_Open() for _ in self.plan.animals]
        self._opening = states_with(self.plan, Action.OPEN_TRIAL)
        self._marking = states_with(self.plan, Action.MARK_FIRST)
        for animal in range(2):
            if self.calibration.valve(Line(Line.VALVE_A + animal)) is not None:
                self.water_ul[animal] = self.free_ul[animal] = 0.0

    def copy(self) -> Self:
        """Return a book that goes on from here by itself."""
        shared = {id(self.plan): self.plan, id(self.calibration): self.calibration}
        return copy.deepcopy(self, shared)

    def add(self, events: Events) -> list[TrialRow]:
        """Take ``events``, which follow those before; return the rows of trials that are complete now."""
        self.gaps += int(np.count_nonzero(events["flags"] & Flag.GAP))
        chosen = shown(events)
        rows: list[TrialRow] = []
        counted = 0
        columns = (chosen[name].tolist() for name in ("kind", "t_ns", "arrival_ns", "animal", "line", "flags"))
        for i, (kind, t_ns, arrival_ns, animal, line, flags) in enumerate(zip(*columns, strict=True)):
            if kind == Kind.TRIAL:
                self.tally.add(chosen[counted:i])
                self._end(line, chosen[i])
                self.tally.add(chosen[i : i + 1])
                counted = i + 1
            else:
                self._add(kind, t_ns, arrival_ns, animal, line, flags, chosen[i])
            if self._held:
                rows += self._complete(arrival_ns)
        self.tally.add(chosen[counted:])
        return rows

    def due(self, now_ns: int) -> list[TrialRow]:
        """Return the rows that have waited for long enough by ``now_ns``, where no event comes to say so."""
        return self._complete(now_ns)

    def flush(self) -> list[TrialRow]:
        """Return the rows that still wait: nothing more comes."""
        return self._complete(None)

    def _add(self, kind: int, t_ns: int, arrival_ns: int, animal: int, line: int, flags: int, event: np.void) -> None:
        """Take one event that ends no trial."""
        if kind == Kind.POKE_IN and animal in (0, 1):
            if not flags & Flag.DUPLICATE:
                self.pokes_ns[animal].append(t_ns)
            for one in self._open:
                if one.first_ns is not None and one.first != animal and one.lag_ns is None and not one.ended:
                    one.lag_ns = t_ns - one.first_ns
        elif kind == Kind.LICK_IN and animal in (0, 1):
            self.licks[animal] += 1
        elif kind == Kind.STATE:
            self._enter(line, int(event["state"]), t_ns)
        elif kind == Kind.COMMAND:
            if line in VALVES and event["value"] > 0 and not flags & WITHHELD:
                self._valves[line].sent(arrival_ns, int(event["value"]), by_hand=bool(flags & Flag.FREE))
        elif Kind.VALVE_ON <= kind <= Kind.LASER_OFF:
            self._edge(kind, t_ns, arrival_ns, line)
        elif kind == Kind.FAULT and line in VALVES and animal == line % 2 and int(event["value"]) in UNOPENED:
            self._valves[line].refused()  # without an animal, its line would be a device

    def _enter(self, who: int, state: int, t_ns: int) -> None:
        """A machine entered a state."""
        if state in self._opening:
            lit = any(line // 2 == Role.LASER and self._judges(who, line % 2) for line in self._on_ns)
            self._open[who] = _Open(opened_ns=t_ns, lit=lit)
        elif state in self._marking:
            one = self._open[who]
            one.first_ns = t_ns
            one.first = next((a for a in (0, 1) if self.pokes_ns[a][-1:] == [t_ns]), NO_ANIMAL)

    def _judges(self, who: int, animal: int) -> bool:
        """Return whether a machine's trials are an animal's: its own, or the pair's."""
        return self.plan.animals[who] in (animal, NO_ANIMAL)

    def _light(self, animal: int) -> None:
        """An animal's laser is on: its trials that are open, or wait for this, are lit."""
        waiting = ((one.ended.machine, one) for _, one in self._held if one.ended is not None)
        for who, one in (*enumerate(self._open), *waiting):
            one.lit = one.lit or self._judges(who, animal)

    def _edge(self, kind: int, t_ns: int, arrival_ns: int, line: int) -> None:
        """An output changed, by the device's own word."""
        animal = line % 2
        if kind in (Kind.VALVE_ON, Kind.LASER_ON):
            self._on_ns[line] = t_ns
            if kind == Kind.LASER_ON:
                self._light(animal)
            else:
                self._valves[line].opened(t_ns, arrival_ns)
            return
        on_ns = self._on_ns.pop(line, None)
        if kind == Kind.VALVE_OFF and on_ns is not None:
            self._pour(line, t_ns - on_ns, self._valves[line].closed(t_ns))

    def _pour(self, line: int, open_ns: int, by_hand: float) -> None:
        """A valve was open for so long, a share of it by hand: that is water, if the valve is calibrated."""
        entry, animal = self.calibration.valve(Line(line)), line % 2
        if entry is None:
            return
        given_ul = curve_of(entry).output(open_ns / NS_PER_MS)
        self.water_ul[animal] = (self.water_ul[animal] or 0.0) + given_ul
        self.free_ul[animal] = (self.free_ul[animal] or 0.0) + given_ul * by_hand

    def _end(self, who: int, event: np.void) -> None:
        """A trial ended: make its row, which waits for the laser's edge."""
        one, t_ns, animal = self._open[who], int(event["t_ns"]), self.plan.animals[who]
        outcome = Outcome(int(event["value"]))
        if outcome == Outcome.SUCCESS and one.first_ns is None:  # a task in which the poke is the outcome
            one.first_ns, one.first = t_ns, animal
        row = TrialRow(
            machine=who,
            trial=int(event["trial"]),
            opened_ns=one.opened_ns,
            first_ns=one.first_ns,
            first=one.first,
            lag_ns=one.lag_ns,
            end_ns=t_ns,
            outcome=int(outcome),
            window_ns=self.tally.window_of(who),
            light="none",
        )
        one.ended = row
        self._held.append((t_ns + EDGE_WAIT_NS, one))
        self._open[who] = _Open()

    def _complete(self, now_ns: int | None) -> list[TrialRow]:
        """Return the rows whose light is known by ``now_ns``, or all that wait."""
        due = [one for due_ns, one in self._held if now_ns is None or due_ns <= now_ns]
        self._held = [(due_ns, one) for due_ns, one in self._held if now_ns is not None and due_ns > now_ns]
        return [self._with_light(one.ended, lit=one.lit) for one in due if one.ended is not None]

    def _with_light(self, row: TrialRow, *, lit: bool) -> TrialRow:
        chosen = self.plan.arrays["trials"][row.machine, row.trial - 1]
        light: Light = "lit" if lit else "dark"
        if not chosen["light_from"]:
            light = "none"
        elif chosen["sham"]:
            light = "sham"
        return msgspec.structs.replace(row, light=light)

    def counts(self) -> Counts:
        """Return what has been counted so far."""
        tally = self.tally
        lit, all_lit = tally.lit_trials
        valve_a, valve_b = (self._valves[line] for line in VALVES)
        faults: dict[str, int] = {}
        for fault in tally.faults:
            faults[fault.name] = faults.get(fault.name, 0) + 1
        return Counts(
            t_ns=tally.last_ns,
            started_ns=tally.started_ns,
            pokes=_pair(tally.pokes),
            licks=_pair(self.licks),
            rewards=_pair(tally.rewards),
            free=(valve_a.by_hand, valve_b.by_hand),
            open_s=(tally.open_s[0], tally.open_s[1]),
            water_ul=(self.water_ul[0], self.water_ul[1]),
            free_ul=(self.free_ul[0], self.free_ul[1]),
            lit_s=(tally.lit_s[0], tally.lit_s[1]),
            outcomes={outcome.name: n for outcome, n in tally.outcomes.items()},
            lit=(lit, all_lit),
            control=(tally.successes - lit, tally.judged - all_lit),
            trial=tally.trial,
            states=[tally.states.get(who, 0) for who in range(len(self.plan.animals))],
            window_ns=tally.window_ns,
            armed=tally.armed,
            finished=tally.finished,
            uncertain_ns=tally.uncertain_ns,
            late=tally.late,
            gaps=self.gaps,
            faults=faults,
            earned=(valve_a.earned, valve_b.earned),
        )

    def pokes(self, animal: int, start_ns: int, end_ns: int) -> NDArray[np.int64]:
        """Return an animal's poke times within a span (end exclusive), ascending, shape (n,) [ns]."""
        times = np.sort(np.array(self.pokes_ns[animal], np.int64))
        return times[(times >= start_ns) & (times < end_ns)]


def _pair(numbers: list[int]) -> tuple[int, int]:
    return numbers[0], numbers[1]
