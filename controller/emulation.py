"""An emulated device behind a pseudo-terminal, in real time, until it is told to end.

Any program opens the port as it would a real one's: ``duetto run``, a manufacturer's own client, a terminal. Lines on
standard input do to the device what the world would (:mod:`hardware.emulators.workbench`), and to its cable::

    unplug     hang up; the device lives on without a host
    plug       connect it again, under the same name if it was given one
    stall 50   hold everything back for 50 ms, as a computer does that is busy
"""

import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hardware.device import EmulatedDevice
from hardware.emulators.pty_link import PtyLink
from hardware.emulators.workbench import BadDeed, Workbench
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S

LONGEST_WAIT_S: Final = 0.05
LONGEST_STALL_MS: Final = 60_000
_CHUNK_BYTES: Final = 4096

Say = Callable[[str], None]


class Emulation:
    """One emulated device and its cable.

    Parameters
    ----------
    device
        What is emulated.
    link
        Name for a symbolic link to the port, or None.
    say
        Takes the lines that a person or a test reads.
    tell_edges
        Whether every true edge of an output pin is said: ``edge T_NS PIN LEVEL``.
    """

    def __init__(self, device: EmulatedDevice, link: Path | None, say: Say, *, tell_edges: bool = False) -> None:
        self.device = device
        self._workbench = Workbench(device)
        self._name = link
        self._say = say
        self._tell_edges = tell_edges
        self._stalled_until_ns = 0
        self._begun = b""  # the part of a line that has come so far
        self.link = PtyLink.open(link)

    def turn(self, deeds: int | None) -> bool:
        """Wait for bytes, for a line from the descriptor ``deeds`` or for the device; return False at its end."""
        stalled = now_ns() < self._stalled_until_ns
        watched = [self.link.fileno()] if self.link.plugged and not stalled else []
        due_ns = max(self.device.due_ns(), self._stalled_until_ns)
        wait_s = LONGEST_WAIT_S if due_ns == NEVER_NS else (due_ns - now_ns()) / NS_PER_S
        asked = [] if deeds is None else [deeds]
        readable, _, _ = select.select([*watched, *asked], [], [], min(LONGEST_WAIT_S, max(0.0, wait_s)))
        open_still = deeds is None or deeds not in readable or self._listen(deeds)
        if now_ns() >= self._stalled_until_ns:
            self._carry()
        return open_still

    def _listen(self, deeds: int) -> bool:
        """Carry out every whole line that has come; return False where no more can come."""
        data = os.read(deeds, _CHUNK_BYTES)
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            if text := line.decode(errors="replace").strip():
                self._say(self._obey(text))
        return bool(data)

    def close(self) -> None:
        """Hang up."""
        self.link.close()

    def _carry(self) -> None:
        """Move bytes both ways and let the device live until now."""
        if self.link.plugged and (data := self.link.read()):
            self.device.feed(data, now_ns())
        self.device.advance(now_ns())
        out = self.device.outgoing(now_ns())
        if out and self.link.plugged:
            self.link.write(out)
        edges = self.device.take_edges()
        if self._tell_edges:
            for t_ns, pin, level in edges:
                self._say(f"edge {t_ns} {pin} {level}")

    def _obey(self, line: str) -> str:
        """Do what a line says, and say what was done."""
        try:
            match line.split():
                case ["unplug"]:
                    self.link.unplug()
                    return "unplugged"
                case ["plug"]:
                    if not self.link.plugged:
                        self.link = PtyLink.open(self._name)
                    return f"plugged {self.link.path}"
                case ["stall", ms] if ms.isdecimal() and int(ms) <= LONGEST_STALL_MS:
                    self._stalled_until_ns = now_ns() + int(ms) * NS_PER_MS
                    return line
                case _:
                    return self._workbench.obey(line, now_ns())
        except BadDeed as error:
            return f"error: {error} Also: unplug, plug, stall MS."
        except DuettoError as error:
            return f"error: {error}"
