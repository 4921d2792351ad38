"""What the firmware's machine code does, in cycles of its chip: virtual time, so every run finds the same numbers.

A cycle is 62.5 ns, and the firmware's timer ticks every 16 µs. Bytes take 160 cycles each on the wire. The deeds fall
on uneven moments between two ticks, drawn with a fixed seed.
"""

import random
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks._children import BenchmarkFailed
from benchmarks._hardware_device import EVENT_BYTES
from hardware import board_requests as ask
from hardware.board_registers import (
    ALL_OUTPUTS,
    DEFAULT_HOST_TIMEOUT_MS,
    DUTY_RANGE_MS,
    MODE_ACTIVE,
    N_OUTPUTS,
    U16,
    Register,
)
from hardware.device import Request
from hardware.firmware.build import CLOCK_HZ, Programs
from hardware.firmware.simavr import CYCLES_PER_MS, SimavrBoard
from hardware.harp import CoreRegister, Framer, Message, MessageType
from realtime.records import NS_PER_S

CYCLES_PER_US: Final = CLOCK_HZ // 1_000_000
CYCLES_PER_TICK: Final = 256
CYCLES_PER_BYTE: Final = 160
WIRE_LEAD_CYCLES: Final = 16
"""The simulator puts the first byte on the wire so much later than it is told to."""
BOOT_MS: Final = 3
ANSWER_MS: Final = 20
HOST_SILENT_MS: Final = DEFAULT_HOST_TIMEOUT_MS

BEAM, INTERLOCK = 0, -1
VALVE_A, VALVE_B, LASER_A = 0, 1, 2

