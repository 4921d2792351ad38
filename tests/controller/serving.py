"""A small thing to watch, served by the real server of viewers in a thread of this process."""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.bus import Bus, Lock
from controller.messages import Answer
from controller.messages.view import Choice, Opening, Setup, Steer, View, Wish
from controller.viewing.album import Album
from controller.viewing.feed import Feed
from controller.viewing.server import Server
from realtime.clock import now_ns
from tests.controller import viewing_things


def opening(session: str, folder: str = "/sessions/there", mode: str = "VIRTUAL") -> Opening:
    """The first page of a session that nobody has run."""
    return viewing_things.opening(session=session, folder=folder, mode=mode, rig="quick")


def setup(rig: str) -> Setup:
    """A session that is being set up."""
    return viewing_things.setup(rig=rig, rig_path=f"{rig}.toml", mode="VIRTUAL")


@dataclass
class Shown:
    """A feed that shows what a test puts into it, and does whatever is asked."""

    first: View
    speed: float = 1.0
    asked: list[Wish | Steer | Choice] = field(default_factory=list)
    flood: Callable[[], View] | None = None
    """Gives something new for every turn, as long as it is set."""
    behind: int = 0
    viewers: int = 0
    flooded: int = 0

    def __post_init__(self) -> None:
        self.album = Album()
        self._waiting: deque[View] = deque()
        self.album.take(self.first)

    def show(self, *views: View) -> None:
        self._waiting.extend(views)

    def moment_ns(self) -> int:
        return now_ns()

    def everything(self) -> list[bytes]:
        return self.album.everything()

    def news(self) -> list[bytes]:
        if self.flood is not None:
            self._waiting.append(self.flood())
            self.flooded += 1
        return [self.album.take(self._waiting.popleft()) for _ in range(len(self._waiting))]

    def begun_anew(self) -> bool:
        return False

    def ask(self, asked: Wish | Steer | Choice, answered: Callable[[Answer], None]) -> None:
        self.asked.append(asked)
        answered(Answer(True, "done"))

    def watched(self, *, viewers: int, behind: int) -> None:
        self.viewers, self.behind = viewers, behind


@contextmanager
def served(
    feed: Feed, address: str, listen: tuple[str, Lock] | None = None, turn_s: Callable[[], float] = lambda: 0.01
) -> Iterator[Server]:
    """The server of viewers, turned in a thread while the block runs."""
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            server.turn(turn_s())

    with Bus() as bus:
        server = Server(bus, feed, address, listen)
        thread = threading.Thread(target=serve, name="server of viewers")
        thread.start()
        try:
            yield server
        finally:
            ending.set()
            thread.join()


@contextmanager
def serving(feed: Shown, address: str, listen: tuple[str, Lock] | None = None) -> Iterator[Shown]:
    """Serve a feed while the block runs."""
    with served(feed, address, listen, lambda: 0.0 if feed.flood else 0.01):
        yield feed


def until(condition: Callable[[], object], what: str, within_s: float = 10.0) -> None:
    """Wait until something has come true; fail where it does not."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"{what}: not within {within_s} s"
        threading.Event().wait(0.005)


def free_port() -> int:
    """A port of this computer at which nobody listens."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
