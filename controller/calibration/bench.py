"""A rig's outputs, made to act one action at a time: a series of openings of one valve, or one light of one laser head.

For each action the devices it needs are connected; whatever way it ends, everything is switched off and disarmed and
every port is closed before anything else happens. So nothing is on, and nothing is armed, while a person thinks or
handles a vial. No output is on for longer in any minute than the rig file allows, however many actions there are.

Where every device of a rig is emulated, the emulators live in this process in virtual time: a person can practise, and
nothing is waited for. If one is real, time is real for all.
"""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from controller import rigfile
from controller.calibration.hookup import (
    Clock,
    EmulatedPort,
    Hookup,
    HostClock,
    SerialPort,
    Station,
    Stopped,
    VirtualClock,
    Wires,
)
from controller.driver_host import settings_of
from hardware.device import DeviceError, EmulatedDevice, find_drivers, find_emulators
from hardware.transport import PortError, SerialTransport
from realtime.records import NS_PER_MS, NS_PER_S, Line

LEAST_PERIOD_NS: Final = 100 * NS_PER_MS
GAP_MARGIN_NS: Final = 10 * NS_PER_MS
"""A device judges a gap by its own clock and after its own delays."""
MINUTE_NS: Final = 62 * NS_PER_S
"""What a device counts as a minute is up to 61 s: the running second and the 60 before it."""
ON_MARGIN_NS: Final = NS_PER_MS
"""An output is on for up to so much longer than it was asked for."""
LONGEST_LIGHT_NS: Final = 10 * NS_PER_S
LATE_NS: Final = 6 * NS_PER_S
"""A head that waits by law (CDRH) before it emits waits 5 s."""
WORTH_TELLING_NS: Final = 3 * NS_PER_S
_ENDINGS: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Watcher(Protocol):
    """Is told how an action goes on."""

    def waits(self, seconds: float, why: str) -> None:
        """Take that nothing happens for ``seconds``, and why."""

    def opened(self, done: int, of: int) -> None:
        """Take that ``done`` of ``of`` pulses are over."""


@dataclass(frozen=True, slots=True)
class Pulses:
    """What an action did.

    Attributes
    ----------
    count
        Pulses whose ON and OFF edge the device reported.
    mean_ms
        Their mean length by these edges; 0 if there was none.
    trouble
        Why it was broken off; empty if it was not.
    """

    count: int
    mean_ms: float
    trouble: str = ""


@dataclass(slots=True)
class _Minute:
    """How long an output was on, so that no minute has more of it than the rig allows."""

    allowed_ns: int
    used: list[tuple[int, int]] = field(default_factory=list)
    """When each pulse ended, and how long it was."""

    def free_ns(self, length_ns: int, now_ns: int) -> int:
        """Return from when on a pulse of ``length_ns`` is allowed."""
        self.used = [(end_ns, on_ns) for end_ns, on_ns in self.used if end_ns > now_ns - MINUTE_NS]
        total_ns, from_ns = sum(on_ns for _, on_ns in self.used) + length_ns, now_ns
        for end_ns, on_ns in self.used:
            if total_ns <= self.allowed_ns:
                break
            total_ns, from_ns = total_ns - on_ns, end_ns + MINUTE_NS
        return from_ns


