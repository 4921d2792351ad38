"""The firmware as machine code in virtual time, and the host's half of its wire: what the cycles are counted with."""

import random
from typing import Final, Self

from benchmarks._children import BenchmarkFailed
from hardware.board import requests as ask
from hardware.board.registers import CHATTER_RANGE_HZ, DUTY_RANGE_MS, MODE_ACTIVE, N_OUTPUTS, U16, Register
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

BEAM: Final = 0
VALVE_A, VALVE_B, LASER_A = 0, 1, 2


class Board:
    """The firmware, with every limit as wide as it goes, and the host's half of the wire."""

    def __init__(self, programs: Programs, seed: int = 1) -> None:
        self.board = SimavrBoard(programs)
        self._random = random.Random(seed)  # noqa: S311  # moments, not secrets
        self._framer = Framer()
        self._nonce = 0
        self.cycle = 0
        self.run(BOOT_MS)
        self.ask(ask.write(CoreRegister.OPERATION_CONTROL, bytes((MODE_ACTIVE,))))
        self.ask(ask.setting(Register.CHATTER_LIMIT, U16.pack(CHATTER_RANGE_HZ[1])))
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
