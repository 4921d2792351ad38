"""The child process that runs the firmware (``harness/avr_board.c``), spoken to through pipes, one answer an order.

No thread, no pty, no wall time: :meth:`BoardProgram.advance` writes what was ordered, waits for the child to have lived
until the cycle asked for, and returns what happened.
"""

import subprocess
import tempfile
from enum import IntEnum
from os import read
from struct import Struct
from typing import Final, NamedTuple

from hardware.firmware.build import Programs
from realtime.errors import DuettoError

_CHUNK_BYTES: Final = 1 << 16
_CLOSE_S: Final = 10.0
_RECORD: Final = Struct("=QBBBB4x")
_KIND_AT: Final = 8


class Order(IntEnum):
    """What the child can be told to do; ``harness/records.h`` says what ``a``, ``b`` and ``c`` are."""

    ADVANCE = ord("A")
    BYTE = ord("B")
    PIN = ord("P")
    RESET = ord("R")
    HANG = ord("H")


class Happened(IntEnum):
    """What the child tells."""

    SENT = ord("S")
    OUTPUT = ord("O")
    INPUT = ord("I")
    BOOTED = ord("M")
    LOST = ord("L")
    CRASHED = ord("C")
    END = ord("E")


class Record(NamedTuple):
    """One thing that happened, at a cycle of the chip."""

    cycle: int
    kind: int
    a: int
    b: int
    c: int


class BoardProgramDied(DuettoError):
    """The program that runs the firmware ended, or was closed, and is used nevertheless."""


class BoardProgram:
    """The child process. Close it."""

    def __init__(self, programs: Programs) -> None:
        self._orders = bytearray()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the child is
        self._child = subprocess.Popen(
            [programs.harness, programs.firmware],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
        )

    def close(self) -> None:
        """End the child. Doing so twice is harmless."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._child.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._complaints.close()

    def order(self, order: Order, cycle: int, a: int = 0, b: int = 0, c: int = 0) -> None:
        """Note an order; it goes out with the next :meth:`advance`. Cycles never go back."""
        self._orders += _RECORD.pack(cycle, order, a, b, c)

    def advance(self, cycle: int) -> list[Record]:
        """Let the board live until ``cycle``; return what happened, in order (a few cycles later at the latest).

        Raises
        ------
        BoardProgramDied
            If the child is no longer there.
        """
        self.order(Order.ADVANCE, cycle)
        try:
            self._write()
            answer = self._read()
        except (BrokenPipeError, ValueError) as error:
            raise BoardProgramDied(self._obituary()) from error
        return [Record._make(fields) for fields in _RECORD.iter_unpack(answer)]

    def _write(self) -> None:
        if self._child.stdin is None:
            raise BrokenPipeError
        view = memoryview(bytes(self._orders))
        self._orders.clear()
        while view:
            view = view[self._child.stdin.write(view) :]

    def _read(self) -> bytearray:
        answer = bytearray()
        while not answer or len(answer) % _RECORD.size or answer[_KIND_AT - _RECORD.size] != Happened.END:
            chunk = read(self._child.stdout.fileno(), _CHUNK_BYTES) if self._child.stdout is not None else b""
            if not chunk:
                raise BrokenPipeError
            answer += chunk
        return answer

    def _obituary(self) -> str:
        if self._complaints.closed:
            return "The simulated board was closed. Make a new one."
        code = self._child.wait(_CLOSE_S)
        self._complaints.seek(0)
        told = self._complaints.read().decode(errors="replace").strip().splitlines()[-1:]
        return f"The program that runs the firmware ended with exit code {code}: {' '.join(told) or 'no reason given'}."
