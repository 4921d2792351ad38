"""The server of viewers: gives each of them everything once, and then what is new, and passes on what they ask.

A viewer cannot hold anything up. What is sent to it waits in a queue of its own; when that is full, or too many bytes
wait in it, the viewer is *behind*: it gets nothing more until it says that it has taken the last of what it was sent,
and then everything anew. Everything is not given again to a viewer to which it is still on its way: over a slow line
that takes a while. A viewer that has not been heard for ten seconds is forgotten, and so are all of the network when
somebody is allowed no more: those who still are say hello again.
"""

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from controller.bus import Bus, Lock, Poller, Socket, Unreachable, receive_parts, send_to
from controller.messages import Answer
from controller.messages.view import (
    PROTOCOL,
    Asked,
    Batch,
    Bye,
    Hello,
    Ping,
    Pong,
    Refusal,
    Reply,
    Said,
    decode_asked,
    encode_view,
)
from controller.viewing.feed import Feed
from realtime.clock import now_ns
from realtime.records import NS_PER_MS, NS_PER_S

FORGET_NS: Final = 10 * NS_PER_S
TAKING_NS: Final = 10 * NS_PER_S
"""For how long everything may be on its way to a viewer before it is given again to one that asks for it again."""
MOST_BYTES: Final = 64 << 20
"""What waits for one viewer at most, beside everything."""
QUIET_NS: Final = 250 * NS_PER_MS
"""Even where nothing is new, viewers hear this often what time it is."""
ALONE_S: Final = 0.25
"""How long a turn may take that nobody watches."""
TURN_S: Final = 0.02


@dataclass(slots=True)
class _Viewer:
    """One window.

    Attributes
    ----------
    number
        Of the last batch it was sent.
    behind
        Whether it gets nothing before it has taken that one.
    """

    socket: "Socket[bytes]"
    who: bytes
    heard_ns: int
    number: int = 0
    behind: bool = False
    _waiting: deque[tuple[int, int]] = field(default_factory=deque)
    """Number and bytes of each batch that it has not said to have taken."""
    _waiting_bytes: int = 0
    _everything_bytes: int = 0
    _everything_ns: int = 0
    _taking: bool = False
    """Whether it has taken nothing yet since it was sent everything."""

    def sent(self, n_bytes: int, *, everything: bool) -> None:
        """Learn that the next batch has been sent, or that everything has, which begins anew."""
        self.number = 1 if everything else self.number + 1
        self._waiting.append((self.number, n_bytes))
        self._waiting_bytes += n_bytes
        if everything:
            self._everything_bytes, self._everything_ns, self._taking = n_bytes, now_ns(), True

    def took(self, number: int) -> None:
        """Learn up to which batch it has taken them; a number beyond the last is from before everything."""
        if not 1 <= number <= self.number:
            return
        self._taking = False
        while self._waiting and (self._waiting[0][0] <= number or self._waiting[0][0] > self._waiting[-1][0]):
            self._waiting_bytes -= self._waiting.popleft()[1]

    @property
    def full(self) -> bool:
        """Whether so much waits for it that it gets no more."""
        return self._waiting_bytes > MOST_BYTES + self._everything_bytes

    @property
    def taking(self) -> bool:
        """Whether everything is still on its way to it."""
        return self._taking and (self.full or now_ns() - self._everything_ns < TAKING_NS)


