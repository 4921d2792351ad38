"""The scene itself: takes what the session says, and holds it for the panels."""

from collections import deque
from typing import Final

import numpy as np

from controller.messages import Cells, Crossing, Frame, Restart, StreamReport, Subspace, Synchrony
from controller.messages.view import (
    Chance,
    Counts,
    Latency,
    Note,
    Opening,
    Overview,
    Playhead,
    Records,
    Remark,
    Setup,
    Standing,
    Storage,
    TrialRow,
    Trials,
    View,
)
from gui.scene.columns import Times
from gui.scene.estimates import SharedHistory, SynchronyHistory
from gui.scene.frames import FrameRing
from gui.scene.own import Own
from gui.scene.spans import Spans
from realtime.records import ANIMALS, EVENT, NS_PER_S, Events, Flag, Kind

MOST_LISTED: Final = 500
"""Events that are kept for lists; pokes and trials are kept whole."""
LISTED: Final = (Kind.OPERATOR, Kind.FAULT, Kind.NEURAL)
LATEST: Final = (
    "opening", "setup", "counts", "latency", "standing", "storage", "playhead", "overview", "restart",
)  # fmt: skip
"""Of these messages only the last one says how things are."""


class Scene:
    """Everything that the session has told.

    Attributes
    ----------
    opening, setup, counts, latency, standing, storage, playhead, overview, restart
        The last of each; None before the first.
    rows
        Trials that ended, in order.
    chances
        Every level of chance so far, in order.
    pokes_in, pokes_out
        When A's and B's beams were broken and released, in the loop's order [ns].
    on_since_ns
        Lines that are on now (beams broken, tongues at the spout, valves open, lasers lit), and since when [ns].
    last_on_ns, last_off_ns
        When each line was last switched on and off [ns].
    states
        The state each machine entered last, and when [ns]: ``{machine: (state, t_ns)}``.
    spans
        From when to when valves and lasers were on lately.
    trials
        Which trial each machine was in then: ``{machine: trial}``, from 1.
    ended
        Each machine's trial that ended last, its outcome and when [ns]: ``{machine: (trial, outcome, t_ns)}``.
    cells
        Of A and B, by ``"A"`` and ``"B"``.
    frames
        The last minute of their activity.
    shared
        The shared subspace, by kind of cells: "all" or a cell type.
    listed
        Events for lists: what people did, what broke, what crossed a threshold; EVENT records, newest last.
    changes
        How often each kind of message has come: a panel that remembers the numbers knows whether to draw.
    own
        How the window itself keeps up, as the window measures it; None until it has. Told by no session, so never
        forgotten with one.
    """

    def __init__(self) -> None:
        self.changes: dict[str, int] = {}
        self.local_ns = 0
        self.own: Own | None = None
        self.forget()

    def forget(self) -> None:
        """Hold nothing any more: everything comes anew."""
        self.opening: Opening | None = None
        self.setup: Setup | None = None
        self.counts: Counts | None = None
        self.chances: list[Chance] = []
        self.latency: Latency | None = None
        self.standing: Standing | None = None
        self.storage: Storage | None = None
        self.playhead: Playhead | None = None
        self.overview: Overview | None = None
        self.restart: Restart | None = None
        self.rows: list[TrialRow] = []
        self.notes: list[Note] = []
        self.remarks: deque[Remark] = deque(maxlen=MOST_LISTED)
        self.crossings: deque[Crossing] = deque(maxlen=MOST_LISTED)
        self.reports: dict[str, StreamReport] = {}
        self.pokes_in, self.pokes_out = (Times(), Times()), (Times(), Times())
        self.on_since_ns: dict[int, int] = {}
        self.last_on_ns: dict[int, int] = {}
        self.last_off_ns: dict[int, int] = {}
        self.states: dict[int, tuple[int, int]] = {}
        self.spans = Spans()
        self.trials: dict[int, int] = {}
        self.ended: dict[int, tuple[int, int, int]] = {}
        self.listed: deque[np.void] = deque(maxlen=MOST_LISTED)
        self.cells: dict[str, Cells] = {}
        self.frames: dict[str, FrameRing] = {}
        self.shared: dict[str, SharedHistory] = {}
        self.synchrony = SynchronyHistory()
        self._moment: tuple[int, int, float] = (0, 0, 0.0)
        for name in self.changes:
            self.changes[name] += 1

    @property
    def troubles(self) -> list[Remark]:
        """Remarks that something is wrong, in order."""
        return [remark for remark in self.remarks if remark.trouble]

    @property
    def n_faults(self) -> int:
        """How many faults there have been."""
        return sum(self.counts.faults.values()) if self.counts is not None else 0

    @property
    def chance(self) -> Chance | None:
        """The last level of chance; None before the first."""
        return self.chances[-1] if self.chances else None

    # --- time ---------------------------------------------------------------------------------------------------

    def at(self, now_ns: int, local_ns: int, speed: float) -> None:
        """Learn what moment of the session it is [ns], by this computer's clock [ns], and how fast it moves on."""
        self._moment = (now_ns, local_ns, speed)

    def moment_ns(self, local_ns: int) -> int:
        """Return what moment of the session it is when this computer's clock shows ``local_ns`` [ns]."""
        now_ns, then_ns, speed = self._moment
        return now_ns + round((local_ns - then_ns) * speed)

    @property
    def now_ns(self) -> int:
        """The moment of the session to draw [ns]; the window sets ``local_ns`` once for each drawing."""
        return self.moment_ns(self.local_ns)

    @property
    def start_ns(self) -> int:
        """When the session began; 0 before there is one [ns]."""
        return self.opening.start_ns if self.opening else 0

    @property
    def started_ns(self) -> int:
        """When the task was started; the session's own start before that [ns]."""
        if self.counts is not None and self.counts.started_ns:
            return self.counts.started_ns
        return self.start_ns

    def task_seconds(self, t_ns: int) -> float:
        """Return a time as seconds since the task was started."""
        return (t_ns - self.started_ns) / NS_PER_S

    # --- what comes ---------------------------------------------------------------------------------------------

    def take(self, message: View) -> None:
        """Take one message."""
        name = type(message).__name__.lower()
        self.changes[name] = self.changes.get(name, 0) + 1
        if isinstance(message, Frame):
            self._take_frame(message)
        elif isinstance(message, Subspace):
            self.shared.setdefault(message.cells, SharedHistory()).add(message)
        elif isinstance(message, Synchrony):
            self.synchrony.add(message)
        elif isinstance(message, Records):
            self._take_events(np.frombuffer(message.events, EVENT))
        else:
            self._take_rare(message, name)

    def _take_rare(self, message: View, name: str) -> None:
        if isinstance(message, Trials):
            self.rows += message.rows
        elif isinstance(message, Cells):
            self._take_cells(message)
        elif isinstance(message, StreamReport):
            self.reports[message.animal] = message
        elif isinstance(message, Note):
            self.notes.append(message)
        elif isinstance(message, Remark):
            self.remarks.append(message)
        elif isinstance(message, Chance):
            self.chances.append(message)
        elif isinstance(message, Crossing):
            self.crossings.append(message)
        elif name in LATEST:
            setattr(self, name, message)

    def _take_frame(self, frame: Frame) -> None:
        values = np.frombuffer(frame.values, "<f4")
        ring = self.frames.get(frame.animal)
        if ring is None:
            listed = self.cells.get(frame.animal)
            n_cells = values.size if listed is None else len(listed.cells)
            rates = self.opening.rates_hz if self.opening else (20.0, 20.0)
            rate_hz = listed.rate_hz if listed is not None else rates[ANIMALS.index(frame.animal)]
            ring = self.frames[frame.animal] = FrameRing(n_cells, rate_hz or 20.0)
        ring.add(frame.t_ns, values)

    def _take_cells(self, cells: Cells) -> None:
        """Take a list of cells; other cells or another rate begin a new picture."""
        before = self.cells.get(cells.animal)
        ring = self.frames.get(cells.animal)
        changed = before is not None and (before.cells, before.rate_hz) != (cells.cells, cells.rate_hz)
        if changed or (ring is not None and ring.n_cells != len(cells.cells)):
            self.frames.pop(cells.animal, None)
        self.cells[cells.animal] = cells

    def _take_events(self, events: Events) -> None:
        """Take events in the loop's order."""
        fresh = events[events["flags"] & Flag.DUPLICATE == 0]
        for animal in range(len(ANIMALS)):
            mine = fresh["animal"] == animal
            self.pokes_in[animal].extend(fresh["t_ns"][mine & (fresh["kind"] == Kind.POKE_IN)])
            self.pokes_out[animal].extend(fresh["t_ns"][mine & (fresh["kind"] == Kind.POKE_OUT)])
        edges = fresh[(fresh["kind"] >= Kind.POKE_IN) & (fresh["kind"] <= Kind.LASER_OFF)]
        self._take_edges(edges)
        self.spans.take(fresh)
        entered = fresh[fresh["kind"] == Kind.STATE]
        for machine in np.unique(entered["line"]).tolist():
            last = entered[entered["line"] == machine][-1]
            self.states[machine] = (int(last["state"]), int(last["t_ns"]))
            self.trials[machine] = int(last["trial"])
        over = fresh[fresh["kind"] == Kind.TRIAL]
        for machine in np.unique(over["line"]).tolist():
            last = over[over["line"] == machine][-1]
            self.ended[machine] = (int(last["trial"]), int(last["value"]), int(last["t_ns"]))
        listed = fresh[np.isin(fresh["kind"], LISTED)][-MOST_LISTED:]
        self.listed.extend(listed.copy())  # a record keeps alive what it is a view of: of a long session, all of these

    def _take_edges(self, edges: Events) -> None:
        """Follow each line to its newest edge."""
        for line in np.unique(edges["line"]).tolist():
            mine = edges[edges["line"] == line]
            rising = mine["kind"] % 2 == 1  # of the eight edges, the odd ones switch on
            if rising.any():
                self.last_on_ns[line] = int(mine["t_ns"][rising][-1])
            if not rising.all():
                self.last_off_ns[line] = int(mine["t_ns"][~rising][-1])
            if rising[-1]:
                self.on_since_ns[line] = int(mine["t_ns"][-1])
            else:
                self.on_since_ns.pop(line, None)
