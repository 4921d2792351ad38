"""What a driver is, and what every driver needs.

A driver turns a device's bytes into records and commands into bytes. It owns no port, no socket and no clock: bytes and
times come in as arguments, bytes and records go out. So the same object runs live behind a serial port and, byte for
byte, in virtual time. One driver is one file in ``hardware/drivers``; that file's docstring is its manual.

The file says ``NAME``, ``BAUD``, ``create``, ``ROLES`` (which roles of lines it can have: a laser head has none) and
``CONFIRMS`` (for which of its outputs the device reports edges by itself; the others need a copy wired to an input of
some device).

States of a driver::

    CONNECTING --identified, configured, disarmed--> READY --close--> CLOSED
         |                                             |
         +------------ any fatal error ----------------+--> FAULTED   (stays; only a new driver starts again)

A faulted driver no longer keeps its device's watchdog alive, remembers its first error, and refuses every command.
"""

import importlib
import pkgutil
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from types import ModuleType
from typing import ClassVar, Final, Protocol

import numpy as np

from realtime.errors import DuettoError
from realtime.records import EVENT, NEVER_NS, NO_ANIMAL, NS_PER_MS, NS_PER_S, Events, Fault, Kind, Line, no_events

N_ANIMAL_LINES: Final = int(Line.ARM)
"""Lines below this one belong to an animal: the even ones to A, the odd ones to B."""
SILENCE_NS: Final = 2_500 * NS_PER_MS
"""A device that has not said who it is within this time is silent. UART boards start for 2 s after DTR."""
IDENTIFY_RETRY_NS: Final = 250 * NS_PER_MS

_RECORD: Final = Struct("<QqqHhHHdIHHIIQ")


class DeviceState(IntEnum):
    """Where a driver is (see the module's picture)."""

    CONNECTING = 0
    READY = 1
    FAULTED = 2
    CLOSED = 3


class DeviceError(DuettoError):
    """A device failed; ``fault`` is the code under which the session records it."""

    fault: ClassVar[Fault] = Fault.DEVICE_REFUSED


class WrongDevice(DeviceError):
    """Something else than the rig file says sits on the port."""


class SilentDevice(DeviceError):
    """The device does not answer (any more)."""

    fault = Fault.DEVICE_SILENT


class ConfigurationRefused(DeviceError):
    """The device did not take a setting that its safety depends on."""


class DeviceReset(DeviceError):
    """The device restarted, or its clock stepped, during the session."""

    fault = Fault.DEVICE_RESET


class WatchdogExpired(DeviceError):
    """The device switched everything off because it had not heard from the host in time."""

    fault = Fault.DEVICE_WATCHDOG


class BadSettings(DuettoError):
    """A rig asks of a device what it does not have."""


class BadModule(DuettoError):
    """A file in the drivers' or emulators' folder does not offer what one must."""


