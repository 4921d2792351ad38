"""Devices that are connected for one action, through their real drivers: a serial port or an emulator below each.

One thread pumps them, and only while something is done. Time is the host's, or virtual where everything is emulated.
"""

import contextlib
import select
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from controller.calibration.points import CalibrationError
from hardware.device import (
    DeviceState,
    Driver,
    EmulatedDevice,
    SilentDevice,
)
from hardware.transport import PortError, SerialTransport
from realtime.clock import now_ns
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Fault, Kind, Line, Role, no_events

READY_NS: Final = 30 * NS_PER_S
"""Longest time until a device is ready; drivers of silent devices give up earlier."""
EDGE_NS: Final = 500 * NS_PER_MS
"""How long after its time an edge may be reported."""
ARM_NS: Final = 10 * NS_PER_S
"""Longest time until a laser head is armed."""
ARM_REFUSAL_NS: Final = 300 * NS_PER_MS
"""A board answers an ARM, and so refuses it, within this."""
LAST_WORDS_NS: Final = 200 * NS_PER_MS
"""How long devices are listened to after they were told to switch off."""
LISTEN_NS: Final = 10 * NS_PER_MS
HARMLESS: Final = frozenset({Fault.BEAM_CHATTER, Fault.BEAM_STUCK, Fault.GARBAGE})
"""Faults that change nothing about an output."""
_EDGES: Final = {
    Role.VALVE: (Kind.VALVE_ON, Kind.VALVE_OFF),
    Role.LASER: (Kind.LASER_ON, Kind.LASER_OFF),
}


class Stopped(CalibrationError):
    """An action was broken off: the devices did not report what should have happened, or reported a fault."""


class Clock(Protocol):
    """The time, and how it passes."""

    def now_ns(self) -> int:
        """Return the time."""

    def wait(self, until_ns: int, descriptors: Sequence[int]) -> None:
        """Wait until ``until_ns``, or until a descriptor has something to read."""


class HostClock:
    """Real time."""

    def now_ns(self) -> int:
        """Return the session clock's reading."""
        return now_ns()

    def wait(self, until_ns: int, descriptors: Sequence[int]) -> None:
        """Wait."""
        select.select(descriptors, [], [], max(0.0, (until_ns - now_ns()) / NS_PER_S))


class VirtualClock:
    """Time that passes when nothing is left to do."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        """Return the virtual time."""
        return self._now_ns

    def wait(self, until_ns: int, descriptors: Sequence[int]) -> None:  # noqa: ARG002
        """Be there."""
        self._now_ns = max(self._now_ns, until_ns)


class Port(Protocol):
    """One device's bytes, whatever they come from."""

    def read(self) -> bytes:
        """Return everything that has arrived, possibly nothing."""

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""

    def close(self) -> None:
        """Let go of it."""

    def descriptors(self) -> list[int]:
        """Return what to wait on."""

    def due_ns(self) -> int:
        """Return when it has something to do by itself, or NEVER_NS."""


class SerialPort:
    """A device behind a serial port."""

    def __init__(self, transport: SerialTransport) -> None:
        self.read = transport.read
        self.write = transport.write
        self.close = transport.close
        self._transport = transport

    def descriptors(self) -> list[int]:
        """Return the port's descriptor."""
        return [self._transport.fileno()]

    def due_ns(self) -> int:
        """Return NEVER_NS: a real device needs nobody to let it live."""
        return NEVER_NS


Wires = Mapping[int, Sequence[tuple[EmulatedDevice, int]]]
"""Of an emulated device: which input pins of which devices each of its output pins is wired to."""


class EmulatedPort:
    """An emulated device in this process, with what it is wired to; it lives while somebody reads or writes."""

    def __init__(self, device: EmulatedDevice, wires: Wires, clock: Clock) -> None:
        self._device = device
        self._wires = wires
        self._clock = clock
        self.due_ns = device.due_ns

    def read(self) -> bytes:
        """Return what the device has sent by now."""
        self._device.advance(self._clock.now_ns())
        for t_ns, pin, level in self._device.take_edges():
            for other, input_pin in self._wires.get(pin, ()):
                other.set_input(input_pin, bool(level), t_ns)
        return self._device.outgoing(self._clock.now_ns())

    def write(self, data: bytes) -> None:
        """Give the device ``data``."""
        self._device.feed(data, self._clock.now_ns())

    def close(self) -> None:
        """Leave the device as it is, as closing a serial port does."""

    def descriptors(self) -> list[int]:
        """Return none."""
        return []


@dataclass(slots=True)
class Station:
    """One connected device."""

    driver: Driver
    port: Port


class Edge(NamedTuple):
    """One edge that a device reported."""

    kind: Kind
    line: Line
    t_ns: int


