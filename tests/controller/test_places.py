"""Where to watch: from what a person names to a session that is there, or to a sentence."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from controller.bus import Addresses, find_views, make_folder
from controller.cli import duetto
from controller.viewing.places import HasEnded, NoPlace, NothingThere, Place, WhichOne, find_place
from controller.viewing.probe import Found, answering, identify
from tests.controller.serving import Shown, opening, serving, setup, until

KEY = "Qx8sUO3DVBQhFMMnAdG6/T9LyGzQTKWD5BFCZnS1"


@pytest.fixture(autouse=True)
def own_computer(monkeypatch):
    """A computer on which no session runs but those of the test; its paths are short enough for sockets."""
    folder = tempfile.mkdtemp(prefix="d")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture
def views():
    """Addresses of sessions, each in its own folder of sockets."""
    return [Addresses(make_folder()).view for _ in range(3)]


def session(path, said=None, name="live.json"):
    """A session's folder, and where it says that it can be watched."""
    path.mkdir()
    (path / "session.json").write_text("{}")
    if said is not None:
        (path / name).write_text(json.dumps(said))
    return path


def dead(address):
    """Leave a socket behind, as a session does that was killed."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(address.removeprefix("ipc://"))


def sentence_of(kind, named="", key=""):
    """The sentence with which no place is found."""
    with pytest.raises(kind) as told:
        find_place(named, key, wait_s=0.1)
    return str(told.value)


# Asking who is there.


def test_those_who_answer_are_found_among_those_who_do_not(views):
    dead(views[1])
    with serving(Shown(opening("one")), views[0]), serving(Shown(opening("two")), views[2]):
        assert answering([views[2], views[1], views[0]]) == [views[2], views[0]]


def test_asking_leaves_no_viewer_behind_and_asks_nothing_of_the_session(views):
    with serving(Shown(opening("one")), views[0]) as feed:
        answering(views[:1])
        assert identify(views[:1]) == [Found(views[0], "one", "/sessions/there", "VIRTUAL")]
        until(lambda: feed.viewers == 0, "the goodbye of whoever asked")
        assert feed.asked == []


def test_a_session_that_is_being_set_up_has_its_rigs_name_and_no_folder(views):
    with serving(Shown(setup("quick")), views[0]):
        assert identify(views[:1]) == [Found(views[0], "quick", "", "SETUP")]


def test_who_does_not_answer_is_found_without_a_name(views):
    dead(views[0])
    assert identify(views[:1], timeout_s=0.1) == [Found(views[0])]


# Nothing named.


def test_the_only_session_that_runs_is_the_one(views):
    dead(views[1])
    with serving(Shown(opening("one")), views[0]):
        assert len(find_views()) == 2
        assert find_place() == Place(views[0])


@pytest.mark.parametrize("left_behind", [False, True])
def test_where_no_session_runs_it_says_how_to_start_one(views, left_behind):
    if left_behind:
        dead(views[0])
    with pytest.raises(NothingThere, match="no session is running on this computer for this user; start one with"):
        find_place()


def test_several_sessions_are_listed_so_that_one_can_be_named(views):
    one, two = Shown(opening("one", "/s/my one")), Shown(opening("two", "/s/two", "REPLAY"))
    with serving(one, views[0]), serving(two, views[1]), serving(Shown(setup("quick")), views[2]):
        said = sentence_of(WhichOne)
    assert said.startswith("3 sessions are running; name one of them: ")
    assert "'/s/my one' (one)" in said, "as it can be typed"
    assert "/s/two (two, replayed)" in said
    assert f"{views[2]} (quick, being set up)" in said


# A folder.


@pytest.mark.parametrize("name", ["live.json", "replay.json"])
def test_a_folder_whose_session_runs_or_is_replayed_is_found(views, tmp_path, name):
    folder = session(tmp_path / "s", {"pid": os.getpid(), "view": views[0]}, name)
    with serving(Shown(opening("one")), views[0]):
        assert find_place(str(folder)) == Place(views[0])


def test_a_session_that_was_killed_does_not_hide_its_replay(views, tmp_path):
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    folder = session(tmp_path / "s", {"pid": killed.pid, "view": views[0]})
    (folder / "replay.json").write_text(json.dumps({"view": views[1]}))
    with serving(Shown(opening("one")), views[1]):
        assert find_place(str(folder), wait_s=0.2) == Place(views[1])


@pytest.mark.parametrize("said", [None, {"pid": -5}, [], {"view": "ipc:///nowhere/at/all"}, {"view": "x"}, {"view": 3}])
def test_a_folder_whose_session_has_ended_names_the_replay(tmp_path, said):
    folder = session(tmp_path / "my s", said)
    assert sentence_of(HasEnded, str(folder)) == (
        f"the session in {folder} has ended; see it again: duetto replay '{folder}'"
    )


def test_a_session_that_runs_but_cannot_be_watched_just_now_is_not_called_ended(views, tmp_path):
    folder = session(tmp_path / "s", {"pid": os.getpid(), "view": views[0]})
    assert "runs, but what serves its windows does not answer" in sentence_of(NothingThere, str(folder))


def test_a_folder_that_is_no_sessions_is_named(tmp_path):
    with pytest.raises(NoPlace, match="is no session's folder; name one that 'duetto run' has printed"):
        find_place(str(tmp_path))


def test_what_is_neither_folder_nor_address_is_named(tmp_path):
    with pytest.raises(NoPlace, match="is no folder; name a session's folder"):
        find_place(str(tmp_path / "none"))


# An address.


def test_an_address_of_this_computer_is_asked_first(views):
    with serving(Shown(opening("one")), views[0]):
        assert find_place(views[0]) == Place(views[0])


def test_an_address_of_this_computer_where_nobody_answers_is_named(views):
    assert sentence_of(NothingThere, views[0]) == f"nobody answers at {views[0]}; is the session still running?"


def test_an_address_on_the_network_needs_the_sessions_key():
    assert find_place("tcp://lab-pc:5757", KEY) == Place("tcp://lab-pc:5757", KEY)
    with pytest.raises(NoPlace, match="talk with keys only; give the session's key"):
        find_place("tcp://lab-pc:5757")
    with pytest.raises(NoPlace, match="'short' is no public key"):
        find_place("tcp://lab-pc:5757", "short")


def test_a_sessions_key_is_for_the_network_only(tmp_path):
    for named in ("", "ipc:///tmp/view", str(tmp_path)):
        with pytest.raises(NoPlace, match="--server-key is for sessions on another computer"):
            find_place(named, KEY)


@pytest.mark.parametrize("named", ["tcp://", "tcp://lab", "tcp://lab:0", "tcp://lab:70000"])
def test_what_is_no_address_on_the_network_is_named(named):
    with pytest.raises(NoPlace, match="is no address of a session; write tcp://HOST:PORT"):
        find_place(named, KEY)


def test_everywhere_is_no_place_to_watch():
    with pytest.raises(NoPlace, match="is where a session listens; name the computer"):
        find_place("tcp://*:5757", KEY)


# The command.


def test_the_command_says_that_nobody_is_there_and_opens_no_window():
    said = CliRunner().invoke(duetto, ["monitor"])
    assert isinstance(said.exception, NothingThere), "which the command line turns into a sentence and status 1"


def test_the_command_explains_itself_with_an_example():
    said = CliRunner().invoke(duetto, ["monitor", "--help"])
    assert said.exit_code == 0
    assert "Example: duetto monitor" in said.output
