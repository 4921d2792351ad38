"""A session that runs, as viewers see it: read from its journal and tape as they grow.

Nothing here listens to the loop or the estimators: everything shown is on disk already, and reading it costs them
nothing. What the supervisor knows of its processes comes from the supervisor.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from controller.bus import Addresses, Bus, BusError, Socket, receive_now, send_now
from controller.journal import JOURNAL_NAME, JournalError, JournalReader, open_for_reading
from controller.log import LOG_NAME
from controller.messages import Answer, Request, decode_answer, encode
from controller.messages.view import (
    Choice,
    Note,
    Opening,
    Records,
    Remark,
    Standing,
    Steer,
    Storage,
    TrialRow,
    Trials,
    View,
    Wish,
    decode_view,
)
from controller.neural.tape import TAPE_NAME, TapeError, TapeReader
from controller.recorder import NOTES_NAME, Notes
from controller.session import read_calibration, read_metadata_of, read_plan, read_rig
from controller.viewing.album import Album
from controller.viewing.book import Book, shown
from controller.viewing.feed import Answered
from controller.viewing.opening import mode_of, opening_of
from controller.viewing.sums import Sums
from realtime.clock import now_ns
from realtime.records import NO_ANIMAL, NS_PER_MS, NS_PER_S, SOURCE_OPERATOR, Kind, Operator, host_event

EVENTS_AT_ONCE: Final = 512
MESSAGES_AT_ONCE: Final = 256
READ_NS: Final = 25 * NS_PER_MS
"""How long one turn may read the journal, and as long the tape: where there is hours of them, viewers are answered and
heartbeats sent meanwhile."""
UNREAD_NS: Final = 50 * NS_PER_MS
"""How long after the loop has taken an event it is in the journal in any case."""
STORAGE_NS: Final = NS_PER_S
ANSWER_NS: Final = 3 * NS_PER_S
STOP_NS: Final = 400 * NS_PER_MS
"""How long the supervisor has for a stop before the loop is told directly."""


@dataclass(slots=True)
class _Pending:
    """A request that the supervisor has not answered yet."""

    request: Request
    socket: "Socket[bytes]"
    asked_ns: int
    answered: Answered


class Live:
    """The feed of a running session.

    Parameters
    ----------
    bus
        Whose sockets are used.
    addresses
        The session's.
    session
        Its folder, with ``session.json`` in it.

    Raises
    ------
    SessionError, PlanError
        If the folder cannot be read.
    """

    speed = 1.0

    def __init__(self, bus: Bus, addresses: Addresses, session: Path) -> None:
        self._bus, self._addresses, self._session = bus, addresses, session
        metadata, rig, plan = read_metadata_of(session), read_rig(session), read_plan(session)
        calibration = read_calibration(session)
        self.album = Album()
        self.book = Book(plan, calibration)
        self._sums = Sums(self.book)
        self._standing = bus.subscribe(addresses.standing)
        self._events = bus.push_to(addresses.events)
        self._journal: JournalReader | None = None
        self._tape: TapeReader | None = None
        self._has_tape = rig.neural is not None
        self._notes = Notes(session / NOTES_NAME)
        self._taken = self._said = 0
        self.hurried = False
        """Whether there was more to read than one turn may."""
        self._pending: list[_Pending] = []
        self._viewers = self._behind = 0
        self._storage_ns = 0
        self._grown: tuple[int, int] | None = None
        opening = opening_of(
            metadata,
            rig,
            plan,
            calibration,
            mode=mode_of(rig),
            folder=str(session),
            control=addresses.control,
            events=addresses.events,
        )
        self.opening: Opening = opening
        self._news: list[bytes] = [self.album.take(opening)]

    def moment_ns(self) -> int:
        """Return the session clock now."""
        return now_ns()

    def everything(self) -> list[bytes]:
        """Return all that a viewer needs who knows nothing."""
        return self.album.everything()

    def begun_anew(self) -> bool:
        """Return False: a session only goes on."""
        return False

    def watched(self, *, viewers: int, behind: int) -> None:
        """Learn how many viewers there are, and how often one has fallen behind."""
        self._viewers, self._behind = viewers, behind

    def news(self) -> list[bytes]:
        """Return what is new since the last time."""
        self._hear_supervisor()
        self._hear_answers()
        whole = self._read_until_due(self._read_journal), self._read_until_due(self._read_tape)
        self.hurried = not all(whole)
        if not self.hurried:
            self._show_rows(self.book.due(now_ns() - UNREAD_NS))
        self._read_notes()
        for summed in self._sums.due(now_ns()):
            self._show(summed)
        if now_ns() - self._storage_ns >= STORAGE_NS:
            self._show(self._storage())
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Let go of the session's files."""
        for one in (self._journal, self._tape):
            if one is not None:
                one.close()
        for pending in self._pending:
            self._bus.forget(pending.socket)
        self._pending = []

    # --- what comes ---------------------------------------------------------------------------------------------

    def _show(self, message: View) -> None:
        self._news.append(self.album.take(message))

    def _hear_supervisor(self) -> None:
        """Take what the supervisor says of the session."""
        while (data := receive_now(self._standing)) is not None:
            try:
                message = decode_view(data)
            except msgspec.DecodeError:
                continue
            if isinstance(message, Standing):
                self._show(message)
                fresh = min(message.n_said - self._said, len(message.said))
                self._said = message.n_said
                for sentence in message.said[len(message.said) - fresh :]:
                    self._show(Remark(message.t_ns, sentence))

    def _read_until_due(self, read: Callable[[], bool]) -> bool:
        """Read piece after piece until nothing is left or it takes too long; return whether nothing is left."""
        until_ns = now_ns() + READ_NS
        while read():
            if now_ns() >= until_ns:
                return False
        return True

    def _read_journal(self) -> bool:
        """Take the next events, as far as the journal has grown; return whether there were any."""
        if self._journal is None:
            path = self._session / JOURNAL_NAME
            if not path.exists():
                return False
            try:
                self._journal = open_for_reading(path)
            except JournalError:
                return False  # the loop is just making it
        events = self._journal.read(self._taken, min(self._journal.count(), self._taken + EVENTS_AT_ONCE))
        if not events.size:
            return False
        self._taken += events.size
        chosen = shown(events)
        if chosen.size:
            self._show(Records(chosen.tobytes()))
        self._show_rows(self.book.add(events))
        self._sums.add(events)
        return True

    def _show_rows(self, rows: list[TrialRow]) -> None:
        if rows:
            self._show(Trials(rows))

    def _read_tape(self) -> bool:
        """Take the next of what is said of brains, as far as the tape has grown; return whether there was any."""
        if self._tape is None:
            path = self._session / TAPE_NAME
            if not self._has_tape or not path.exists():
                return False
            try:
                self._tape = TapeReader(path)
            except TapeError:
                return False  # the estimators are just making it
        messages = self._tape.read(MESSAGES_AT_ONCE)
        for message in messages:
            self._show(message)
        return bool(messages)

    def _read_notes(self) -> None:
        """Take new notes."""
        self._notes.poll()
        for note in self._notes.unwritten:
            self._show(Note(note.number, note.t_ns, note.text))
            self._notes.written.add(note)
        self._notes.unwritten.clear()

    def _storage(self) -> Storage:
        """Return how much room is left, and how fast it goes."""
        self._storage_ns = now_ns()
        sizes = [_size(self._session / name) for name in (LOG_NAME, TAPE_NAME)]
        grown = sum(sizes)
        rate = 0.0
        if self._grown is None or grown < self._grown[0]:
            self._grown = (grown, self._storage_ns)
        elif self._storage_ns > self._grown[1]:
            rate = (grown - self._grown[0]) * NS_PER_S / (self._storage_ns - self._grown[1])
        return Storage(
            disk_free_bytes=shutil.disk_usage(self._session).free,
            journal_events=self._taken,
            journal_room=0 if self._journal is None else self._journal.holds,
            log_bytes=sizes[0],
            tape_bytes=sizes[1],
            bytes_per_s=rate,
            viewers=self._viewers,
            behind=self._behind,
        )

    # --- what people ask ----------------------------------------------------------------------------------------

    def ask(self, asked: Wish | Steer | Choice, answered: Answered) -> None:
        """Pass a wish on to the supervisor; answers come as it gives them."""
        if not isinstance(asked, Wish):
            answered(Answer(False, "this session runs: it cannot be steered like a replay, or set up anew"))
            return
        try:
            socket = self._bus.request(self._addresses.control, encode(asked.request))
        except BusError as error:
            answered(Answer(False, str(error)))
            return
        self._pending.append(_Pending(asked.request, socket, now_ns(), answered))

    def _hear_answers(self) -> None:
        """Take the supervisor's answers; tell the loop itself to stop where a stop is not answered."""
        for pending in [*self._pending]:
            data = receive_now(pending.socket)
            waited_ns = now_ns() - pending.asked_ns
            if data is not None:
                self._close(pending, _decoded(data))
            elif pending.request.verb == "stop" and waited_ns > STOP_NS:
                self._close(pending, self._stop_loop())
            elif waited_ns > ANSWER_NS:
                self._close(pending, Answer(False, f"{pending.request.verb}: the session does not answer"))

    def _close(self, pending: _Pending, answer: Answer) -> None:
        self._bus.forget(pending.socket)
        self._pending.remove(pending)
        pending.answered(answer)

    def _stop_loop(self) -> Answer:
        """Tell the loop to stop, past a supervisor that hangs."""
        stop = host_event(Kind.OPERATOR, now_ns(), SOURCE_OPERATOR, Operator.STOP, animal=NO_ANIMAL)
        if send_now(self._events, stop.tobytes()):
            return Answer(True, "stop: the supervisor does not answer, so the loop was told directly")
        return Answer(False, "stop: neither the supervisor nor the loop answers; switch the boards off")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _decoded(data: bytes) -> Answer:
    try:
        return decode_answer(data)
    except msgspec.DecodeError as error:
        return Answer(False, f"the session's answer cannot be read: {error}")
