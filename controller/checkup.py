"""Who is there: every device of a rig is asked, and left as it was found: off and disarmed.

A device behind a serial port is opened for this process alone, which a running session does not let happen. Its driver
runs until it is READY, which for every driver means identified, configured, outputs off and disarmed
(:mod:`hardware.device`): so the question also shows that the device takes its limits. Then it is closed. No output is
ever commanded on, and nothing is armed. Emulated devices are asked in this process, in virtual time.
"""

import select
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from controller import rigfile
from controller.calibration import Calibration
from controller.driver_host import settings_of
from controller.rigschema import EMULATOR
from hardware.device import DeviceState, Driver, EmulatedDevice, SilentDevice, find_drivers, find_emulators
from hardware.transport import SerialTransport
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.records import ANIMALS, NS_PER_MS, NS_PER_S, Kind

READY_NS: Final = 10 * NS_PER_S
"""Longest time until a device is ready; drivers of silent devices give up earlier."""
LONGEST_WAIT_NS: Final = 20 * NS_PER_MS


class NoEmulator(DuettoError):
    """A rig asks for an emulated device of which there is no emulator."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one device answered.

    Attributes
    ----------
    name, driver, port
        As the rig file has them.
    trouble
        Why it is not ready; empty where it is.
    firmware
        What it runs, where its driver knows.
    clock_ns
        How uncertain its clock is [ns]; None where it has none.
    remarks
        What it said on the way, and what is broken or touched now.
    """

    name: str
    driver: str
    port: str
    trouble: str = ""
    firmware: str = ""
    clock_ns: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def emulated(self) -> bool:
        """Whether there is no such device, but its emulator."""
        return self.port == EMULATOR


def ask(rig: rigfile.Rig, calibration: Calibration) -> Iterator[Answer]:
    """Ask each device of a rig who it is, one after the other, and yield what it answered."""
    for name, described in rig.devices.items():
        try:
            yield _ask(rig, name, calibration)
        except DuettoError as error:
            yield Answer(name, described.driver, described.port, trouble=str(error))


def _ask(rig: rigfile.Rig, name: str, calibration: Calibration) -> Answer:
    described = rig.devices[name]
    module = find_drivers()[described.driver]
    driver: Driver = module.create(settings_of(rig, name, calibration))
    if described.port == EMULATOR:
        heard = _heard_in_virtual_time(driver, _emulator_of(described.driver, name), name)
    else:
        with SerialTransport.open(described.port, module.BAUD) as port:
            heard = _heard_on(port, driver, name)
            warning = port.latency_warning()
            heard = (*heard, warning) if warning else heard
    return Answer(
        name,
        described.driver,
        described.port,
        firmware=str(getattr(driver, "firmware", "")),
        clock_ns=driver.counters().get("clock_uncertainty_ns"),
        remarks=heard,
    )


def _emulator_of(driver: str, name: str) -> EmulatedDevice:
    emulators = find_emulators()
    if driver not in emulators:
        raise NoEmulator(f"{name}: there is no emulator of {driver}; write the port of a real one")
    device: EmulatedDevice = emulators[driver].create(0)
    return device


def _heard_on(port: SerialTransport, driver: Driver, name: str) -> tuple[str, ...]:
    """Run a driver on a port until it is ready, then close it; return what was remarkable.

    Raises
    ------
    DeviceError, PortLost
        If the device failed or is gone.
    """
    remarks: list[str] = []
    driver.start(now_ns())
    until_ns = now_ns() + READY_NS
    try:
        while driver.state is not DeviceState.READY:
            while out := driver.outgoing():
                port.write(out)
            due_ns = min(driver.due_ns(), now_ns() + LONGEST_WAIT_NS)
            select.select([port.fileno()], [], [], max(0, due_ns - now_ns()) / NS_PER_S)
            if data := port.read():
                driver.feed(data, now_ns())
            driver.poll(now_ns())
            _check(driver, name, late=now_ns() > until_ns)
        remarks += _remarks(driver)
    finally:
        driver.close(now_ns())
        while out := driver.outgoing():
            port.write(out)
    return tuple(remarks)


def _heard_in_virtual_time(driver: Driver, device: EmulatedDevice, name: str) -> tuple[str, ...]:
    """Run a driver on an emulated device until it is ready; return what was remarkable."""
    at_ns = 0
    driver.start(at_ns)
    while driver.state is not DeviceState.READY:
        while out := driver.outgoing():
            device.feed(out, at_ns)
        if data := device.outgoing(at_ns):
            driver.feed(data, at_ns)
        else:
            at_ns = max(at_ns + 1, min(driver.due_ns(), device.due_ns()))
            device.advance(at_ns)
            driver.poll(at_ns)
        _check(driver, name, late=at_ns > READY_NS)
    return tuple(_remarks(driver))


def _check(driver: Driver, name: str, *, late: bool) -> None:
    """Raise what a driver failed with, or that it takes too long."""
    if driver.error is not None:
        raise driver.error
    if late:
        raise SilentDevice(f"{name} was not ready within {READY_NS // NS_PER_S} s; switch it off and on again")


def _remarks(driver: Driver) -> Iterator[str]:
    """Yield what a driver said, and which beams and lickometers are broken or touched now."""
    yield from driver.remarks()
    events = driver.records()
    for kind, what in (
        (Kind.POKE_IN, "the beam of {} is broken now"),
        (Kind.LICK_IN, "the lickometer of {} is touched"),
    ):
        for animal in events["animal"][events["kind"] == kind]:
            yield what.format(ANIMALS[int(animal)])
