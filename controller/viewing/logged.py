"""A recorded session as viewers see it: played, paused, and shown at any of its moments.

What is shown is what the log says; estimates are not made anew. What has been decided is decided again while the
replay is open, and the playhead says what came out. Time comes from a clock that is given: nothing here waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from controller.messages import Answer
from controller.messages.view import (
    Choice,
    Opening,
    Playhead,
    Remark,
    Steer,
    TrialRow,
    View,
    Wish,
    encode_view,
)
from controller.viewing.album import RECENT_NS, Album
from controller.viewing.feed import Answered
from controller.viewing.ledger import Page
from controller.viewing.overview import openings_of, overview_of
from controller.viewing.past import past_of
from controller.viewing.proving import Proving
from controller.viewing.recording import Recording
from realtime import clock
from realtime.records import NS_PER_MS, NS_PER_S

SLOWEST: Final = 0.1
FASTEST: Final = 50.0
PLAYHEAD_NS: Final = 100 * NS_PER_MS
"""How often viewers are told where the playhead is while it moves."""
BACKGROUND_NS: Final = 10 * NS_PER_MS
"""How long one turn may look through what is not shown yet."""
LEAP_NS: Final = 60 * NS_PER_S
"""Whoever comes this much too late, because the computer slept, does not tell it all, but begins anew."""
ANEW_NS: Final = 3 * NS_PER_S
"""How often history that was found meanwhile makes viewers begin anew, at most."""
BACK_NS: Final = NS_PER_S
"""While it plays, a step back within this time of a trial's opening goes to the trial before."""
NOT_LIVE: Final = "this is a recording: nothing can be asked of its animals, its lasers or the people who ran it"


@dataclass(slots=True)
class _Hand:
    """Where the playhead stood at one reading of the clock."""

    t_ns: int
    then_ns: int


