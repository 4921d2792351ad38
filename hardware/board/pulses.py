"""Pulses of the reference board: sent one request after the other, and followed until their edges have come.

A pulse is asked for, acknowledged, and shows its ON edge. One that was acknowledged and shows none within EDGE_NS is
told (EDGE_MISSING), unless a fault of the board has explained it.
"""

from collections import deque
from collections.abc import Container, Mapping
from typing import Final

from hardware.board import requests as ask
from hardware.board.report import BoardReport
from hardware.device import Lane, Request
from hardware.harp import Message
from realtime.records import NEVER_NS, NS_PER_MS, Fault, Line

ANSWER_NS: Final = 20 * NS_PER_MS
TRIES: Final = 4
EDGE_NS: Final = 50 * NS_PER_MS
_REMEMBERED_NONCES: Final = 256


def whole_ms(length_ns: float) -> int:
    """Return a length in the board's unit: the nearest ms, at least 1."""
    return max(1, int(length_ns / NS_PER_MS + 0.5))


def refusal(wire: ask.Wire, length_ns: float) -> str | None:
    """Return why an output cannot be on for so long, as the end of a sentence; None if it can."""
    if 0 < length_ns < (wire.max_on_ms + 0.5) * NS_PER_MS:
        return None
    asked_ms, line = length_ns / NS_PER_MS, wire.line.name
    return f"does not switch {line} for {asked_ms:g} ms: it takes up to max_on_ms = {wire.max_on_ms}"


class Pulses:
    """The pulses of one board.

    Parameters
    ----------
    outputs
        Its outputs by line.
    report
        Is told of what was refused or never happened.

    Attributes
    ----------
    lane
        The requests under way and waiting.
    duplicates, missing
        Commands so far that had come before; pulses so far that were acknowledged and showed no edge.
    """

    __slots__ = ("_awaited", "_nonce", "_nonces", "_outputs", "_report", "_together", "duplicates", "lane", "missing")

    def __init__(self, outputs: Mapping[int, ask.Wire], report: BoardReport) -> None:
        self._outputs = outputs
        self._report = report
        self._nonce = 0
        self._nonces: deque[int] = deque(maxlen=_REMEMBERED_NONCES)
        self._together: dict[int, list[ask.Wire]] = {}  # what was decided at one instant, by length
        self._awaited: dict[Line, int] = {}  # lines whose acknowledged pulse owes an edge, and until when
        self.lane = Lane(ANSWER_NS, TRIES)
        self.duplicates = 0
        self.missing = 0

    def is_duplicate(self, nonce: int) -> bool:
        """Return whether a command with this nonce was carried out before."""
        known = bool(nonce) and nonce in self._nonces
        self.duplicates += known
        return known

    def add(self, wire: ask.Wire, length_ns: float, nonce: int, now_ns: int) -> None:
        """Take a pulse to be sent with the others of this instant, or refuse it."""
        why = refusal(wire, length_ns)
        if why is not None:
            self._report.refuse(wire.line, now_ns, why)
            return
        self._nonces.append(nonce)
        together = self._together.setdefault(whole_ms(length_ns), [])
        if wire not in together:
            together.append(wire)

    def send(self) -> None:
        """Make one request of the pulses of one length that were added since the last call."""
        for length_ms, wires in self._together.items():
            if wires:
                self._nonce = self._nonce % 0xFFFF + 1
                mask = sum(wire.mask for wire in wires)
                self.lane.waiting.append(ask.pulse(mask, length_ms, self._nonce, *(wire.line for wire in wires)))
        self._together.clear()

    def recall(self, wire: ask.Wire | None = None) -> int:
        """Forget the pulses of an output (None: of all); return how many requests were dropped."""
        for wires in self._together.values():
            wires[:] = [other for other in wires if wire is not None and other is not wire]
        if wire is None:
            self._awaited.clear()
            return self.lane.drop()
        self._awaited.pop(wire.line, None)
        return self.lane.drop(wire.line)

    def answered(self, message: Message, now_ns: int) -> None:
        """Take an answer of the board: from now on the edges are awaited that have not come yet."""
        request = self.lane.answer(message.address, message.payload, message.is_error)
        for line in () if request is None else request.edges_owed:
            if message.is_error:
                self._report.refuse(line, now_ns, f"answered a pulse on {line.name} with an error")
            elif not self._report.output_state & self._outputs[line].mask:
                self._awaited[line] = now_ns + EDGE_NS

    def given_up(self, request: Request, now_ns: int) -> None:
        """Tell of a request that was never answered."""
        for line in request.lines:
            self._report.refuse(line, now_ns, f"never answered a pulse on {line.name} in {TRIES} tries")

    def rose(self, line: Line) -> None:
        """An ON edge has come."""
        self._awaited.pop(line, None)
        if self.lane.current is not None:
            self.lane.current.edges_owed = tuple(owed for owed in self.lane.current.edges_owed if owed != line)

    def explain_sent(self, lines: Container[Line]) -> list[Line]:
        """Return those of ``lines`` whose edge the request under way owes. Nobody waits for it any more."""
        request = self.lane.current
        if request is None:
            return []
        explained = [line for line in request.edges_owed if line in lines]
        request.edges_owed = tuple(line for line in request.edges_owed if line not in explained)
        return explained

    def explain_awaited(self, lines: Container[Line]) -> list[Line]:
        """Return those of ``lines`` whose edge an acknowledged pulse owes. Nobody waits for it any more."""
        explained = [line for line in self._awaited if line in lines]
        for line in explained:
            del self._awaited[line]
        return explained

    def due_ns(self) -> int:
        """Return when the first edge will be missing, or NEVER_NS."""
        return min(self._awaited.values(), default=NEVER_NS)

    def poll(self, now_ns: int) -> None:
        """Tell of the edges that are missing."""
        for line in [line for line, until_ns in self._awaited.items() if now_ns >= until_ns]:
            del self._awaited[line]
            self.missing += 1
            sentence = f"{self._report.name} acknowledged a pulse on {line.name} but reported no edge."
            self._report.fault(Fault.EDGE_MISSING, now_ns, sentence, line)
