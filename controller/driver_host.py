"""The process that runs one driver: bytes from a port to events on the bus, commands back.

The driver knows bytes and records; this process owns the port and the sockets. One thread does everything, in the order
of urgency: bytes from the device, commands from the loop, what is due. When the loop has been silent for half a second,
or the supervisor is gone, or the process is told to end, every output is switched off first. A device that goes away
and comes back is served by a new driver (:mod:`controller.device_link`).
"""

import contextlib
import sys
from typing import Final

import numpy as np

from controller import rigfile
from controller.bus import Poller, Socket, receive_now, send_now
from controller.calibration import Calibration
from controller.device_link import DeviceLink
from controller.host import Host, run_process
from controller.messages import Stage
from controller.rigschema import EMULATOR
from controller.session import read_calibration, read_rig
from hardware.device import DeviceSettings, PulseTrain, driver_named
from hardware.transport import SerialTransport, Transport
from realtime.clock import from_seconds, now_ns
from realtime.errors import DuettoError
from realtime.loop import BATCH
from realtime.records import (
    EVENT,
    NS_PER_MS,
    NS_PER_S,
    RECORD_BYTES,
    SOURCE_OPERATOR,
    Fault,
    Kind,
    host_event,
)

LOOP_SILENT_NS: Final = 500 * NS_PER_MS
LOOP_DEAD_NS: Final = 3 * NS_PER_S
LAST_WORDS_NS: Final = 200 * NS_PER_MS
"""How long a driver waits, when it ends, for the device to report that everything is off."""
LONGEST_WAIT_S: Final = 0.05
DEFAULT_TRAIN_VOLTS: Final = 5.0


class LoopSilent(DuettoError):
    """The loop stopped sending heartbeats."""


class Pump:
    """Moves records between one device and the loop."""

    def __init__(self, host: Host, link: DeviceLink, source: int) -> None:
        self.link = link
        self._source = source
        self._events = host.bus.push_to(host.addresses.events)
        self._commands = host.bus.pull_from(host.addresses.commands(source))
        self._polled: Transport | None = None
        self._poller = Poller(self._commands)
        self._backlog: list[bytes] = []
        self._silent = False
        self.loop_heard_ns = 0
        self.sentences: list[str] = []

    def turn(self, longest_s: float = LONGEST_WAIT_S) -> None:
        """Wait for something to do, and do all of it.

        Raises
        ------
        DeviceError, PortError, DeviceGone
            If the device failed for good.
        LoopSilent
            If the loop is dead.
        """
        self._watch_port()
        due_s = (self.link.due_ns() - now_ns()) / NS_PER_S
        self._poller.wait(min(longest_s, max(0.0, due_s)))
        try:
            self.link.turn(now_ns())
            self._obey(self._commands)
            self._watch_loop()
            self.link.turn(now_ns())
        finally:
            self._publish()

    def _watch_port(self) -> None:
        """Wait on the port that is open now: it may have come anew."""
        if self.link.port is not self._polled:
            self._polled = self.link.port
            watched = () if self._polled is None else (self._polled.fileno(),)
            self._poller = Poller(*watched, self._commands)

    def _obey(self, commands: "Socket[bytes]") -> None:
        """Give the device every command that waits."""
        while (message := receive_now(commands)) is not None:
            self.loop_heard_ns = now_ns()
            records = np.frombuffer(message, EVENT)
            orders = records[records["kind"] == Kind.COMMAND]
            if orders.size:
                self.link.command(orders, self.loop_heard_ns)

    def _watch_loop(self) -> None:
        """Make the device safe when the loop has fallen silent; a stalled computer may go on afterwards."""
        silent_ns = now_ns() - self.loop_heard_ns if self.loop_heard_ns else 0
        if silent_ns > LOOP_SILENT_NS and not self._silent:
            self.link.driver.safe(now_ns())
            self.report(Fault.LOOP_SILENT)
            self.sentences.append(
                f"{self.link.name}: the loop has been silent for 0.5 s; all outputs were switched off and disarmed."
            )
        self._silent = silent_ns > LOOP_SILENT_NS
        if silent_ns > LOOP_DEAD_NS:
            raise LoopSilent(f"{self.link.name}: the loop has been silent for 3 s; all outputs are off")

    def _publish(self) -> None:
        """Send the records to the loop, in order; what does not fit waits, as does all before it is heard."""
        events = self.link.records()
        self.sentences += self.link.remarks()
        for start in range(0, events.size, BATCH):
            self._backlog.append(events[start : start + BATCH].tobytes())
        for fault in self.link.host_faults():
            self.report(fault)
        while self._backlog and self.loop_heard_ns and send_now(self._events, self._backlog[0]):
            del self._backlog[0]

    def report(self, fault: Fault) -> None:
        """Tell the loop of a fault that the device itself could not see."""
        event = host_event(Kind.FAULT, now_ns(), SOURCE_OPERATOR, fault, line=self._source)
        self._backlog.append(event.tobytes())

    def counters(self) -> dict[str, int]:
        """Return what was counted, and what waits for the loop."""
        waiting = sum(len(message) for message in self._backlog) // RECORD_BYTES
        return self.link.counters() | {"waiting": waiting}

    def texts(self) -> dict[str, str]:
        """Return what is known of the device and its port."""
        port = self.link.port
        known = {"firmware": str(getattr(self.link.driver, "firmware", ""))}
        if port is not None and port.latency_ms is not None:
            known["latency_timer_ms"] = str(port.latency_ms)
        return known

    def beat(self, host: Host, stage: Stage) -> None:
        """Send a heartbeat with everything that is new for a person."""
        said, self.sentences = "\n".join(self.sentences), []
        host.beat(stage, said, self.counters(), self.texts())

    def make_safe(self) -> None:
        """Switch everything off and give the device time to say so."""
        until_ns = now_ns() + LAST_WORDS_NS
        self.link.driver.safe(now_ns())
        while now_ns() < until_ns and self.link.port is not None:
            self.turn(0.01)
        self.link.close(now_ns())
        self._publish()


