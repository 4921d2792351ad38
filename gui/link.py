"""The window's link to a session: a thread of its own that hears, decodes and asks; the gui's only file with ZeroMQ.

Whatever hangs, the window's own drawing included, the link stays bounded: what nobody takes out is thrown away and
counted, and everything is asked for anew. It finds a server that was started again by itself. Whatever goes wrong in
the thread, it goes on: the red stop is its work, too.
"""

import errno
import os
import socket as sockets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np
import zmq
from zmq.utils.monitor import recv_monitor_message

from controller.messages import Answer, Request, decode_answer, encode
from controller.messages.view import (
    PROTOCOL,
    Asked,
    Batch,
    Bye,
    Choice,
    Hello,
    Opening,
    Ping,
    Pong,
    Refusal,
    Reply,
    Setup,
    Steer,
    View,
    Wish,
    decode_said,
    decode_view,
    encode_view,
)
from gui.handshake import Handshake, Knock
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.records import EVENT, NO_ANIMAL, NS_PER_MS, NS_PER_S, SOURCE_OPERATOR, Kind, Operator, host_event

PING_NS: Final = 500 * NS_PER_MS
AGAIN_NS: Final = 10 * NS_PER_S
"""How long after it asked for everything the link asks a server again that knows it."""
ANSWER_NS: Final = 4 * NS_PER_S
STOP_NS: Final = 700 * NS_PER_MS
"""How long the session has for a stop before the loop is told past it; only on the same computer."""
UNTOLD_BYTES: Final = 4_000_000
"""So much is taken at most before the session hears of it: it gives up who takes nothing."""
WAIT_MS: Final = 50
MOST_AT_ONCE: Final = 100
"""Messages that are heard before what people ask is looked at again."""
MOST_WAITING: Final = 600
"""Batches that may wait to be drawn: some ten seconds."""
KNOCKS: Final[dict[int, Knock]] = {
    zmq.EVENT_CONNECTED: Knock.CONNECTED,
    zmq.EVENT_CONNECT_RETRIED: Knock.TURNED_AWAY,
    zmq.EVENT_HANDSHAKE_SUCCEEDED: Knock.SHAKEN,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: Knock.UNKNOWN_KEY,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: Knock.OTHER_LANGUAGE,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: Knock.BROKEN_OFF,
    zmq.EVENT_DISCONNECTED: Knock.GONE,
}
"""What the socket's monitor tells, in the words of the handshake."""


_T = TypeVar("_T")


class LinkError(DuettoError):
    """The session cannot be reached."""


@dataclass(frozen=True, slots=True)
class Keys:
    """CURVE keys for a session on another computer, as 40 characters of Z85 each.

    Attributes
    ----------
    public, secret
        This user's.
    server
        The session's public key: who does not have its secret is not the session.
    """

    public: str
    secret: str
    server: str


@dataclass(frozen=True, slots=True)
class Heard:
    """One batch, decoded.

    Attributes
    ----------
    batch
        Its head.
    views
        What it says.
    local_ns
        When it was heard, by this computer's clock [ns].
    """

    batch: Batch
    views: list[View]
    local_ns: int


@dataclass(slots=True)
class _Asking:
    """A question without an answer yet."""

    asked: Wish | Steer | Choice
    since_ns: int


@dataclass(slots=True)
class Contact:
    """How the link stands.

    Attributes
    ----------
    heard_ns
        When the session was heard last, by this computer's clock; 0 never [ns].
    round_trip_ns
        From ping to pong, the last time [ns].
    dropped
        Batches that were thrown away because nobody took them out.
    anew
        How often everything came anew.
    garbage
        Messages that could not be read, and turns that failed for another reason.
    refusal
        Why the session lets this window see nothing; empty where it does.
    """

    heard_ns: int = 0
    round_trip_ns: int = 0
    dropped: int = 0
    anew: int = 0
    garbage: int = 0
    refusal: str = ""


