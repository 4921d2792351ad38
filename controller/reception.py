"""The reception: opens the window and keeps it company until a person starts the session in it.

The session's own process serves the window from then on, at the same address: the window notices a change of server,
no more.
"""

import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from controller.bus import Addresses, Bus, Lock
from controller.session import Order
from controller.viewing.front_desk import FrontDesk
from controller.viewing.server import Server
from controller.window import Look, close_window, open_window

TURN_S: Final = 0.05
LAST_TURNS: Final = 4
"""Turns in which windows still hear that it starts."""


class Reception:
    """Waits for a person to start a session in the window.

    Parameters
    ----------
    order
        What the command line asks for.
    sockets
        The folder in which windows find the session.
    lock
        Where windows of other computers connect, and with which keys; None where they cannot.

    Attributes
    ----------
    why_not
        Why nothing was started.
    interrupted
        Whether that was Ctrl-C.
    """

    def __init__(self, order: Order, sockets: Path, lock: tuple[str, Lock] | None) -> None:
        addresses = Addresses(sockets)
        self._desk = FrontDesk(order, addresses.control, addresses.events)
        self._address, self._lock = addresses.view, lock
        self.why_not, self.interrupted = "", False
        self._signals: list[int] = []
        self._window = open_window(Look(self._address))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the window open if it has something to show; it is closed if no session came of it."""
        if self.why_not or error is not None:
            close_window(self._window)

    @property
    def watched(self) -> bool:
        """Whether the window is open."""
        return self._window.poll() is None

    def failed(self, sentence: str) -> None:
        """Tell the window that the session could not begin, and why."""
        self._desk.failed(sentence)

    def await_start(self) -> Order | None:
        """Return what a person has chosen and started; None if the window was closed, or Ctrl-C came."""
        before = {s: signal.signal(s, self._hear_signal) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        self._signals.clear()
        try:
            with Bus() as bus:
                server = Server(bus, self._desk, self._address, self._lock)
                turns = 0  # since the start, which may be taken back as long as this serves the window
                while turns < LAST_TURNS:
                    server.turn(TURN_S)
                    turns = turns + 1 if self._desk.started else 0
                    if self._signals:
                        self.why_not, self.interrupted = "stopped by Ctrl-C", self._signals[0] == signal.SIGINT
                        return None
                    if not self.watched:
                        self.why_not = "the window was closed before the session was started"
                        return None
                bus.flush()
                return self._desk.order
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)
