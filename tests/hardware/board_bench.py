"""A bench in virtual time: one driver and one emulated board, joined by a wire with a delay."""

import numpy as np

from hardware.device import DeviceSettings
from hardware.drivers import reference_board
from hardware.emulators.board_parts import Knobs
from hardware.emulators.reference_board import EmulatedBoard
from hardware.harp import Framer, MessageType
from realtime.records import NEVER_NS, NS_PER_MS, Events, Kind, Line, no_events

PINS = {
    Line.POKE_A: 0,
    Line.POKE_B: 1,
    Line.LICK_A: 4,
    Line.LICK_B: 5,
    Line.VALVE_A: 0,
    Line.VALVE_B: 1,
    Line.LASER_A: 2,
    Line.LASER_B: 3,
}
START_NS = 1_000 * NS_PER_MS
EDGES = (
    Kind.POKE_IN,
    Kind.POKE_OUT,
    Kind.LICK_IN,
    Kind.LICK_OUT,
    Kind.VALVE_ON,
    Kind.VALVE_OFF,
    Kind.LASER_ON,
    Kind.LASER_OFF,
)


class Bench:
    """Moves bytes and time; everything else is the real driver and the real emulator."""

    def __init__(self, delay_ns: int = 0, device_ns: int = 5_000_000_000, **settings: object) -> None:
        self.now_ns = START_NS
        self.delay_ns = delay_ns
        self.board = EmulatedBoard(START_NS, device_ns, Knobs())
        self.settings = DeviceSettings(**{"name": "box", "source": 2, "pins": PINS, "link_baud": 0} | settings)
        self.driver = reference_board.create(self.settings)
        self.written = b""  # everything the drivers ever sent
        self.lose_next = 0  # so many of the driver's messages vanish
        self._to_board: list[tuple[int, bytes]] = []
        self._to_driver: list[tuple[int, bytes]] = []
        self._seen = no_events(0)
        self._remarks: list[str] = []

    @property
    def now_ms(self) -> float:
        """Virtual time since the bench was switched on."""
        return (self.now_ns - START_NS) / NS_PER_MS

    def start(self) -> "Bench":
        """Start the driver and give it 100 ms to get ready."""
        self.driver.start(self.now_ns)
        self.run(100)
        return self

    def restart(self) -> "Bench":
        """Put a new driver in the old one's place, after what is on the wire has arrived, and let it get ready."""
        self.records(), self.remarks()
        self.driver = reference_board.create(self.settings, self.driver.last_seq)
        return self.start()

    def run(self, ms: float) -> None:
        """Let ``ms`` of virtual time pass, with everything that is due in it."""
        until_ns = self.now_ns + round(ms * NS_PER_MS)
        self._settle()
        while (due_ns := self._due_ns()) <= until_ns:
            self.now_ns = max(due_ns, self.now_ns)
            self._settle()
        self.now_ns = until_ns
        self._settle()

    def command(self, line: int, ms: float, nonce: int = 0, settle: bool = True) -> None:
        """Send one COMMAND record (of ``Line.ARM`` 1 arms), and let its bytes travel unless told not to."""
        record = no_events(1)
        record["kind"] = Kind.COMMAND
        record["line"] = line
        record["value"] = ms if line == Line.ARM else ms * NS_PER_MS
        record["source_seq"] = nonce
        self.driver.command(record, self.now_ns)
        if settle:
            self._settle()

    def command_together(self, lines: tuple[int, ...], ms: float, nonce: int) -> None:
        """Send COMMAND records that were decided together, with running nonces."""
        records = no_events(len(lines))
        records["kind"] = Kind.COMMAND
        records["line"] = lines
        records["value"] = ms * NS_PER_MS
        records["source_seq"] = range(nonce, nonce + len(lines))
        self.driver.command(records, self.now_ns)
        self._settle()

    def input(self, pin: int, high: bool) -> None:
        """Put an input pin high or low, and let the news travel."""
        self.board.set_input(pin, high, self.now_ns)
        self._settle()

    def poke(self, pin: int, ms: float = 1) -> None:
        """Break a beam for so long."""
        self.input(pin, True)
        self.run(ms)
        self.input(pin, False)

    def chatter(self, pin: int, changes: int, every_ms: float = 1) -> None:
        """Change an input so many times."""
        for _ in range(changes):
            self.input(pin, not self.board._inputs.pins >> pin & 1)
            self.run(every_ms)

    def rule(self, beam: Line, output: Line, ms: float, window_ms: float, settle: bool = True) -> None:
        """Ask for a local rule."""
        self.driver.rule(beam, output, round(ms * NS_PER_MS), round(window_ms * NS_PER_MS), self.now_ns)
        if settle:
            self._settle()

    def records(self, *kinds: Kind) -> Events:
        """Return every record so far, or those of the given kinds."""
        self._seen = np.concatenate([self._seen, self.driver.records()])
        return self._seen[np.isin(self._seen["kind"], kinds)] if kinds else self._seen

    def faults(self) -> list[int]:
        """Return the codes of all FAULT records so far."""
        return [int(value) for value in self.records(Kind.FAULT)["value"]]

    def remarks(self) -> list[str]:
        """Return the sentences of all FAULT records so far."""
        self._remarks += self.driver.remarks()
        return self._remarks

    def troubles(self) -> list[tuple[int, int, int]]:
        """Return (code, line, animal) of all FAULT records so far."""
        return [(int(fault["value"]), int(fault["line"]), int(fault["animal"])) for fault in self.records(Kind.FAULT)]

    def edges(self) -> list[tuple[int, int]]:
        """Return (kind, line) of all edges so far."""
        return [(int(record["kind"]), int(record["line"])) for record in self.records(*EDGES)]

    def pins(self) -> list[tuple[int, int]]:
        """Return (pin, level) of the output pins' true edges since the last call."""
        return [(pin, level) for _, pin, level in self.board.take_edges()]

    def sent_to(self, address: int) -> list[bytes]:
        """Return what was written to a register, in order."""
        messages = Framer().feed(self.written, 0)
        return [each.payload for each in messages if each.type == MessageType.WRITE and each.address == address]

    def _due_ns(self) -> int:
        arrivals = [time_ns for time_ns, _ in self._to_board + self._to_driver]
        return min(self.driver.due_ns(), self.board.due_ns(), *arrivals, NEVER_NS)

    def _settle(self) -> None:
        """Do everything that is due now; a wire without delay settles within the same instant."""
        for _ in range(100):
            self.board.advance(self.now_ns)
            for data in _arrived(self._to_board, self.now_ns):
                self.board.feed(data, self.now_ns)
            for data in _arrived(self._to_driver, self.now_ns):
                self.driver.feed(data, self.now_ns)
            self.driver.poll(self.now_ns)
            if not self._ship():
                return
        raise RuntimeError("driver and board never came to rest")

    def _ship(self) -> bool:
        out, back = self.driver.outgoing(), self.board.outgoing(self.now_ns)
        self.written += out
        if out and self.lose_next:
            self.lose_next -= 1
            out = b""
        self._to_board += [(self.now_ns + self.delay_ns, out)] * bool(out)
        self._to_driver += [(self.now_ns + self.delay_ns, back)] * bool(back)
        return bool(out or back) and not self.delay_ns


def _arrived(wire: list[tuple[int, bytes]], now_ns: int) -> list[bytes]:
    arrived = [data for time_ns, data in wire if time_ns <= now_ns]
    wire[:] = [entry for entry in wire if entry[0] > now_ns]
    return arrived
