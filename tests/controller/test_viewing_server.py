"""The server of viewers, over real sockets: everything once, then what is new; nobody can hold anything up."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq

import controller.bus as bus_module
import controller.viewing.server as server_module
from controller.bus import Addresses, Bus, BusError, Lock, new_keys
from controller.messages import Answer, Request, decode_answer, decode_beat, decode_neural, decode_request
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
    decode_asked,
    decode_said,
    decode_view,
    encode_view,
)
from controller.viewing.server import Server
from realtime.records import NS_PER_S
from tests.controller.serving import free_port


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

    def __init__(self, context: "zmq.Context", address: str, server: Server, queue: int = 1000, keys=None) -> None:
        self.socket = context.socket(zmq.DEALER)
        if keys is not None:
            public, secret, theirs = (key.encode() for key in keys)
            self.socket.curve_publickey, self.socket.curve_secretkey = public, secret
            self.socket.curve_serverkey = theirs
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, queue)
        self.socket.connect(address)
        self.server = server

    def say(self, message) -> None:
        self.socket.send(encode_view(message))

    def come(self):
        """Say hello, and hear everything."""
        self.say(Hello(PROTOCOL, "test"))
        return self.hear()

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
def served(feed: Ticker, listen: tuple[str, Lock] | None = None) -> Iterator[tuple[Server, "zmq.Context", str]]:
    """A server in a folder of its own, and a context for viewers."""
    folder = Path(tempfile.mkdtemp(prefix="duetto-test-"))
    context: zmq.Context = zmq.Context()
    try:
        with Bus() as bus:
            address = Addresses(folder).view
            yield Server(bus, feed, address, listen), context, address
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
        head, views = viewer.come()
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
        viewer.come()
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
        viewer.come()
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
        viewer.come()
        assert server.garbage == 2


def test_a_viewer_that_says_goodbye_is_told_nothing_more() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.come()
        viewer.say(Bye())
        viewer.say(Ping(1, 1))
        viewer.hear(Pong)
        assert server.viewers == 0


def falls_behind(server: Server, feed: Ticker, frozen: Viewer, awake: Viewer) -> int:
    """One viewer stops to read until it is behind, and then reads again; return how much it was sent meanwhile."""
    for viewer in (frozen, awake):
        viewer.come()
    sent = heard = 0
    while not server.behind:
        feed.waiting, sent = 1, sent + 1
        head, views = awake.hear()
        heard += len(views)
        awake.say(Ping(1, head.number))
        frozen.say(Ping(1, 1))
    assert heard == sent
    feed.waiting = 3
    server.turn(0.0)  # what it is not told while it is behind
    head, views = frozen.hear()
    while not head.anew:  # what still waited for it comes first
        assert [view.t_ns for view in views] == [head.number - 1]
        frozen.say(Ping(1, head.number))
        head, views = frozen.hear()
    assert head.number == 1
    assert views[-1].t_ns == feed.said
    return sent


def test_a_viewer_for_which_too_many_messages_wait_falls_behind_and_holds_up_nobody(monkeypatch) -> None:
    monkeypatch.setattr(bus_module, "VIEW_QUEUE", 100)
    feed = Ticker(size=20_000)
    with served(feed) as (server, context, address):
        frozen, awake = Viewer(context, address, server, queue=1), Viewer(context, address, server)
        falls_behind(server, feed, frozen, awake)


def test_a_viewer_for_which_too_many_bytes_wait_falls_behind_and_holds_up_nobody(monkeypatch) -> None:
    monkeypatch.setattr(server_module, "MOST_BYTES", 200_000)
    feed = Ticker(size=20_000)
    with served(feed) as (server, context, address):
        frozen, awake = Viewer(context, address, server, queue=1), Viewer(context, address, server)
        assert 10 <= falls_behind(server, feed, frozen, awake) <= 12  # of 20 kB each


def test_a_viewer_that_says_what_it_has_taken_is_never_behind_however_much_it_was_sent(monkeypatch) -> None:
    monkeypatch.setattr(server_module, "MOST_BYTES", 50_000)
    feed = Ticker(size=20_000)
    with served(feed) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        for number in range(1, 30):
            head, _ = viewer.hear()
            assert (head.number, head.anew) == (number, number == 1)
            viewer.say(Ping(1, head.number))
            viewer.hear(Pong)
            feed.waiting = 1
        assert server.behind == 0


def batches(viewer: Viewer) -> list[Batch]:
    """The heads of all batches that have come, once an answer to a ping shows that there are no others."""
    viewer.say(Ping(99, 0))
    heads = []
    for _ in range(500):
        viewer.server.turn(0.002)
        while viewer.socket.poll(0):
            head = decode_said(viewer.socket.recv_multipart()[0])
            if isinstance(head, Batch):
                heads.append(head)
            elif isinstance(head, Pong) and head.sent_ns == 99:
                return heads
    return pytest.fail("the ping was not answered")


def test_everything_is_given_once_however_often_a_viewer_says_hello_before_it_has_taken_it() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        for _ in range(20):
            viewer.say(Hello(PROTOCOL, "impatient"))
        assert [head.number for head in batches(viewer) if head.anew] == [1]
        viewer.say(Ping(1, 1))
        viewer.say(Hello(PROTOCOL, "impatient"))
        assert [head.number for head in batches(viewer) if head.anew] == [1]


def test_a_viewer_that_never_says_that_it_took_everything_is_given_it_again_after_a_while(monkeypatch) -> None:
    now = [1000 * NS_PER_S]
    monkeypatch.setattr(server_module, "now_ns", lambda: now[0])
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.say(Hello(PROTOCOL, "test"))
        assert [head.anew for head in batches(viewer) if head.anew] == [True]
        now[0] += server_module.TAKING_NS - 1
        viewer.say(Hello(PROTOCOL, "test"))
        assert [head for head in batches(viewer) if head.anew] == []
        now[0] += 1
        viewer.say(Hello(PROTOCOL, "test"))
        assert [head.anew for head in batches(viewer) if head.anew] == [True]


def test_a_viewer_that_says_goodbye_and_hello_begins_anew_at_once() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        for message in (Hello(PROTOCOL, "test"), Bye(), Hello(PROTOCOL, "test")):
            viewer.say(message)
        assert [head.number for head in batches(viewer) if head.anew] == [1, 1]


@pytest.mark.parametrize(
    "decode", [decode_asked, decode_said, decode_view, decode_neural, decode_request, decode_answer, decode_beat]
)
@pytest.mark.parametrize(
    "data",
    [
        b"\x82\xa4verb\xa4note\xa4text\xa2\xff\xfe",
        b"\x83\xa4type\xa5hello\xa8protocol\x01\xa3who\xa2\xff\xfe",
        b"\x81\xa2\xff\xfe\x01",
        b"\x82\xa4type\xa3bye\xa1x" + b"\x91" * 100_000,
        b"\x91" * 100_000,
        b"",
    ],
    ids=["a text", "a name", "a field", "deep within", "deep", "nothing"],
)
def test_whatever_is_wrong_with_a_message_is_one_error(decode, data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(data)


def test_a_text_that_is_no_utf_8_is_garbage_and_hurts_nobody() -> None:
    with served(Ticker()) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.socket.send(b"\x83\xa4type\xa5hello\xa8protocol\x01\xa3who\xa2\xff\xfe")
        viewer.socket.send(b"\x82\xa4type\xa3bye\xa1x" + b"\x91" * 100_000)
        viewer.come()
        assert server.garbage == 2


def test_who_is_allowed_no_more_is_told_nothing_more_and_who_still_is_begins_anew(monkeypatch) -> None:
    server_keys, anna, ben = new_keys(), new_keys(), new_keys()
    allowed = [{anna[0], ben[0]}]
    feed = Ticker()
    there = f"tcp://127.0.0.1:{free_port()}"
    lock = Lock(*server_keys, lambda: allowed[0])
    with served(feed, (there, lock)) as (server, context, _):
        viewers = [Viewer(context, there, server, keys=(*who, server_keys[0])) for who in (anna, ben)]
        for viewer in viewers:
            viewer.come()
        allowed[0] = {anna[0], ben[0], "another"}
        server.turn(0.0)
        assert server.viewers == 2
        allowed[0] = {ben[0]}
        feed.waiting = 1
        server.turn(0.0)
        assert server.viewers == 0
        for viewer in viewers:
            viewer.say(Ping(5, 1))
        assert viewers[1].hear(Pong)[0].server == 0
        viewers[1].say(Hello(PROTOCOL, "test"))
        viewers[0].say(Hello(PROTOCOL, "test"))
        viewers[1].hear(Batch)
        assert server.viewers == 1


def test_a_feed_that_begins_anew_tells_everyone_everything_again() -> None:
    feed = Ticker()
    with served(feed) as (server, context, address):
        viewer = Viewer(context, address, server)
        viewer.come()
        feed.waiting, feed.anew = 2, True
        head, views = viewer.hear()
        assert (head.anew, head.number, [view.t_ns for view in views]) == (True, 1, [1, 2])


def test_a_session_never_listens_on_the_network_without_keys() -> None:
    with Bus() as bus, pytest.raises(BusError, match="open to everyone"):
        bus.route("tcp://127.0.0.1:45671")