class Link:
    """Connects to a session's server of viewers.

    Parameters
    ----------
    endpoint
        Where it is: ``ipc://…`` on this computer, ``tcp://HOST:PORT`` elsewhere.
    keys
        Needed for tcp.

    Attributes
    ----------
    contact
        How the link stands.

    Raises
    ------
    LinkError
        If the endpoint is none, or tcp without keys.
    """

    def __init__(self, endpoint: str, keys: Keys | None = None) -> None:
        self.endpoint, self.keys = endpoint, keys
        self.contact = Contact()
        self._inbox: deque[Heard] = deque()
        self._outbox: deque[tuple[Wish | Steer | Choice, bytes]] = deque()
        self._asking: dict[int, _Asking] = {}
        self._answers: deque[tuple[Wish | Steer | Choice, Answer]] = deque()
        self._numbers = self._server = self._number = 0
        self._hello_ns = self._ping_ns = self._untold_bytes = 0
        self._due = self._known = self._ignored = False
        self._ended = False
        self._local = ("", "")
        if not self.endpoint.startswith(("ipc://", "tcp://")):
            raise LinkError(_says_no_place(self.endpoint))
        if self.endpoint.startswith("tcp://") and self.keys is None:
            raise LinkError(
                f"{self.endpoint} is on the network, where sessions talk with keys only; give the session's key with "
                "--server-key"
            )
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.setsockopt(zmq.RCVHWM, MOST_WAITING)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # what is asked while nobody is there must not be done when they are
        self._socket.setsockopt(zmq.RECONNECT_IVL, 100)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        self._monitor = self._socket.get_monitor_socket(sum(KNOCKS))
        self._handshake = None if keys is None else Handshake(endpoint, keys.public, keys.server)
        try:
            if keys is not None:
                self._take_keys(keys)
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self._shut()
            raise LinkError(_says_no_place(self.endpoint, f" ({error})")) from error
        self._bell, self._ringer = sockets.socketpair()
        self._ringer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    # --- for the window -----------------------------------------------------------------------------------------

    def heard(self) -> list[Heard]:
        """Return what has come since the last time, in order."""
        return _all_of(self._inbox)

    def answers(self) -> list[tuple[Wish | Steer | Choice, Answer]]:
        """Return the answers that have come, each with what was asked."""
        return _all_of(self._answers)

    def ask(self, wanted: Request | Steer | Choice) -> None:
        """Ask something of the session; the answer comes with :meth:`answers`.

        Halves of characters, which are left where a person cuts one, become "\ufffd": they cannot be sent.
        """
        self._numbers += 1
        asked: Wish | Steer | Choice
        if isinstance(wanted, Request):
            asked = Wish(self._numbers, msgspec.structs.replace(wanted, text=_whole(wanted.text)))
        elif isinstance(wanted, Choice):
            a, b = (_whole(name) for name in wanted.subjects)
            asked = msgspec.structs.replace(wanted, number=self._numbers, subjects=(a, b), output=_whole(wanted.output))
        else:
            asked = msgspec.structs.replace(wanted, number=self._numbers)
        self._outbox.append((asked, encode_view(asked)))
        self._ring()

    def close(self) -> None:
        """Say goodbye and end the thread."""
        if self._ended:
            return
        self._ended = True
        self._ring()
        self._thread.join()
        self._bell.close()
        self._ringer.close()
        self._shut()

    def _take_keys(self, keys: Keys) -> None:
        """Speak with these keys only, and find out by itself that the other computer is gone."""
        try:
            self._socket.curve_publickey = keys.public.encode()
            self._socket.curve_secretkey = keys.secret.encode()
            self._socket.curve_serverkey = keys.server.encode()
        except zmq.ZMQError as error:
            self._shut()
            raise LinkError("the keys are none; 'duetto keys' prints those that can be used") from error
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 10)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 5)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)

    def _ring(self) -> None:
        try:
            self._ringer.send(b"!")
        except BlockingIOError:
            return  # it is being woken already

    def _shut(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close()
        self._context.term()

    # --- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        poller.register(self._bell, zmq.POLLIN)
        works = (partial(self._listen, poller), self._keep_contact, self._send_outbox, self._watch_questions)
        while not self._ended:
            for work in works:
                self._do(work)
        self._send(Bye())

    def _do(self, work: Callable[[], None]) -> None:
        """Do one part of a turn; whatever it does wrong, the others go on."""
        try:
            work()
        except Exception:  # noqa: BLE001  (the thread's boundary: whatever fails, a stop must find its way)
            self.contact.garbage += 1
            self._number = 0  # what was heard may be incomplete
            time.sleep(WAIT_MS / 1000)  # what fails in every turn must not take a whole processor

    def _listen(self, poller: zmq.Poller) -> None:
        """Wait a moment for what comes, and take it."""
        ready = dict(poller.poll(WAIT_MS))
        if self._bell.fileno() in ready:
            self._bell.recv(4096)
        if self._monitor in ready:
            self._hear_handshake()
        for _ in range(MOST_AT_ONCE):
            if not self._hear():
                break

    def _send(self, asked: Asked) -> bool:
        return self._send_bytes(encode_view(asked))

    def _send_bytes(self, data: bytes) -> bool:
        try:
            self._socket.send(data, zmq.DONTWAIT)
        except zmq.ZMQError:
            return False
        return True

    def _keep_contact(self) -> None:
        """Ask for everything where that is needed, and ping: who does not know us any more says so in the answer."""
        now = now_ns()
        if self._number == 0:
            self._say_hello(now)
        if now - self._ping_ns > PING_NS or self._untold_bytes > UNTOLD_BYTES:
            self._ping_ns, self._untold_bytes = now, 0
            self._send(Ping(now, self._number))

    def _say_hello(self, now: int) -> None:
        """Ask for everything, once: over a slow line it takes a while, and what is asked for twice takes twice as long.

        Answers come in the order of what was asked. So everything is on its way as long as no later ping is answered.
        """
        if self._due or now - self._hello_ns < (AGAIN_NS if self._known else PING_NS):
            return
        if self._ignored:
            self._send(Bye())  # it thinks that much is on its way still, and has to forget that
        if self._send(Hello(PROTOCOL, _whole(f"{sockets.gethostname()}:{os.getpid()}"))):
            self._hello_ns, self._due, self._ignored = now, True, False

    def _hear_handshake(self) -> None:
        """Learn that the session does not know our key, is not whom we mean, or is not there."""
        while self._monitor.poll(0):
            message = recv_monitor_message(self._monitor)
            knock = KNOCKS.get(message["event"])
            if knock is None or self._handshake is None:
                continue  # on this computer nobody knocks
            slow = knock is Knock.BROKEN_OFF and message["value"] == errno.EAGAIN
            self._handshake.take(Knock.TOO_SLOW if slow else knock)
            self.contact.refusal = self._handshake.refusal

    def _hear(self) -> bool:
        """Take one message; return whether there was one."""
        try:
            parts = self._socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return False
        try:
            said = decode_said(parts[0])
            self.contact.heard_ns = now_ns()
            if isinstance(said, Batch):
                self._take(said, parts[1:])
            elif isinstance(said, Pong):
                self._take_pong(said)
            elif isinstance(said, Reply):
                self._take_reply(said)
            elif isinstance(said, Refusal):
                self.contact.refusal = said.sentence
        except msgspec.DecodeError:
            self.contact.garbage += 1
            self._number = 0
        return True

    def _take(self, batch: Batch, parts: list[bytes]) -> None:
        """Take a batch that is the next one; after any other, ask for everything anew."""
        self._untold_bytes += sum(map(len, parts))
        if batch.anew:
            self._server, self._number = batch.server, 1
            self._due, self._known, self._ping_ns = False, True, 0  # it is told soon that this has come
            self.contact.anew += 1
            self._inbox.clear()
        elif batch.server != self._server or batch.number != self._number + 1 or not self._number:
            self._number = 0
            return
        self._number = batch.number
        if len(self._inbox) >= MOST_WAITING:
            self.contact.dropped += len(self._inbox) + 1
            self._inbox.clear()
            self._number = 0
            return
        views = [decode_view(part) for part in parts]
        for view in views:
            if isinstance(view, Opening | Setup):
                self._local = (view.control, view.events)
        self._inbox.append(Heard(batch, views, now_ns()))

    def _take_pong(self, pong: Pong) -> None:
        self.contact.round_trip_ns = now_ns() - pong.sent_ns
        if pong.server != self._server:
            self._number = 0
        if pong.sent_ns >= self._hello_ns:
            self._known = pong.server != 0
            self._ignored = self._known and (self._due or self._ignored)
            self._due = False

    def _take_reply(self, reply: Reply) -> None:
        asking = self._asking.pop(reply.number, None)
        if asking is not None:
            self._answers.append((asking.asked, reply.answer))

    def _send_outbox(self) -> None:
        while self._outbox:
            asked, data = self._outbox.popleft()
            self._asking[asked.number] = _Asking(asked, now_ns())
            self._send_bytes(data)

    def _watch_questions(self) -> None:
        """Give up on questions that nobody answers; a stop takes the direct way before that."""
        for number, asking in [*self._asking.items()]:
            waited_ns = now_ns() - asking.since_ns
            stop = isinstance(asking.asked, Wish) and asking.asked.request.verb == "stop"
            if waited_ns > (STOP_NS if stop else ANSWER_NS):
                del self._asking[number]
                answer = self._stop_directly() if stop else Answer(False, "the session does not answer")
                self._answers.append((asking.asked, answer))

    def _stop_directly(self) -> Answer:
        """Stop past the server of viewers: the supervisor, and the loop if that hangs, too."""
        control, events = self._local
        if not control.startswith("ipc://") or not Path(control.removeprefix("ipc://")).parent.is_dir():
            return Answer(False, "stop: the session does not answer; stop it where it runs, or switch the boards off")
        asking = self._context.socket(zmq.REQ)
        telling = self._context.socket(zmq.PUSH)
        try:
            for one in (asking, telling):
                one.setsockopt(zmq.LINGER, 500)
            asking.connect(control)
            asking.send(encode(Request("stop")))
            if asking.poll(400):
                with suppress(msgspec.DecodeError):  # whose answer cannot be read has perhaps not understood, either
                    answer = decode_answer(asking.recv())
                    return Answer(answer.done, f"{answer.sentence} (what serves windows does not answer)")
            telling.setsockopt(zmq.IMMEDIATE, 1)  # or it would be told to a queue that nobody reads
            telling.connect(events)
            if not telling.poll(300, zmq.POLLOUT):
                return Answer(False, "stop: neither server, supervisor nor loop answers; switch the boards off")
            stop = host_event(Kind.OPERATOR, now_ns(), SOURCE_OPERATOR, Operator.STOP, animal=NO_ANIMAL)
            telling.send(np.ascontiguousarray(stop, EVENT).tobytes())
            return Answer(True, "stop: neither server nor supervisor answers, so the loop was told directly")
        except zmq.ZMQError as error:
            return Answer(False, f"stop: the session cannot be reached ({error}); switch the boards off")
        finally:
            asking.close()
            telling.close()


def _says_no_place(endpoint: str, why: str = "") -> str:
    return f"{endpoint!r} is no place to connect to{why}; name a session's folder, ipc://PATH or tcp://HOST:PORT"


def _whole(text: str) -> str:
    """Return a text whose halves of characters are replaced: it can be encoded."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _all_of(waiting: deque[_T]) -> list[_T]:
    """Take everything out of a queue that another thread fills and may empty."""
    taken: list[_T] = []
    with suppress(IndexError):
        while True:
            taken.append(waiting.popleft())
    return taken
