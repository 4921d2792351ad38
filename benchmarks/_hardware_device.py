"""The device's side of ``duetto bench hardware``: a board behind a pseudo-terminal that pokes itself and notes when.

::

    python -m benchmarks._hardware_device bare|emulator|simavr PORT --seed N --fifo PRIORITY

One line of JSON when the port is there. Then it answers whoever opens the port, until standard input ends. A line
``COUNT`` there lets so many noses in, one after the other; after the last one it says in one line of JSON when
everything happened.

The device schedules its pokes itself, so that the moment of a poke is read where it happens, just before the pin is
changed, and nothing wakes the other side ahead of it. The next one comes 3 to 6 ms after the pulse that answered the
last, or after 250 ms without one: pokes never queue up. ``bare`` is no board at all: it reads and writes whole frames
of the right sizes, nothing else.
"""

import argparse
import dataclasses
import json
import os
import random
import select
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.emulation import LONGEST_WAIT_S, Emulation
from hardware.board import requests as ask
from hardware.board.registers import Register
from hardware.device import EmulatedDevice, WireFaults
from hardware.emulators.pty_link import PtyLink
from hardware.emulators.reference_board import EmulatedBoard
from hardware.firmware.build import build
from hardware.firmware.simavr import SimavrBoard
from hardware.harp import MessageType, PayloadType, event, reply
from realtime.clock import now_ns
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Line

BARE: Final = "bare pty"
EMULATOR: Final = "emulator"
SIMAVR: Final = "simavr"
KINDS: Final = {"bare": BARE, "emulator": EMULATOR, "simavr": SIMAVR}

QUANTUM_NS: Final = 50_000
"""How finely simavr's time is cut: what the board sends is passed on at most this late."""
PIN: Final = 0
"""Of the beam, and of the valve that answers it."""
POKE_NS: Final = NS_PER_MS
PAUSE_NS: Final = (3 * NS_PER_MS, 6 * NS_PER_MS)
PATIENCE_NS: Final = 250 * NS_PER_MS
"""Longer than the driver tries; a poke without a pulse by then is lost."""

EVENT_BYTES: Final = event(Register.DIGITAL_INPUT_STATE, PayloadType.U8, b"\0", 0)
"""An event of the board, as long as any other with one byte in it."""
PONG_BYTES: Final = reply(MessageType.WRITE, Register.KEEP_ALIVE, PayloadType.U8, b"\0", 0)
PING_BYTES: Final = ask.PINGS[0]
PULSE_BYTES: Final = ask.pulse(1, 1, 1, Line.VALVE_A).frame


@dataclass(slots=True)
class Noted:
    """When what happened, on the session clock [ns]."""

    poked_ns: list[int] = field(default_factory=list)
    rose_ns: list[int] = field(default_factory=list)
    """The valve's pin rose, by the device's own time of the edge."""
    seen_ns: list[int] = field(default_factory=list)
    """The same, when the device's process came to know of it."""


class Pace:
    """When noses come and go: the next one an uneven while after everything that the last one brought is over.

    Parameters
    ----------
    seed
        Of the pauses.
    tell
        Is called once the last one is over.
    """

    def __init__(self, seed: int, tell: Callable[[Noted], None]) -> None:
        self._random = random.Random(seed)  # noqa: S311  # pauses, not secrets
        self._tell = tell
        self._left = 0
        self._awaited = 0  # the nose's way out, and the end of the pulse
        self._patience_ns = NEVER_NS
        self._in_ns = NEVER_NS
        self._out_ns = NEVER_NS
        self.noted = Noted()

    def begin(self, count: int, at_ns: int) -> None:
        """Have ``count`` noses come, the first one soon."""
        self._left = count
        self._go_on(at_ns)

    def due_ns(self) -> int:
        """Return when :meth:`comes` or :meth:`goes` will next be true, or a poke be given up."""
        return min(self._in_ns, self._out_ns, self._patience_ns)

    def comes(self, now_ns: int) -> bool:
        """Return whether a nose comes in now; if so, that is noted."""
        if now_ns >= self._patience_ns:
            self._go_on(now_ns)
        if now_ns < self._in_ns:
            return False
        self._in_ns, self._out_ns, self._patience_ns = NEVER_NS, now_ns + POKE_NS, now_ns + PATIENCE_NS
        self._awaited = 2
        self.noted.poked_ns.append(now_ns)
        return True

    def goes(self, now_ns: int) -> bool:
        """Return whether it goes now."""
        if now_ns < self._out_ns:
            return False
        self._out_ns = NEVER_NS
        self._over(now_ns)
        return True

    def pulse_began(self, at_ns: int) -> None:
        """Note that the valve's pin rose, by the device's own time."""
        self.noted.rose_ns.append(at_ns)
        self.noted.seen_ns.append(now_ns())

    def pulse_ended(self, at_ns: int) -> None:
        """Take it that the pulse is over."""
        if self._awaited:
            self._over(at_ns)

    def _over(self, at_ns: int) -> None:
        self._awaited -= 1
        if not self._awaited:
            self._go_on(at_ns)

    def _go_on(self, at_ns: int) -> None:
        self._awaited, self._patience_ns, self._out_ns = 0, NEVER_NS, NEVER_NS
        self._in_ns = at_ns + self._random.randint(*PAUSE_NS) if self._left else NEVER_NS
        if not self._left:
            self._tell(self.noted)
        self._left -= bool(self._left)


