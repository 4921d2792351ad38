"""Watching a session over the network: with the right keys everything, with any other nothing but a sentence."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zmq

from controller.bus import Bus, BusError, Lock, new_keys
from controller.messages import Request
from controller.messages.view import (
    PROTOCOL,
    Batch,
    Hello,
    Note,
    Opening,
    Ping,
    Pong,
    Remark,
    Standing,
    Steer,
    Wish,
    decode_said,
    encode_view,
)
from controller.viewing.keyring import allow, forbid, keys_path, own_keys
from controller.viewing.locks import lock_from
from gui.link import Keys, Link, LinkError
from tests.controller.serving import Shown, free_port, opening, serving, until

NAME = "2026-11-22_091500_secretive_day1"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class There:
    """A session that listens on the network, and the pairs of two viewers of which Anna is allowed."""

    feed: Shown
    address: str
    server: str
    anna: tuple[str, str]
    ben: tuple[str, str]

    def keys(self, pair: tuple[str, str], server: str = "") -> Keys:
        return Keys(*pair, server or self.server)


@pytest.fixture
def there(tmp_path, monkeypatch) -> Iterator[There]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    anna, ben = new_keys(), new_keys()
    allow("anna", anna[0])
    listen = lock_from(f"tcp://127.0.0.1:{free_port()}")
    feed = Shown(opening(NAME))
    with serving(feed, f"ipc://{tmp_path / 'view'}", listen):
        yield There(feed, listen[0], listen[1].public, anna, ben)


@contextmanager
def linked(address: str, keys: Keys | None) -> Iterator[Link]:
    link = Link(address, keys)
    try:
        yield link
    finally:
        link.close()


def refusal(address: str, keys: Keys) -> str:
    """The sentence with which a link is refused; it must come within the time that a window waits."""
    with linked(address, keys) as link:
        until(lambda: link.contact.refusal, "a refusal", 4.0)
        assert link.contact.anew == 0, "nothing was shown to it"
        assert link.heard() == []
        return link.contact.refusal


def gather(link: Link, views: list) -> list:
    """Everything a link has heard so far, added to ``views``."""
    for heard in link.heard():
        views += heard.views
    return views


# Whoever may.


def test_an_allowed_viewer_sees_everything_and_what_is_new(there):
    there.feed.show(Note(1, 5, "before anybody watched"))
    with linked(there.address, there.keys(there.anna)) as link:
        seen = []
        until(lambda: any(isinstance(view, Opening) for view in gather(link, seen)), "the first page")
        assert next(view for view in seen if isinstance(view, Opening)).session == NAME
        there.feed.show(Remark(7, "something new"))
        until(lambda: Remark(7, "something new") in gather(link, seen), "what is new")
        assert Note(1, 5, "before anybody watched") in seen
        assert (link.contact.refusal, link.contact.anew, there.feed.viewers) == ("", 1, 1)
    until(lambda: there.feed.viewers == 0, "its goodbye")


def test_an_allowed_viewer_steers_and_asks_and_is_answered(there):
    with linked(there.address, there.keys(there.anna)) as link:
        until(lambda: link.contact.anew, "contact")
        link.ask(Request("reward", animal="A"))
        link.ask(Steer(0, "seek", 12.5))
        answers = []
        until(lambda: answers.extend(link.answers()) or len(answers) == 2, "two answers")
    assert there.feed.asked == [Wish(1, Request("reward", animal="A")), Steer(2, "seek", 12.5)]
    assert [(asked.number, answer.sentence) for asked, answer in answers] == [(1, "done"), (2, "done")]


def test_windows_of_this_computer_need_no_keys_while_it_listens(there, tmp_path):
    with linked(f"ipc://{tmp_path / 'view'}", None) as here, linked(there.address, there.keys(there.anna)) as far:
        until(lambda: here.contact.anew and far.contact.anew, "both")
        assert (here.contact.refusal, far.contact.refusal) == ("", "")


def test_someone_who_is_allowed_while_the_session_runs_is_let_in_at_once(there):
    assert "duetto keys allow" in refusal(there.address, there.keys(there.ben))
    allow("ben", there.ben[0])
    with linked(there.address, there.keys(there.ben)) as link:
        until(lambda: link.contact.anew, "contact")


# Whoever may not.


def test_a_viewer_whose_key_is_not_allowed_is_told_what_to_have_allowed(there):
    assert refusal(there.address, there.keys(there.ben)) == (
        f"{there.address} does not let this user's key in; have it allowed by the user who runs the session there: "
        f"duetto keys allow NAME {there.ben[0]}"
    )


def test_a_name_that_is_forbidden_is_refused_like_a_stranger(there):
    forbid("anna")
    assert "does not let this user's key in" in refusal(there.address, there.keys(there.anna))


def test_who_is_forbidden_while_watching_is_heard_no_more(there):
    with linked(there.address, there.keys(there.anna)) as link:
        until(lambda: link.contact.anew, "contact")
        forbid("anna")
        link.ask(Request("stop"))
        link.ask(Request("reward", animal="B"))
        answers = []
        until(lambda: answers.extend(link.answers()) or len(answers) == 2, "two answers")
    assert there.feed.asked == []
    assert [answer.done for _, answer in answers] == [False, False]


def test_another_session_than_the_one_that_is_meant_is_told_nothing(there):
    impostor, _ = new_keys()
    assert refusal(there.address, there.keys(there.anna, server=impostor)) == (
        f"who listens at {there.address} does not have the key {impostor}, and was told nothing; compare --server-key "
        "with what 'duetto keys' prints where the session runs"
    )


def test_without_keys_no_link_to_the_network_is_even_tried(there):
    with pytest.raises(LinkError, match=r"talk with keys only; give the session's key with --server-key"):
        Link(there.address)


@pytest.mark.parametrize("endpoint", ["", "nonsense", "udp://127.0.0.1:5757", "ws://127.0.0.1:5757", "tcp://127.0.0.1"])
def test_what_is_no_place_is_named(there, endpoint):
    with pytest.raises(LinkError, match="is no place to connect to"):
        Link(endpoint, there.keys(there.anna))


def test_keys_that_are_none_are_named(there):
    with pytest.raises(LinkError, match="the keys are none; 'duetto keys'"):
        Link(there.address, Keys(there.anna[0], there.anna[1], "#" * 40))


def test_a_plain_peer_hears_nothing_and_is_not_heard(there):
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.setsockopt(zmq.LINGER, 0)
        plain.connect(there.address)
        plain.send(encode_view(Hello(PROTOCOL, "plain")))
        assert not plain.poll(1000)
    assert (there.feed.viewers, there.feed.asked) == (0, [])


def test_who_pretends_to_speak_without_keys_is_no_session(there):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as plain:
        port = plain.bind_to_random_port("tcp://127.0.0.1")
        said = refusal(f"tcp://127.0.0.1:{port}", there.keys(there.anna))
        assert "is no session that can be watched from here: it does not speak with keys" in said
        assert not plain.poll(100), "it has heard nothing of what the viewer says"


@contextmanager
def greeting(words: bytes) -> Iterator[int]:
    """Something else that listens: it greets whoever comes, and waits."""
    come: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            listening.settimeout(10.0)
            came, _ = listening.accept()
            come.append(came)
            came.sendall(words)

        thread = threading.Thread(target=greet)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()
    for came in come:
        came.close()


def test_another_kind_of_server_is_no_session(there):
    with greeting(b"SSH-2.0-OpenSSH_9.6\r\n") as port:
        said = refusal(f"tcp://127.0.0.1:{port}", there.keys(there.anna))
    assert "is no session that can be watched from here" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-computer.invalid"])
def test_where_nobody_listens_it_says_so_and_names_what_to_look_at(there, host):
    said = refusal(f"tcp://{host}:{free_port()}", there.keys(there.anna))
    assert said.startswith(f"nobody listens at tcp://{host}:")
    assert "was it started with --listen?" in said


def test_a_link_that_was_told_that_nobody_listens_gets_in_later_and_what_it_asked_meanwhile_is_not_done(
    there, tmp_path
):
    port = free_port()
    keys = there.keys(there.anna)
    with linked(f"tcp://127.0.0.1:{port}", keys) as link:
        link.ask(Request("reward", animal="A"))
        until(lambda: link.contact.refusal, "a refusal")
        answers = []
        until(lambda: answers.extend(link.answers()) or answers, "an answer")
        assert not answers[0][1].done
        lock = Lock(own_keys().public, own_keys().secret, lambda: [there.anna[0]])
        later = Shown(opening("later"))
        with serving(later, f"ipc://{tmp_path / 'later'}", (f"tcp://127.0.0.1:{port}", lock)):
            until(lambda: link.contact.anew, "contact")
            assert link.contact.refusal == ""
            link.ask(Request("pause"))
            until(link.answers, "an answer")
            assert later.asked == [Wish(2, Request("pause"))], "what was asked of nobody is not done later"


def test_a_link_outlives_the_server_and_takes_no_pause_of_it_for_a_refusal(there, tmp_path):
    lock = Lock(own_keys().public, own_keys().secret, lambda: [there.anna[0]])
    listen = (f"tcp://127.0.0.1:{free_port()}", lock)
    with linked(listen[0], there.keys(there.anna)) as link:
        with serving(Shown(opening("first")), f"ipc://{tmp_path / 'one'}", listen):
            until(lambda: link.contact.anew == 1, "the first")
        deadline_s = time.monotonic() + 3.0
        until(lambda: time.monotonic() > deadline_s or link.contact.refusal, "a pause longer than the tries take")
        assert link.contact.refusal == ""
        with serving(Shown(opening("second")), f"ipc://{tmp_path / 'two'}", listen):
            until(lambda: link.contact.anew > 1, "the second")
            link.ask(Request("pause"))
            until(link.answers, "an answer")
            assert link.contact.anew == 2, "everything is given once, however long it was away"


def test_a_session_never_listens_on_the_network_without_a_lock():
    with Bus() as bus, pytest.raises(BusError, match="would be open to everyone"):
        bus.route(f"tcp://127.0.0.1:{free_port()}")


# The window's process.


def window(*words: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gui", *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_a_window_with_a_wrong_key_ends_with_its_sentence_and_a_status_that_is_not_0(there, tmp_path):
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"public": there.ben[0], "secret": there.ben[1]}))
    mine.chmod(0o600)
    picture = ("--screenshot", tmp_path / "x.png")
    stranger = window(there.address, "--server-key", there.server, "--keys", mine, *picture)
    assert (stranger.returncode, stranger.stdout) == (1, "")
    assert stranger.stderr == (
        f"duetto: {there.address} does not let this user's key in; have it allowed by the user who runs the session "
        f"there: duetto keys allow NAME {there.ben[0]}\n"
    )
    impostor = window(there.address, "--server-key", new_keys_of_letters(), "--keys", mine, *picture)
    assert impostor.returncode == 1
    assert "does not have the key" in impostor.stderr
    assert "Traceback" not in impostor.stderr
    assert not (tmp_path / "x.png").exists()


def new_keys_of_letters() -> str:
    """A public key that a command line does not take for an option."""
    while True:
        public, _ = new_keys()
        if public[0].isalnum():
            return public


@pytest.mark.slow
def test_the_command_refuses_in_the_same_way_and_makes_the_viewers_keys_meanwhile(
    there, command, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "viewer"))
    refused = command("monitor", there.address, "--server-key", there.server, "--screenshot", tmp_path / "x.png")
    assert refused.returncode == 1
    assert f"duetto keys allow NAME {own_keys().public}" in refused.stderr
    assert keys_path().is_relative_to(tmp_path / "viewer")


# What others on the network can read.


@dataclass
class Tap:
    """Passes bytes between a viewer and a session, and keeps them all."""

    port: int
    taken: bytearray = field(default_factory=bytearray)


@contextmanager
def tapped(port: int) -> Iterator[Tap]:
    """Someone on the network through whom everything goes."""
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tap = Tap(listening.getsockname()[1])

        def pump(source: socket.socket, sink: socket.socket) -> None:
            while data := source.recv(65536):
                tap.taken.extend(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

        def accept() -> None:
            came, _ = listening.accept()
            onward = socket.create_connection(("127.0.0.1", port))
            ends.extend((came, onward))
            for pair in ((came, onward), (onward, came)):
                threads.append(threading.Thread(target=pump, args=pair))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield tap
        accepting.join()
        for thread in threads:
            thread.join()
    for end in ends:
        end.close()


def test_nothing_that_is_said_can_be_read_on_the_way(there):
    words = [
        NAME,
        "B's port was wet",
        "a remark that is nobody's business",
        "cooperation",
    ]  # long enough not to come about by chance
    there.feed.show(Note(1, 5, words[1]))
    seen, answers = [], []
    port = int(there.address.rpartition(":")[2])
    with tapped(port) as tap, linked(f"tcp://127.0.0.1:{tap.port}", there.keys(there.anna)) as link:
        until(lambda: any(isinstance(view, Opening) for view in gather(link, seen)), "the first page")
        there.feed.show(Remark(7, words[2]))
        link.ask(Request("note", text="hush-hush"))
        until(lambda: answers.extend(link.answers()) or answers, "an answer")
        until(lambda: Remark(7, words[2]) in gather(link, seen), "what is new")
    assert there.feed.asked[0].request.text == "hush-hush"
    said = b"".join(map(encode_view, seen))
    assert all(word.encode() in said for word in words), "it has all been said"
    assert len(tap.taken) > len(said)
    assert b"CURVE" in tap.taken, "the tap has seen the beginning"
    assert [word for word in [*words, "hush-hush"] if word.encode() in tap.taken] == []
    for secret in (there.anna[1], own_keys().secret, there.anna[0], there.server):
        assert secret.encode() not in tap.taken


# A viewer that does not keep up.


@contextmanager
def unread(there: There) -> Iterator["zmq.Socket[bytes]"]:
    """A viewer that has said hello, and reads only when the test does."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as viewer:
        viewer.setsockopt(zmq.LINGER, 0)
        viewer.setsockopt(zmq.RCVHWM, 1)
        viewer.curve_publickey, viewer.curve_secretkey = (key.encode() for key in there.anna)
        viewer.curve_serverkey = there.server.encode()
        viewer.connect(there.address)
        viewer.send(encode_view(Hello(PROTOCOL, "slow")))
        yield viewer


