"""A session once more: what a watcher of its sockets hears, at what pace, and that nothing is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq
from click.testing import CliRunner

from controller.bus import Addresses, Bus, Poller, make_folder, receive_now, receive_parts, remove_folder
from controller.cli import duetto
from controller.log import LOG_NAME, Clock, LogAbsentError, LogReader, LogWriter, read_neural
from controller.messages import Frame, encode_neural
from controller.messages.view import (
    PROTOCOL,
    Batch,
    Hello,
    Opening,
    Playhead,
    Records,
    Reply,
    Steer,
    decode_said,
    decode_view,
    encode_view,
)
from controller.replay import REPLAY_NAME, Pace, replay
from controller.replay_window import INTERRUPTED, show_replay
from controller.viewing.logged import Logged
from controller.viewing.server import Server
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.records import EVENT, NS_PER_MS, NS_PER_S
from tests.controller.virtual_sessions import with_small_brains
from tests.realtime.kernels import COMPILED_HERE

pytestmark = pytest.mark.skipif(not COMPILED_HERE, reason="compilation is switched off: a minute takes too long")
COMMAND = [sys.executable, "-m", "controller.cli", "replay"]
SECONDS = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A session of twelve seconds with small brains, in virtual time."""
    return with_small_brains(tmp_path_factory.mktemp("sessions"), SECONDS / 60)


@pytest.fixture
def session(original, tmp_path):
    return shutil.copytree(original, tmp_path / "session")


@pytest.fixture(autouse=True)
def sockets(monkeypatch):
    """Where the sockets' folders are made, so that one that is left can be seen."""
    with tempfile.TemporaryDirectory(dir=os.environ["XDG_RUNTIME_DIR"]) as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        folder = Path(name)
        yield folder
        assert list(folder.iterdir()) == [], "a socket folder was left"


def logged(session):
    """The log's events and messages of brains, as bytes."""
    with LogReader(session / LOG_NAME) as log:
        events = log.events()
        return [event.tobytes() for event in events], [encode_neural(one) for one in read_neural(log)]


class Watcher:
    """Somebody who listens to both sockets of a replay that runs."""

    def __init__(self, session, bus):
        self.session, self.bus = session, bus
        self.where = {}
        self.heard = {"decisions": [], "estimates": []}
        self.sockets = {}

    def said(self, sentence):
        self.sentence = sentence
        self.where = json.loads((self.session / REPLAY_NAME).read_text(encoding="utf-8"))
        self.sockets = {name: self.bus.subscribe(self.where[name]) for name in self.heard}

    def listen(self, wait_s=0.0):
        for name, socket in self.sockets.items():
            Poller(socket).wait(wait_s)
            while (message := receive_now(socket)) is not None:
                self.heard[name].append(message)

    def until(self):
        self.listen()
        return False


@pytest.fixture
def watcher(session):
    with Bus() as bus:
        yield Watcher(session, bus)


def is_end_of(heard, whole):
    """Whether what was heard is the session from some moment on, without a gap: a watcher may come a moment late."""
    return len(heard) > len(whole) // 2 and heard == whole[-len(heard) :]


def test_as_fast_as_possible_a_watcher_hears_the_loops_decisions_and_the_brains(session, watcher):
    played = replay(session, 0.0, watcher.said, watcher.until)
    watcher.listen(1.0)
    events, brains = logged(session)
    assert played.identical
    assert is_end_of(watcher.heard["decisions"], events)
    assert is_end_of(watcher.heard["estimates"], brains)
    assert all(len(message) == EVENT.itemsize for message in watcher.heard["decisions"])


def test_while_it_runs_a_file_says_where_and_afterwards_it_is_gone(session, watcher):
    replay(session, 0.0, watcher.said, watcher.until)
    assert watcher.where["pid"] == os.getpid()
    assert watcher.sentence == f"watch it at {watcher.where['decisions']} and {watcher.where['estimates']}"
    assert not (session / REPLAY_NAME).exists()


