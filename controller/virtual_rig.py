"""The process that stands in for a box with two mice: emulated boards behind pseudo-terminals, and what moves in it.

Everything above the bytes is the real thing: the driver opens a port, the board has its own clock, watchdog and limits.
What the board's pins truly did is written to ``pins.csv`` as it happens, independent of what the session believes.
When it is told to end, or the supervisor dies, it stays as long as an output is on, for a moment at most: a real board
stays too, and its watchdog can be seen to do its work.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol, TextIO

import msgspec
import numpy as np

from agents.mice import MousePair, MouseParameters, Movement
from controller import rigfile
from controller.bus import Poller, Socket, receive_now, send_now
from controller.host import Host, run_process
from controller.neural.simulated import SimulatedBrains, animals_of, cue_states
from controller.rigschema import EMULATOR
from controller.session import read_metadata_of, read_plan, read_rig
from hardware.device import EmulatedDevice, find_emulators
from hardware.emulators.pty_link import LinkUnplugged, PtyLink
from realtime.clock import now_ns
from realtime.records import EVENT, NEVER_NS, NS_PER_MS, NS_PER_S, Kind, Line, Role, line_of

PINS_NAME: Final = "pins.csv"
LINGER_NS: Final = 1500 * NS_PER_MS
LONGEST_WAIT_S: Final = 0.05
_INPUT_OF: Final = {
    Kind.POKE_IN: (Role.POKE, True),
    Kind.POKE_OUT: (Role.POKE, False),
    Kind.LICK_IN: (Role.LICK, True),
    Kind.LICK_OUT: (Role.LICK, False),
}


Wiring = rigfile.Input | rigfile.Valve | rigfile.Laser


class Witness(Protocol):
    """Is told of every true edge of an output pin."""

    def __call__(self, t_ns: int, device: str, pin: int, level: int, line: Line | None) -> None:
        """Take one edge."""


class VirtualBox:
    """Emulated boards and two mice, without processes or wall time: the box itself.

    Parameters
    ----------
    rig
        Says which line is which pin of which device, and who the mice are.
    seed
        The mice's seed.
    now_ns
        When the boards get power and the mice are put in.
    witness
        Told of every true edge.
    """

    def __init__(self, rig: rigfile.Rig, seed: int, now_ns: int, witness: Witness) -> None:
        emulated = [name for name, device in rig.devices.items() if device.port == EMULATOR]
        emulators = find_emulators()
        self.boards: dict[str, EmulatedDevice] = {
            name: emulators[rig.devices[name].driver].create(now_ns) for name in emulated
        }
        self._wired = rig.lines.wired()
        self._outputs = {
            (wiring.device, wiring.pin): line
            for line, wiring in self._wired.items()
            if line // 2 in (Role.VALVE, Role.LASER)
        }
        self._wires = _wires(rig, self._wired)
        self._witness = witness
        a, b = (MouseParameters(**msgspec.structs.asdict(mouse)) for mouse in (rig.mice.a, rig.mice.b))
        self.mice = MousePair(a, b, seed, now_ns)
        self.brains = SimulatedBrains(rig, seed, now_ns) if animals_of(rig) else None

    def due_ns(self) -> int:
        """Return when something happens by itself."""
        brains_ns = NEVER_NS if self.brains is None else self.brains.due_ns()
        boards_ns = (board.due_ns() for board in self.boards.values())
        return min([self.mice.due_ns(), brains_ns, *boards_ns], default=NEVER_NS)

    def neural_messages(self, now_ns: int) -> list[bytes]:
        """Return what the simulated brains publish by ``now_ns``."""
        return [] if self.brains is None else self.brains.messages(now_ns)

    def advance(self, now_ns: int) -> None:
        """Let boards and mice live until ``now_ns``."""
        for name, board in self.boards.items():
            board.advance(now_ns)
            self._show(name, board)
        for movement in self.mice.act(now_ns):
            self._move(movement)

    def show(self) -> None:
        """Let mice and witness see what the boards' pins have done, without letting time pass."""
        for name, board in self.boards.items():
            self._show(name, board)

    def _show(self, name: str, board: EmulatedDevice) -> None:
        """Let mice, witness and whatever is wired to them see what the board's pins did."""
        for t_ns, pin, level in board.take_edges():
            line = self._outputs.get((name, pin))
            self._witness(t_ns, name, pin, level, line)
            for other, input_pin in self._wires.get((name, pin), ()):
                if other in self.boards:
                    self.boards[other].set_input(input_pin, bool(level), t_ns)
            if line is None:
                continue
            kind = Kind.VALVE_ON if line // 2 == Role.VALVE else Kind.LASER_ON
            self._feel(Kind(kind + (0 if level else 1)), line % 2, t_ns)

    def _feel(self, kind: Kind, animal: int, t_ns: int) -> None:
        """Let a mouse, and its brain, feel what its box does."""
        self.mice.observe(kind, animal, t_ns)
        if self.brains is not None:
            self.brains.observe(kind, animal, t_ns)

    def _move(self, movement: Movement) -> None:
        """Let a mouse touch a sensor, if the rig has it."""
        role, touched = _INPUT_OF[movement.kind]
        wiring = self._wired.get(line_of(role, movement.animal))
        if wiring is None or wiring.device not in self.boards:
            return
        self.boards[wiring.device].set_input(wiring.pin, touched, movement.t_ns)
        if self.brains is not None:
            self.brains.observe(movement.kind, movement.animal, movement.t_ns)


