"""What a whole recorded session looks like from afar: where on a strip each trial, light and mark stands. No Qt.

Where there is room for each trial it has a block of its own; where there is not, a column shows how the outcomes of
its trials are shared out, so that none hides another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.messages.view import Opening, Overview, Span
from gui.parts import wording
from gui.parts.figures import clock, precise
from realtime.records import ANIMALS, EVENT, NS_PER_MS, NS_PER_S, Kind, Operator, Outcome

OUTCOMES: Final = (Outcome.SUCCESS, Outcome.MISS, Outcome.OMISSION, Outcome.ABORTED)
HEIGHTS: Final = {Outcome.SUCCESS: 1.0, Outcome.MISS: 0.7, Outcome.OMISSION: 0.45, Outcome.ABORTED: 0.25, 0: 0.25}
"""How high the block of a trial is: outcomes are told apart without their colours. 0 is a trial without an outcome."""
LEAST_PX: Final = 2.0
"""Where a trial has less room than this on the average, trials are put together ..."""
COLUMN_PX: Final = 4
"""... in columns of this width."""
FAULT_MARK, NOTE_MARK, ACT_MARK, CROSSING_MARK = "▲", "✎", "◆", "╵"
APART_NS: Final = 100 * NS_PER_MS
"""Clocks that are less apart than this show the same: times are written to tenths of a second."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the strip of trials: from where to where [px], and from which height to which (0 to 1)."""

    left: float
    width: float
    low: float
    high: float
    outcome: int


@dataclass(frozen=True, slots=True)
class Sign:
    """A mark on the strip: when [ns], which, and what it says."""

    t_ns: int
    mark: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Where times stand on a strip of some width.

    Attributes
    ----------
    begin_ns, end_ns
        The session's [ns].
    width
        Of the strip [px].
    """

    begin_ns: int
    end_ns: int
    width: float

    def x(self, t_ns: int) -> float:
        """Return where a time stands [px]."""
        return (t_ns - self.begin_ns) / max(1, self.end_ns - self.begin_ns) * self.width

    def t_ns(self, x: float) -> int:
        """Return what time stands there, within the session [ns]."""
        share = min(1.0, max(0.0, x / max(1.0, self.width)))
        return self.begin_ns + round(share * (self.end_ns - self.begin_ns))


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two clocks of a recorded session: its log counts from its own beginning, its task from when it was started.

    Attributes
    ----------
    begin_ns
        The log's beginning [ns].
    started_ns
        When the task was started [ns]; None where it never was.
    """

    begin_ns: int
    started_ns: int | None

    @property
    def differ(self) -> bool:
        """Whether they show different times, so that each has to be named."""
        return self.started_ns is None or self.started_ns - self.begin_ns >= APART_NS

    def log(self, t_ns: int) -> str:
        """Return a time by the log, such as ``6:00.0``."""
        return precise((t_ns - self.begin_ns) / NS_PER_S)

    def task(self, t_ns: int, most_s: float = float("inf")) -> str:
        """Return a time by the task, such as ``task 5:22``: whole seconds, as in the banner, and ``most_s`` at most."""
        if self.started_ns is None or t_ns < self.started_ns:
            return "task not begun"
        return f"task {clock(min(most_s, (t_ns - self.started_ns) / NS_PER_S))}"

    def both(self, t_ns: int) -> str:
        """Return a time by both, such as ``log 6:00.0 · task 5:22``; one without a name where they are the same."""
        return f"log {self.log(t_ns)} · {self.task(t_ns)}" if self.differ else self.log(t_ns)


def clocks_of(overview: Overview | None, begin_ns: int) -> Clocks:
    """Return a session's clocks; until an overview has come, nothing is known but the log's."""
    if overview is None:
        return Clocks(begin_ns, begin_ns)
    events = np.frombuffer(overview.events, EVENT)
    starts = events["t_ns"][(events["kind"] == Kind.OPERATOR) & (events["value"] == Operator.START)]
    return Clocks(begin_ns, int(starts[-1]) if starts.size else None)


def blocks_of(trials: Sequence[Span], scale: Scale) -> list[Block]:
    """Return the strip's blocks: one for each trial, or columns where there are too many."""
    if not trials:
        return []
    if scale.width / len(trials) >= LEAST_PX:
        return [_block(trial, scale) for trial in trials]
    columns = np.array([int(scale.x(trial.start_ns)) // COLUMN_PX for trial in trials])
    outcomes = np.array([trial.code for trial in trials])
    found: list[Block] = []
    for column in np.unique(columns).tolist():
        low = 0.0
        mine = outcomes[columns == column]
        for outcome in (*OUTCOMES, 0):
            share = float(np.count_nonzero(mine == outcome)) / mine.size
            if share:
                found.append(Block(column * COLUMN_PX, COLUMN_PX, low, low + share, outcome))
                low += share
    return found


def _block(trial: Span, scale: Scale) -> Block:
    left = scale.x(trial.start_ns)
    height = HEIGHTS.get(trial.code, HEIGHTS[0])
    return Block(left, max(LEAST_PX - 1.0, scale.x(trial.end_ns) - left), 0.0, height, trial.code)


def signs_of(overview: Overview, opening: Opening | None) -> list[Sign]:
    """Return everything that has a mark, by rising time."""
    signs = [_sign(event, opening) for event in np.frombuffer(overview.events, EVENT)]
    signs += [Sign(one.t_ns, NOTE_MARK, f"note: {one.text}") for one in overview.notes]
    return sorted(signs, key=lambda sign: sign.t_ns)


def _sign(event: np.void, opening: Opening | None) -> Sign:
    t_ns = int(event["arrival_ns"])  # from then on it is shown
    if event["kind"] == Kind.FAULT:
        return Sign(t_ns, FAULT_MARK, wording.fault_sentence(event, opening))
    if event["kind"] == Kind.OPERATOR:
        return Sign(t_ns, ACT_MARK, wording.act_sentence(event))
    return Sign(t_ns, CROSSING_MARK, wording.crossing_sentence(event, opening))


def trial_at(trials: Sequence[Span], t_ns: int) -> Span | None:
    """Return the trial that was open at a time, the latest of several; None between trials."""
    return next((trial for trial in reversed(trials) if trial.start_ns <= t_ns <= trial.end_ns), None)


def trial_words(trial: Span) -> str:
    """Return what a trial was, such as ``trial 12: success``."""
    whose = f" of {ANIMALS[trial.animal]}" if trial.animal in (0, 1) else ""
    known = trial.code in set(Outcome)
    return f"trial {trial.number}{whose}: {Outcome(trial.code).name.lower() if known else 'without an outcome'}"


def tick_s(length_s: float, width: float) -> int:
    """Return after how many seconds the time is written below the strip: a round number, with room for it."""
    room_s = length_s * 70.0 / max(70.0, width)
    steps = (5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if step >= room_s), steps[-1] * max(1, -(-int(room_s) // steps[-1])))
