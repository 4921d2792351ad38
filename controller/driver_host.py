"""The process that runs one driver: bytes from a port to events on the bus, commands back.

The driver knows bytes and records; this process owns the port and the sockets. One thread does everything, in the order
of urgency: bytes from the device, commands from the loop, what is due. When the loop has been silent for half a second,
or the supervisor is gone, or the process is told to end, every output is switched off first.
"""

import sys
from typing import Final

import numpy as np

from controller import rigfile
from controller.bus import Poller, Socket, receive_now, send_now
from controller.host import Host, run_process
from controller.messages import Stage
from controller.session import read_rig
from hardware.device import DeviceSettings, DeviceState, Driver, find_drivers
from hardware.transport import PortLost, SerialTransport
from realtime.clock import now_ns
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
LAST_WORDS_NS: Final = 200 * NS_PER_MS
"""How long a driver waits, when it ends, for the device to report that everything is off."""
LONGEST_WAIT_S: Final = 0.05


class LoopSilent(DuettoError):
    """The loop stopped sending heartbeats."""


class Pump:
    """Moves bytes and records between one driver, its port and the loop."""

    def __init__(self, host: Host, driver: Driver, port: SerialTransport, source: int) -> None:
        self.driver = driver
        self.port = port
        self._source = source
        self._events = host.bus.push_to(host.addresses.events)
        self._commands = host.bus.pull_from(host.addresses.commands(source))
        self._poller = Poller(port.fileno(), self._commands)
        self._backlog: list[bytes] = []
        self.loop_heard_ns = 0
        self.sentence = ""

    def turn(self, longest_s: float = LONGEST_WAIT_S) -> None:
        """Wait for something to do, and do all of it.

        Raises
        ------
        PortLost
            If the device is gone.
        """
        due_s = (self.driver.due_ns() - now_ns()) / NS_PER_S
        self._poller.wait(min(longest_s, max(0.0, due_s)))
        data = self.port.read()
        if data:
            self.driver.feed(data, now_ns())
        self._obey(self._commands)
        self.driver.poll(now_ns())
        if out := self.driver.outgoing():
            self.port.write(out)
        self._publish()

    def _obey(self, commands: "Socket[bytes]") -> None:
        """Give the driver every command that waits."""
        while (message := receive_now(commands)) is not None:
            self.loop_heard_ns = now_ns()
            records = np.frombuffer(message, EVENT)
            orders = records[records["kind"] == Kind.COMMAND]
            if orders.size:
                self.driver.command(orders, self.loop_heard_ns)

    def _publish(self) -> None:
        """Send the driver's records to the loop, in order; what does not fit waits, as does all before it is heard."""
        events = self.driver.records()
        for sentence in self.driver.remarks():
            self.sentence = sentence
        for start in range(0, events.size, BATCH):
            self._backlog.append(events[start : start + BATCH].tobytes())
        while self._backlog and self.loop_heard_ns and send_now(self._events, self._backlog[0]):
            del self._backlog[0]

    def report(self, fault: Fault) -> None:
        """Tell the loop of a fault that the driver itself could not see."""
        event = host_event(Kind.FAULT, now_ns(), SOURCE_OPERATOR, fault, line=self._source)
        send_now(self._events, event.tobytes())

    def counters(self) -> dict[str, int]:
        """Return what the driver has counted, and what waits for the loop."""
        waiting = sum(len(message) for message in self._backlog) // RECORD_BYTES
        return self.driver.counters() | {"waiting": waiting}

    def make_safe(self) -> None:
        """Switch everything off and give the device time to say so."""
        until_ns = now_ns() + LAST_WORDS_NS
        self.driver.safe(now_ns())
        while now_ns() < until_ns:
            self.turn(0.01)
        self.driver.close(now_ns())
        if out := self.driver.outgoing():
            self.port.write(out)


def settings_of(rig: rigfile.Rig, device: str) -> DeviceSettings:
    """Return what the rig file says about one device, as its driver wants it."""
    described = rig.devices[device]
    return DeviceSettings(
        name=device,
        source=rigfile.device_numbers(rig)[device],
        pins=rigfile.pins_of(rig, device),
        host_timeout_ms=described.host_timeout_ms,
        keep_alive_ms=described.keep_alive_ms,
        max_on_ms=rigfile.max_on_ms_of(rig, device),
        link_baud=0 if described.port == "emulator" else None,
    )


def _serve(host: Host, pump: Pump) -> None:
    """Pump until told to end; raise the first error that ends it."""
    while not host.ending.due():
        pump.turn()
        driver = pump.driver
        if driver.error is not None:
            raise driver.error
        if pump.loop_heard_ns and now_ns() - pump.loop_heard_ns > LOOP_SILENT_NS:
            pump.report(Fault.LOOP_SILENT)
            raise LoopSilent(
                f"{host.settings.device}: the loop has been silent for 0.5 s; all outputs were switched off"
            )
        if host.beat_due():
            stage: Stage = "ready" if driver.state == DeviceState.READY else "starting"
            host.beat(stage, pump.sentence, pump.counters())


def body(host: Host) -> int:
    """Run one device's driver until told to end."""
    rig = read_rig(host.session)
    settings = settings_of(rig, host.settings.device)
    module = find_drivers()[rig.devices[settings.name].driver]
    with SerialTransport.open(host.settings.port, module.BAUD) as port:
        pump = Pump(host, module.create(settings), port, settings.source)
        pump.driver.start(now_ns())
        try:
            _serve(host, pump)
        except PortLost:
            pump.report(Fault.PORT_LOST)
            raise
        except DuettoError:
            _make_safe_after_an_error(pump)
            raise
        pump.make_safe()
        host.beat("ended", pump.sentence, pump.counters())
    return 0


def _make_safe_after_an_error(pump: Pump) -> None:
    """Switch everything off although something is wrong; the first error is the one to be told."""
    try:
        pump.make_safe()
    except PortLost:
        pump.report(Fault.PORT_LOST)


if __name__ == "__main__":
    sys.exit(run_process(body))