class Logged:
    """The feed of a recorded session.

    Parameters
    ----------
    session
        Its folder, or its log.
    now_ns
        The clock by which it is played [ns].
    speed
        Times as fast as then, :data:`SLOWEST` to :data:`FASTEST`.
    prove
        Whether what was decided is decided again, in a thread of its own.

    Raises
    ------
    StillRunningError, NotReplayableError, LogError, PlanError, RigFileError
        If it cannot be shown.
    """

    def __init__(
        self, session: Path, now_ns: Callable[[], int] = clock.now_ns, *, speed: float = 1.0, prove: bool = True
    ) -> None:
        self._now_ns = now_ns
        self._log = recording = Recording.open(session)
        self._past = past_of(recording)
        self._openings_ns = openings_of(recording.events, recording.plan)
        self._overview = overview_of(recording.events, recording.plan, recording.notes)
        self._proving = Proving(recording, start=prove)
        self._remarks = [Remark(recording.begin_ns, sentence, trouble=True) for sentence in recording.faults()]
        self._playing, self._chosen, self._searching = False, speed, True
        self._anew, self._anew_ns, self._told_fineness = False, now_ns(), 0
        self._told_ns, self._told_found = now_ns(), self._found
        self._unsaid: list[View] = []
        self._place(recording.begin_ns)

    # --- where it is --------------------------------------------------------------------------------------------

    @property
    def opening(self) -> Opening:
        """What does not change while it is shown."""
        return self._log.opening

    @property
    def length_s(self) -> float:
        """How long the session lasted [s]."""
        return (self._log.end_ns - self._log.begin_ns) / NS_PER_S

    @property
    def speed(self) -> float:
        """How fast the playhead moves; 0 while it is paused."""
        return self._chosen if self._playing else 0.0

    def moment_ns(self) -> int:
        """Return the moment up to which it tells."""
        return self._t_ns

    @property
    def playhead(self) -> Playhead:
        """Where it is, and what is known of the log."""
        proof, proven = self._proving.sentence, self._proving.proven
        if proven and self._log.faults():
            proof, proven = f"the log is not whole; what can be read of it is {proof}", False
        return Playhead(
            t_ns=self._t_ns,
            begin_ns=self._log.begin_ns,
            end_ns=self._log.end_ns,
            playing=self._playing,
            speed=self._chosen,
            proof=proof,
            proven=proven,
            read=self._past.read,
            settled=self.looked_through,
        )

    @property
    def looked_through(self) -> bool:
        """Whether the whole log has been looked through and everything said of it."""
        return self._past.complete and self._proving.over and self._told_fineness == self._past.fineness

    @property
    def _found(self) -> tuple[str, float, bool]:
        """What looking through the log has found so far, as the playhead tells it."""
        return self._proving.sentence, self._past.read, self.looked_through

    # --- what is shown ------------------------------------------------------------------------------------------

    def everything(self) -> list[bytes]:
        """Return all that there is to see at this moment."""
        album = Album()
        told = self._past.until(self._t_ns, self._page, self._rows)
        for one in (self.opening, self._overview, *told, *self._remarks, self.playhead):
            album.take(one)
        return album.everything()

    def news(self) -> list[bytes]:
        """Move the playhead as far as it has come, and return what is new."""
        self._move()
        self._look_further()
        news, self._unsaid = self._unsaid, []
        moved = self.speed > 0 and self._now_ns() - self._told_ns >= PLAYHEAD_NS
        if news or moved or self._found != self._told_found:
            self._told_ns, self._told_found = self._now_ns(), self._found
            news.append(self.playhead)
        return [] if self._anew else [encode_view(one) for one in news]

    def begun_anew(self) -> bool:
        """Return, once, whether what viewers know holds no more."""
        anew, self._anew = self._anew, False
        return anew

    def watched(self, *, viewers: int, behind: int) -> None:
        """Learn how many viewers there are: a recording does not mind."""

    def close(self) -> None:
        """Let go of the log; waits for the proof where it is under way."""
        self._proving.close()
        self._log.close()

    # --- going on -----------------------------------------------------------------------------------------------

    def _place(self, t_ns: int) -> None:
        """Stand at a moment."""
        self._t_ns = min(max(t_ns, self._log.begin_ns), self._log.end_ns)
        self._hand = _Hand(self._t_ns, self._now_ns())
        self._whole_ns = self._t_ns - RECENT_NS
        page, rows = self._past.ledger.at(self._past.count_until(self._t_ns))
        self._page: Page = page
        self._rows: list[TrialRow] = rows
        self._voice = page.voice()
        self._unsaid = []

    def _move(self) -> None:
        """Let the playhead go as far as the clock says."""
        if not self._playing:
            return
        gone_ns = round((self._now_ns() - self._hand.then_ns) * self._chosen)
        t_ns = min(self._hand.t_ns + gone_ns, self._log.end_ns)
        if t_ns - self._t_ns > LEAP_NS:
            self._seek(t_ns)
        elif t_ns > self._t_ns:
            self._go_on(t_ns)
        if t_ns == self._log.end_ns:
            self._pause()

    def _go_on(self, t_ns: int) -> None:
        """Say what was new between the playhead and a later moment."""
        told, rows = self._past.between(self._t_ns, t_ns, self._page)
        self._rows += rows
        self._unsaid += [*told, *self._voice.due(self._now_ns())]
        self._t_ns = t_ns

    def _look_further(self) -> None:
        """Look through what is not shown yet, for a moment."""
        if self._proving.ended():
            self._remark(self._proving.remark)
        past, until_ns = self._past, clock.now_ns() + BACKGROUND_NS
        if self._searching:
            past.look_further(lambda: clock.now_ns() >= until_ns)
            self._searching = not past.complete
            if not self._searching:  # chunks that turned out to be damaged
                said = {remark.text for remark in self._remarks}
                self._remark(*(fault for fault in self._log.faults() if fault not in said))
        if past.fineness > self._told_fineness and (past.complete or self._now_ns() - self._anew_ns >= ANEW_NS):
            self._told_fineness = past.fineness
            if self._whole_ns > self._log.begin_ns:  # what came after that, viewers have been told without a choice
                self._begin_anew()

    def _remark(self, *sentences: str) -> None:
        """Say what is wrong with the log, now and to all who come later."""
        remarks = [Remark(self._t_ns, sentence, trouble=True) for sentence in sentences if sentence]
        self._remarks += remarks
        self._unsaid += remarks

    def _begin_anew(self) -> None:
        self._anew, self._anew_ns = True, self._now_ns()

    # --- what people ask ----------------------------------------------------------------------------------------

    def ask(self, asked: Wish | Steer | Choice, answered: Answered) -> None:
        """Steer the replay."""
        answered(self.steer(asked) if isinstance(asked, Steer) else Answer(False, NOT_LIVE))

    def steer(self, asked: Steer) -> Answer:
        """Do what a person asks, and say what was done."""
        self._move()
        if asked.verb == "play":
            return self._play()
        if asked.verb == "pause":
            self._pause()
            return Answer(True, f"paused at {self._seconds:.1f} s")
        if asked.verb == "speed":
            return self._set_speed(asked.value)
        if not np.isfinite(asked.value):
            return Answer(False, f"{asked.verb}: {asked.value} is no number of seconds or trials")
        if asked.verb == "step":
            return self._step(int(asked.value))
        self._seek(self._log.begin_ns + round(asked.value * NS_PER_S))
        return Answer(True, f"at {self._seconds:.1f} s")

    @property
    def _seconds(self) -> float:
        return (self._t_ns - self._log.begin_ns) / NS_PER_S

    def _seek(self, t_ns: int) -> None:
        self._place(t_ns)
        self._begin_anew()

    def _play(self) -> Answer:
        """Go on from here, or from the beginning where this is the end."""
        if self._t_ns >= self._log.end_ns:
            self._seek(self._log.begin_ns)
        self._hand = _Hand(self._t_ns, self._now_ns())
        self._playing = True
        self._unsaid.append(self.playhead)
        return Answer(True, f"plays {self._chosen:g} times as fast as then")

    def _pause(self) -> None:
        """Stand still, and say all that can be said of this moment."""
        self._playing = False
        self._unsaid += [*self._page.summed(), self.playhead]

    def _set_speed(self, speed: float) -> Answer:
        if not SLOWEST <= speed <= FASTEST:
            return Answer(False, f"a replay is played {SLOWEST:g} to {FASTEST:g} times as fast as then, not {speed:g}")
        self._chosen = speed
        self._hand = _Hand(self._t_ns, self._now_ns())
        self._unsaid.append(self.playhead)
        return Answer(True, f"{speed:g} times as fast as then")

    def _step(self, trials: int) -> Answer:
        """Go to the moment at which a later or an earlier trial opened."""
        openings = self._openings_ns
        tolerance_ns = round(BACK_NS * self._chosen) if self._playing else 0
        if trials > 0:
            place = int(np.searchsorted(openings, self._t_ns, "right")) + trials - 1
        else:
            place = int(np.searchsorted(openings, self._t_ns - tolerance_ns, "left")) + trials
        if trials == 0 or not 0 <= place < openings.size:
            return Answer(False, f"there is no {'later' if trials > 0 else 'earlier'} trial")
        self._seek(int(openings[place]))
        return Answer(True, f"at {self._seconds:.1f} s, where a trial opens")