@dataclass(frozen=True, slots=True)
class PulseTrain:
    """What a pulse generator makes of one command: pulses of ``pulse_ms`` at ``rate_hz`` and ``volts``."""

    rate_hz: float
    pulse_ms: float
    volts: float


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What a rig file says about one device.

    Attributes
    ----------
    name
        The rig's name for it, used in every sentence.
    source
        Its number in records.
    pins
        Which of its pins each logical line is; the driver's manual says how pins are numbered.
    host_timeout_ms
        The device switches everything off after this long without a word from the host.
    keep_alive_ms
        Time between keep-alives; virtual time uses 200.
    max_on_ms
        Longest time each output may stay on; outputs not named here keep the driver's default.
    link_baud
        Bits per second for the clock's correction: None is the driver's own baud rate, 0 a link without byte time.
    copies
        Input pins of this device that carry a copy of an output line (of this or another device): their edges are
        recorded as that line's VALVE_ON/OFF or LASER_ON/OFF, under its number.
    min_gap_ms, duty_ms
        Per output: least time between two pulses, and longest time on within a minute.
    chatter_hz
        Edges per second above which an input is muted.
    stuck_ns
        A beam broken for longer than this is stuck.
    power_mw
        Of a laser head: its power. None: no laser head.
    train
        Of a pulse generator: what one command makes. None: one plain pulse.
    """

    name: str
    source: int
    pins: Mapping[Line, int]
    host_timeout_ms: int = 500
    keep_alive_ms: int = 100
    max_on_ms: Mapping[Line, int] = field(default_factory=dict)
    link_baud: int | None = None
    copies: Mapping[Line, int] = field(default_factory=dict)
    min_gap_ms: Mapping[Line, int] = field(default_factory=dict)
    duty_ms: Mapping[Line, int] = field(default_factory=dict)
    chatter_hz: int = 100
    stuck_ns: int = 30 * NS_PER_S
    power_mw: float | None = None
    train: PulseTrain | None = None


class Driver(Protocol):
    """One device's driver. All times are on the session clock."""

    def start(self, now_ns: int) -> None:
        """Begin identification (queues bytes)."""

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes read from the port, with their time of arrival."""

    def command(self, records: Events, now_ns: int) -> None:
        """Carry out COMMAND records, shape ``(n,)``, that were decided together, and where it can, at one instant.

        ``line`` says which output, ``value`` for how many ns (0: off now); of ``Line.ARM`` 1 arms and 0 disarms;
        ``source_seq`` is the command's nonce. A refusal is a FAULT record, never an exception.
        """

    def poll(self, now_ns: int) -> None:
        """Do what is due: keep-alives, retries, timeouts."""

    def due_ns(self) -> int:
        """Return when :meth:`poll` wants to be called next, or NEVER_NS."""

    def outgoing(self) -> bytes:
        """Return the bytes to be written now, whole messages only, and forget them."""

    def records(self) -> Events:
        """Return what was published since the last call, shape ``(n,)``: ``seq`` and ``arrival_ns`` are 0."""

    def remarks(self) -> list[str]:
        """Return one sentence for every FAULT record published since the last call, in their order."""

    def safe(self, now_ns: int) -> None:
        """Switch all outputs off and disarm, ahead of everything else that is waiting."""

    def close(self, now_ns: int) -> None:
        """Make safe and end: the state becomes CLOSED. Write what :meth:`outgoing` then returns."""

    @property
    def state(self) -> DeviceState:
        """Where the driver is."""

    @property
    def fault(self) -> Fault | None:
        """The code of :attr:`error`."""

    @property
    def error(self) -> DeviceError | None:
        """The fatal error that ended it, with its sentence; None while there is none."""

    def counters(self) -> dict[str, int]:
        """Return everything that was counted, by name."""

    @property
    def last_seq(self) -> int:
        """The ``source_seq`` of the newest record; a driver that follows on the same device counts on from it."""


class NoSuchPin(DuettoError):
    """Somebody reached for a pin that an emulated device does not have."""


@dataclass(slots=True)
class WireFaults:
    """What is broken on the wire from an emulated device to the host. Turn these knobs at any time.

    Attributes
    ----------
    garbage
        Bytes that come before whatever is sent next; used up.
    drop
        So many of the next bytes sent are lost; counts down.
    corrupt
        So many of the next bytes sent are changed; counts down.
    duplicate
        So many of the next frames (or lines) sent are sent twice; counts down. The device itself does this.
    silence
        The transmitter is dead: nothing is sent, though everything else goes on.
    """

    garbage: bytes = b""
    drop: int = 0
    corrupt: int = 0
    duplicate: int = 0
    silence: bool = False

    def spoil(self, data: bytes) -> bytes:
        """Return what is left of ``data`` on the wire."""
        if self.silence:
            return b""
        if self.garbage:
            data, self.garbage = self.garbage + data, b""
        if self.drop:
            lost = min(self.drop, len(data))
            data, self.drop = data[lost:], self.drop - lost
        if self.corrupt:
            hit = min(self.corrupt, len(data))
            data, self.corrupt = bytes(byte ^ 0x55 for byte in data[:hit]) + data[hit:], self.corrupt - hit
        return data


class EmulatedDevice(Protocol):
    """The device's side of the wire, without a wire. Calls never go back in time."""

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes that the host wrote."""

    def advance(self, now_ns: int) -> None:
        """Let the device live until ``now_ns``."""

    def due_ns(self) -> int:
        """Return when the device will next do something by itself, or NEVER_NS."""

    def outgoing(self, now_ns: int) -> bytes:
        """Return the bytes the device has sent by ``now_ns``, and forget them."""

    def reset(self, now_ns: int) -> None:
        """Restart the device, as a brown-out would."""

    def set_input(self, pin: int, high: bool, now_ns: int) -> None:
        """Put an input pin high or low; the rig file's numbering. Raises NoSuchPin."""

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """Open or close the interlock loop, if it has one. Raises NoSuchPin."""

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the output pins' true edges since the last call, as ``(t_host_ns, pin, level)``, in order."""

    @property
    def outputs(self) -> int:
        """Outputs that are truly on now, as a bit mask by pin."""

    @property
    def knobs(self) -> WireFaults:
        """What is broken."""


def animal_of(line: int) -> int:
    """Return whose line it is: 0, 1, or NO_ANIMAL."""
    return line % 2 if line < N_ANIMAL_LINES else NO_ANIMAL


class RecordWriter:
    """Gathers the records a driver publishes, numbered without gaps in ``source_seq``.

    Parameters
    ----------
    source
        The device's number.
    start
        The ``source_seq`` before the first record: that of the last record of the driver before this one.
    """

    __slots__ = ("_parts", "_seq", "_source")

    def __init__(self, source: int, start: int = 0) -> None:
        self._source = source
        self._seq = start
        self._parts: list[bytes] = []

    @property
    def seq(self) -> int:
        """The ``source_seq`` of the newest record, taken or not; the start if there is none."""
        return self._seq

    def add(
        self,
        kind: Kind,
        t_ns: int,
        value: float = 0.0,
        line: int = 0,
        animal: int = NO_ANIMAL,
        flags: int = 0,
    ) -> None:
        """Append one record."""
        self._seq = (self._seq + 1) & 0xFFFFFFFF
        self._parts.append(
            _RECORD.pack(0, t_ns, 0, kind, animal, line, self._source, value, 0, 0, flags, self._seq, 0, 0)
        )

    def take(self) -> Events:
        """Return the records since the last call, shape ``(n,)``, in order."""
        if not self._parts:
            return no_events(0)
        events = np.frombuffer(bytearray(b"".join(self._parts)), EVENT)
        self._parts.clear()
        return events


