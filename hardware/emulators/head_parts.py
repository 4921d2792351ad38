"""What emulated laser heads share: lines in and out, the interlock, the modulation input, and the light's true edges.

Input pin 0 is the TTL at the digital modulation input. Output pin 0 is light: what a photodiode would see.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from hardware.device import NoSuchPin, WireFaults
from hardware.heads.text_lines import LineFramer
from realtime.records import NEVER_NS

TTL_PIN: Final = 0
LIGHT_PIN: Final = 0


@dataclass(slots=True)
class HeadKnobs(WireFaults):
    """What a head is, and what is broken. Turn the knobs at any time; they act with the next call that has a time.

    Attributes
    ----------
    model, serial_number, firmware
        Who it says it is.
    max_power_mw
        Its limit.
    measured_factor
        The power it measures, over the power that is set.
    key_on
        Its key switch.
    answer_ns
        How long an answer takes.
    unknown
        Starts of lines, in any case and separated by commas, that it does not understand.
    """

    model: str = ""
    serial_number: str = "12345"
    firmware: str = "5.1.2"
    max_power_mw: float = 100.0
    measured_factor: float = 1.0
    key_on: bool = True
    answer_ns: int = 0
    unknown: str = ""

    def knows(self, line: str) -> bool:
        """Whether the head understands ``line``, as far as the knob ``unknown`` goes."""
        return not any(line.lower().startswith(start) for start in self.unknown.lower().split(",") if start)


class EmulatedHead(ABC):
    """A laser head without a wire; a make adds its words (:meth:`_obey`) and its rules (:meth:`_live`, :meth:`_lit`).

    Attributes
    ----------
    heard
        Every line that the host sent, in order.
    interlock_closed, ttl_high
        As the world has them.
    """

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._framer = LineFramer()
        self._answers: list[tuple[int, bytes]] = []
        self._edges: list[tuple[int, int, int]] = []
        self._light = False
        self.heard: list[str] = []
        self.interlock_closed = True
        self.ttl_high = False

    # --- what a make adds

    @property
    @abstractmethod
    def knobs(self) -> HeadKnobs:
        """What is broken."""

    @abstractmethod
    def _obey(self, line: str) -> list[str]:
        """Carry out one line; return the lines of its answer."""

    @abstractmethod
    def _live(self) -> None:
        """Follow what has changed: faults, interlock, key, time."""

    @abstractmethod
    def _lit(self) -> bool:
        """Whether light comes out."""

    @abstractmethod
    def _restart(self) -> None:
        """Lose what a restart loses."""

    def _next_ns(self) -> int:
        """Return when the head will next change by itself, or NEVER_NS."""
        return NEVER_NS

    # --- the interface

    @property
    def outputs(self) -> int:
        """Whether light comes out now, as a bit mask."""
        return int(self._light) << LIGHT_PIN

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes that the host wrote; each whole line is carried out at once."""
        self.advance(now_ns)
        for line in self._framer.feed(data, self._now_ns):
            self.heard.append(line)
            answer = self._obey(line)
            self._settle(self._now_ns)
            self._send(answer)

    def advance(self, now_ns: int) -> None:
        """Let the head live until ``now_ns``."""
        now_ns = max(now_ns, self._now_ns)
        while (at_ns := self._next_ns()) <= now_ns:
            self._settle(at_ns)
        self._settle(now_ns)

    def due_ns(self) -> int:
        """Return when the head will next do something by itself, or NEVER_NS."""
        return min(self._next_ns(), self._answers[0][0] if self._answers else NEVER_NS)

    def outgoing(self, now_ns: int) -> bytes:
        """Return what the head has sent by ``now_ns``, after the knobs have had their way with it."""
        self.advance(now_ns)
        sent = b"".join(data for at_ns, data in self._answers if at_ns <= self._now_ns)
        self._answers = [answer for answer in self._answers if answer[0] > self._now_ns]
        return self.knobs.spoil(sent) if sent else b""

    def reset(self, now_ns: int) -> None:
        """Restart the head, as a brown-out would."""
        self.advance(now_ns)
        self._answers.clear()
        self._framer = LineFramer()
        self._restart()
        self._settle(self._now_ns)

    def set_input(self, pin: int, high: bool, now_ns: int) -> None:
        """Put the modulation input (pin 0) high or low. Raises NoSuchPin."""
        if pin != TTL_PIN:
            raise NoSuchPin(f"An emulated laser head has no input {pin}. Its modulation input is {TTL_PIN}.")
        self.advance(now_ns)
        self.ttl_high = high
        self._settle(self._now_ns)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """Open or close the interlock loop; opening it ends the light at once."""
        self.advance(now_ns)
        self.interlock_closed = closed
        self._settle(self._now_ns)

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the light's true edges since the last call, as ``(t_host_ns, pin, level)``, in order."""
        edges, self._edges = self._edges, []
        return edges

    # --- inside

    def _settle(self, at_ns: int) -> None:
        """Let everything that hangs together follow, at ``at_ns``."""
        self._now_ns = at_ns
        self._live()
        lit = self._lit()
        if lit != self._light:
            self._light = lit
            self._edges.append((at_ns, LIGHT_PIN, int(lit)))

    def _send(self, lines: list[str]) -> None:
        for line in lines:
            data = line.encode("ascii") + b"\r\n"
            if self.knobs.duplicate:
                self.knobs.duplicate -= 1
                data *= 2
            self._answers.append((self._now_ns + self.knobs.answer_ns, data))
