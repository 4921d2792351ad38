"""A running session as viewers see it: from files that grow, and past processes that hang."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from controller import journal as journals
from controller.bus import Addresses, Bus, Poller, receive_now
from controller.fast import run
from controller.log import LOG_NAME, LogReader, read_neural
from controller.messages import Answer, Frame, Request, Subspace, decode_request, encode
from controller.messages.view import (
    Counts,
    Note,
    Opening,
    Process,
    Records,
    Remark,
    Standing,
    Steer,
    Storage,
    Trials,
    Wish,
    decode_view,
    encode_view,
)
from controller.recorder import METADATA_NAME, NOTES_NAME
from controller.viewing import live
from controller.viewing.book import shown
from controller.viewing.live import Live
from realtime.records import EVENT, Kind, Operator, Outcome
from tests.gui.conftest import order_of
from tests.realtime.kernels import COMPILED_HERE

pytestmark = pytest.mark.skipif(not COMPILED_HERE, reason="compilation is switched off: two minutes take too long")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a session of two minutes with brains, in virtual time."""
    return run(order_of("two_brains.toml", tmp_path_factory.mktemp("live"), 2.0)).folder


@pytest.fixture(scope="module")
def log_events(finished: Path):
    """What its log says."""
    with LogReader(finished / LOG_NAME) as log:
        return log.events()


@pytest.fixture
def place() -> Iterator[tuple[Bus, Addresses]]:
    """Sockets in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="duetto-test-"))
    with Bus() as bus:
        yield bus, Addresses(folder)
    shutil.rmtree(folder)


def beginning(finished: Path, folder: Path) -> Path:
    """A session's folder as it is before the loop and the estimators have written anything."""
    folder.mkdir()
    shutil.copy(finished / METADATA_NAME, folder)
    return folder


def views(feed: Live) -> list:
    """What is new, until everything on disk has been told."""
    told = []
    while True:
        told += [decode_view(data) for data in feed.news()]
        if not feed.hurried:
            return told


def of(kind: type, told: list) -> list:
    return [one for one in told if isinstance(one, kind)]


def test_a_viewer_that_comes_late_is_shown_the_whole_session(finished, log_events, place) -> None:
    feed = Live(*place, finished)
    views(feed)
    told = [decode_view(data) for data in feed.everything()]
    feed.close()
    (opening,) = of(Opening, told)
    assert (opening.mode, opening.session, opening.subjects) == ("VIRTUAL", finished.name, ("A", "B"))
    (records,) = of(Records, told)
    assert records.events == shown(log_events).tobytes()
    ended = log_events[log_events["kind"] == Kind.TRIAL]
    rows = [row for trials in of(Trials, told) for row in trials.rows]
    assert [row.trial for row in rows] == ended["trial"].tolist(), "the last one, too, though no event follows it"
    (counts,) = of(Counts, told)
    assert counts.outcomes["SUCCESS"] == np.count_nonzero(ended["value"] == Outcome.SUCCESS)
    frames = [one for one in read_neural(finished / LOG_NAME) if isinstance(one, Frame)]
    latest = max(one.t_ns for one in frames)
    recent = [one for one in frames if one.animal == "A" and one.t_ns >= latest - 60 * 10**9]
    assert len([one for one in of(Frame, told) if one.animal == "A"]) in (len(recent), len(recent) + 1)
    assert of(Subspace, told)


def test_a_long_session_is_caught_up_with_in_many_short_turns_and_a_viewer_is_answered_meanwhile(
    finished, log_events, place, monkeypatch
) -> None:
    monkeypatch.setattr(live, "READ_NS", 0)  # every turn is over after one piece
    monkeypatch.setattr(live, "EVENTS_AT_ONCE", 100)
    feed = Live(*place, finished)
    assert not feed.hurried
    first = [decode_view(data) for data in feed.news()]
    assert feed.hurried
    (records,) = of(Records, first)
    assert records.events == shown(log_events[:100]).tobytes()
    meanwhile = [decode_view(data) for data in feed.everything()]
    assert of(Records, meanwhile) == [records]
    rest: list = []
    turns = 0
    while feed.hurried:
        rest += [decode_view(data) for data in feed.news()]
        turns += 1
    assert turns >= log_events.size // 100
    told = [*meanwhile, *rest]
    assert b"".join(one.events for one in of(Records, told)) == shown(log_events).tobytes()
    feed.news()
    assert not feed.hurried
    feed.close()


def test_where_nothing_is_written_yet_there_is_no_hurry(finished, place, tmp_path) -> None:
    feed = Live(*place, beginning(finished, tmp_path / "s"))
    feed.news()
    assert not feed.hurried
    feed.close()


def test_what_is_shown_grows_with_the_journal(finished, log_events, place, tmp_path) -> None:
    folder = beginning(finished, tmp_path / "s")
    feed = Live(*place, folder)
    first = views(feed) if (folder / journals.JOURNAL_NAME).exists() else [decode_view(d) for d in feed.news()]
    assert of(Opening, first)
    assert not of(Records, first)
    with journals.create(folder / journals.JOURNAL_NAME, log_events.size, 1, 2) as journal:
        seen = []
        for start in range(0, log_events.size, 300):
            part = log_events[start : start + 300]
            journal.events[start : start + part.size] = part
            journal.header["count"] = start + part.size
            told = [decode_view(data) for data in feed.news()]
            seen += [np.frombuffer(one.events, EVENT) for one in of(Records, told)]
        assert np.concatenate(seen).tobytes() == shown(log_events).tobytes()
    feed.close()