def test_what_was_played_is_counted_and_said(session):
    played = replay(session, 0.0, lambda _: None, lambda: False)
    events, brains = logged(session)
    frames = sum(isinstance(one, Frame) for one in read_neural(session / LOG_NAME))
    assert (played.events, played.frames) == (len(events), frames)
    assert 0 < played.estimates < len(brains)
    assert played.sentence == (
        f"{session}: replayed {len(events)} events; {played.estimates} estimates and 0 crossings (0 of them decided "
        f"on) were made again the same from {frames} frames"
    )


def test_at_fifty_times_the_speed_nothing_comes_before_its_time_and_all_of_it_in_order(session, watcher):
    before_ns = now_ns()
    played = replay(session, 50.0, watcher.said, watcher.until)
    took_ns = now_ns() - before_ns
    watcher.listen(1.0)
    events, brains = logged(session)
    assert played.identical
    assert took_ns >= (SECONDS - 1) * NS_PER_S // 50
    assert is_end_of(watcher.heard["decisions"], events)
    assert is_end_of(watcher.heard["estimates"], brains)


def test_a_pace_lets_no_moment_come_early_and_waits_for_none_that_is_over():
    pace = Pace(10.0)
    began_ns = now_ns()
    for t_ns in (5 * NS_PER_S, 5 * NS_PER_S + 200 * NS_PER_MS, 5 * NS_PER_S):
        pace.wait(t_ns, lambda: False)
        assert now_ns() - began_ns >= (t_ns - 5 * NS_PER_S) // 10
    assert now_ns() - began_ns >= 20 * NS_PER_MS


def test_a_pace_without_a_speed_and_one_that_is_enough_wait_for_nothing():
    for pace, until in ((Pace(0.0), lambda: False), (Pace(0.001), lambda: True)):
        pace.wait(0, until)
        pace.wait(3600 * NS_PER_S, until)


def test_whoever_has_had_enough_ends_it_and_it_is_not_called_identical(session):
    asked = iter([False] * 100 + [True] * 10)
    played = replay(session, 0.0, lambda _: None, lambda: next(asked))
    assert not played.identical
    assert played.sentence.endswith("ended before its end")
    assert not (session / REPLAY_NAME).exists()


def rewrite(session, change_frame=False, change_event=False):
    path = session / LOG_NAME
    with LogReader(path) as log:
        metadata = {name: dict(values) for name, values in log.metadata.items()}
        events, brains = log.events(), list(read_neural(log))
    if change_frame:
        place = next(i for i, one in enumerate(brains) if isinstance(one, Frame) and one.number == 150)
        values = np.frombuffer(brains[place].values, "<f4") + 1.0
        brains[place] = msgspec.structs.replace(brains[place], values=values.astype("<f4").tobytes())
    if change_event:
        events["t_ns"][20] += 1
    path.unlink()
    writer = LogWriter(path, metadata, Clock(int(metadata["clock"]["start_ns"]), int(metadata["clock"]["epoch_ns"])))
    writer.add_events(events)
    writer.add_neural(brains)
    writer.finish()


def test_where_estimates_differ_the_replay_ends(session):
    rewrite(session, change_frame=True)
    played = replay(session, 0.0, lambda _: None, lambda: False)
    assert not played.identical
    assert "differs: from the log's frames it is" in played.sentence
    assert not (session / REPLAY_NAME).exists()


def test_a_log_whose_events_were_changed_is_not_played(session, watcher):
    rewrite(session, change_event=True)
    played = replay(session, 0.0, watcher.said, watcher.until)
    watcher.listen(0.1)
    assert not played.identical
    assert "the log was changed: event 21" in played.sentence
    assert watcher.heard == {"decisions": [], "estimates": []}


def test_a_folder_without_a_log_leaves_nothing_behind(tmp_path):
    with pytest.raises(LogAbsentError):
        replay(tmp_path / "nowhere", 0.0, lambda _: None, lambda: False)


def test_the_log_itself_instead_of_its_folder_is_a_mistake_with_a_sentence(session):
    with pytest.raises(DuettoError):
        replay(session / LOG_NAME, 0.0, lambda _: None, lambda: False)


