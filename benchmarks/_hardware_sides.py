"""The host's side of the wire in ``duetto bench hardware``: the driver, or what stands in for it.

All times are on the session clock, which every process reads alike.
"""

import contextlib
import select
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._children import BenchmarkFailed, Contender
from benchmarks._hardware_device import BARE, KINDS, PATIENCE_NS, PIN, PING_BYTES, PULSE_BYTES
from hardware.board import requests as ask
from hardware.device import DeviceSettings, DeviceState
from hardware.drivers import reference_board
from hardware.transport import SerialTransport
from realtime.clock import now_ns
from realtime.records import FIRST_DEVICE, NS_PER_MS, NS_PER_S, Events, Kind, Line, no_events

WAIT_S: Final = 2.0
"""Longest wait for anything that must come."""
PULSE_NS: Final = NS_PER_MS
RELAXED_MS: Final = 100
"""Between keep-alives while pokes are measured, as in a session."""
PACED_MS: Final = 20
"""Between keep-alives while these are measured."""


@dataclass(slots=True)
class Heard:
    """What the host's side noted [ns]."""

    parsed_ns: list[int] = field(default_factory=list)
    written_ns: list[int] = field(default_factory=list)
    reported_ns: list[int] = field(default_factory=list)
    echo_ns: list[int] = field(default_factory=list)
    retries: int = 0
    missed: int = 0
    garbage: int = 0


class Device(Contender):
    """The other side: a device in a process of its own."""

    def __init__(self, kind: str, folder: Path, *, seed: int, priority: int) -> None:
        self.port = folder / "port"
        module = "benchmarks._hardware_device"
        words = (kind, str(self.port), "--seed", str(seed), "--fifo", str(priority))
        super().__init__(KINDS[kind], [sys.executable, "-m", module, *words], folder)

    def poke(self, count: int) -> None:
        """Let so many noses in."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{count}\n".encode())
            self._process.stdin.flush()

    def is_done(self, wait_s: float = 0.0) -> bool:
        """Return whether the last of them is over, or the process has ended, or will be within ``wait_s``."""
        pipe = self._process.stdout
        return pipe is None or bool(select.select([pipe], [], [], wait_s)[0])

    def noted(self) -> dict[str, NDArray[np.int64]]:
        """Wait for the last of them to be over, end it, and return what it noted.

        Raises
        ------
        BenchmarkFailed
            If it failed, or does not come to an end.
        """
        if not self.is_done(WAIT_S):
            raise BenchmarkFailed(f"{self.name} does not say what happened")
        facts: dict[str, Any] = self.end()
        return {name: np.array(values, np.int64) for name, values in facts.items()}


class BareSide:
    """Reads and writes frames of the right sizes, and nothing else."""

    def __init__(self, port: Path, stack: contextlib.ExitStack) -> None:
        self.heard = Heard()
        self._port = stack.enter_context(SerialTransport.open(str(port), reference_board.BAUD))

    def echo(self, count: int) -> None:
        """Send so many frames of a keep-alive's size, one at a time."""
        for _ in range(count):
            select.select([], [], [], PACED_MS / 1000)
            asked_ns = now_ns()
            self._port.write(PING_BYTES)
            self.heard.echo_ns.append(self._read() - asked_ns)

    def answer(self, count: int, device: Device) -> None:
        """Answer every event with a command, and wait for the event that it brings."""
        device.poke(count)
        for _ in range(count):
            self.heard.parsed_ns.append(self._read())
            self.heard.written_ns.append(now_ns())
            self._port.write(PULSE_BYTES)
            self.heard.reported_ns.append(self._read())

    def _read(self) -> int:
        """Wait for a frame; return when it was there."""
        if not select.select([self._port.fileno()], [], [], WAIT_S)[0]:
            raise BenchmarkFailed(f"{BARE}: nothing came within {WAIT_S:g} s")
        self._port.read()
        return now_ns()