@dataclass(slots=True, eq=False)
class Request:
    """One write or read that wants an answer.

    Attributes
    ----------
    what
        For sentences: what it asks.
    echo
        If not None, the answer must carry exactly this payload; others are stale.
    lines
        The logical lines it switches.
    sent_ns, tries
        When it was first sent, and how often.
    edges_owed
        Those of them whose edge the device has not reported since it was first sent.
    """

    frame: bytes
    address: int
    what: str
    echo: bytes | None = None
    lines: tuple[Line, ...] = ()
    sent_ns: int = 0
    tries: int = 0
    edges_owed: tuple[Line, ...] = ()


class Lane:
    """Requests that are sent one after the other, each repeated until it is answered or has had its tries.

    A device that remembers only the last nonce needs this: a repeated command must not follow another one.
    """

    __slots__ = ("_due_ns", "_max_tries", "_retry_ns", "current", "retries", "stale", "waiting")

    def __init__(self, retry_ns: int, max_tries: int) -> None:
        self._retry_ns = retry_ns
        self._max_tries = max_tries
        self._due_ns = NEVER_NS
        self.current: Request | None = None
        self.waiting: deque[Request] = deque()
        self.retries = 0
        self.stale = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waiting."""
        return self.current is None and not self.waiting

    def due_ns(self) -> int:
        """Return when :meth:`poll` has something to do (0: now), or NEVER_NS."""
        if self.current is None:
            return 0 if self.waiting else NEVER_NS
        return self._due_ns

    def poll(self, now_ns: int) -> tuple[bytes, Request | None]:
        """Return the bytes to send now (or none), and the request that has just been given up (or None)."""
        given_up = None
        if self.current is not None:
            if now_ns < self._due_ns:
                return b"", None
            if self.current.tries < self._max_tries:
                self.retries += 1
                return self._send(self.current, now_ns), None
            given_up = self.current
            self.current = None
        if not self.waiting:
            return b"", given_up
        self.current = self.waiting.popleft()
        self.current.sent_ns = now_ns
        return self._send(self.current, now_ns), given_up

    def answer(self, address: int, payload: bytes, is_error: bool) -> Request | None:
        """Return the request that a reply ends, or None if it is stale (counted)."""
        request = self.current
        if (
            request is None
            or request.address != address
            or not (is_error or request.echo is None or request.echo == payload)
        ):
            self.stale += 1
            return None
        self.current = None
        return request

    def drop(self, line: Line | None = None) -> int:
        """Forget the requests that switch ``line`` (or all), waiting or under way; return how many there were."""
        before = len(self.waiting) + (self.current is not None)
        self.waiting = deque(r for r in self.waiting if line is not None and line not in r.lines)
        if self.current is not None and (line is None or line in self.current.lines):
            self.current = None
        return before - len(self.waiting) - (self.current is not None)

    def _send(self, request: Request, now_ns: int) -> bytes:
        request.tries += 1
        self._due_ns = now_ns + self._retry_ns
        return request.frame


def find_drivers() -> dict[str, ModuleType]:
    """Return every driver by its name: the modules in ``hardware/drivers`` that have a ``NAME``.

    Raises
    ------
    BadModule
        If one of them lacks ``BAUD``, ``ROLES``, ``CONFIRMS``, ``create`` or a docstring, or two have the same name.
    """
    return _find("hardware.drivers", ("BAUD", "ROLES", "CONFIRMS", "create"))


def driver_named(name: str) -> ModuleType:
    """Return the driver ``hardware/drivers/<name>.py`` alone: the others are not imported."""
    return importlib.import_module(f"hardware.drivers.{name}")


def find_emulators() -> dict[str, ModuleType]:
    """Return every emulator by the name of the driver it answers: modules in ``hardware/emulators`` with a ``NAME``.

    Raises
    ------
    BadModule
        If one of them lacks ``create`` or a docstring, or two have the same name.
    """
    return _find("hardware.emulators", ("create",))


def _find(package_name: str, needed: tuple[str, ...]) -> dict[str, ModuleType]:
    found: dict[str, ModuleType] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package_name).__path__):
        module = importlib.import_module(f"{package_name}.{info.name}")
        name = getattr(module, "NAME", None)
        if name is None:
            continue  # a helper, not a device
        missing = [each for each in needed if not hasattr(module, each)] + ["docstring"] * (not module.__doc__)
        if missing or name in found:
            raise BadModule(
                f"{module.__name__} cannot be used as '{name}': "
                + (f"it lacks {', '.join(missing)}." if missing else "that name is taken twice.")
            )
        found[name] = module
    return found