@pytest.fixture
def unwritable(session):
    """A session of which ``replay.json`` cannot be written: as in an archive, but for a superuser as well."""
    (session / REPLAY_NAME).with_suffix(".part").mkdir()
    return session


def test_in_a_folder_that_cannot_be_written_to_it_is_played_and_one_sentence_says_what_is_missing(unwritable):
    said = []
    played = replay(unwritable, 0.0, said.append, lambda: False)
    assert played.identical
    assert [sentence for sentence in said if "other windows cannot find this replay" in sentence] == said[:1]
    assert str(unwritable / REPLAY_NAME) in said[0]
    assert not (unwritable / REPLAY_NAME).exists()


# -- the command


def test_the_command_plays_a_session_and_ends_with_status_0(session):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(duetto, ["replay", str(session), "--fast", "--headless"])
    assert done.exit_code == 0
    assert "were made again the same from" in done.stdout
    assert "watch it at ipc://" in done.stderr
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_command_ends_with_status_1_where_estimates_differ(session):
    rewrite(session, change_frame=True)
    done = CliRunner().invoke(duetto, ["replay", str(session), "--fast"])
    assert done.exit_code == 1
    assert "not identical" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_with_status_1_and_leaves_nothing_behind(session, sockets, number):
    process = subprocess.Popen(
        [*COMMAND, str(session), "--speed", "0.05", "--headless"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr.readline().startswith("watch it at ipc://")
        assert (session / REPLAY_NAME).exists()
        assert len(list(sockets.iterdir())) == 1
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert said.strip().endswith("ended before its end")
    assert not (session / REPLAY_NAME).exists()
    assert list(sockets.iterdir()) == []


# -- the window


class Client:
    """A window without a screen: talks to a replay's server, whose turns it takes."""

    def __init__(self, server, address):
        self.server = server
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.connect(address)
        self.batches, self.replies = [], []

    def say(self, asked):
        self.socket.send(encode_view(asked))

    def hear(self, enough):
        """Take turns until it is enough; fails after ten seconds."""
        until_ns = now_ns() + 10 * NS_PER_S
        while not enough():
            assert now_ns() < until_ns, "the replay did not say it within ten seconds"
            self.server.turn(0.01)
            self.take()

    def take(self):
        while (parts := receive_parts(self.socket)) is not None:
            said = decode_said(parts[0])
            if isinstance(said, Batch):
                self.batches.append((said, [decode_view(part) for part in parts[1:]]))
            elif isinstance(said, Reply):
                self.replies.append(said)

    def last(self, kind):
        return next(
            (one for _, views in reversed(self.batches) for one in reversed(views) if isinstance(one, kind)), None
        )

    def close(self):
        self.socket.close(linger=0)
        self.context.term()


@pytest.fixture
def client(session):
    folder = make_folder()
    with Bus() as bus:
        logged = Logged(session)
        address = Addresses(folder).view
        one = Client(Server(bus, logged, address), address)
        yield one
        one.close()
        logged.close()
    remove_folder(folder)


def test_a_window_that_comes_is_shown_everything_and_steers_it(client, session):
    events, _ = logged(session)
    client.say(Hello(PROTOCOL, "test"))
    client.hear(lambda: client.last(Opening) is not None)
    assert client.batches[0][0].anew
    assert client.last(Opening).mode == "REPLAY"
    client.say(Steer(7, "seek", SECONDS - 1.0))
    client.hear(lambda: client.replies and client.batches[-1][0].anew and client.last(Playhead).t_ns > 5 * NS_PER_S)
    assert (client.replies[-1].number, client.replies[-1].answer.done) == (7, True)
    begin_ns = client.last(Playhead).begin_ns
    assert client.batches[-1][0].now_ns == begin_ns + (SECONDS - 1) * NS_PER_S
    client.say(Steer(8, "play"))
    client.hear(lambda: (playhead := client.last(Playhead)).t_ns == playhead.end_ns)
    moved = [batch.speed for batch, _ in client.batches]
    assert 1.0 in moved
    assert moved[-1] == 0.0
    last_anew = max(place for place, (batch, _) in enumerate(client.batches) if batch.anew)
    heard = b"".join(one.events for _, views in client.batches[last_anew:] for one in views if isinstance(one, Records))
    shown = [event for event in events if np.frombuffer(event, EVENT)["kind"][0] not in (12, 16, 17)]
    assert heard == b"".join(shown)


def test_the_proof_reaches_the_window(client):
    client.say(Hello(PROTOCOL, "test"))
    client.hear(lambda: client.last(Playhead) is not None and client.last(Playhead).proven is not None)
    assert client.last(Playhead).proof.startswith("proven: ")


@pytest.fixture
def screen(monkeypatch, tmp_path):
    """A display as far as anyone asks, and a window that draws into memory."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_the_command_draws_a_moment_into_a_file_without_a_display(session, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    picture = tmp_path / "moment.png"
    done = CliRunner().invoke(duetto, ["replay", str(session), "--screenshot", str(picture), "--at", "6"])
    assert done.exit_code == 0
    assert done.stdout == f"{picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    assert not (session / REPLAY_NAME).exists()


def test_while_the_window_is_open_a_file_says_where_others_can_watch_and_ctrl_c_closes_it(session, screen, sockets):
    watching = []

    def until():
        if not watching:
            where = json.loads((session / REPLAY_NAME).read_text(encoding="utf-8"))
            assert where["pid"] == os.getpid()
            watching.append(Client(None, where["view"]))
            watching[0].say(Hello(PROTOCOL, "test"))
        watching[0].take()
        return plays() or now_ns() > latest_ns

    def plays():
        playhead = watching[0].last(Playhead)
        return playhead is not None and playhead.t_ns > playhead.begin_ns + NS_PER_S

    latest_ns = now_ns() + 60 * NS_PER_S
    status = show_replay(session, speed=5.0, until=until)
    watching[0].close()
    assert status == INTERRUPTED
    assert plays(), "the window did not begin to play it"
    assert watching[0].last(Opening).mode == "REPLAY"
    assert not (session / REPLAY_NAME).exists()


def test_a_moment_of_an_archive_is_drawn_and_one_sentence_says_that_others_cannot_watch(
    unwritable, screen, tmp_path, capsys
):
    picture = tmp_path / "moment.png"
    assert show_replay(unwritable, at_s=6.0, screenshot=picture) == 0
    assert picture.stat().st_size > 20_000
    said = [line for line in capsys.readouterr().err.splitlines() if "cannot be written" in line]
    assert len(said) == 1
    assert "other windows cannot find this replay" in said[0]


def test_a_picture_that_was_not_drawn_is_not_named(session, tmp_path, screen):
    picture = tmp_path / "moment.jpeg2"
    done = CliRunner().invoke(duetto, ["replay", str(session), "--screenshot", str(picture), "--at", "6"])
    assert done.exit_code != 0
    assert not picture.exists()
    assert done.stdout == ""


def test_the_help_says_from_when_on_a_moment_is_counted():
    said = " ".join(CliRunner().invoke(duetto, ["replay", "--help"]).output.split())
    assert "seconds since the log's beginning, as the replay bar counts them" in said


def test_without_a_display_the_command_says_the_ways_out(session, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    done = subprocess.run([*COMMAND, str(session)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "there is no display" in done.stderr
    assert "--headless" in done.stderr
    assert "--screenshot FILE --at S" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "999", "--screenshot", "x.png"), "999 s is not within it; --at counts from the log's beginning"),
        (("--at", "5", "--headless"), "--at and --screenshot are for the window"),
        (("--speed", "0.05"), "0.1 to 50 times as fast"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence_and_not_status_0(session, words, said, screen):
    done = CliRunner().invoke(duetto, ["replay", str(session), *words])
    assert done.exit_code != 0
    assert said in done.output + str(done.exception)