def settings_of(
    rig: rigfile.Rig, device: str, calibration: Calibration | None = None, power_mw: float | None = None
) -> DeviceSettings:
    """Return what the rig file says about one device, as its driver wants it; ``power_mw`` instead of its own power.

    Raises
    ------
    NotCalibrated, OutsideCalibration
        If a laser head's power is said at the fibre's tip and the calibration does not reach it.
    """
    described = rig.devices[device]
    outputs = rigfile.outputs_on(rig, device)
    return DeviceSettings(
        name=device,
        source=rigfile.device_numbers(rig)[device],
        pins=rigfile.pins_of(rig, device),
        host_timeout_ms=described.host_timeout_ms,
        keep_alive_ms=described.keep_alive_ms,
        max_on_ms=rigfile.max_on_ms_of(rig, device),
        link_baud=0 if described.port == EMULATOR else None,
        copies=rigfile.copies_on(rig, device),
        min_gap_ms={line: wiring.min_gap_ms for line, wiring in outputs.items()},
        duty_ms={line: round(1000 * wiring.on_per_minute_s) for line, wiring in outputs.items()},
        chatter_hz=rig.limits.chatter_hz,
        stuck_ns=from_seconds(rig.limits.stuck_beam_s),
        power_mw=_power_mw(described, device, calibration) if power_mw is None else power_mw,
        train=train_of(described),
    )


def _power_mw(described: rigfile.Device, device: str, calibration: Calibration | None) -> float | None:
    """Return what a laser head is set to [mW]; None for anything else."""
    if described.tip_mw is None:
        return described.power_mw
    return (calibration or Calibration()).head_mw(device, described.tip_mw)


def train_of(described: rigfile.Device) -> PulseTrain | None:
    """Return what a pulse generator makes of one command; None where the rig does not say."""
    if described.train_hz is None or described.train_pulse_ms is None:
        return None
    volts = DEFAULT_TRAIN_VOLTS if described.train_volts is None else described.train_volts
    return PulseTrain(described.train_hz, described.train_pulse_ms, volts)


def _serve(host: Host, pump: Pump) -> None:
    """Pump until told to end; raise the first error that ends it."""
    while not host.ending.due():
        pump.turn()
        if host.beat_due() or pump.sentences:
            pump.beat(host, "ready" if pump.link.ready else "starting")


def link_to(rig: rigfile.Rig, name: str, port: str, calibration: Calibration) -> DeviceLink:
    """Return a link to one device of a rig on ``port``.

    Raises
    ------
    BadSettings, PortError
        If the driver does not take what the rig says, or the port cannot be used.
    """
    settings = settings_of(rig, name, calibration)
    described = rig.devices[name]
    module = driver_named(described.driver)
    return DeviceLink(
        name,
        lambda first_seq: module.create(settings, first_seq),
        lambda: SerialTransport.open(port, module.BAUD),
        from_seconds(described.reconnect_s),
    )


def body(host: Host) -> int:
    """Run one device's driver until told to end."""
    rig = read_rig(host.session)
    name = host.settings.device
    link = link_to(rig, name, host.settings.port, read_calibration(host.session))
    pump = Pump(host, link, rigfile.device_numbers(rig)[name])
    if link.port is not None and (warning := link.port.latency_warning()):
        pump.sentences.append(warning)
    link.start(now_ns())
    try:
        _serve(host, pump)
    except DuettoError:
        _make_safe_after_an_error(pump)
        raise
    pump.make_safe()
    pump.beat(host, "ended")
    return 0


def _make_safe_after_an_error(pump: Pump) -> None:
    """Switch everything off although something is wrong; the first error is the one to be told."""
    with contextlib.suppress(DuettoError):
        pump.make_safe()
    pump.link.close(now_ns())


if __name__ == "__main__":
    sys.exit(run_process(body))