class PokedBoard:
    """An emulated board into whose beam noses come by themselves; otherwise the board that it wraps.

    Parameters
    ----------
    board
        The board.
    pace
        When they come.
    """

    def __init__(self, board: EmulatedDevice, pace: Pace) -> None:
        self._board = board
        self._pace = pace

    @property
    def outputs(self) -> int:
        """As the board's."""
        return self._board.outputs

    @property
    def knobs(self) -> WireFaults:
        """As the board's."""
        return self._board.knobs

    def feed(self, data: bytes, now_ns: int) -> None:
        """As the board's."""
        self._board.feed(data, now_ns)

    def outgoing(self, now_ns: int) -> bytes:
        """As the board's."""
        return self._board.outgoing(now_ns)

    def reset(self, now_ns: int) -> None:
        """As the board's."""
        self._board.reset(now_ns)

    def set_input(self, pin: int, high: bool, now_ns: int) -> None:
        """As the board's."""
        self._board.set_input(pin, high, now_ns)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """As the board's."""
        self._board.set_interlock(closed, now_ns)

    def due_ns(self) -> int:
        """Return when the board does something by itself, or a nose comes or goes."""
        return min(self._board.due_ns(), self._pace.due_ns())

    def advance(self, now_ns: int) -> None:
        """Let the board live until ``now_ns``, and noses come and go."""
        if self._pace.comes(now_ns):
            self._board.set_input(PIN, True, now_ns)
        elif self._pace.goes(now_ns):
            self._board.set_input(PIN, False, now_ns)
        else:
            self._board.advance(now_ns)

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the board's edges; those of the valve are noted."""
        edges = self._board.take_edges()
        for t_ns, pin, level in edges:
            if pin == PIN and level:
                self._pace.pulse_began(t_ns)
            elif pin == PIN:
                self._pace.pulse_ended(t_ns)
        return edges


class Orders:
    """Standard input: how many noses are to come, until it ends."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def heard(self) -> bool:
        """Do what has been said; return False at the end of standard input."""
        if not select.select([0], [], [], 0)[0]:
            return True
        said = os.read(0, 64)
        if said:
            self._pace.begin(int(said), now_ns())
        return bool(said)


def serve_board(board: EmulatedDevice, port: Path, pace: Pace) -> None:
    """Pump a board as ``duetto emulate`` does, until the end of standard input."""
    orders = Orders(pace)
    emulation = Emulation(PokedBoard(board, pace), port, lambda _line: None)
    try:
        _say({"port": str(port)})
        while orders.heard():
            emulation.turn(None)
    finally:
        emulation.close()


def serve_bare(port: Path, pace: Pace) -> None:
    """Answer frames by their size alone, and poke, until the end of standard input."""
    orders = Orders(pace)
    with PtyLink.open(port) as link:
        _say({"port": str(port)})
        while orders.heard():
            wait_s = min(LONGEST_WAIT_S, max(0.0, (pace.due_ns() - now_ns()) / NS_PER_S))
            data = link.read() if select.select([link.fileno()], [], [], wait_s)[0] else b""
            if len(data) == len(PING_BYTES):
                link.write(PONG_BYTES)
            elif data:
                pace.pulse_began(now_ns())
                link.write(EVENT_BYTES)
                pace.pulse_ended(now_ns())
            elif pace.comes(now_ns()):
                link.write(EVENT_BYTES)
            else:
                pace.goes(now_ns())


def _say(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(description="A board behind a pseudo-terminal that pokes itself.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("port", type=Path, help="name for the port")
    parser.add_argument("--seed", type=int, default=0, help="of the pauses between pokes")
    parser.add_argument("--fifo", type=int, default=0, help="run with SCHED_FIFO at this priority")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the simulator's process too
    pace = Pace(given.seed, lambda noted: _say(dataclasses.asdict(noted)))
    with ExitStack() as stack:
        if given.fifo:  # before the simulator's process is started, which inherits it
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(given.fifo))
        if given.kind == "bare":
            serve_bare(given.port, pace)
        elif given.kind == "emulator":
            serve_board(EmulatedBoard(now_ns()), given.port, pace)
        else:
            serve_board(stack.enter_context(SimavrBoard(build(), now_ns(), QUANTUM_NS)), given.port, pace)


if __name__ == "__main__":
    main()
