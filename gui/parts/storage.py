"""How much room is left for what is written, as facts: in percent, bytes, and hours at the present rate."""

from collections import deque
from typing import Final

from controller.messages.view import Process, Standing, Storage
from gui.parts import figures
from gui.parts.facts import Fact
from gui.parts.lamp import State
from realtime.records import NS_PER_S

SCARCE_S: Final = 30 * 60
"""Less than this left needs a look."""
SCARCE_BYTES: Final = 1_000_000_000
BEHIND_EVENTS: Final = 1000
"""A recorder that is behind by more than this does not keep up; it writes some hundred at a time."""
RATE_NS: Final = 60 * NS_PER_S
"""Over which the journal's rate is taken."""
LEAST_NS: Final = 5 * NS_PER_S
"""Over less than this it says nothing."""


class JournalRate:
    """How fast the journal has been filling over the last minute."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, int]] = deque()

    def add(self, t_ns: int, events: int) -> None:
        """Take how many events there were at a moment [ns]; a moment before the last begins anew."""
        if self._kept and (t_ns < self._kept[-1][0] or events < self._kept[-1][1]):
            self._kept.clear()
        self._kept.append((t_ns, events))
        while self._kept[-1][0] - self._kept[0][0] > RATE_NS:
            self._kept.popleft()

    @property
    def per_s(self) -> float | None:
        """Events per second; None as long as there is too little to say."""
        if not self._kept:
            return None
        span_ns = self._kept[-1][0] - self._kept[0][0]
        return (self._kept[-1][1] - self._kept[0][1]) * NS_PER_S / span_ns if span_ns >= LEAST_NS else None


def storage_facts(storage: Storage, standing: Standing | None, journal_per_s: float | None) -> list[Fact]:
    """Return how much is written, how much room is left, and who watches.

    Parameters
    ----------
    storage
        As the session says.
    standing
        The processes, for the recorder's; None in a replay.
    journal_per_s
        Events that the journal grows by each second; None while that is not known.
    """
    recorder = next((p for p in standing.processes if p.name == "recorder"), None) if standing else None
    behind = State.WARN if storage.behind else State.QUIET
    return [
        _journal(storage, journal_per_s),
        Fact("log", figures.size(storage.log_bytes), tip="The session's log, session.mcap, as it is on the disk."),
        *_tape(storage),
        _disk(storage),
        *_recorder(recorder),
        Fact("viewers", figures.count(storage.viewers), tip="Windows that watch this session now."),
        Fact(
            "viewers behind",
            figures.counted(storage.behind, "time") if storage.behind else "never",
            behind,
            "How often a window did not keep up and was given everything anew; the session itself never waits.",
        ),
    ]


def _left(seconds: float | None) -> tuple[str, bool]:
    """Return for how long room is left, in words, and whether that is scarce."""
    if seconds is None:
        return "not growing", False
    return f"{figures.lasting(seconds)} left", seconds < SCARCE_S


def _journal(storage: Storage, per_s: float | None) -> Fact:
    """Return how full the journal is, and for how long it will do."""
    tip = "The journal has a fixed number of places; when they are used up, the session ends."
    if not storage.journal_room:
        return Fact("journal", figures.counted(storage.journal_events, "event"), tip=tip)
    used = f"{figures.percent(storage.journal_events / storage.journal_room)} used"
    if per_s is None:
        return Fact("journal", f"{used}, rate not yet known", tip=tip)
    free = storage.journal_room - storage.journal_events
    words, scarce = _left(free / per_s if per_s > 0 else None)
    return Fact("journal", f"{used}, {words}", State.WARN if scarce else State.QUIET, tip)


def _tape(storage: Storage) -> list[Fact]:
    """Return how long the tape of frames is; nothing where no brain has one."""
    tip = "What the brains' frames have taken so far."
    return [Fact("tape of frames", figures.size(storage.tape_bytes), tip=tip)] if storage.tape_bytes else []


def _disk(storage: Storage) -> Fact:
    """Return how much disk is free, and for how long it will do."""
    rate = storage.bytes_per_s
    words, scarce = _left(storage.disk_free_bytes / rate if rate > 0 else None)
    scarce = scarce or storage.disk_free_bytes < SCARCE_BYTES
    grows = f" at {figures.byte_rate(rate)}" if rate > 0 else ""
    value = f"{figures.size(storage.disk_free_bytes)} free, {words}{grows}"
    return Fact("disk", value, State.WARN if scarce else State.QUIET, "The disk that the session's folder is on.")


def _recorder(recorder: Process | None) -> list[Fact]:
    """Return how far the recorder is behind the journal."""
    if recorder is None or "behind" not in recorder.counters:
        return []
    behind = recorder.counters["behind"]
    value = f"{figures.counted(behind, 'event')} behind" if behind else "up to date"
    tip = "Events in the journal that are not in the log yet; what the journal has is safe."
    return [Fact("recorder", value, State.WARN if behind > BEHIND_EVENTS else State.QUIET, tip)]