@dataclass(slots=True)
class Server:
    """Serves viewers at one or two places: this computer's, and one on the network that asks for keys.

    Parameters
    ----------
    bus
        Whose sockets are used.
    feed
        What is shown.
    address
        Where windows of this computer connect.
    listen
        Where windows of others connect, and with which keys; None where they cannot.

    Raises
    ------
    BusError
        If an address cannot be opened.
    """

    bus: Bus
    feed: Feed
    address: str
    listen: tuple[str, Lock] | None = None
    behind: int = 0
    """How often a viewer fell behind."""
    garbage: int = 0
    """Messages of viewers that were none."""
    _viewers: dict[tuple[int, bytes], _Viewer] = field(default_factory=dict)
    _sockets: "list[Socket[bytes]]" = field(init=False)
    _server: int = field(init=False)
    _quiet_ns: int = 0
    _allowed: frozenset[str] = frozenset()
    """Whose keys were allowed when that was last looked at."""

    def __post_init__(self) -> None:
        self._server = int.from_bytes(os.urandom(6), "little")
        self._sockets = [self.bus.route(self.address)]
        if self.listen is not None:
            self._sockets.append(self.bus.route(*self.listen))
            self._allowed = frozenset(self.listen[1].allowed())

    @property
    def viewers(self) -> int:
        """How many windows there are."""
        return len(self._viewers)

    def turn(self, longest_s: float | None = None) -> None:
        """Wait a moment for what viewers ask, and tell them what is new."""
        wait_s = (TURN_S if self._viewers else ALONE_S) if longest_s is None else longest_s
        Poller(*self._sockets, *self.bus.doors).wait(wait_s)
        self.bus.let_in()
        self._forget_forbidden()
        for place, socket in enumerate(self._sockets):
            while (parts := receive_parts(socket)) is not None:
                self._hear(place, socket, parts)
        self._forget_silent()
        self.tell()

    def tell(self) -> None:
        """Tell all viewers what is new."""
        self.feed.watched(viewers=len(self._viewers), behind=self.behind)
        news = self.feed.news()
        anew = self.feed.begun_anew()
        quiet = now_ns() - self._quiet_ns > QUIET_NS
        if not (news or anew or quiet):
            return
        self._quiet_ns = now_ns()
        everything = self.feed.everything() if anew else []
        for viewer in [*self._viewers.values()]:
            if not viewer.behind:
                self._give(viewer, everything if anew else news, anew=anew)

    def _hear(self, place: int, socket: "Socket[bytes]", parts: list[bytes]) -> None:
        """Take one message of a viewer."""
        if len(parts) != 2:
            self.garbage += 1
            return
        who, data = parts
        try:
            asked = decode_asked(data)
        except msgspec.DecodeError:
            self.garbage += 1
            return
        viewer = self._viewers.get((place, who))
        if viewer is not None:
            viewer.heard_ns = now_ns()
        self._answer((place, who), socket, viewer, asked)

    def _answer(self, key: tuple[int, bytes], socket: "Socket[bytes]", viewer: _Viewer | None, asked: Asked) -> None:
        who = key[1]
        if isinstance(asked, Hello):
            self._greet(key, socket, viewer, asked)
        elif isinstance(asked, Ping):
            known = self._server if viewer is not None else 0
            self._say(socket, who, Pong(asked.sent_ns, now_ns(), known))
            if viewer is not None:
                self._take_ping(viewer, asked.number)
        elif isinstance(asked, Bye):
            self._viewers.pop(key, None)
        elif viewer is not None:
            number = asked.number
            self.feed.ask(asked, lambda answer: self._reply(socket, who, number, answer))

    def _greet(self, key: tuple[int, bytes], socket: "Socket[bytes]", viewer: _Viewer | None, hello: Hello) -> None:
        """Give everything to a viewer that asks for it, unless it is on its way already."""
        if hello.protocol != PROTOCOL:
            self._say(socket, key[1], Refusal(_says_protocol(hello.protocol)))
            return
        if viewer is not None and viewer.taking:
            return
        self._viewers.pop(key, None)
        self.tell()  # first what the others do not know yet, or this one would be told it twice
        if viewer is None:
            viewer = _Viewer(socket, key[1], now_ns())
        self._viewers[key] = viewer
        viewer.behind = False
        self._give(viewer, self.feed.everything(), anew=True)

    def _take_ping(self, viewer: _Viewer, number: int) -> None:
        """Learn what a viewer has taken; one that was behind and has taken all it was sent is given everything."""
        viewer.took(number)
        if viewer.behind and number == viewer.number:
            viewer.behind = False
            self._give(viewer, self.feed.everything(), anew=True)

    def _reply(self, socket: "Socket[bytes]", who: bytes, number: int, answer: Answer) -> None:
        self._say(socket, who, Reply(number, answer))

    def _say(self, socket: "Socket[bytes]", who: bytes, said: Said) -> None:
        """Send a viewer one message; one that is gone hears nothing."""
        try:
            send_to(socket, who, [encode_view(said)])
        except Unreachable:
            self.behind += 1

    def _give(self, viewer: _Viewer, parts: list[bytes], *, anew: bool = False) -> None:
        """Send a viewer a batch, or let it fall behind."""
        number = 1 if anew else viewer.number + 1
        head = Batch(number, self.feed.moment_ns(), self.feed.speed, self._server, anew)
        try:
            if viewer.full:
                raise Unreachable(f"more than {MOST_BYTES} bytes wait for a viewer")
            send_to(viewer.socket, viewer.who, [encode_view(head), *parts])
        except Unreachable:
            viewer.behind = True
            self.behind += 1
        else:
            viewer.sent(sum(map(len, parts)), everything=anew)

    def _forget_silent(self) -> None:
        latest_ns = now_ns() - FORGET_NS
        self._forget(key for key, viewer in self._viewers.items() if viewer.heard_ns < latest_ns)

    def _forget_forbidden(self) -> None:
        """Tell viewers of the network nothing more once somebody is allowed no more; those who are say hello again."""
        if self.listen is None:
            return
        before, self._allowed = self._allowed, frozenset(self.listen[1].allowed())
        if not before <= self._allowed:
            self._forget(key for key in self._viewers if self._sockets[key[0]] is not self._sockets[0])

    def _forget(self, keys: Iterable[tuple[int, bytes]]) -> None:
        for key in [*keys]:
            del self._viewers[key]


def _says_protocol(theirs: int) -> str:
    """Return why a window of another version gets nothing."""
    older = "window" if theirs < PROTOCOL else "session"
    return (
        f"the window speaks version {theirs} and the session version {PROTOCOL}: update duetto where the {older} runs"
    )