class DriverSide:
    """The product's driver on the product's transport, in one thread, as the device's process of a session has them."""

    def __init__(self, port: Path, stack: contextlib.ExitStack) -> None:
        self.heard = Heard()
        self._port = stack.enter_context(SerialTransport.open(str(port), reference_board.BAUD))
        self._driver = reference_board.create(_settings(RELAXED_MS))
        self._pinged_ns = 0
        self._nonce = 0

    def echo(self, count: int) -> None:
        """Let the driver send so many keep-alives, one at a time."""
        self._start(PACED_MS)
        while len(self.heard.echo_ns) < count:
            records, at_ns = self._turn()
            if self._pinged_ns and (records["kind"] == Kind.CLOCK).any():
                self.heard.echo_ns.append(at_ns - self._pinged_ns)
                self._pinged_ns = 0
        self._close()

    def answer(self, count: int, device: Device) -> None:
        """Answer every POKE_IN with a pulse, until the last one is over."""
        self._start(RELAXED_MS)
        device.poke(count)
        until_ns = now_ns() + count * PATIENCE_NS + round(WAIT_S * NS_PER_S)
        while not device.is_done():
            self._answer_once()
            if now_ns() > until_ns:
                raise BenchmarkFailed(f"{device.name} has not had its {count} pokes in time")
        self._answer_once()
        self._close()

    def _answer_once(self) -> None:
        records, at_ns = self._turn()
        for kind in records["kind"].tolist():
            if kind == Kind.POKE_IN:
                self.heard.parsed_ns.append(at_ns)
                self._pulse()
            elif kind == Kind.VALVE_ON:
                self.heard.reported_ns.append(at_ns)

    def _start(self, keep_alive_ms: int) -> None:
        """Have a new driver get the board ready."""
        self._driver = reference_board.create(_settings(keep_alive_ms), self._driver.last_seq)
        self._driver.start(now_ns())
        self._ship()
        while self._driver.state is DeviceState.CONNECTING:
            self._turn()
        self._pinged_ns = 0

    def _close(self) -> None:
        counters = self._driver.counters()
        self.heard.retries += counters["retries"]
        self.heard.missed += counters["missed_pings"]
        self.heard.garbage += counters["garbage_bytes"]
        self._driver.close(now_ns())
        self._ship()

    def _pulse(self) -> None:
        self._nonce += 1
        record = no_events(1)
        record["kind"], record["line"], record["value"], record["source_seq"] = (
            Kind.COMMAND,
            Line.VALVE_A,
            PULSE_NS,
            self._nonce,
        )
        self._driver.command(record, now_ns())
        self.heard.written_ns.append(self._ship())

    def _turn(self) -> tuple[Events, int]:
        """Wait for something to do and do it; return what the driver published, and when."""
        wait_s = (self._driver.due_ns() - now_ns()) / NS_PER_S
        select.select([self._port.fileno()], [], [], min(0.05, max(0.0, wait_s)))
        if data := self._port.read():
            self._driver.feed(data, now_ns())
        records = self._driver.records()
        at_ns = now_ns()
        self._driver.poll(at_ns)
        self._ship()
        if self._driver.state is DeviceState.FAULTED:
            raise BenchmarkFailed(f"the driver ended: {self._driver.error}")
        return records, at_ns

    def _ship(self) -> int:
        """Write what the driver wants written; return when that began."""
        data = self._driver.outgoing()
        at_ns = now_ns()
        if data:
            self._port.write(data)
        if data in ask.PINGS:
            self._pinged_ns = at_ns
        return at_ns


def _settings(keep_alive_ms: int) -> DeviceSettings:
    """Return a board with one beam and one valve, whose limits a benchmark does not meet."""
    valve = Line.VALVE_A
    return DeviceSettings(
        "board",
        FIRST_DEVICE,
        {Line.POKE_A: PIN, valve: PIN},
        host_timeout_ms=5000,
        keep_alive_ms=keep_alive_ms,
        min_gap_ms={valve: 0},
        duty_ms={valve: 60_000},
        chatter_hz=1000,
    )
