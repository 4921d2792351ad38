"""What the firmware's machine code does, in cycles of its chip: virtual time, so every run finds the same numbers.

A cycle is 62.5 ns, and the firmware's timer ticks every 16 µs. Bytes take 160 cycles each on the wire. The deeds fall
on uneven moments between two ticks, drawn with a fixed seed.
"""

import random
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._children import BenchmarkFailed
from benchmarks._hardware_chip import ANSWER_MS, BEAM, CYCLES_PER_BYTE, LASER_A, VALVE_A, Board
from benchmarks._hardware_device import EVENT_BYTES, PONG_BYTES
from hardware.board import requests as ask
from hardware.board.pulses import TRIES
from hardware.board.registers import ALL_OUTPUTS, DEFAULT_HOST_TIMEOUT_MS, N_OUTPUTS, U16, Register
from hardware.firmware.build import Programs
from hardware.firmware.simavr import CYCLES_PER_MS

GARBAGE_BYTES: Final = 80
HOST_SILENT_MS: Final = DEFAULT_HOST_TIMEOUT_MS

FIRST_BYTE, LAST_BYTE, ANSWER, COMMAND, RULE, RULE_BUSY, CUT, CUT_BUSY, SILENT, HUNG, RESYNC = (
    "poke → first start bit of its event",
    "poke → last stop bit of its event",
    "keep-alive's last stop bit → first start bit of its answer",
    "PulseCmd's last stop bit → pin high",
    "local rule: beam → laser pin high",
    "local rule, while a PulseCmd comes and is carried out",
    "interlock opens → laser pin low",
    "interlock, while a PulseCmd comes and is carried out",
    "host silent: last stop bit heard → outputs low",
    "program hangs → valve low (chip's own watchdog)",
    "80 bytes of garbage: their last stop bit → that of the first answer, asked every 20 ms",
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


def _answers(board: Board, often: int) -> dict[str, list[int]]:
    delays = []
    for tag in range(often):
        board.uneven()
        heard_at = board.send(ask.PINGS[tag % len(ask.PINGS)])
        first, _ = board.said_from_to(len(PONG_BYTES))
        delays.append(first - heard_at)
    return {ANSWER: delays}


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
    """The host asks right behind the garbage, and again as the driver does: garbage may end like a request's head."""
    noise = random.Random(80)  # noqa: S311  # garbage, not secrets
    delays = []
    for _ in range(often):
        board.uneven()
        over_at = board.send(noise.randbytes(GARBAGE_BYTES))
        board.advance(over_at - board.cycle)
        delays.append(_answered_at(board) - over_at)
        board.run(ANSWER_MS)
    return {RESYNC: delays}


def _answered_at(board: Board) -> int:
    """Ask until there is an answer; return when it was there, to the length of a byte."""
    for tag in range(TRIES):
        board.send(ask.PINGS[tag])
        for _ in range(ANSWER_MS * CYCLES_PER_MS // CYCLES_PER_BYTE):
            if any(message.address == Register.KEEP_ALIVE for message in board.advance(CYCLES_PER_BYTE)):
                return board.cycle
    raise BenchmarkFailed(f"after garbage the firmware answered none of {TRIES} requests")


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
        delays = _events(board, effort.often) | _answers(board, effort.often) | _commands(board, effort.often)
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
