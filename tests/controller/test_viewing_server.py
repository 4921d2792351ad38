"""The server of viewers, over real sockets: everything once, then what is new; nobody can hold anything up."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from controller.bus import VIEW_QUEUE, Addresses, Bus, BusError
from controller.messages import Answer, Request
from controller.messages.view import (
    PROTOCOL,
    Batch,
    Bye,
    Hello,
    Ping,
    Pong,
    Refusal,
    Remark,
    Reply,
    Steer,
    Wish,
    decode_said,
    decode_view,
    encode_view,
)
from controller.viewing.server import Server


class Ticker:
    """A feed that numbers what it says, as long as its viewers want."""

    speed = 1.0

    def __init__(self, size: int = 0) -> None:
        self.said = 0
        self.size = size
        self.waiting = 0
        self.asked: list[object] = []
        self.anew = False
        self.viewers = self.behind = 0

    def moment_ns(self) -> int:
        return self.said

    def everything(self) -> list[bytes]:
        return [encode_view(Remark(number, "x" * self.size)) for number in range(1, self.said + 1)][-50:]

    def news(self) -> list[bytes]:
        fresh = range(self.said + 1, self.said + self.waiting + 1)
        self.said, self.waiting = self.said + self.waiting, 0
        return [encode_view(Remark(number, "x" * self.size)) for number in fresh]

    def begun_anew(self) -> bool:
        anew, self.anew = self.anew, False
        return anew

    def ask(self, asked, answered) -> None:
        self.asked.append(asked)
        answered(Answer(True, "done"))

    def watched(self, *, viewers: int, behind: int) -> None:
        self.viewers, self.behind = viewers, behind


class Viewer:
    """A window's socket."""

    def __init__(self, context: "zmq.Context", address: str, server: Server, queue: int = 1000) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, queue)
        self.socket.connect(address)
        self.server = server

    def say(self, message) -> None:
        self.socket.send(encode_view(message))

    def hear(self, kind=Batch, turns: int = 500):
        """The next message of a kind, as its head and its views; the server turns meanwhile."""
        for _ in range(turns):
            self.server.turn(0.002)
            while self.socket.poll(0):
                parts = self.socket.recv_multipart()
                head = decode_said(parts[0])
                if isinstance(head, kind):
                    return head, [decode_view(part) for part in parts[1:]]
        pytest.fail(f"no {kind.__name__} came")


@contextmanager
def served(feed: Ticker) -> Iterator[tuple[Server, "zmq.Context", str]]:
    """A server in a folder of its own, and a context for viewers."""
    folder = Path(tempfile.mkdtemp(prefix="duetto-test-"))
    context: zmq.Context = zmq.Context()
    try:
        with Bus() as bus:
            address = Addresses(folder).view
            yield Server(bus, feed, address), context, address
            context.destroy(linger=0)
    finally:
        context.destroy(linger=0)
        shutil.rmtree(folder)


def test_a_viewer_that_says_hello_gets_everything_and_then_only_what_is_new() -> None:
    feed = Ticker()
    with served(feed) as (server, context, address):
        feed.waiting = 3
        server.turn(0.0)
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        head, views = viewer.hear()
        assert (head.number, head.anew, [view.t_ns for view in views]) == (1, True, [1, 2, 3])
        feed.waiting = 2
        head, views = viewer.hear()
        assert (head.number, head.anew, [view.t_ns for view in views]) == (2, False, [4, 5])


def test_what_was_waiting_when_a_viewer_came_is_not_told_twice() -> None:
    feed = Ticker()
    with served(feed) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        feed.waiting = 4
        head, views = viewer.hear()
        assert (head.anew, [view.t_ns for view in views]) == (True, [1, 2, 3, 4])
        feed.waiting = 1
        assert [view.t_ns for view in viewer.hear()[1]] == [5]


def test_a_viewer_hears_what_time_it_is_even_where_nothing_is_new() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        viewer.hear()
        head, views = viewer.hear()
        assert (head.number, views) == (2, [])


