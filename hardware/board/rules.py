"""Local rules of the reference board: a beam that breaks fires one pulse at once, without the host.

The board has two rules; each animal's outputs have one, and a newer one takes its place. The board takes the same rule
again, within its window, for a repetition; so where a rule is asked for that equals the one before, that one is cleared
first.
"""

from collections.abc import Container
from typing import Final

from hardware.board import requests as ask
from hardware.board.registers import RULE_WORDS, Register
from hardware.board.report import BoardReport
from hardware.device import Lane, Request
from hardware.harp import Message
from realtime.records import NS_PER_MS, Line

ANSWER_NS: Final = 20 * NS_PER_MS
TRIES: Final = 4
LONGEST_WINDOW_MS: Final = 0xFFFF
_SHOWN: Final = RULE_WORDS.size - 2
"""Bytes of a rule that its answer shows as they were written: all but what is left of the window."""


class LocalRules:
    """The rules of one board.

    Parameters
    ----------
    report
        Is told of what was refused.

    Attributes
    ----------
    lane
        The requests under way and waiting.
    """

    __slots__ = ("_report", "_standing", "_tried", "_written", "lane")

    def __init__(self, report: BoardReport) -> None:
        self._report = report
        self._standing: dict[int, tuple[int, Line, int]] = {}  # by rule: beam, what it fires, until when
        self._tried: list[Line] = []  # what the beam that broke last has tried to fire
        self._written: dict[int, bytes] = {}
        self.lane = Lane(ANSWER_NS, TRIES)

    def add(self, beam: ask.Wire, output: ask.Wire, length_ms: int, window_ms: int, now_ns: int) -> None:
        """Ask for a rule in place of the one that the output's animal has."""
        which = output.animal
        request = ask.rule(which, beam.mask, output.mask, length_ms, window_ms)
        request.echo = RULE_WORDS.pack(beam.mask, output.mask, length_ms, window_ms)[:_SHOWN]
        request.what = f"a local rule on {output.line.name} to be set"
        request.lines = (output.line,)
        if self._written.get(which) == request.frame:
            self.clear(which)
        self.lane.waiting.append(request)
        self._written[which] = request.frame
        # The board's window begins when it has heard of it; until then the request may have to be repeated.
        self._standing[which] = (beam.mask, output.line, now_ns + window_ms * NS_PER_MS + TRIES * ANSWER_NS)

    def clear(self, which: int) -> None:
        """Ask for a rule to be cleared."""
        request = ask.cleared_rule(which)
        request.echo = bytes(_SHOWN)
        self.lane.waiting.append(request)
        self._written.pop(which, None)

    def recall(self) -> int:
        """Forget all rules: the board has cleared them, or will. Return how many requests were dropped."""
        self._standing.clear()
        self._tried.clear()
        self._written.clear()
        return self.lane.drop()

    def answered(self, message: Message, now_ns: int) -> None:
        """Take an answer of the board."""
        request = self.lane.answer(message.address, message.payload[:_SHOWN], message.is_error)
        if request is not None and message.is_error:
            self._report.refuse(_line_of(request), now_ns, f"answered {request.what} with an error")

    def given_up(self, request: Request, now_ns: int) -> bool:
        """Tell of a rule that was never acknowledged; return False if it was a clearing: a rule may still stand."""
        if not request.lines:
            return False
        self._report.refuse(_line_of(request), now_ns, f"never acknowledged {request.what} in {TRIES} tries")
        self.clear(request.address - Register.LOCAL_RULE)  # the board may have heard it all the same
        return True

    def beams_broke(self, mask: int, now_ns: int) -> None:
        """Beams have broken: what waited for one of them is spent."""
        spent = {which: rule for which, rule in self._standing.items() if rule[0] & mask}
        self._tried = [line for _, line, until_ns in spent.values() if now_ns < until_ns]
        for which in spent:
            del self._standing[which]

    def rose(self, line: Line) -> None:
        """An ON edge has come."""
        self._tried = [tried for tried in self._tried if tried != line]

    def explain(self, lines: Container[Line]) -> list[Line]:
        """Return those of ``lines`` that a rule has just tried to fire in vain."""
        explained = [line for line in self._tried if line in lines]
        self._tried = [line for line in self._tried if line not in explained]
        return explained


def _line_of(request: Request) -> Line | None:
    return request.lines[0] if request.lines else None
