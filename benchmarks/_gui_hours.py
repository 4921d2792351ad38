"""Six hours in minutes: a real window fed by a server whose session runs many times as fast, for its memory.

What waits for the window between two of its drawings is so many times as much as in truth, too. So a session that is
late, because the machine had something else to do, stays late instead of catching up: a burst of minutes of it within
a second would fill memory as no session does. And at the end of each hour the session goes on at its true pace until
the window has given back what is free: what is measured then is a window under its true load.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks._children import BenchmarkFailed
from benchmarks._gui_window import FIRST_S, Window
from controller.bus import Addresses, Bus
from controller.messages import Answer, Cell, Cells, Frame, Subspace, Synchrony
from controller.messages.view import Choice, Counts, Opening, Records, Steer, TrialRow, Trials, View, Wish
from controller.viewing.album import Album
from controller.viewing.feed import Answered
from controller.viewing.server import Server
from realtime.records import NS_PER_S, Kind, Line, Outcome, no_events

HOUR_S: Final = 3600
TRIAL_S: Final = 5
SETTLE_S: Final = 13
"""How long the session goes on at its true pace before memory is read: every 10 s a window gives back what is free."""
STATES: Final = ["IDLE", "ITI", "READY", "A_FIRST", "B_FIRST", "SUCCESS", "MISS", "OMISSION", "PAUSED", "FINISHED"]


@dataclass(frozen=True, slots=True)
class Hours:
    """What the window needed."""

    hours: float
    speed: float
    """How many times as fast as in truth the session ran, but for each hour's last seconds."""
    resident_mb: list[float]
    """At the end of each hour of the session, which ran at its true pace then."""
    anew: int
    dropped: int


