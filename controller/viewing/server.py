"""The server of viewers: gives each of them everything once, and then what is new, and passes on what they ask.

A viewer cannot hold anything up. What is sent to it waits in a queue of its own; when that is full, the viewer is
*behind*: it gets nothing more until it says that it is there, and then everything anew. A viewer that has not been
heard for ten seconds is forgotten.
"""

import os
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
QUIET_NS: Final = 250 * NS_PER_MS
"""Even where nothing is new, viewers hear this often what time it is."""
ALONE_S: Final = 0.25
"""How long a turn may take that nobody watches."""
TURN_S: Final = 0.02


@dataclass(slots=True)
class _Viewer:
    """One window."""

    socket: "Socket[bytes]"
    who: bytes
    heard_ns: int
    number: int = 0
    behind: bool = False


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

    def __post_init__(self) -> None:
        self._server = int.from_bytes(os.urandom(6), "little")
        self._sockets = [self.bus.route(self.address)]
        if self.listen is not None:
            self._sockets.append(self.bus.route(*self.listen))

    @property
    def viewers(self) -> int:
        """How many windows there are."""
        return len(self._viewers)

    def turn(self, longest_s: float | None = None) -> None:
        """Wait a moment for what viewers ask, and tell them what is new."""
        wait_s = (TURN_S if self._viewers else ALONE_S) if longest_s is None else longest_s
        Poller(*self._sockets, *self.bus.doors).wait(wait_s)
        self.bus.let_in()
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
            if anew:
                self._give(viewer, everything, anew=True)
            elif not viewer.behind:
                self._give(viewer, news)

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
            if asked.protocol != PROTOCOL:
                self._say(socket, who, Refusal(_says_protocol(asked.protocol)))
                return
            self._viewers.pop(key, None)
            self.tell()  # first what the others do not know yet, or this one would be told it twice
            viewer = self._viewers[key] = _Viewer(socket, who, now_ns())
            self._give(viewer, self.feed.everything(), anew=True)
        elif isinstance(asked, Ping):
            known = self._server if viewer is not None else 0
            self._say(socket, who, Pong(asked.sent_ns, now_ns(), known))
            if viewer is not None and viewer.behind:
                viewer.behind = False
                self._give(viewer, self.feed.everything(), anew=True)
        elif isinstance(asked, Bye):
            self._viewers.pop(key, None)
        elif viewer is not None:
            number = asked.number
            self.feed.ask(asked, lambda answer: self._reply(socket, who, number, answer))

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
        viewer.number = 1 if anew else viewer.number + 1
        head = Batch(viewer.number, self.feed.moment_ns(), self.feed.speed, self._server, anew)
        try:
            send_to(viewer.socket, viewer.who, [encode_view(head), *parts])
        except Unreachable:
            viewer.behind = True
            self.behind += 1

    def _forget_silent(self) -> None:
        latest_ns = now_ns() - FORGET_NS
        for key in [key for key, viewer in self._viewers.items() if viewer.heard_ns < latest_ns]:
            del self._viewers[key]


def _says_protocol(theirs: int) -> str:
    """Return why a window of another version gets nothing."""
    older = "window" if theirs < PROTOCOL else "session"
    return (
        f"the window speaks version {theirs} and the session version {PROTOCOL}: update duetto where the {older} runs"
    )
