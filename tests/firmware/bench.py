"""Two benches in virtual time: one speaks frames with the firmware itself, one joins it to the real driver."""

from typing import Self

import numpy as np

from hardware.board.registers import (
    ARM_KEY,
    MODE_ACTIVE,
    PULSE_WORDS,
    RULE_WORDS,
    U16,
    Register,
    payload_type,
)
from hardware.device import DeviceSettings
from hardware.drivers import reference_board
from hardware.firmware.build import Programs
from hardware.firmware.simavr import CYCLES_PER_MS, SimavrBoard
from hardware.harp import (
    CoreRegister,
    Framer,
    Message,
    MessageType,
    PayloadType,
    crc16,
    read_request,
    write_request,
)
from realtime.records import NEVER_NS, NS_PER_MS, Events, Kind, Line, no_events

CYCLES_PER_US = CYCLES_PER_MS // 1000
CYCLES_PER_BYTE = 160
ANSWER_MS = 20
BOOT_MS = 3
VALVE_A, VALVE_B, LASER_A, LASER_B = 1, 2, 4, 8
START_NS = 1_000 * NS_PER_MS
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
_CORE_TYPES = {
    CoreRegister.WHO_AM_I: PayloadType.U16,
    CoreRegister.TIMESTAMP_SECONDS: PayloadType.U32,
    CoreRegister.TIMESTAMP_MICROSECONDS: PayloadType.U16,
    CoreRegister.SERIAL_NUMBER: PayloadType.U16,
    CoreRegister.HEARTBEAT: PayloadType.U16,
}


def type_of(address: int) -> PayloadType:
    """Return the element type of any register."""
    return _CORE_TYPES.get(address, PayloadType.U8) if address < Register.DIGITAL_INPUT_STATE else payload_type(address)


def write_frame(address: int, value: int) -> bytes:
    """Return a write of one element."""
    kind = type_of(address)
    return write_request(address, kind, value.to_bytes(kind & 0x0F, "little"))


def pulse_frame(mask: int, ms: int, nonce: int, crc_error: int = 0) -> bytes:
    """Return a PulseCmd."""
    words = PULSE_WORDS.pack(mask, ms, nonce)
    return write_request(Register.PULSE_CMD, PayloadType.U16, words + U16.pack(crc16(words) ^ crc_error))


def rule_frame(which: int, beams: int, outputs: int, ms: int, window_ms: int, crc_error: int = 0) -> bytes:
    """Return a write of a local rule."""
    words = RULE_WORDS.pack(beams, outputs, ms, window_ms)
    return write_request(Register.LOCAL_RULE + which, PayloadType.U16, words + U16.pack(crc16(words) ^ crc_error))