def batches(viewer: "zmq.Socket[bytes]", taken: int = 0) -> Iterator[Batch]:
    """What waits for a viewer, as it reads on and says that it is there."""
    while True:
        if not viewer.poll(100):
            viewer.send(encode_view(Ping(0, taken)))
            continue
        said = decode_said(viewer.recv_multipart()[0])
        assert isinstance(said, Batch | Pong)
        if isinstance(said, Batch):
            taken = said.number
            yield said


def test_a_viewer_that_stops_reading_holds_nobody_up_and_is_told_everything_anew_when_it_reads_on(there):
    allow("ben", there.ben[0])
    with unread(there) as slow, linked(there.address, there.keys(there.ben)) as quick:
        until(lambda: there.feed.viewers == 2 and quick.contact.anew, "both viewers")
        count = 0

        def more() -> Standing:
            nonlocal count
            count += 1
            return Standing(count, "running", 0.0, [], ["x" * 100_000], 1, [])

        there.feed.flood = more
        seen: list = []
        until(lambda: gather(quick, seen) and there.feed.behind, "one that has fallen behind", 60.0)
        there.feed.flood = None
        told = there.feed.flooded
        until(lambda: gather(quick, seen) and seen[-1] == Standing(told, *_rest()), "the last word", 30.0)
        standings = [view.t_ns for view in seen if isinstance(view, Standing)]
        assert standings == list(range(1, told + 1)), "who reads has missed nothing"
        assert (quick.contact.anew, quick.contact.dropped) == (1, 0)
        assert there.feed.behind == 1, "it is left alone until it says that it is there"

        numbers = []
        for batch in batches(slow):
            if batch.anew and numbers:
                break
            numbers.append(batch.number)
        assert numbers == list(range(1, len(numbers) + 1)), "what waited for it comes first"
        assert len(numbers) < told, "no more waited than the queues hold"
        until(lambda: next(batches(slow, 1)).number > 1, "what is new, from then on")


def _rest() -> tuple:
    return ("running", 0.0, [], ["x" * 100_000], 1, [])
