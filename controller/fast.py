"""A session in virtual time: the same kernels, drivers and emulated bytes on a simulated clock, without processes.

Whatever is due next happens next: a mouse moves, a board's deadline fires, bytes arrive after the time they would spend
on the wire, a keep-alive is sent, a window closes. The journal and the log are those of a live session; only the clock
is simulated, and the certificate says so.
"""

import heapq
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from controller import journal as journals
from controller import rigfile
from controller.calibration import Calibration
from controller.certificate import certificate
from controller.driver_host import settings_of
from controller.messages import Crossing
from controller.neural.desk import Desk, event_of
from controller.neural.simulated import cue_states
from controller.neural.sources import source_of
from controller.plan import Plan
from controller.recorder import ENDING_NAME, Recorder
from controller.rigschema import EMULATOR
from controller.session import Order, prepare, read_metadata_of, write_json
from controller.summary import Brains, Summary, summarise
from controller.virtual_rig import VirtualBox
from hardware.device import DeviceSettings, DeviceState, Driver, find_drivers
from hardware.sources import Source
from realtime.clock import from_seconds
from realtime.errors import DuettoError
from realtime.machine import Machine
from realtime.records import (
    ANIMALS,
    NEVER_NS,
    NS_PER_MS,
    NS_PER_S,
    SOURCE_LOOP,
    SOURCE_OPERATOR,
    WITHHELD,
    Events,
    Kind,
    Operator,
    host_event,
)
from realtime.sequencer import Core, Status, drain, next_wake, take

START_NS: Final = NS_PER_S
"""The simulated clock's first reading."""
SETTLE_NS: Final = 500 * NS_PER_MS
"""From power to START: boards identify themselves meanwhile."""
SLOW_SETTLE_NS: Final = 3 * NS_PER_S
"""The same with laser heads, which are asked line by line."""
LAST_WORDS_NS: Final = 300 * NS_PER_MS
HOST_NS: Final = 80_000
"""From a byte's arrival at the host's port to its reading, and back; a quiet machine's order of magnitude."""
KEEP_ALIVE_MS: Final = 200


class NotVirtual(DuettoError):
    """A rig with real devices cannot run in virtual time."""


class DeviceNotReady(DuettoError):
    """A device failed in virtual time."""


@dataclass(slots=True)
class Device:
    """One driver and the bytes on its wire."""

    name: str
    driver: Driver
    byte_ns: int
    busy_ns: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    """Until when the wire is taken, to the board and from it."""

    def arrives_ns(self, n_bytes: int, now_ns: int, *, to_board: bool) -> int:
        """Return when ``n_bytes`` sent now have crossed the wire."""
        start_ns = max(now_ns, self.busy_ns[to_board])
        self.busy_ns[to_board] = start_ns + n_bytes * self.byte_ns
        return self.busy_ns[to_board] + HOST_NS