class Bench:
    """A rig whose outputs can be made to act, one action at a time.

    Parameters
    ----------
    rig
        Says which devices there are.
    watcher
        Is told how actions go on.
    clock
        The time; real unless every device is emulated, if None.
    """

    def __init__(self, rig: rigfile.Rig, watcher: Watcher, clock: Clock | None = None) -> None:
        self._rig = rig
        self._watcher = watcher
        emulated = [name for name, device in rig.devices.items() if device.port == "emulator"]
        self.is_virtual = len(emulated) == len(rig.devices)
        self._clock = clock or (VirtualClock() if self.is_virtual else HostClock())
        emulators = find_emulators()
        self.emulated: dict[str, EmulatedDevice] = {
            name: emulators[rig.devices[name].driver].create(self._clock.now_ns()) for name in emulated
        }
        self._wires = _wires(rig, self.emulated)
        self._minutes = {
            line: _Minute(round(wiring.on_per_minute_s * NS_PER_S))
            for line, wiring in rig.lines.wired().items()
            if not isinstance(wiring, rigfile.Input)
        }

    def identify(self, line: Line, head: str | None = None, set_mw: float | None = None) -> None:
        """Connect the devices that an action with ``line`` (and ``head`` at ``set_mw``) needs, and let go of them.

        Raises
        ------
        DeviceError, PortError, BadSettings, Stopped
            If one of them cannot be used.
        """
        with self._connected(line, head, set_mw):
            pass

    def open_valve(self, line: Line, duration_ms: int, count: int) -> Pulses:
        """Open a valve ``count`` times for ``duration_ms`` each, as quickly as is safe; trouble ends it early."""
        return self._act(line, duration_ms * NS_PER_MS, count, None, None)

    def light_ns(self, line: Line) -> int:
        """Return how long a laser's line can be lit at once, at most 10 s."""
        wiring = self._rig.lines.wired()[line]
        limit_ns = LONGEST_LIGHT_NS if isinstance(wiring, rigfile.Input) else wiring.max_on_ms * NS_PER_MS
        return min(limit_ns, LONGEST_LIGHT_NS, self._minutes[line].allowed_ns - ON_MARGIN_NS)

    def shine(self, head: str, line: Line, set_mw: float) -> Pulses:
        """Light a laser head once at ``set_mw``, through the TTL that ``line`` is; trouble ends it early."""
        return self._act(line, self.light_ns(line), 1, head, set_mw)

    def period_ns(self, line: Line, length_ns: int) -> int:
        """Return the time from one pulse of an output to its next."""
        wiring = self._rig.lines.wired()[line]
        gap_ns = 0 if isinstance(wiring, rigfile.Input) else wiring.min_gap_ms * NS_PER_MS
        return max(2 * length_ns, length_ns + gap_ns + GAP_MARGIN_NS, LEAST_PERIOD_NS)

    def _act(self, line: Line, length_ns: int, count: int, head: str | None, set_mw: float | None) -> Pulses:
        """Make pulses; return what happened, whatever happened."""
        lengths_ns: list[int] = []
        trouble = ""
        try:
            with self._connected(line, head, set_mw) as hookup:
                if head is not None:
                    self._arm(hookup, line, head)
                self._pulse(hookup, line, length_ns, count, lengths_ns)
        except (DeviceError, PortError, Stopped) as error:
            trouble = str(error)
        mean_ms = sum(lengths_ns) / len(lengths_ns) / NS_PER_MS if lengths_ns else 0.0
        return Pulses(len(lengths_ns), mean_ms, trouble)

    def _arm(self, hookup: Hookup, line: Line, head: str) -> None:
        """Arm a laser head and its board; give a head that says it is late the time it needs."""
        hookup.arm(self._rig.lines.wired()[line].device, head)
        if hookup.late:
            self._watcher.waits(LATE_NS / NS_PER_S, hookup.late)
            hookup.rest(self._clock.now_ns() + LATE_NS, line)

    def _pulse(self, hookup: Hookup, line: Line, length_ns: int, count: int, lengths_ns: list[int]) -> None:
        """Make pulses, each when it may be; add the length of each to ``lengths_ns``."""
        device, minute = self._rig.lines.wired()[line].device, self._minutes[line]
        period_ns = self.period_ns(line, length_ns)
        next_ns = self._clock.now_ns()
        for _ in range(count):
            free_ns = minute.free_ns(length_ns + ON_MARGIN_NS, self._clock.now_ns())
            if free_ns - max(next_ns, self._clock.now_ns()) > WORTH_TELLING_NS:
                why = f"{line.name.lower()} has used up its {minute.allowed_ns / NS_PER_S:g} s of this minute"
                self._watcher.waits((free_ns - self._clock.now_ns()) / NS_PER_S, why)
            hookup.rest(max(next_ns, free_ns), line)
            minute.used.append((self._clock.now_ns() + length_ns, length_ns + ON_MARGIN_NS))
            on_ns, off_ns = hookup.pulse(device, line, length_ns)
            lengths_ns.append(off_ns - on_ns)
            next_ns = max(on_ns + period_ns, off_ns + period_ns - length_ns)
            self._watcher.opened(len(lengths_ns), count)

    @contextmanager
    def _connected(self, line: Line, head: str | None, set_mw: float | None) -> Iterator[Hookup]:
        """Connect what an action needs, armed if it needs light; make all of it safe afterwards."""
        wiring = self._rig.lines.wired()[line]
        copy = None if isinstance(wiring, rigfile.Input) else wiring.copy
        names = dict.fromkeys(name for name in (wiring.device, copy.device if copy else None, head) if name is not None)
        hookup = Hookup(self._clock)
        try:
            for name in names:
                hookup.stations[name] = self._station(name, set_mw if name == head else None)
                hookup.stations[name].driver.start(self._clock.now_ns())
            hookup.wait_ready()
            yield hookup
        finally:
            with _undisturbed():
                hookup.make_safe()

    def _station(self, name: str, power_mw: float | None) -> Station:
        """Return one device with its driver, connected."""
        module = find_drivers()[self._rig.devices[name].driver]
        # A head at the power to be measured; a pulse generator's plain pulse, so that the meter sees steady light.
        driver = module.create(replace(settings_of(self._rig, name, power_mw=power_mw), train=None))
        if name in self.emulated:
            return Station(driver, EmulatedPort(self.emulated[name], self._wires[name], self._clock))
        return Station(driver, SerialPort(SerialTransport.open(self._rig.devices[name].port, module.BAUD)))


def _wires(rig: rigfile.Rig, emulated: Mapping[str, EmulatedDevice]) -> dict[str, Wires]:
    """Return what the outputs of every emulated device are wired to: inputs that are copies, and heads' modulation."""
    found: dict[str, dict[int, list[tuple[EmulatedDevice, int]]]] = {name: {} for name in emulated}
    for line, wiring in rig.lines.wired().items():
        if isinstance(wiring, rigfile.Input) or wiring.device not in emulated:
            continue
        ends = [(name, 0) for name, described in rig.devices.items() if described.feeds == line.name.lower()]
        ends += [(wiring.copy.device, wiring.copy.pin)] if wiring.copy else []
        found[wiring.device][wiring.pin] = [(emulated[name], pin) for name, pin in ends if name in emulated]
    return dict(found)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep signals that end a program waiting, so that nothing is left on because a person was impatient."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
