"""What every process of a session has in common: its settings, its heartbeat, and when it must end.

A process ends when it is told to (SIGTERM), and when its parent is gone: nothing outlives the supervisor for longer
than it takes to leave the rig safe. Ctrl-C in the terminal reaches the supervisor only.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from controller.bus import Addresses, Bus, Socket, send_now
from controller.messages import Beat, Stage, encode
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.records import NS_PER_MS

BEAT_NS: Final = 100 * NS_PER_MS
MCL_CURRENT: Final = 1
MCL_FUTURE: Final = 2
MCL_ONFAULT: Final = 4
"""Lock a page when it is first used: libraries that are mapped but never run stay out of memory."""


class Settings(msgspec.Struct, frozen=True):
    """What a process of a session is started with, as JSON in its only argument."""

    process: str
    session: str
    bus: str
    parent: int
    device: str = ""
    port: str = ""
    fifo_priority: int = 0
    listen: str = ""
    """Where viewers of other computers may connect; only the viewers' process asks."""


def use_fifo(priority: int) -> str:
    """Ask for SCHED_FIFO for the calling thread and those it starts, and for memory that is never paged out.

    Parameters
    ----------
    priority
        1 to 99, or 0 for normal scheduling.

    Returns
    -------
    str
        The policy in force, in words.
    """
    if priority <= 0:
        return "normal"
    if not hasattr(os, "sched_setscheduler"):
        return f"normal (this system has no FIFO {priority})"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"normal (FIFO {priority} was refused: {error.strerror})"
    locked = ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0
    return f"FIFO {priority}, memory {'locked' if locked else 'not locked'}"


def use_normal() -> None:
    """Go back to normal scheduling for the calling thread."""
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@dataclass(slots=True)
class Ending:
    """Whether this process was asked to end, and by what."""

    asked: bool = False
    orphaned: bool = False
    parent: int = 0

    def due(self) -> bool:
        """Return whether it is time to end."""
        if not self.asked and os.getppid() != self.parent:
            self.asked = self.orphaned = True
        return self.asked


@dataclass(slots=True)
class Host:
    """A session's process: its settings, sockets, heartbeat and ending."""

    settings: Settings
    bus: Bus
    ending: Ending
    policy: str = "normal"
    """The scheduling policy in force, in words."""
    _next_beat_ns: int = 0
    _beats: "Socket[bytes] | None" = None

    @property
    def session(self) -> Path:
        """The session's folder."""
        return Path(self.settings.session)

    @property
    def addresses(self) -> Addresses:
        """The session's sockets."""
        return Addresses(Path(self.settings.bus))

    def beat(
        self,
        stage: Stage,
        sentence: str = "",
        counters: dict[str, int] | None = None,
        texts: dict[str, str] | None = None,
    ) -> None:
        """Send a heartbeat now."""
        if self._beats is None:
            self._beats = self.bus.push_to(self.addresses.beats)
        now = now_ns()
        message = Beat(self.settings.process, now, stage, sentence, counters or {}, texts or {})
        send_now(self._beats, encode(message))
        self._next_beat_ns = now + BEAT_NS

    def beat_due(self) -> bool:
        """Return whether the next heartbeat is due."""
        return now_ns() >= self._next_beat_ns


def watch_for_ending(parent: int) -> Ending:
    """Let SIGTERM ask this process to end, ignore the terminal's Ctrl-C, and watch the parent."""
    ending = Ending(parent=parent)

    def ask(_number: int, _frame: object) -> None:
        ending.asked = True

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return ending


def run_process(body: Callable[[Host], int], *, io_threads: int = 1) -> int:
    """Run a session process's body with its sockets; report an error's sentence in a last beat.

    Parameters
    ----------
    body
        Returns the exit status.

    Returns
    -------
    int
        Exit status: the body's, or 1 after an error it could not handle.
    """
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    ending = watch_for_ending(settings.parent)
    policy = use_fifo(settings.fifo_priority)  # before the first socket: its threads inherit it
    with Bus(io_threads) as bus:
        host = Host(settings, bus, ending, policy)
        host.beat("starting")
        try:
            status = body(host)
        except DuettoError as error:
            host.beat("failed", str(error))
            bus.flush()
            return 1
        host.beat("ended")
        bus.flush()
        return status