def _wires(rig: rigfile.Rig, wired: Mapping[Line, Wiring]) -> dict[tuple[str, int], list[tuple[str, int]]]:
    """Return which inputs each output is wired to: copies of it, and the modulation input of a laser head."""
    heads = {described.feeds: name for name, described in rig.devices.items() if described.feeds is not None}
    wires: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for line, wiring in wired.items():
        if isinstance(wiring, rigfile.Input):
            continue
        ends = [] if wiring.copy is None else [(wiring.copy.device, wiring.copy.pin)]
        if (head := heads.get(line.name.lower())) is not None:  # type: ignore[call-overload]
            ends.append((head, 0))
        wires[wiring.device, wiring.pin] = ends
    return wires


def _trace(stream: TextIO) -> Witness:
    """Return a witness that writes each edge to ``stream`` at once."""
    stream.write("t_ns,device,pin,level,line\n")

    def witness(t_ns: int, device: str, pin: int, level: int, line: Line | None) -> None:
        stream.write(f"{t_ns},{device},{pin},{level},{'' if line is None else line.name}\n")
        stream.flush()

    return witness


def _pump(box: VirtualBox, links: dict[str, PtyLink], poller: Poller) -> None:
    """Let the box live until now, and carry bytes both ways."""
    due_s = (box.due_ns() - now_ns()) / NS_PER_S
    poller.wait(min(LONGEST_WAIT_S, max(0.0, due_s)))
    for name, link in links.items():
        if data := link.read():
            box.boards[name].feed(data, now_ns())
    box.advance(now_ns())
    for _ in range(2):  # a board lives on while it is asked for its bytes; a copy of its edge gives another one more
        for name, link in links.items():
            if out := box.boards[name].outgoing(now_ns()):
                link.write(out)
        box.show()  # no mouse moves here: its poke's bytes would wait until something else happens


def _is_lit_or_open(box: VirtualBox) -> bool:
    """Return whether any output of any board is on."""
    return any(board.outputs for board in box.boards.values())


class _BrainLink:
    """Publishes the simulated brains' frames, and lets them see the task's cues."""

    def __init__(self, host: Host, box: VirtualBox) -> None:
        self._box = box
        self._cues = cue_states(read_plan(host.session))
        self._frames = host.bus.publish(host.addresses.brains)
        self.decisions: Socket[bytes] = host.bus.subscribe(host.addresses.decisions)
        self.dropped = 0

    def turn(self, brains: SimulatedBrains) -> None:
        """Show the brains what was decided, and send what is due."""
        while (message := receive_now(self.decisions)) is not None:
            brains.hear(np.frombuffer(message, EVENT), self._cues)
        for message in self._box.neural_messages(now_ns()):
            self.dropped += not send_now(self._frames, message)


def _serve(box: VirtualBox, links: dict[str, PtyLink], until: Callable[[], bool], beat: Callable[[], None]) -> None:
    poller = Poller(*(link.fileno() for link in links.values()))
    while not until():
        _pump(box, links, poller)
        beat()


def body(host: Host) -> int:
    """Run a virtual rig until told to end."""
    rig = read_rig(host.session)
    seed = int(read_metadata_of(host.session)["seeds"]["session"])
    with (host.session / PINS_NAME).open("w", encoding="ascii") as stream:
        box = VirtualBox(rig, seed, now_ns(), _trace(stream))
        links = {name: PtyLink.open() for name in box.boards}
        ports = {name: str(link.path) for name, link in links.items()}

        brains = None if box.brains is None else _BrainLink(host, box)

        def beat() -> None:
            if brains is not None and box.brains is not None:
                brains.turn(box.brains)
            if host.beat_due():
                host.beat("ready", counters={"frames_dropped": 0 if brains is None else brains.dropped}, texts=ports)

        try:
            host.beat("ready", texts=ports)
            _serve(box, links, host.ending.due, beat)
            until_ns = now_ns() + LINGER_NS
            _serve(box, links, lambda: now_ns() > until_ns or not _is_lit_or_open(box), lambda: None)
        except LinkUnplugged:
            return 1
        finally:
            for link in links.values():
                link.close()
    return 0


def pins_of(session: Path) -> list[tuple[int, str, int, int, str]]:
    """Return the emulated boards' true output edges: ``(t_ns, device, pin, level, line)``."""
    rows = (session / PINS_NAME).read_text(encoding="ascii").splitlines()[1:]
    parts = [row.split(",") for row in rows if row.count(",") == 4]
    return [(int(t_ns), device, int(pin), int(level), line) for t_ns, device, pin, level, line in parts]


if __name__ == "__main__":
    sys.exit(run_process(body))