def test_notes_are_shown_when_their_line_is_whole(finished, place, tmp_path) -> None:
    folder = beginning(finished, tmp_path / "s")
    feed = Live(*place, folder)
    feed.news()
    notes = folder / NOTES_NAME
    notes.write_text('{"number": 1, "t_ns": 5, "text": "mouse B sneezed"}\n{"number": 2, "t_', encoding="utf-8")
    assert of(Note, [decode_view(data) for data in feed.news()]) == [Note(1, 5, "mouse B sneezed")]
    with notes.open("a", encoding="utf-8") as file:
        file.write('ns": 6, "text": "and again"}\n')
    assert of(Note, [decode_view(data) for data in feed.news()]) == [Note(2, 6, "and again")]
    assert of(Note, [decode_view(data) for data in feed.news()]) == []
    feed.close()


def test_sentences_of_the_supervisor_are_told_once_each(finished, place, tmp_path) -> None:
    bus, addresses = place
    supervisor = bus.publish(addresses.standing)
    feed = Live(bus, addresses, beginning(finished, tmp_path / "s"))
    loop = Process("loop", "ready", True, 0.0, {}, {})
    told: list = []
    for _ in range(200):  # a subscription takes a moment to reach its publisher
        supervisor.send(encode_view(Standing(1, "running", 1.0, [loop], ["one"], 1, [])))
        Poller().wait(0.01)
        told += [decode_view(data) for data in feed.news()]
        if of(Standing, told):
            break
    supervisor.send(encode_view(Standing(2, "running", 1.2, [loop], ["one", "two", "three"], 3, [])))
    for _ in range(200):
        Poller().wait(0.01)
        told += [decode_view(data) for data in feed.news()]
        if of(Standing, told)[-1].t_ns == 2:
            break
    assert [one.text for one in of(Remark, told)] == ["one", "two", "three"]
    feed.close()


def test_room_and_growth_are_told(finished, place) -> None:
    feed = Live(*place, finished)
    feed.watched(viewers=2, behind=1)
    (storage,) = of(Storage, views(feed))
    feed.close()
    assert (storage.viewers, storage.behind) == (2, 1)
    assert storage.log_bytes == (finished / LOG_NAME).stat().st_size
    assert storage.disk_free_bytes > 0


def ask(feed: Live, request: Request, *, turns: int = 300) -> list[Answer]:
    """Ask for something and return the answers, turning the feed meanwhile."""
    answers: list[Answer] = []
    feed.ask(Wish(1, request), answers.append)
    for _ in range(turns):
        Poller().wait(0.005)
        feed.news()
        if answers:
            break
    return answers


def test_a_wish_goes_to_the_supervisor_and_its_answer_comes_back(finished, place, tmp_path) -> None:
    bus, addresses = place
    control = bus.reply(addresses.control)
    feed = Live(bus, addresses, beginning(finished, tmp_path / "s"))
    answers: list[Answer] = []
    feed.ask(Wish(1, Request("reward", "B")), answers.append)
    assert Poller(control).wait(5.0)
    assert decode_request(receive_now(control) or b"") == Request("reward", "B")
    control.send(encode(Answer(True, "reward: done, and logged")))
    for _ in range(300):
        Poller().wait(0.005)
        feed.news()
        if answers:
            break
    assert answers == [Answer(True, "reward: done, and logged")]
    feed.close()


def test_a_stop_that_the_supervisor_does_not_answer_is_told_to_the_loop_itself(finished, place, tmp_path) -> None:
    bus, addresses = place
    bus.reply(addresses.control)  # a supervisor that hangs
    loop = bus.pull(addresses.events)
    feed = Live(bus, addresses, beginning(finished, tmp_path / "s"))
    (answer,) = ask(feed, Request("stop"))
    assert answer.done
    assert "the loop was told directly" in answer.sentence
    assert Poller(loop).wait(5.0)
    (event,) = np.frombuffer(receive_now(loop) or b"", EVENT)
    assert (event["kind"], event["value"]) == (Kind.OPERATOR, Operator.STOP)
    feed.close()


def test_a_stop_that_nobody_answers_says_so(finished, place, tmp_path) -> None:
    feed = Live(*place, beginning(finished, tmp_path / "s"))
    (answer,) = ask(feed, Request("stop"))
    feed.close()
    assert not answer.done or "told directly" in answer.sentence


def test_any_other_wish_without_an_answer_is_given_up(finished, place, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(live, "ANSWER_NS", 50_000_000)
    feed = Live(*place, beginning(finished, tmp_path / "s"))
    (answer,) = ask(feed, Request("reward", "A"))
    feed.close()
    assert answer == Answer(False, "reward: the session does not answer")


def test_a_running_session_cannot_be_scrubbed(finished, place, tmp_path) -> None:
    feed = Live(*place, beginning(finished, tmp_path / "s"))
    answers: list[Answer] = []
    feed.ask(Steer(1, "seek", 5.0), answers.append)
    feed.close()
    assert not answers[0].done
    assert "cannot be steered like a replay" in answers[0].sentence
