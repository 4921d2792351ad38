"""A bench in virtual time for laser heads: one driver and one emulated head, joined by a wire."""

from types import ModuleType

import numpy as np

from hardware.device import DeviceSettings
from hardware.drivers import cobolt as cobolt_driver
from hardware.drivers import obis as obis_driver
from hardware.emulators import cobolt as emulated_cobolt
from hardware.emulators import obis as emulated_obis
from realtime.records import NEVER_NS, NS_PER_MS, Events, Kind, Line, no_events

START_NS = 1_000 * NS_PER_MS
MAKES: dict[str, tuple[ModuleType, ModuleType]] = {
    "cobolt": (cobolt_driver, emulated_cobolt),
    "obis": (obis_driver, emulated_obis),
}


class HeadBench:
    """Moves bytes and time; everything else is the real driver and the real emulator.

    ``chunk`` is how many bytes travel at once (0: all), ``first_seq`` the number after which records are counted.
    """

    def __init__(self, make: str, power_mw: float | None = 12.5, chunk: int = 0, first_seq: int = 0) -> None:
        driver, emulator = MAKES[make]
        self.now_ns = START_NS
        self.chunk = chunk
        self.settings = DeviceSettings(name="head", source=3, pins={}, power_mw=power_mw)
        self.head = emulator.create(START_NS)
        self.driver = driver.create(self.settings, first_seq)
        self.written = b""  # everything the driver ever sent
        self.lose_next = 0  # so many of the driver's messages vanish
        self._seen = no_events(0)

    def start(self) -> "HeadBench":
        """Start the driver and give it 2 s to get ready."""
        self.driver.start(self.now_ns)
        self.run(2000)
        return self

    def arm(self, ms: float = 2000) -> "HeadBench":
        """Ask for arming and give it time."""
        self.command(Line.ARM, 1)
        self.run(ms)
        return self

    def run(self, ms: float) -> None:
        """Let ``ms`` of virtual time pass, with everything that is due in it."""
        until_ns = self.now_ns + round(ms * NS_PER_MS)
        self._settle()
        while (due_ns := min(self.driver.due_ns(), self.head.due_ns(), NEVER_NS)) <= until_ns:
            self.now_ns = max(due_ns, self.now_ns)
            self._settle()
        self.now_ns = until_ns
        self._settle()

    def command(self, line: int, value: float, settle: bool = True) -> None:
        """Send one COMMAND record, and let its bytes travel unless told not to."""
        record = no_events(1)
        record["kind"], record["line"], record["value"] = Kind.COMMAND, line, value
        self.driver.command(record, self.now_ns)
        if settle:
            self._settle()

    def ttl(self, high: bool) -> int:
        """Put the modulation input high or low; return whether there is light."""
        self.head.set_input(0, high, self.now_ns)
        self.run(1)
        return self.head.outputs

    def interlock(self, closed: bool) -> None:
        """Open or close the interlock."""
        self.head.set_interlock(closed, self.now_ns)

    def meddle(self, line: bytes) -> None:
        """Let another program, or the head's own panel, tell the head something; the answer is lost on the driver."""
        self.head.feed(line + b"\r\n", self.now_ns)
        self.head.outgoing(self.now_ns + self.head.knobs.answer_ns)

    def told(self) -> list[str]:
        """Return the sentences since the last call."""
        return self.driver.remarks()

    def faults(self) -> list[int]:
        """Return the codes of all FAULT records so far."""
        return [int(value) for value in self.records()["value"]]

    def records(self) -> Events:
        """Return every record so far."""
        self._seen = np.concatenate([self._seen, self.driver.records()])
        return self._seen

    def count_of(self, line: str) -> int:
        """Return how often the driver sent a line."""
        return self.lines.count(line)

    @property
    def lines(self) -> list[str]:
        """Every line that the driver sent, in order."""
        return [each.strip() for each in self.written.decode().split("\r") if each.strip()]

    def _settle(self) -> None:
        """Do everything that is due now."""
        for _ in range(100):
            self.head.advance(self.now_ns)
            for data in self._pieces(self.head.outgoing(self.now_ns)):
                self.driver.feed(data, self.now_ns)
            self.driver.poll(self.now_ns)
            out = self.driver.outgoing()
            if not out:
                return
            self.written += out
            if self.lose_next:
                self.lose_next -= 1
                continue
            for data in self._pieces(out):
                self.head.feed(data, self.now_ns)
        raise RuntimeError("driver and head never came to rest")

    def _pieces(self, data: bytes) -> list[bytes]:
        if not self.chunk:
            return [data] if data else []
        return [data[start : start + self.chunk] for start in range(0, len(data), self.chunk)]
