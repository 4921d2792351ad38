"""A session with a window and without one, in turns: what the window draws and costs, and what the loop feels of it."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._children import BenchmarkFailed, Busyness, Watch
from benchmarks._estimator_session import rig_text
from benchmarks._gui_window import Window
from controller.certificate import reward_paths
from controller.control import ask
from controller.journal import JOURNAL_NAME, open_for_reading
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.records import NS_PER_MS, NS_PER_S, Events, Kind

QUICK_MICE: Final = (
    (r"^poke_interval_s = 6\.0 ", "poke_interval_s = 0.5 "),
    (r"^drink_s = 2\.0 ", "drink_s = 0.5 "),
    (r"^fraction = 0\.1667 ", "fraction = 0.0 "),
    (r"^follow_initial = 0\.15 ", "follow_initial = 0.95 "),
    (r"^follow_final = 0\.85 ", "follow_final = 0.95 "),
    (r"^iti_min_s = 2\.5 ", "iti_min_s = 0.2 "),
    (r"^iti_max_s = 3\.5 ", "iti_max_s = 0.4 "),
)
"""What makes trials come every second, for more of them to measure."""
STARTS_S: Final = 300.0
GRACE_NS: Final = 5 * NS_PER_MS
"""As the virtual rig has it."""
SETTLE_NS: Final = 4 * NS_PER_S
"""From the beginning of a turn until it counts: a window that opens loads its libraries first."""
STEP_S: Final = 0.1
ERRORS: Final = "session.err"


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of the session, with a window or without [ns]."""

    with_window: bool
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What was measured in one session."""

    cells: int
    rate_hz: float
    turns: list[Turn]
    events: Events
    seconds: list[dict[str, float]]
    """What the windows reported of each second."""
    complete_s: list[float]
    """From starting each window's process until it knew everything."""
    busy: Busyness

    def delays(self, measure: str, *, with_window: bool) -> NDArray[np.float64]:
        """Return the delays of one kind in all turns with or without a window [µs]."""
        t_ns, delays_ns = MEASURES[measure](self.events)
        chosen = np.zeros(t_ns.size, bool)
        for turn in self.turns:
            if turn.with_window == with_window:
                chosen |= (t_ns >= turn.begin_ns + SETTLE_NS) & (t_ns < turn.end_ns)
        return delays_ns[chosen] / 1000.0


def _taken(events: Events) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    edges = events[(events["kind"] >= Kind.POKE_IN) & (events["kind"] <= Kind.LASER_OFF)]
    return edges["t_ns"].astype(np.int64), (edges["arrival_ns"] - edges["t_ns"]).astype(np.float64)


def _deadlines(events: Events) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    timers = events[events["kind"] == Kind.TIMER]
    late_ns = (timers["arrival_ns"] - timers["t_ns"]).astype(np.float64)
    waited = late_ns >= GRACE_NS  # the others fired sooner, when a board had reported something newer
    return timers["t_ns"][waited].astype(np.int64), late_ns[waited] - GRACE_NS


def _rewards(events: Events) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    paths, _ = reward_paths(events)
    return paths[:, 0].astype(np.int64), paths[:, 3] - paths[:, 0]


MEASURES: Final[dict[str, Callable[[Events], tuple[NDArray[np.int64], NDArray[np.float64]]]]] = {
    "board's stamp → taken by the loop": _taken,
    "beam → valve edge": _rewards,
    "end of a deadline's grace → fired": _deadlines,
}


def rig_of(text: str, cells: int, rate_hz: float) -> str:
    """Return the virtual rig with so many cells and frames, and quick mice; raises BenchmarkFailed."""
    text = rig_text(text, cells, rate_hz)
    for line, instead in QUICK_MICE:
        text, n = re.subn(line, instead, text, count=2, flags=re.MULTILINE)
        if not n:
            raise BenchmarkFailed(f"the virtual rig has no line like {line!r}; correct QUICK_MICE")
    return text


@contextlib.contextmanager
def _session(rig: Path, folder: Path, minutes: float) -> Iterator[Path]:
    """Run a session; give its folder once it runs, and end it in order."""
    sessions = folder / "sessions"
    command = ["-m", "controller.cli", "run", str(rig), "--headless", "--seed", "1", "--minutes", str(minutes)]
    with (
        (folder / ERRORS).open("wb") as errors,
        subprocess.Popen(
            [sys.executable, *command, "--out", str(sessions)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        ) as child,
    ):
        try:
            yield _await_running(child, sessions)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(30.0)
            if child.poll() is None:
                child.kill()


def _await_running(child: "subprocess.Popen[bytes]", sessions: Path) -> Path:
    deadline_s = time.monotonic() + STARTS_S
    while time.monotonic() < deadline_s:
        if child.poll() is not None:
            lines = (sessions.parent / ERRORS).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise BenchmarkFailed(f"the session did not begin: {lines[-1] if lines else 'it gave no reason'}")
        with contextlib.suppress(DuettoError, StopIteration, OSError):
            found = next(sessions.iterdir())
            if ask(found, "status").status.get("phase") == "running":
                return found
        time.sleep(STEP_S)
    raise BenchmarkFailed(f"the session did not begin within {STARTS_S:g} s")


def measure(rig: Path, cells: int, rate_hz: float, rounds: int, turn_s: float, folder: Path) -> Shown:
    """Run one session, and open and close a window on it ``rounds`` times.

    Parameters
    ----------
    rig
        The virtual rig.
    cells, rate_hz
        Of each brain.
    rounds
        Turns with a window; as many without stand between them.
    turn_s
        How long a turn lasts, its first seconds included.
    folder
        For the session.

    Raises
    ------
    BenchmarkFailed
        If session or window do not run.
    """
    own = folder / "window.toml"
    own.write_text(rig_of(rig.read_text(encoding="utf-8"), cells, rate_hz), encoding="utf-8")
    turns: list[Turn] = []
    seconds: list[dict[str, float]] = []
    complete_s: list[float] = []
    with _session(own, folder, minutes=60.0) as session:
        endpoint = str(json.loads((session / "live.json").read_text(encoding="utf-8"))["view"])
        time.sleep(60.0)  # heatmaps, estimates and trials fill first: a window on an empty session draws little
        watch = Watch([])
        for number in range(rounds):
            begin_ns = now_ns()
            with Window(endpoint, folder, number) as window:
                time.sleep(max(0.0, turn_s - (now_ns() - begin_ns) / NS_PER_S))
                lines = window.lines()
            turns.append(Turn(True, begin_ns, now_ns()))
            seconds += _per_second(lines[3:])
            complete_s.append((lines[0]["complete_ns"] - window.began_ns) / NS_PER_S)
            begin_ns = now_ns()
            time.sleep(turn_s)
            turns.append(Turn(False, begin_ns, now_ns()))
        busy = watch.stop()
        with open_for_reading(session / JOURNAL_NAME) as journal:
            events = journal.read(0, journal.count())
    return Shown(cells, rate_hz, turns, events, seconds, complete_s, busy)


def _per_second(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return what happened between each two reports."""
    found = []
    for before, after in pairwise(lines):
        took_s = (after["t_ns"] - before["t_ns"]) / NS_PER_S
        found.append(
            {
                "frames_per_s": (after["frames"] - before["frames"]) / took_s,
                "cpu": (after["cpu_s"] - before["cpu_s"]) / took_s,
                "took_p50_ms": after["took_p50_ms"],
                "took_max_ms": after["took_max_ms"],
                "gap_max_ms": after["gap_max_ms"],
            }
        )
    return found