@dataclass(slots=True)
class Hookup:
    """The devices that are connected for one action, by their names in the rig."""

    clock: Clock
    stations: dict[str, Station] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    late: str = ""
    """What an armed laser head said of why it gives no light yet."""
    _commands: int = 0

    def turn(self, until_ns: int) -> None:
        """Wait for something to do, at most until ``until_ns``, and do all of it.

        Raises
        ------
        DeviceError, PortError
            If a device failed or is gone.
        Stopped
            If one reported a fault.
        """
        ports = [station.port for station in self.stations.values()]
        due_ns = min(
            [until_ns, *(port.due_ns() for port in ports), *(s.driver.due_ns() for s in self.stations.values())]
        )
        self.clock.wait(due_ns, [each for port in ports for each in port.descriptors()])
        for station in self.stations.values():
            self._exchange(station)
            self._hear(station.driver)

    def wait_ready(self) -> None:
        """Wait until every device is identified, configured and ready; fails as :meth:`turn` does."""
        until_ns = self.clock.now_ns() + READY_NS
        while late := [name for name, s in self.stations.items() if s.driver.state is not DeviceState.READY]:
            if self.clock.now_ns() >= until_ns:
                raise SilentDevice(f"{', '.join(late)} did not get ready within {READY_NS // NS_PER_S} s. Restart it.")
            self.turn(until_ns)

    def command(self, device: str, line: Line, value: float) -> None:
        """Send one command."""
        self._commands += 1
        record = no_events(1)
        record["kind"], record["line"], record["value"], record["source_seq"] = (
            Kind.COMMAND,
            line,
            value,
            self._commands,
        )
        self.stations[device].driver.command(record, self.clock.now_ns())
        self._exchange(self.stations[device])

    def arm(self, board: str, head: str) -> None:
        """Arm a laser head and the board that gates it; fails as :meth:`turn` does, or with Stopped."""
        self.command(board, Line.ARM, 1)
        self.command(head, Line.ARM, 1)
        refusal_ns = self.clock.now_ns() + ARM_REFUSAL_NS
        until_ns = self.clock.now_ns() + ARM_NS
        while self.clock.now_ns() < refusal_ns or not self.stations[head].driver.counters().get("armed"):
            if self.clock.now_ns() >= until_ns:
                raise Stopped(f"{head} was not armed within {ARM_NS // NS_PER_S} s.")
            self.turn(min(until_ns, self.clock.now_ns() + LISTEN_NS))

    def rest(self, until_ns: int, line: Line) -> None:
        """Let time pass in which the output ``line`` must do nothing; fails as :meth:`turn` does."""
        while self.clock.now_ns() < until_ns:
            self.turn(until_ns)
            if strays := [edge for edge in self.edges if edge.line == line]:
                raise Stopped(f"{line.name.lower()} switched without being asked to ({strays[0].kind.name}).")

    def pulse(self, device: str, line: Line, length_ns: int) -> tuple[int, int]:
        """Switch an output on for a time; return when it went on and off, by the device's own edges.

        Fails as :meth:`turn` does, and with Stopped if an edge is missing.
        """
        self.edges.clear()
        self.command(device, line, length_ns)
        until_ns = self.clock.now_ns() + length_ns + EDGE_NS
        while len(found := [edge for edge in self.edges if edge.line == line]) < len(_EDGES[Role.VALVE]):
            if self.clock.now_ns() >= until_ns:
                missing = "no edge" if not found else f"only {found[0].kind.name}"
                raise Stopped(f"{device} reported {missing} of a pulse on {line.name.lower()}.")
            self.turn(until_ns)
        self.edges.clear()
        if tuple(edge.kind for edge in found) != _EDGES[Role(line // 2)]:
            raise Stopped(
                f"{line.name.lower()} did not go on and off once: {', '.join(edge.kind.name for edge in found)}."
            )
        return found[0].t_ns, found[1].t_ns

    def make_safe(self) -> None:
        """Switch everything off, disarm, hear the devices out, and let go of their ports; it never fails."""
        for station in self.stations.values():
            station.driver.safe(self.clock.now_ns())
        until_ns = self.clock.now_ns() + LAST_WORDS_NS
        while self.clock.now_ns() < until_ns:
            for station in self.stations.values():
                with contextlib.suppress(PortError):  # a lost port must not keep the others from being switched off
                    self._exchange(station)
            self.clock.wait(min(until_ns, self.clock.now_ns() + LISTEN_NS), [])
        for station in self.stations.values():
            station.driver.close(self.clock.now_ns())
            with contextlib.suppress(PortError):
                self._exchange(station)
            station.port.close()

    def _exchange(self, station: Station) -> None:
        """Carry bytes both ways until there are none."""
        driver, moved = station.driver, True
        while moved:
            if data := station.port.read():
                driver.feed(data, self.clock.now_ns())
            driver.poll(self.clock.now_ns())
            if out := driver.outgoing():
                station.port.write(out)
            moved = bool(data or out)

    def _hear(self, driver: Driver) -> None:
        """Take what a driver has published."""
        remarks = iter(driver.remarks())
        for record in driver.records():
            kind = Kind(record["kind"])
            if Kind.VALVE_ON <= kind <= Kind.LASER_OFF:
                self.edges.append(Edge(kind, Line(record["line"]), int(record["t_ns"])))
            elif kind == Kind.FAULT:
                self._hear_fault(driver, Fault(int(record["value"])), next(remarks))
        if driver.error is not None:
            raise driver.error

    def _hear_fault(self, driver: Driver, fault: Fault, sentence: str) -> None:
        """Take a fault: one that is about an output ends the action."""
        if fault == Fault.LIGHT_LATE:
            self.late = sentence
        elif driver.error is None and fault not in HARMLESS:
            raise Stopped(sentence)