FIRST_BYTE, LAST_BYTE, COMMAND, RULE, RULE_BUSY, CUT, CUT_BUSY, SILENT, HUNG, RESYNC = (
    "poke → first start bit of its event",
    "poke → last stop bit of its event",
    "PulseCmd's last stop bit → pin high",
    "local rule: beam → laser pin high",
    "local rule, while a PulseCmd comes and is carried out",
    "interlock opens → laser pin low",
    "interlock, while a PulseCmd comes and is carried out",
    "host silent: last stop bit heard → outputs low",
    "program hangs → valve low (chip's own watchdog)",
    "80 bytes of garbage: their last stop bit → that of the first answer, asked every ms",
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each thing is done."""

    often: int
    seldom: int
    """What takes long."""
    pulses: int


@dataclass(frozen=True, slots=True)
class Cycles:
    """Everything measured, in cycles."""

    delays: dict[str, NDArray[np.int64]]
    max_on: dict[int, NDArray[np.int64]]
    """By output: how much longer than its longest time it was on."""
    widths: NDArray[np.int64]
    """How much longer than asked for each pulse was."""


class Board:
    """The firmware, and the host's half of the wire."""

    def __init__(self, programs: Programs, seed: int = 1) -> None:
        self.board = SimavrBoard(programs)
        self._random = random.Random(seed)  # noqa: S311  # moments, not secrets
        self._framer = Framer()
        self._nonce = 0
        self.cycle = 0
        self.run(BOOT_MS)
        self.ask(ask.write(CoreRegister.OPERATION_CONTROL, bytes((MODE_ACTIVE,))))
        for pin in range(N_OUTPUTS):
            self.ask(ask.setting(Register.MIN_GAP_MS + pin, U16.pack(0)))
            self.ask(ask.setting(Register.DUTY_MS + pin, U16.pack(DUTY_RANGE_MS[1])))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.board.close()

    @property
    def now_ns(self) -> int:
        """The first ns at which the present cycle is over."""
        return -(-self.cycle * NS_PER_S // CLOCK_HZ)

    def advance(self, cycles: int) -> list[Message]:
        """Let time pass; return what the board has said meanwhile."""
        self.cycle += cycles
        return self._framer.feed(self.board.outgoing(self.now_ns), self.now_ns)

    def run(self, ms: float) -> list[Message]:
        """Let time pass in pieces of a ms at most; return what the board has said meanwhile."""
        heard: list[Message] = []
        until = self.cycle + round(ms * CYCLES_PER_MS)
        while self.cycle < until:
            heard += self.advance(min(CYCLES_PER_MS, until - self.cycle))
        return heard

    def uneven(self) -> None:
        """Let an uneven while of 1 to 2 ms pass."""
        self.advance(self._random.randint(CYCLES_PER_MS, 2 * CYCLES_PER_MS))

    def keep_busy(self) -> None:
        """Have a command come, and let time pass until some moment while it comes or is carried out."""
        frame = self.pulse(1 << VALVE_B, 1).frame
        self.send(frame)
        self.advance(self._random.randint(0, 3 * len(frame) * CYCLES_PER_BYTE))

    def send(self, frame: bytes) -> int:
        """Put a frame on a quiet wire; return the cycle at which its last stop bit ends."""
        self.board.feed(frame, self.now_ns)
        return self.cycle + WIRE_LEAD_CYCLES + len(frame) * CYCLES_PER_BYTE

    def ask(self, request: Request) -> int:
        """Send a request and wait for its answer; return the cycle at which its last stop bit ended.

        Raises
        ------
        BenchmarkFailed
            If the board does not take it.
        """
        sent_at = self.send(request.frame)
        for _ in range(ANSWER_MS):
            for message in self.run(1):
                if message.address == request.address and message.type != MessageType.EVENT:
                    if message.is_error:
                        raise BenchmarkFailed(f"the firmware refused {request.what}")
                    return sent_at
        raise BenchmarkFailed(f"the firmware never answered {request.what}")

    def pulse(self, pins: int, ms: int) -> Request:
        """Return the request for a pulse that has not been asked for before."""
        self._nonce = self._nonce % 0xFFFF + 1
        return ask.pulse(pins, ms, self._nonce)

    def poke(self, *, broken: bool) -> int:
        """Break or restore the beam; return the cycle at which its pin changed."""
        self.board.set_input(BEAM, broken, self.now_ns)
        self.advance(WIRE_LEAD_CYCLES)
        self.advance(CYCLES_PER_US)
        return self.board.inputs_cycles[-1][0]

    def interlock(self, *, closed: bool) -> int:
        """Open or close the interlock; return the cycle at which its pin changed."""
        self.board.set_interlock(closed, self.now_ns)
        self.advance(WIRE_LEAD_CYCLES)
        self.advance(CYCLES_PER_US)
        return self.board.inputs_cycles[-1][0]

    def edge(self, pin: int, level: int, after: int) -> int:
        """Return the cycle of the first edge of an output since ``after``.

        Raises
        ------
        BenchmarkFailed
            If there is none.
        """
        for cycle, which, to in self.board.edges_cycles:
            if cycle >= after and (which, to) == (pin, level):
                return cycle
        raise BenchmarkFailed(f"output {pin} did not become {level} in the simulator")

    def said_from_to(self, size: int) -> tuple[int, int]:
        """Wait for ``size`` bytes, cycle by cycle; return where their first start and their last stop bit are."""
        first, said = 0, 0
        for _ in range(ANSWER_MS * CYCLES_PER_MS):
            self.cycle += 1
            said += len(self.board.outgoing(self.now_ns))
            first = first or self.cycle * bool(said)
            if said >= size:
                return first - CYCLES_PER_BYTE, self.cycle
        raise BenchmarkFailed(f"the firmware said {said} of {size} bytes")


def _events(board: Board, often: int) -> dict[str, list[int]]:
    firsts, lasts = [], []
    for _ in range(often):
        board.uneven()
        poked_at = board.poke(broken=True)
        first, last = board.said_from_to(len(EVENT_BYTES))
        firsts.append(first - poked_at)
        lasts.append(last - poked_at)
        board.uneven()
        board.poke(broken=False)
        board.uneven()
        board.ask(ask.write(Register.KEEP_ALIVE, b"\0"))
    return {FIRST_BYTE: firsts, LAST_BYTE: lasts}


def _commands(board: Board, often: int) -> dict[str, list[int]]:
    delays = []
    for _ in range(often):
        board.uneven()
        sent_at = board.ask(board.pulse(1 << VALVE_A, 1))
        delays.append(board.edge(VALVE_A, 1, sent_at) - sent_at)
        board.run(3)
    return {COMMAND: delays}


def _rules(board: Board, often: int, *, busy: bool) -> list[int]:
    delays = []
    for i in range(often):
        board.ask(ask.arm(wanted=True))
        board.ask(ask.rule(0, 1 << BEAM, 1 << LASER_A, 2, 1000 + i))
        board.uneven()
        if busy:
            board.keep_busy()
        poked_at = board.poke(broken=True)
        board.run(5)
        delays.append(board.edge(LASER_A, 1, poked_at) - poked_at)
        board.poke(broken=False)
        board.uneven()
    return delays


def _cuts(board: Board, often: int, *, busy: bool) -> list[int]:
    delays = []
    for _ in range(often):
        board.ask(ask.arm(wanted=True))
        board.ask(board.pulse(1 << LASER_A, 200))
        board.uneven()
        if busy:
            board.keep_busy()
        opened_at = board.interlock(closed=False)
        board.run(5)
        delays.append(board.edge(LASER_A, 0, opened_at) - opened_at)
        board.interlock(closed=True)
        board.uneven()
    return delays


def _silences(board: Board, seldom: int) -> dict[str, list[int]]:
    """The host says nothing more after a pulse that is longer than its patience."""
    for pin in range(N_OUTPUTS):
        board.ask(ask.setting(Register.MAX_ON_MS + pin, U16.pack(2000)))
    delays = []
    for _ in range(seldom):
        board.ask(ask.arm(wanted=True))
        board.uneven()
        heard_at = board.ask(board.pulse(ALL_OUTPUTS, 2000))
        board.run(HOST_SILENT_MS + 10)
        delays += [board.edge(pin, 0, heard_at) - heard_at for pin in range(N_OUTPUTS)]
    return {SILENT: delays}


def _hangs(programs: Programs, seldom: int) -> dict[str, list[int]]:
    delays = []
    for i in range(seldom):
        with Board(programs, seed=i) as board:
            board.uneven()
            board.ask(board.pulse(1 << VALVE_A, 200))
            hung_at = board.cycle
            board.board.hang(board.now_ns, interrupts=bool(i % 2))
            board.run(180)
            delays.append(board.edge(VALVE_A, 0, hung_at) - hung_at)
    return {HUNG: delays}


def _resyncs(board: Board, often: int) -> dict[str, list[int]]:
    noise = random.Random(80)  # noqa: S311  # garbage, not secrets
    delays = []
    for tag in range(often):
        board.uneven()
        over_at = board.send(noise.randbytes(80))
        board.advance(over_at - board.cycle)
        answer_at = 0
        for _ in range(ANSWER_MS):
            board.send(ask.PINGS[tag % 255 + 1])
            step = CYCLES_PER_MS // 100
            for _ in range(100):
                answers = [each for each in board.advance(step) if each.address == Register.KEEP_ALIVE]
                answer_at = answer_at or board.cycle * bool(answers)
            if answer_at:
                break
        else:
            raise BenchmarkFailed("after garbage the firmware never answered again")
        delays.append(answer_at - over_at)
        board.run(ANSWER_MS)
    return {RESYNC: delays}


def _max_on(board: Board, seldom: int) -> dict[int, list[int]]:
    """Every output is switched on for longer than it may be."""
    errors: dict[int, list[int]] = {pin: [] for pin in range(N_OUTPUTS)}
    limits_ms = [120, 150, 180, 210]
    for pin, limit_ms in enumerate(limits_ms):
        board.ask(ask.setting(Register.MAX_ON_MS + pin, U16.pack(limit_ms)))
    for _ in range(seldom):
        board.ask(ask.arm(wanted=True))
        board.uneven()
        sent_at = board.ask(board.pulse(ALL_OUTPUTS, 400))
        board.run(max(limits_ms) + 5)
        for pin, limit_ms in enumerate(limits_ms):
            on_at = board.edge(pin, 1, sent_at)
            errors[pin].append(board.edge(pin, 0, on_at) - on_at - limit_ms * CYCLES_PER_MS)
    return errors


def _widths(board: Board, pulses: int) -> list[int]:
    """Pulses of 1 to 200 ms, in mixed order."""
    board.ask(ask.setting(Register.MAX_ON_MS + VALVE_A, U16.pack(2000)))
    lengths_ms = np.linspace(1, 200, pulses).round().astype(int).tolist()
    random.Random(200).shuffle(lengths_ms)  # noqa: S311  # an order, not a secret
    errors = []
    for ms in lengths_ms:
        board.uneven()
        sent_at = board.ask(board.pulse(1 << VALVE_A, ms))
        board.run(ms + 1)
        on_at = board.edge(VALVE_A, 1, sent_at)
        errors.append(board.edge(VALVE_A, 0, on_at) - on_at - ms * CYCLES_PER_MS)
    return errors


def measure(programs: Programs, effort: Effort) -> Cycles:
    """Measure everything.

    Raises
    ------
    BenchmarkFailed
        If the firmware does not do what is to be measured.
    """
    with Board(programs) as board:
        delays = _events(board, effort.often) | _commands(board, effort.often)
        delays |= {name: _rules(board, effort.often, busy=busy) for name, busy in ((RULE, False), (RULE_BUSY, True))}
        delays |= {name: _cuts(board, effort.often, busy=busy) for name, busy in ((CUT, False), (CUT_BUSY, True))}
        delays |= _resyncs(board, effort.often)
    with Board(programs) as board:
        delays |= _silences(board, effort.seldom)
    delays |= _hangs(programs, effort.seldom)
    with Board(programs) as board:
        max_on = _max_on(board, effort.seldom)
    with Board(programs) as board:
        widths = _widths(board, effort.pulses)
    return Cycles(
        {name: np.array(found, np.int64) for name, found in delays.items()},
        {pin: np.array(found, np.int64) for pin, found in max_on.items()},
        np.array(widths, np.int64),
    )