class Firmware:
    """The board alone, and the frames it sends. It starts in Active mode, with nothing else written."""

    def __init__(self, programs: Programs, active: bool = True) -> None:
        self.board = SimavrBoard(programs)
        self.now_ns = 0
        self.heard: list[Message] = []
        self.written_to_cycle = 0  # when the stop bit of the last byte written falls
        self._framer = Framer()
        self._mark = 0
        self.run(BOOT_MS)
        if active:
            self.set(CoreRegister.OPERATION_CONTROL, MODE_ACTIVE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.board.close()

    # --- time

    def run(self, ms: float, step_ms: float = 1.0) -> None:
        """Let time pass; the host is silent."""
        until_ns = self.now_ns + round(ms * NS_PER_MS)
        while self.now_ns < until_ns:
            self.now_ns = min(until_ns, self.now_ns + round(step_ms * NS_PER_MS))
            self.heard += self._framer.feed(self.board.outgoing(self.now_ns), self.now_ns)

    def live(self, ms: float, every_ms: float = 100) -> None:
        """Let time pass; the host keeps the board alive."""
        until_ns = self.now_ns + round(ms * NS_PER_MS)
        while self.now_ns < until_ns:
            self.ask(write_frame(Register.KEEP_ALIVE, 0))
            self.run(min(every_ms, max(0, until_ns - self.now_ns) / NS_PER_MS), step_ms=5)

    def ms_since(self, cycle: int) -> float:
        """Return how long a cycle is ago."""
        return (self.board.cycle - cycle) / CYCLES_PER_MS

    # --- frames

    def feed(self, data: bytes) -> None:
        """Put bytes on the wire."""
        start = max(self.board.cycle, self.written_to_cycle)
        self.written_to_cycle = start + len(data) * CYCLES_PER_BYTE
        self.board.feed(data, self.now_ns)

    def ask(self, frame: bytes) -> Message | None:
        """Send a request; return its answer, or None if none comes."""
        seen = len(self.heard)
        self.feed(frame)
        for _ in range(ANSWER_MS * 5):
            self.run(0.2, step_ms=0.2)
            for message in self.heard[seen:]:
                if message.type != MessageType.EVENT and message.address == frame[2]:
                    return message
        return None

    def set(self, address: int, value: int) -> Message:
        """Write one element; the board must take it."""
        answer = self.ask(write_frame(address, value))
        assert answer is not None, f"no answer to a write of register {address}"
        assert answer.type == MessageType.WRITE, f"register {address} refused {value}"
        return answer

    def refuses(self, address: int, value: int) -> bool:
        """Return whether the board answers a write with an error."""
        answer = self.ask(write_frame(address, value))
        assert answer is not None, f"no answer to a write of register {address}"
        return answer.type == MessageType.WRITE_ERROR

    def get(self, address: int) -> int:
        """Read a register as one number."""
        answer = self.ask(read_request(address, type_of(address)))
        assert answer is not None, f"no answer to a read of register {address}"
        assert answer.type == MessageType.READ, f"register {address} cannot be read"
        return answer.value

    def pulse(self, mask: int, ms: int, nonce: int) -> None:
        """Ask for a pulse; the board must acknowledge it, whether or not it happens."""
        answer = self.ask(pulse_frame(mask, ms, nonce))
        assert answer is not None, "a pulse was not answered"
        assert answer.type == MessageType.WRITE, "a pulse was refused"

    def rule(self, which: int, beams: int, outputs: int, ms: int, window_ms: int) -> None:
        """Set a local rule; the board must take it."""
        answer = self.ask(rule_frame(which, beams, outputs, ms, window_ms))
        assert answer is not None, "a rule was not answered"
        assert answer.type == MessageType.WRITE, "a rule was refused"

    def arm(self) -> None:
        """Arm the lasers."""
        self.set(Register.ARM, ARM_KEY)
        assert self.get(Register.ARM) == 1

    def events(self, address: int) -> list[Message]:
        """Return the events of a register since the last mark."""
        return [m for m in self.heard if m.type == MessageType.EVENT and m.address == address]

    def faults(self) -> int:
        """Return the Fault register."""
        return self.get(Register.FAULT)

    # --- pins

    def mark(self) -> None:
        """Forget what was seen so far."""
        self._mark = len(self.board.edges_cycles)
        self.heard.clear()

    def edges(self, *outputs: int) -> list[tuple[int, int, int]]:
        """Return the true edges of outputs (pins; none: all) since the last mark, as (cycle, pin, level)."""
        return [edge for edge in self.board.edges_cycles[self._mark :] if not outputs or edge[1] in outputs]

    def widths_ms(self, pin: int) -> list[float]:
        """Return how long an output was on each time since the last mark; every ON must have its OFF."""
        edges = self.edges(pin)
        assert [level for _, _, level in edges] == [1, 0] * (len(edges) // 2), f"edges of output {pin}: {edges}"
        return [(off[0] - on[0]) / CYCLES_PER_MS for on, off in zip(edges[::2], edges[1::2], strict=True)]

    def beam(self, pin: int, broken: bool = True) -> int:
        """Break or restore a beam, or touch a lick sensor; return the cycle at which the pin changed."""
        self.board.set_input(pin, broken, self.now_ns)
        self.run(0.1, step_ms=0.1)
        return self.board.inputs_cycles[-1][0]

    def interlock(self, closed: bool) -> int:
        """Open or close the interlock; return the cycle at which the pin changed."""
        self.board.set_interlock(closed, self.now_ns)
        self.run(0.1, step_ms=0.1)
        return self.board.inputs_cycles[-1][0]


class Bench:
    """The real driver and the firmware, joined by a wire; moves bytes and time."""

    def __init__(self, programs: Programs, **settings: object) -> None:
        self.now_ns = START_NS
        self.board = SimavrBoard(programs, START_NS)
        self.driver = reference_board.create(
            DeviceSettings(**{"name": "box", "source": 2, "pins": PINS} | settings)  # type: ignore[arg-type]
        )
        self._seen = no_events(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.board.close()

    def start(self, ms: float = 500) -> "Bench":
        """Start the driver and give it time: the first question is lost on a board that has just been powered."""
        self.driver.start(self.now_ns)
        self.run(ms)
        return self

    def run(self, ms: float) -> None:
        """Let ``ms`` of virtual time pass, with everything that is due in it."""
        until_ns = self.now_ns + round(ms * NS_PER_MS)
        self._settle()
        while (due_ns := min(self.driver.due_ns(), self.board.due_ns(), NEVER_NS)) <= until_ns:
            self.now_ns = max(due_ns, self.now_ns)
            self._settle()
        self.now_ns = until_ns
        self._settle()

    def command(self, line: Line, ms: float, nonce: int = 0) -> None:
        """Send one COMMAND record (of ``Line.ARM`` 1 arms)."""
        record = no_events(1)
        record["kind"] = Kind.COMMAND
        record["line"] = line
        record["value"] = ms if line == Line.ARM else ms * NS_PER_MS
        record["source_seq"] = nonce
        self.driver.command(record, self.now_ns)
        self._settle()

    def records(self, *kinds: Kind) -> Events:
        """Return every record so far of the given kinds."""
        self._seen = np.concatenate([self._seen, self.driver.records()])
        return self._seen[np.isin(self._seen["kind"], kinds)]

    def _settle(self) -> None:
        self.driver.feed(self.board.outgoing(self.now_ns), self.now_ns)
        self.driver.poll(self.now_ns)
        out = self.driver.outgoing()
        if out:
            self.board.feed(out, self.now_ns)