class Simulation:
    """One session on a simulated clock."""

    def __init__(
        self, rig: rigfile.Rig, plan: Plan, journal: journals.Journal, seed: int, calibration: Calibration
    ) -> None:
        if real := [name for name, device in rig.devices.items() if device.port != EMULATOR]:
            raise NotVirtual(
                f"--fast needs emulated devices, but {', '.join(real)} has a real port; write port = 'emulator'"
            )
        self.now_ns = START_NS
        self.journal = journal
        self.core: Core = plan.core(journal.events, journal.words)
        self.machine: Machine = plan.machine()
        self.box = VirtualBox(rig, seed, START_NS, lambda *_edge: None)
        self._finished = plan.finished
        self._sources = rigfile.device_numbers(rig)
        modules = find_drivers()
        self.devices: dict[str, Device] = {}
        for name, described in rig.devices.items():
            module = modules[described.driver]
            settings = _with_slow_pings(rig, name, calibration)
            self.devices[name] = Device(name, module.create(settings), 10 * NS_PER_S // module.BAUD)
        self._wire: list[tuple[int, int, str, bool, bytes]] = []
        self._sent = 0
        self._people: list[tuple[int, Operator]] = []
        self.desk: Desk | None = None
        self._cues = cue_states(plan)
        self._players: list[tuple[int, Source]] = []

    def attach(self, desk: Desk, players: list[tuple[int, Source]], begin_ns: int) -> None:
        """Let brains take part: their desk, and what plays recorded frames of which animal from ``begin_ns`` on."""
        self.desk, self._players = desk, players
        for _, player in players:
            player.start(begin_ns)

    def ask(self, verb: Operator, at_ns: int) -> None:
        """Let a person ask for something at ``at_ns``."""
        heapq.heappush(self._people, (at_ns, verb))

    def run(self, until_ns: int) -> None:
        """Run until ``until_ns``, or until the machines have finished and their last words were heard.

        Raises
        ------
        JournalFull
            If the journal has no room left.
        DeviceNotReady
            If a device fails.
        """
        for device in self.devices.values():
            device.driver.start(self.now_ns)
            self._carry(device)
        while self.now_ns < until_ns:
            self.now_ns = max(self.now_ns, min(self._due_ns(), until_ns))
            self._turn()
            if self._over():
                until_ns = min(until_ns, self.now_ns + LAST_WORDS_NS)
        self._take(host_event(Kind.HEALTH, self.now_ns, SOURCE_LOOP))

    def _due_ns(self) -> int:
        wire_ns = self._wire[0][0] if self._wire else NEVER_NS
        people_ns = self._people[0][0] if self._people else NEVER_NS
        drivers_ns = min(device.driver.due_ns() for device in self.devices.values())
        brains_ns = min([player.due_ns() for _, player in self._players], default=NEVER_NS)
        if self.desk is not None:
            brains_ns = min(brains_ns, self.desk.due_ns())
        awake_ns = int(next_wake(self.core, self.machine))
        return min(wire_ns, people_ns, drivers_ns, brains_ns, self.box.due_ns(), awake_ns)

    def _turn(self) -> None:
        """Let everything happen that is due now."""
        now_ns = self.now_ns
        if next_wake(self.core, self.machine) <= now_ns:
            first = int(self.core.memory["seq"][0])
            _check(drain(self.core, self.machine, now_ns))
            self._consequences(first)
        while self._people and self._people[0][0] <= now_ns:
            self._take(host_event(Kind.OPERATOR, now_ns, SOURCE_OPERATOR, float(heapq.heappop(self._people)[1])))
        self.box.advance(now_ns)
        while self._wire and self._wire[0][0] <= now_ns:
            _, _, name, to_board, data = heapq.heappop(self._wire)
            (self.box.boards[name] if to_board else self.devices[name].driver).feed(data, now_ns)
        self.box.advance(now_ns)
        for device in self.devices.values():
            device.driver.poll(now_ns)
            self._carry(device)
        self._stream(now_ns)

    def _stream(self, now_ns: int) -> None:
        """Let the desk have every frame that is due, and the loop what crosses its threshold."""
        if self.desk is None:
            return
        told = [one for message in self.box.neural_messages(now_ns) for one in self.desk.feed(message, now_ns)]
        for animal, player in self._players:
            for message in player.messages(now_ns):
                told += self.desk.feed(message, now_ns, (animal,))
        told += self.desk.report(now_ns)
        for one in told:
            if isinstance(one, Crossing):
                self._take(event_of(one, now_ns))

    def _carry(self, device: Device) -> None:
        """Put what driver and board have to say onto the wire, and the driver's records into the loop."""
        for to_board in (True, False):
            board = self.box.boards[device.name]
            data = device.driver.outgoing() if to_board else board.outgoing(self.now_ns)
            if data:
                self._sent += 1
                at_ns = device.arrives_ns(len(data), self.now_ns, to_board=to_board)
                heapq.heappush(self._wire, (at_ns, self._sent, device.name, to_board, data))
        records = device.driver.records()
        for i in range(records.size):
            self._take(records[i : i + 1])
        if device.driver.state == DeviceState.FAULTED:
            raise DeviceNotReady(f"{device.name}: {device.driver.error}")

    def _take(self, event: Events) -> None:
        first = int(self.core.memory["seq"][0])
        _check(take(self.core, self.machine, event, self.now_ns))
        self._consequences(first)

    def _consequences(self, first: int) -> None:
        """Raise the journal's count and give the drivers their commands."""
        last = int(self.core.memory["seq"][0])
        self.journal.header["count"] = last
        records = self.core.log[first:last]
        if self.desk is not None:
            self.desk.mark(records)
        if self.box.brains is not None:
            self.box.brains.hear(records, self._cues)
        withheld = records["flags"] & WITHHELD
        orders = records[(records["kind"] == Kind.COMMAND) & (withheld == 0)]
        if not orders.size:
            return
        for device in self.devices.values():
            own = orders[orders["source"] == self._sources[device.name]]
            if own.size:
                device.driver.command(own, self.now_ns)
                device.driver.poll(self.now_ns)
                self._carry(device)

    def _over(self) -> bool:
        """Return whether every machine has nothing more to do."""
        return bool((self.machine.memory["state"] == self._finished).all())


class JournalFull(DuettoError):
    """The journal has no room for what may come."""


def _check(status: int) -> None:
    if status != Status.GOING_ON:
        raise JournalFull("the journal is full; raise loop.journal_events in the rig file")


def _with_slow_pings(rig: rigfile.Rig, name: str, calibration: Calibration) -> DeviceSettings:
    """Return a device's settings with fewer keep-alives and a wire that takes its time."""
    return replace(settings_of(rig, name, calibration), keep_alive_ms=KEEP_ALIVE_MS, link_baud=None)


def _players(rig: rigfile.Rig) -> list[tuple[int, Source]]:
    """Return what plays recorded frames of which animal.

    Raises
    ------
    NotVirtual
        If frames come from outside: they cannot come faster than they happen.
    """
    if rig.neural is None:
        return []
    sources = {animal: stream.source for animal, stream in enumerate((rig.neural.a, rig.neural.b))}
    if live := [ANIMALS[animal] for animal, source in sources.items() if source not in {"virtual", "recording"}]:
        raise NotVirtual(f"--fast cannot hurry the frames of {', '.join(live)}; use source virtual or recording")
    return [(animal, source_of(rig, animal)) for animal, source in sources.items() if source == "recording"]


class Simulated(NamedTuple):
    """What a session in virtual time left."""

    journal: journals.Journal
    """To be closed by the caller."""
    counters: dict[str, int]
    reason: str
    """Why it ended."""
    brains: Brains | None
    """What was estimated; None where the rig has no brains."""


def simulate(order: Order, folder: Path, plan: Plan) -> Simulated:
    """Run an ordered session in virtual time; fails as :func:`run` does."""
    clock = read_metadata_of(folder)["clock"]
    path = folder / journals.JOURNAL_NAME
    journal = journals.create(path, order.rig.loop.journal_events, START_NS, int(clock["epoch_ns"]))
    simulation = Simulation(order.rig, plan, journal, order.seed, order.calibration)
    has_heads = any(device.feeds is not None for device in order.rig.devices.values())
    begin_ns = START_NS + (SLOW_SETTLE_NS if has_heads else SETTLE_NS)
    desk = None
    if order.rig.neural is not None:
        desk = Desk(order.rig, folder, START_NS, int(clock["epoch_ns"]))
        simulation.attach(desk, _players(order.rig), begin_ns)
    end_ns = begin_ns + from_seconds(order.minutes * 60.0)
    if order.rig.inhibition.arm_at_start:
        simulation.ask(Operator.ARM, begin_ns - NS_PER_MS)
    simulation.ask(Operator.START, begin_ns)
    simulation.ask(Operator.STOP, end_ns)
    simulation.run(end_ns + LAST_WORDS_NS)
    if desk is not None:
        desk.close()
    memory = simulation.core.memory[0]
    counters = {name: int(memory[name]) for name in memory.dtype.names or () if name.startswith("n_")}
    brains = None if desk is None else Brains(desk.sentence(), desk.counters())
    reason = "after its minutes" if simulation.now_ns >= end_ns else "after its trials"
    return Simulated(journal, counters, reason, brains)


def run(order: Order) -> Summary:
    """Run an ordered session in virtual time: journal, log, certificate and summary as of a live one.

    Raises
    ------
    NotVirtual, JournalFull, DeviceNotReady
    """
    folder, plan = prepare(order, start_ns=START_NS)
    journal, counters, reason, brains = simulate(order, folder, plan)
    events = journal.events[: int(journal.header["count"][0])].copy()
    found = certificate(events, None, counters, {"backend": "virtual time"})
    found["simulated"] = True
    ending = {"reason": reason, "as_asked": "true", "events": str(events.size)}
    metadata = {"ending": ending, "certificate": {"json": json.dumps(found)}}
    if brains is not None:
        counted = {what: str(n) for what, n in sorted(brains.counters.items())}
        metadata["estimators"] = {"estimate": brains.sentence} | counted
    write_json(folder / ENDING_NAME, {"metadata": metadata})
    journal.header["closed"] = 1
    journal.close()
    os.truncate(folder / journals.JOURNAL_NAME, journals.HEADER_BYTES + events.nbytes)
    recorder = Recorder(folder)
    try:
        recorder.finish()
    finally:
        recorder.close()
    return summarise(folder, events, plan, found, seed=order.seed, reason=reason, brains=brains)