class Simulated:
    """The feed of a session that goes as fast as it is turned: two brains, trials, pokes, estimates.

    Parameters
    ----------
    cells, rate_hz
        Of each brain.
    """

    def __init__(self, cells: int, rate_hz: float) -> None:
        self._rng = np.random.default_rng(1)
        self._cells, self._rate_hz = cells, rate_hz
        self._album = Album()
        self._waiting: list[bytes] = []
        self._seq = self._event = 0
        self.second = 0
        self._successes = self._trials = 0
        self._noise = self._rng.standard_normal((64, cells)).astype("<f4")
        self._show(_opening(rate_hz))
        kinds = ["glutamatergic"] * (cells * 4 // 5) + ["GABAergic"] * (cells - cells * 4 // 5)
        for animal in ("A", "B"):
            listed = [Cell(f"{animal}{i}", kind) for i, kind in enumerate(kinds)]
            self._show(Cells(0, 0, animal, rate_hz, listed))

    @property
    def speed(self) -> float:
        """Its moment is always the newest second."""
        return 0.0

    def moment_ns(self) -> int:
        """Return the end of the newest second [ns]."""
        return self.second * NS_PER_S

    def everything(self) -> list[bytes]:
        """Return all that a viewer needs."""
        return self._album.everything()

    def news(self) -> list[bytes]:
        """Return what is new."""
        news, self._waiting = self._waiting, []
        return news

    def begun_anew(self) -> bool:
        """Return False."""
        return False

    def ask(self, asked: Wish | Steer | Choice, answered: Answered) -> None:
        """Refuse: nobody is there."""
        del asked
        answered(Answer(False, "a benchmark runs"))

    def watched(self, *, viewers: int, behind: int) -> None:
        """Nobody minds."""

    def _show(self, message: View) -> None:
        self._waiting.append(self._album.take(message))

    def next_second(self) -> None:
        """Let a second of the session happen."""
        start_ns = self.second * NS_PER_S
        for place in range(round(self._rate_hz)):
            t_ns = start_ns + round(place * NS_PER_S / self._rate_hz)
            for animal in ("A", "B"):
                self._seq += 1
                values = self._noise[self._rng.integers(64)].tobytes()
                self._show(Frame(self._seq, t_ns, animal, self._seq, t_ns, t_ns, values))
            self._estimate(t_ns)
        if self.second % TRIAL_S == 0:
            self._trial(start_ns)
        self.second += 1

    def _estimate(self, t_ns: int) -> None:
        a, b = self._rng.standard_normal((2, 5)).tolist()
        r = 0.3 + 0.02 * float(self._rng.standard_normal())
        nulls = (r, [r] * 5, 0.02, 5.0, 0.024, r, 0.02, 4.0, 0.048)
        shares = ((0.2, 0.2), (0.18, 0.18), (0.3, 0.3), (0.3, 0.3))
        self._show(Subspace(self._seq, 0, t_ns, "all", (500, 500), a, b, 0.5, *nulls, *shares, 60.0, 20, True, True))
        self._show(Synchrony(self._seq, 0, t_ns, 0.1, 0.0, 0.1, 3.0, 0.05, 60.0, True))

    def _trial(self, t_ns: int) -> None:
        """Let a trial have ended: pokes, water, and its row."""
        self._trials += 1
        success = bool(self._rng.random() < 0.6)
        self._successes += success
        lag_ns = int(self._rng.integers(NS_PER_S))
        edges = [*_poke(Line.POKE_A, t_ns), *_poke(Line.POKE_B, t_ns + lag_ns)]
        if success:
            edges += [(Kind.VALVE_ON, Line.VALVE_A, t_ns + lag_ns), (Kind.VALVE_OFF, Line.VALVE_A, t_ns + 2 * lag_ns)]
        events = no_events(len(edges))
        for event, (kind, line, at_ns) in zip(events, edges, strict=True):
            self._event += 1
            event["seq"], event["kind"], event["line"], event["t_ns"] = self._event, kind, line, at_ns
            event["arrival_ns"], event["animal"] = at_ns, line % 2
        self._show(Records(events.tobytes()))
        outcome = int(Outcome.SUCCESS if success else Outcome.MISS)
        row = TrialRow(0, self._trials, t_ns - NS_PER_S, t_ns, 0, lag_ns, t_ns + lag_ns, outcome, NS_PER_S, "none")
        self._show(Trials([row]))
        self._show(self._counts(t_ns))

    def _counts(self, t_ns: int) -> Counts:
        n, good = self._trials, self._successes
        outcomes = {"SUCCESS": good, "MISS": n - good, "OMISSION": 0, "ABORTED": 0}
        pairs = (
            (n, n),
            (0, 0),
            (good, good),
            (0, 0),
            (0.03 * good, 0.03 * good),
            (None, None),
            (None, None),
            (0.0, 0.0),
        )
        return Counts(
            t_ns, 1, *pairs, outcomes, (0, 0), (good, n), n, [1], NS_PER_S, False, False, 0, 0, 0, {}, (good, good)
        )


def _poke(line: Line, t_ns: int) -> Iterator[tuple[Kind, Line, int]]:
    yield Kind.POKE_IN, line, t_ns
    yield Kind.POKE_OUT, line, t_ns + NS_PER_S // 3


def _opening(rate_hz: float) -> Opening:
    return Opening(
        mode="VIRTUAL",
        session="six hours in minutes",
        folder="",
        rig="benchmark",
        task="cooperation",
        subjects=("A", "B"),
        day=1,
        minutes=360.0,
        trials=None,
        start_ns=0,
        epoch_ns=0,
        states=STATES,
        machines=[-1],
        stages_ns=[3 * NS_PER_S, NS_PER_S],
        schedule="days",
        devices=[],
        lines={},
        lasers=(False, False),
        lit_share=0.0,
        calibrated=(False, False),
        free_ms=(30.0, 30.0),
        test_ms=0.0,
        brains=True,
        rates_hz=(rate_hz, rate_hz),
        shared_dims=5,
        tau_s=120.0,
        embargo_s=5.0,
        min_independent=40.0,
    )


def measure(cells: int, rate_hz: float, hours: float, speed: float, folder: Path) -> Hours:
    """Show a window so many hours of a session, at most ``speed`` seconds of it in each second.

    Raises
    ------
    BenchmarkFailed
        If the window does not open.
    """
    feed = Simulated(cells, rate_hz)
    sockets = Path(tempfile.mkdtemp(dir=folder))
    resident_mb: list[float] = []
    with Bus() as bus:
        server = Server(bus, feed, Addresses(sockets).view)
        window = Window(Addresses(sockets).view, folder, 99)
        try:
            _await_first(server, window)
            for part_s in _parts(round(hours * HOUR_S)):
                _go_on(server, feed, part_s - SETTLE_S, speed)
                _go_on(server, feed, SETTLE_S, 1.0)
                resident_mb.append(window.lines()[-1]["resident_kb"] / 1000.0)
            last = window.lines()[-1]
        finally:
            window.__exit__(None, None, None)
    return Hours(hours, speed, resident_mb, int(last["anew"]), int(last["dropped"]))


def _await_first(server: Server, window: Window) -> None:
    """Wait until the window draws: what came before would wait for it."""
    until_s = time.monotonic() + FIRST_S
    while not window.lines():
        if time.monotonic() > until_s:
            raise BenchmarkFailed(f"the window that is shown hours did not open within {FIRST_S:g} s")
        server.turn(0.02)


def _parts(seconds: int) -> list[int]:
    """Return how long each hour is, the last one perhaps shorter [s]."""
    return [min(HOUR_S, seconds - start) for start in range(0, seconds, HOUR_S)]


def _go_on(server: Server, feed: Simulated, seconds: int, speed: float) -> None:
    """Let so many seconds of the session happen, evenly, and no faster where they are late."""
    due_s = time.monotonic()
    for _ in range(seconds):
        feed.next_second()
        due_s = max(due_s + 1.0 / speed, time.monotonic())
        while (left_s := due_s - time.monotonic()) > 0.0:
            server.turn(left_s)
        server.turn(0.0)
