"""How each driver is joined to its device in the contract suite: one entry per pair, everything else is common.

A new driver adds one :class:`Hookup` to :data:`HOOKUPS`; the suite then holds it to all that every driver owes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import pytest

from hardware.device import DeviceSettings, Driver, EmulatedDevice, PulseTrain
from hardware.drivers import cobolt, harp_behavior, obis, pulse_pal, reference_board
from hardware.emulators import cobolt as emulated_cobolt
from hardware.emulators import harp_behavior as emulated_behavior
from hardware.emulators import obis as emulated_obis
from hardware.emulators import pulse_pal as emulated_pal
from hardware.emulators import reference_board as emulated_board
from hardware.firmware.build import INSTALL, build, missing
from hardware.firmware.simavr import SimavrBoard
from realtime.records import NEVER_NS, NS_PER_MS, Events, Kind, Line, no_events

START_NS = 1_000 * NS_PER_MS


@dataclass(frozen=True)
class Hookup:
    """One driver and one device that answers it.

    ``laser``: the line that a pulse is asked of (None: a head, whose light comes by a TTL); ``valve`` likewise, if it
    has one. ``wires`` leads output pins back to input pins, as a rig's copies do. ``hide_edges`` makes the device, or
    the wires, keep quiet about what the outputs do. ``stranger`` is some other device, on the same port.
    """

    name: str
    driver: ModuleType
    device: Callable[[int], EmulatedDevice]
    pins: dict[Line, int]
    stranger: Callable[[int], EmulatedDevice]
    laser: Line | None = Line.LASER_A
    valve: Line | None = None
    wires: dict[int, int] = field(default_factory=dict)
    copies: dict[Line, int] = field(default_factory=dict)
    power_mw: float | None = None
    train: PulseTrain | None = None
    ready_ms: int = 300
    arm_ms: int = 20
    has_edges: bool = True
    """Whether the session ever learns from this device what its outputs did."""
    has_inputs: bool = True

    def settings(self) -> DeviceSettings:
        return DeviceSettings(
            name="it",
            source=2,
            pins=self.pins,
            link_baud=0,
            copies=self.copies,
            power_mw=self.power_mw,
            train=self.train,
            chatter_hz=1000,
        )


def who_am_i(number: int) -> Callable[[int], EmulatedDevice]:
    """Return a maker of boards that say they are something else."""

    def make(now_ns: int) -> EmulatedDevice:
        board = emulated_board.create(now_ns)
        board.knobs.who_am_i = number
        return board

    return make


def simulated(now_ns: int) -> EmulatedDevice:
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)} is not installed: {INSTALL}")
    return SimavrBoard(build(), now_ns)


BOARD_PINS = {
    Line.POKE_A: 0,
    Line.POKE_B: 1,
    Line.VALVE_A: 0,
    Line.VALVE_B: 1,
    Line.LASER_A: 2,
    Line.LASER_B: 3,
}
BEHAVIOR_PINS = {
    Line.POKE_A: 0,
    Line.POKE_B: 1,
    Line.VALVE_A: 0,
    Line.VALVE_B: 1,
    Line.LASER_A: 3,
    Line.LASER_B: 4,
}

HOOKUPS = (
    Hookup(
        "reference_board",
        reference_board,
        emulated_board.create,
        BOARD_PINS,
        who_am_i(1216),
        valve=Line.VALVE_A,
    ),
    Hookup("reference_board-simavr", reference_board, simulated, BOARD_PINS, who_am_i(1216), valve=Line.VALVE_A),
    Hookup(
        "harp_behavior",
        harp_behavior,
        emulated_behavior.create,
        BEHAVIOR_PINS,
        who_am_i(3335),
        valve=Line.VALVE_A,
        wires={0: 4, 1: 5, 3: 6, 4: 3},
        copies={Line.VALVE_A: 4, Line.VALVE_B: 5, Line.LASER_A: 6, Line.LASER_B: 3},
    ),
    Hookup(
        "pulse_pal",
        pulse_pal,
        emulated_pal.create,
        {Line.LASER_A: 0, Line.LASER_B: 1},
        emulated_cobolt.create,
        has_edges=False,
        has_inputs=False,
        ready_ms=1500,
    ),
    Hookup(
        "cobolt",
        cobolt,
        emulated_cobolt.create,
        {},
        emulated_obis.create,
        laser=None,
        power_mw=10.0,
        ready_ms=3000,
        arm_ms=1500,
        has_edges=False,
        has_inputs=False,
    ),
    Hookup(
        "obis",
        obis,
        emulated_obis.create,
        {},
        emulated_cobolt.create,
        laser=None,
        power_mw=10.0,
        ready_ms=3000,
        arm_ms=7000,
        has_edges=False,
        has_inputs=False,
    ),
)


class Joint:
    """One driver, one device, the wires between, and virtual time."""

    def __init__(self, hookup: Hookup, device: EmulatedDevice | None = None) -> None:
        self.hookup = hookup
        self.now_ns = START_NS
        self.device = hookup.device(START_NS) if device is None else device
        self.driver: Driver = hookup.driver.create(hookup.settings())
        self.wired = True
        self.plugged = True
        self.chunk = 0
        self.lose_from_device = 0  # so many of the device's next messages vanish
        self.edges: list[tuple[int, int, int]] = []
        self.remarks: list[str] = []
        self._seen = [no_events(0)]
        self._late = b""

    def close(self) -> None:
        close = getattr(self.device, "close", None)
        if close is not None:
            close()

    def start(self, ms: float | None = None) -> "Joint":
        self.driver.start(self.now_ns)
        self.run(self.hookup.ready_ms if ms is None else ms)
        return self

    def arm(self) -> "Joint":
        self.command(Line.ARM, 1.0)
        self.run(self.hookup.arm_ms)
        return self

    def restart_driver(self) -> "Joint":
        """Let a new driver take over the same device, as a session does after a fault."""
        self.records()
        self.driver = self.hookup.driver.create(self.hookup.settings(), self.driver.last_seq)
        return self.start()

    def command(self, line: Line, value: float, nonce: int = 0) -> None:
        record = no_events(1)
        record["kind"], record["line"], record["value"], record["source_seq"] = Kind.COMMAND, line, value, nonce
        self.driver.command(record, self.now_ns)
        self.settle()

    def light(self, ms: float = 50.0, nonce: int = 1) -> None:
        """Ask for light: a pulse, or for a head its TTL (which some board would give)."""
        if self.hookup.laser is None:
            self.device.set_input(0, True, self.now_ns)
            self.run(5)
        else:
            self.command(self.hookup.laser, ms * NS_PER_MS, nonce)

    def is_lit(self) -> bool:
        """Return whether any laser is on now: heads have their light on pin 0."""
        pins = [pin for line, pin in self.hookup.pins.items() if line in (Line.LASER_A, Line.LASER_B)] or [0]
        return any(self.device.outputs >> pin & 1 for pin in pins)

    def run(self, ms: float) -> None:
        until_ns = self.now_ns + round(ms * NS_PER_MS)
        self.settle()
        while (due_ns := min(self.driver.due_ns(), self.device.due_ns(), NEVER_NS)) <= until_ns:
            self.now_ns = max(due_ns, self.now_ns + 1)
            self.settle()
        self.now_ns = until_ns
        self.settle()

    def settle(self) -> None:
        """Do everything that is due now."""
        for _ in range(200):
            self._live()
            moved = self._to_host()
            self.driver.poll(self.now_ns)
            moved = self._to_device() or moved
            if not moved:
                return
        raise RuntimeError("driver and device never came to rest")

    def records(self, *kinds: Kind) -> Events:
        self._seen.append(self.driver.records())
        self.remarks += self.driver.remarks()
        everything = np.concatenate(self._seen)
        return everything[np.isin(everything["kind"], kinds)] if kinds else everything

    def faults(self) -> list[int]:
        return [int(value) for value in self.records(Kind.FAULT)["value"]]

    def rises(self, pin: int) -> int:
        return sum(1 for _, at, level in self.edges if at == pin and level)

    def _live(self) -> None:
        self.device.advance(self.now_ns)
        for edge in self.device.take_edges():
            self.edges.append(edge)
            t_ns, pin, level = edge
            if self.wired and pin in self.hookup.wires:
                self.device.set_input(self.hookup.wires[pin], bool(level), t_ns)

    def _to_host(self) -> bool:
        out = self.device.outgoing(self.now_ns)
        if not self.plugged:
            return False
        if out and self.lose_from_device:
            self.lose_from_device -= 1
            return True
        size = self.chunk or max(1, len(out))
        for start in range(0, len(out), size):
            self.driver.feed(out[start : start + size], self.now_ns)
        return bool(out)

    def _to_device(self) -> bool:
        moved = False
        while out := self.driver.outgoing():
            moved = True
            if not self.plugged:
                continue
            size = self.chunk or len(out)
            for start in range(0, len(out), size):
                self.device.feed(out[start : start + size], self.now_ns)
        return moved
