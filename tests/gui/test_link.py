"""The window's link, over real sockets: what it says and how often, and that nothing ends its thread."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq

import gui.link as link_module
from controller.bus import Addresses, Bus
from controller.messages import Answer, Request, decode_request, encode
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
    Remark,
    Reply,
    Said,
    Steer,
    View,
    Wish,
    decode_asked,
    encode_view,
)
from gui.link import Link
from realtime.records import NS_PER_MS
from tests.controller.serving import Shown, opening, serving, until


class There:
    """The other side of a link, which says only what a test lets it say."""

    server = 77

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self.socket = socket
        self.who = b""

    def next(self, within_s: float = 5.0) -> Asked:
        assert self.socket.poll(round(within_s * 1000)), "the link says nothing"
        self.who, data = self.socket.recv_multipart()
        return decode_asked(data)

    def until(self, kind: type[Asked]) -> tuple[Asked, list[Asked]]:
        """The next message of a kind, and what was said before it."""
        before: list[Asked] = []
        while not isinstance(asked := self.next(), kind):
            before.append(asked)
            assert len(before) < 100, f"the link says everything but {kind.__name__}"
        return asked, before

    def say(self, said: Said, *views: View | bytes) -> None:
        parts = [one if isinstance(one, bytes) else encode_view(one) for one in views]
        self.socket.send_multipart([self.who, encode_view(said), *parts])

    def answer_ping(self, *, known: bool = True) -> list[Asked]:
        """Answer the next ping; returns what was said before it."""
        ping, before = self.until(Ping)
        self.say(Pong(ping.sent_ns, 0, self.server if known else 0))
        return before

    def everything(self, *views: View | bytes) -> None:
        self.say(Batch(1, 0, 1.0, self.server, True), *views)


@contextmanager
def linked() -> Iterator[tuple[Link, There]]:
    """A link and the other side of it."""
    folder = Path(tempfile.mkdtemp(prefix="duetto-test-"))
    try:
        with Bus() as bus:
            there = There(bus.route(Addresses(folder).view))
            link = Link(Addresses(folder).view)
            try:
                yield link, there
            finally:
                link.close()
    finally:
        shutil.rmtree(folder)


def hellos(asked: list[Asked]) -> int:
    return sum(isinstance(one, Hello) for one in asked)


# What people write.


@pytest.mark.parametrize(("written", "sent"), [("bad \ud83d", "bad \ufffd"), ("\ude00!", "\ufffd!"), ("µ 😀", "µ 😀")])
def test_half_a_character_in_a_note_is_replaced_and_the_link_goes_on(written: str, sent: str) -> None:
    with linked() as (link, there):
        there.until(Hello)  # what is asked before anybody is there is not sent
        link.ask(Request("note", text=written))
        wish, _ = there.until(Wish)
        assert wish.request == Request("note", text=sent)
        link.ask(Request("stop"))
        assert there.until(Wish)[0].request.verb == "stop"
        assert link.contact.garbage == 0


def test_half_a_character_in_any_text_of_a_choice_is_replaced() -> None:
    with linked() as (link, there):
        there.until(Hello)
        link.ask(Choice(0, ("m\ud800", "\udc00m"), 1, 30.0, None, "/data/\ud800"))
        assert there.until(Choice)[0] == Choice(1, ("m\ufffd", "\ufffdm"), 1, 30.0, None, "/data/\ufffd")
        link.ask(Steer(0, "seek", 2.5))
        assert there.until(Steer)[0] == Steer(2, "seek", 2.5)


# Whatever fails.


def fails(*_: object) -> object:
    """Reading fails for a reason that nobody has thought of."""
    raise RuntimeError("unforeseen")


def test_after_a_message_that_fails_in_an_unforeseen_way_the_link_goes_on_and_says_so(monkeypatch) -> None:
    with linked() as (link, there):
        there.until(Hello)
        monkeypatch.setattr(link_module, "decode_view", fails)
        there.everything(Remark(1, "one"))
        until(lambda: link.contact.garbage, "its count")
        monkeypatch.undo()
        there.everything(Remark(2, "two"))
        heard: list[View] = []
        until(lambda: heard.extend(view for one in link.heard() for view in one.views) or heard, "what comes next")
        assert heard == [Remark(2, "two")]
        assert link.contact.garbage == 1


def test_while_every_message_fails_a_stop_still_takes_its_direct_way(monkeypatch) -> None:
    with linked() as (link, there), Bus() as bus:
        folder = Path(link.endpoint.removeprefix("ipc://")).parent
        control = bus.reply(Addresses(folder).control)
        there.until(Hello)
        there.everything(with_control(folder))
        until(link.heard, "the first page")
        monkeypatch.setattr(link_module, "decode_said", fails)
        link.ask(Request("stop"))
        there.until(Wish)
        there.say(Reply(1, Answer(True, "which the link cannot read")))
        until(lambda: control.poll(0), "the direct way")
        assert decode_request(control.recv()) == Request("stop")
        control.send(encode(Answer(True, "stopped")))
        answers: list[Answer] = []
        until(lambda: answers.extend(answer for _, answer in link.answers()) or answers, "the answer")
        assert answers == [Answer(True, "stopped (what serves windows does not answer)")]
        assert link.contact.garbage >= 1


def with_control(folder: Path) -> Opening:
    """The first page of a session whose supervisor listens in a folder."""
    addresses = Addresses(folder)
    return msgspec.structs.replace(opening("s"), control=addresses.control, events=addresses.events)


def test_garbage_of_a_server_is_counted_and_the_next_message_is_heard() -> None:
    with linked() as (link, there):
        there.until(Hello)
        for garbage in (b"\xc1", b"\x81\xa2\xff\xfe\x01", b"\x82\xa4type\xa4pong\xa1x" + b"\x91" * 100_000):
            there.socket.send_multipart([there.who, garbage])
        there.everything(Remark(1, "one"))
        until(link.heard, "the batch")
        assert link.contact.garbage == 3


# How often it asks for everything.


def test_it_says_hello_once_however_long_everything_is_on_its_way(monkeypatch) -> None:
    monkeypatch.setattr(link_module, "PING_NS", 5 * NS_PER_MS)
    monkeypatch.setattr(link_module, "AGAIN_NS", 5 * NS_PER_MS)
    with linked() as (link, there):
        assert there.until(Hello)[0].protocol == PROTOCOL
        asked = [there.next() for _ in range(30)]  # on a slow line the answers to these wait behind everything
        assert [one for one in asked if not isinstance(one, Ping)] == []
        there.everything(Remark(1, "one"))
        until(link.heard, "everything")
        assert hellos([there.next() for _ in range(10)]) == 0
        assert link.contact.anew == 1


def test_it_says_at_once_that_it_has_taken_everything(monkeypatch) -> None:
    with linked() as (_, there):
        there.until(Hello)
        there.until(Ping)
        monkeypatch.setattr(link_module, "PING_NS", 1000 * link_module.PING_NS)
        there.everything(Remark(1, "one"))
        assert there.until(Ping)[0].number == 1


def test_a_server_that_does_not_know_it_is_told_hello_again() -> None:
    with linked() as (link, there):
        there.until(Hello)
        assert hellos(there.answer_ping(known=False)) == 0
        there.until(Hello)
        there.everything(Remark(1, "one"))
        until(link.heard, "everything")
        asked = [one for _ in range(3) for one in there.answer_ping(known=False)]
        assert hellos(asked) >= 1  # not before the first: that ping may have been sent before everything came


def test_a_server_that_knows_it_and_gave_it_nothing_is_asked_again_after_a_while_from_the_beginning(
    monkeypatch,
) -> None:
    monkeypatch.setattr(link_module, "AGAIN_NS", 300 * NS_PER_MS)
    monkeypatch.setattr(link_module, "PING_NS", 20 * NS_PER_MS)
    with linked() as (_, there):
        there.until(Hello)
        pings = 0
        while isinstance(asked := there.next(), Ping):
            there.say(Pong(asked.sent_ns, 0, there.server))
            pings += 1
        assert pings >= 5
        assert isinstance(asked, Bye)
        assert isinstance(there.next(), Hello)


def test_a_batch_that_cannot_be_read_is_not_asked_for_again_and_again(monkeypatch) -> None:
    monkeypatch.setattr(link_module, "PING_NS", 5 * NS_PER_MS)
    with linked() as (link, there):
        there.until(Hello)
        there.everything(b"\xc1")
        until(lambda: link.contact.garbage, "its count")
        asked = []
        for _ in range(20):
            asked += there.answer_ping()
        assert hellos(asked) == 0


def test_with_the_real_server_a_link_that_lost_a_batch_has_everything_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(link_module, "AGAIN_NS", 50 * NS_PER_MS)
    feed = Shown(opening("real"))
    with serving(feed, f"ipc://{tmp_path / 'view'}"):
        link = Link(f"ipc://{tmp_path / 'view'}")
        try:
            until(lambda: link.contact.anew == 1, "everything")
            until(lambda: link.contact.round_trip_ns, "a ping that says so")
            link._number = 0  # as after a gap
            until(lambda: link.contact.anew == 2, "everything again")
        finally:
            link.close()