def test_two_viewers_are_told_the_same_each_with_numbers_of_its_own() -> None:
    feed = Ticker()
    with served(feed) as (server, context, address):
        first, second = Viewer(context, address, server), Viewer(context, address, server)
        first.say(Hello(PROTOCOL, "first"))
        first.hear()
        feed.waiting = 1
        first.hear()
        second.say(Hello(PROTOCOL, "second"))
        assert second.hear()[0].number == 1
        assert server.viewers == 2
        feed.waiting = 1
        heard = [first.hear(), second.hear()]
        assert [[view.t_ns for view in views] for _, views in heard if views] == [[2], [2]]


def test_a_ping_is_answered_with_its_own_time_and_who_answers() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Ping(77, 0))
        unknown, _ = viewer.hear(Pong)
        assert (unknown.sent_ns, unknown.server) == (77, 0)
        viewer.say(Hello(PROTOCOL, "test"))
        batch, _ = viewer.hear(Batch)
        viewer.say(Ping(78, 1))
        known, _ = viewer.hear(Pong)
        assert (known.sent_ns, known.server) == (78, batch.server)


def test_a_window_of_another_version_is_refused_with_the_way_out() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL + 1, "test"))
        refusal, _ = viewer.hear(Refusal)
        assert "update duetto where the session runs" in refusal.sentence
        assert server.viewers == 0


def test_a_wish_reaches_the_feed_and_its_answer_has_its_number() -> None:
    feed = Ticker()
    with served(feed) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        viewer.hear()
        viewer.say(Wish(9, Request("reward", "A")))
        viewer.say(Steer(10, "seek", 3.5))
        assert viewer.hear(Reply)[0] == Reply(9, Answer(True, "done"))
        assert viewer.hear(Reply)[0] == Reply(10, Answer(True, "done"))
        assert feed.asked == [Wish(9, Request("reward", "A")), Steer(10, "seek", 3.5)]


def test_someone_who_never_said_hello_can_ask_for_nothing() -> None:
    feed = Ticker()
    with served(feed) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Wish(9, Request("stop")))
        viewer.say(Ping(1, 0))
        viewer.hear(Pong)
        assert feed.asked == []


def test_garbage_is_counted_and_hurts_nobody() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.socket.send(b"\xc1 not msgpack")
        viewer.socket.send_multipart([b"two", b"parts"])
        viewer.say(Hello(PROTOCOL, "test"))
        viewer.hear()
        assert server.garbage == 2


def test_a_viewer_that_says_goodbye_is_told_nothing_more() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        viewer.hear()
        viewer.say(Bye())
        viewer.say(Ping(1, 1))
        viewer.hear(Pong)
        assert server.viewers == 0


def test_a_viewer_that_does_not_read_falls_behind_and_holds_up_nobody() -> None:
    feed = Ticker(size=20_000)
    with served(feed) as (server, context, address):
        frozen, awake = Viewer(context, address, server, queue=1), Viewer(context, address, server)
        for viewer in (frozen, awake):
            viewer.say(Hello(PROTOCOL, "test"))
            viewer.hear()
        heard = 0
        for _ in range(4 * VIEW_QUEUE):
            feed.waiting = 1
            _, views = awake.hear()
            heard += len(views)
        assert heard == 4 * VIEW_QUEUE
        assert server.behind >= 1
        frozen.say(Ping(1, 1))
        head, views = frozen.hear()
        while not head.anew:  # what still waited for it comes first
            assert [view.t_ns for view in views] == [head.number - 1]
            frozen.say(Ping(1, head.number))
            head, views = frozen.hear()
        assert views[-1].t_ns == feed.said


def test_a_feed_that_begins_anew_tells_everyone_everything_again() -> None:
    feed = Ticker()
    with served(feed) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        viewer.hear()
        feed.waiting, feed.anew = 2, True
        head, views = viewer.hear()
        assert (head.anew, head.number, [view.t_ns for view in views]) == (True, 1, [1, 2])


def test_a_session_never_listens_on_the_network_without_keys() -> None:
    with Bus() as bus, pytest.raises(BusError, match="open to everyone"):
        bus.route("tcp://127.0.0.1:45671")
