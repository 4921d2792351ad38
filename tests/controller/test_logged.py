"""A recorded session as viewers see it: whatever way one comes to a moment, it shows what the log says of it."""

import fcntl
import shutil
import threading

import numpy as np
import pytest

from controller.log import LOG_NAME, Clock, LogAbsentError, LogReader, LogTooNewError, LogWriter, NotALogError
from controller.messages import Frame, Request, Subspace, Synchrony
from controller.messages.view import (
    Chance,
    Counts,
    Latency,
    Note,
    Opening,
    Overview,
    Playhead,
    Records,
    Remark,
    Steer,
    Trials,
    Wish,
    decode_view,
)
from controller.neural.channels import NEURAL_TOPICS
from controller.neural.logged import read_neural
from controller.recorder import NOTES_TOPIC, NoteMessage
from controller.viewing.album import Album
from controller.viewing.ledger import PAGE_EVENTS, Ledger
from controller.viewing.logged import FASTEST, LEAP_NS, Logged
from controller.viewing.recording import NotReplayableError, Recording, StillRunningError
from realtime.records import EVENT, NS_PER_S, Kind, Outcome
from tests.controller.still import still
from tests.controller.virtual_sessions import with_small_brains
from tests.realtime.kernels import COMPILED_HERE

pytestmark = pytest.mark.skipif(
    not COMPILED_HERE, reason="compilation is switched off: minutes of brains take too long"
)
MINUTES = 3
UNSHOWN = (Kind.CLOCK, Kind.HEALTH, Kind.TIMER)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A session of three minutes with small brains, in virtual time."""
    return with_small_brains(tmp_path_factory.mktemp("sessions"), MINUTES)


@pytest.fixture
def session(original, tmp_path):
    return shutil.copytree(original, tmp_path / "session")


@pytest.fixture(scope="module")
def log(original):
    """What the log says: its events, its messages of brains with when they were said, and when it began."""
    with LogReader(original / LOG_NAME) as reader:
        said = [(one.arrival_ns if isinstance(one, Frame) else one.t_ns, one) for one in read_neural(reader)]
        return reader.events(), said, int(reader.metadata["clock"]["start_ns"])


class Hours:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.t_ns = 7 * NS_PER_S

    def __call__(self):
        return self.t_ns

    def go(self, seconds):
        self.t_ns += round(seconds * NS_PER_S)


@pytest.fixture
def hours():
    return Hours()


@pytest.fixture
def opened(hours):
    """Opens replays, and closes them at the end."""
    made = []

    def open_one(session, *, prove=False, whole=True):
        logged = Logged(session, hours, prove=prove)
        made.append(logged)
        while whole and not logged.looked_through:
            logged.news()
        logged.begun_anew()
        return logged

    yield open_one
    for logged in made:
        logged.close()


def seek(logged, at_s):
    answer = logged.steer(Steer(0, "seek", at_s))
    assert answer.done
    return answer.sentence


def told(parts, kind):
    return [one for one in map(decode_view, parts) if isinstance(one, kind)]


def events_in(parts):
    return np.frombuffer(b"".join(one.events for one in told(parts, Records)), EVENT)


def second(logged):
    return (logged.moment_ns() - logged.opening.start_ns) / NS_PER_S


# -- what a moment shows


@pytest.mark.parametrize("at_s", [0.0, 0.6, 33.3, 90.0, 1000.0])
def test_a_moment_shows_the_events_trials_and_brains_that_the_log_has_until_then(original, opened, log, at_s):
    events, said, start_ns = log
    logged = opened(original)
    seek(logged, at_s)
    t_ns = min(start_ns + round(at_s * NS_PER_S), int(events["arrival_ns"][-1]))
    everything = logged.everything()
    seen = events[events["arrival_ns"] <= t_ns]
    assert logged.moment_ns() == t_ns
    assert events_in(everything).tobytes() == seen[~np.isin(seen["kind"], UNSHOWN)].tobytes()
    ended = seen[(seen["kind"] == Kind.TRIAL) & (seen["t_ns"] < t_ns - NS_PER_S // 10)]
    rows = [row for one in told(everything, Trials) for row in one.rows]
    assert [row.trial for row in rows][: ended.size] == ended["trial"].tolist()
    assert [row.outcome for row in rows][: ended.size] == ended["value"].tolist()
    frames = [one for ns, one in said if isinstance(one, Frame) and ns <= t_ns and one.t_ns > t_ns - 59 * NS_PER_S]
    shown = {one.seq: one for one in told(everything, Frame)}
    assert [shown[one.seq] for one in frames] == frames
    assert max(shown, default=0) == max((one.seq for one in frames), default=0)
    for kind in (Subspace, Synchrony):
        given = [one for ns, one in said if isinstance(one, kind) and ns <= t_ns]
        latest = told(everything, kind)
        assert latest[-1:] == given[-1:]
        assert latest[:1] == given[:1]
        assert [one.t_ns for one in latest] == sorted(one.t_ns for one in latest)
    (counts,) = told(everything, Counts)
    pokes = seen[(seen["kind"] == Kind.POKE_IN) & (seen["animal"] == 0)]
    assert counts.pokes[0] == pokes.size


@pytest.mark.parametrize(("from_s", "to_s", "step_s"), [(20.0, 150.0, 0.37), (0.0, 100.0, 1.9), (170.0, 400.0, 0.05)])
def test_playing_on_to_a_moment_shows_what_going_there_shows(original, opened, hours, from_s, to_s, step_s):
    logged = opened(original)
    seek(logged, from_s)
    logged.begun_anew()
    album = Album()
    for part in logged.everything():
        album.take(decode_view(part))
    logged.steer(Steer(0, "play"))
    while second(logged) < to_s and logged.speed:
        hours.go(step_s)
        for part in logged.news():
            album.take(decode_view(part))
        assert not logged.begun_anew()
    logged.steer(Steer(0, "pause"))
    for part in logged.news():
        album.take(decode_view(part))
    played, at_s = album.everything(), second(logged)
    seek(logged, 1.0)
    seek(logged, at_s)
    sought = logged.everything()
    for kind in (Opening, Overview, Records, Trials, Counts, Latency, Frame, Note, Remark):
        assert told(played, kind) == told(sought, kind), kind
    assert told(played, Chance)[-1:] == told(sought, Chance)[-1:]
    for kind in (Subspace, Synchrony):  # but for the thinning of what is older than a minute
        recent = [one for one in told(played, kind) if one.t_ns > logged.moment_ns() - 59 * NS_PER_S]
        assert recent == [one for one in told(sought, kind) if one.t_ns > logged.moment_ns() - 59 * NS_PER_S]
        assert {one.seq for one in told(sought, kind)} <= {one.seq for one in told(played, kind)}


def test_still_is_what_a_replay_shows_at_that_moment(original, opened):
    logged = opened(original)
    seek(logged, 100.0)
    t_ns, parts = still(original, 100.0)
    assert t_ns == logged.moment_ns()
    assert parts == logged.everything()


def test_the_overview_has_every_trial_and_laser_pulse_of_the_log(original, opened, log):
    events, _, _ = log
    (overview,) = told(opened(original).everything(), Overview)
    ended = events[events["kind"] == Kind.TRIAL]
    assert [trial.number for trial in overview.trials][: ended.size] == ended["trial"].tolist()
    assert [trial.code for trial in overview.trials][: ended.size] == ended["value"].tolist()
    assert [trial.end_ns for trial in overview.trials][: ended.size] == ended["arrival_ns"].tolist()
    assert all(trial.start_ns < trial.end_ns for trial in overview.trials)
    on = events[events["kind"] == Kind.LASER_ON]
    assert sorted(span.start_ns for span in overview.light) == sorted(on["arrival_ns"].tolist())
    marks = np.frombuffer(overview.events, EVENT)
    acts = events[np.isin(events["kind"], (Kind.OPERATOR, Kind.FAULT, Kind.NEURAL))]
    assert marks.tobytes() == acts.tobytes()


# -- playing


def test_it_stands_at_the_beginning_until_it_is_played(original, opened, hours):
    logged = opened(original)
    hours.go(5.0)
    assert logged.news() == []
    assert (second(logged), logged.speed) == (0.0, 0.0)


def test_it_goes_as_fast_as_asked_and_tells_each_event_once(original, opened, hours, log):
    events, _, start_ns = log
    logged = opened(original)
    logged.steer(Steer(0, "speed", 10.0))
    logged.steer(Steer(0, "play"))
    heard = []
    for _ in range(40):
        hours.go(0.1)
        heard += logged.news()
    assert second(logged) == pytest.approx(40.0)
    assert logged.speed == 10.0
    until = events[events["arrival_ns"] <= start_ns + 40 * NS_PER_S]
    assert events_in(heard).tobytes() == until[~np.isin(until["kind"], UNSHOWN)].tobytes()
    assert told(heard, Playhead)[-1].playing


def test_another_speed_does_not_move_the_playhead(original, opened, hours):
    logged = opened(original)
    logged.steer(Steer(0, "play"))
    hours.go(3.0)
    logged.steer(Steer(0, "speed", 0.5))
    assert second(logged) == pytest.approx(3.0)
    hours.go(2.0)
    logged.news()
    assert second(logged) == pytest.approx(4.0)


def test_paused_it_stands_still(original, opened, hours):
    logged = opened(original)
    logged.steer(Steer(0, "play"))
    hours.go(3.0)
    logged.steer(Steer(0, "pause"))
    hours.go(3.0)
    logged.news()
    assert (second(logged), logged.speed) == (pytest.approx(3.0), 0.0)


def test_at_the_end_it_stops_and_play_begins_at_the_beginning(original, opened, hours):
    logged = opened(original)
    seek(logged, logged.length_s - 1.0)
    logged.steer(Steer(0, "play"))
    hours.go(5.0)
    logged.begun_anew()
    (playhead,) = told(logged.news(), Playhead)[-1:]
    assert (playhead.t_ns, playhead.playing) == (playhead.end_ns, False)
    logged.steer(Steer(0, "play"))
    assert (second(logged), logged.speed, logged.begun_anew()) == (0.0, 1.0, True)


def test_a_seek_lets_viewers_begin_anew_once(original, opened):
    logged = opened(original)
    assert seek(logged, 12.34) == "at 12.3 s"
    assert logged.news() == []
    assert logged.begun_anew()
    assert not logged.begun_anew()


def test_whoever_slept_longer_than_a_minute_begins_anew_instead_of_telling_it_all(original, opened, hours):
    logged = opened(original)
    logged.steer(Steer(0, "play"))
    hours.go(LEAP_NS / NS_PER_S + 1.0)
    assert logged.news() == []
    assert logged.begun_anew()
    assert second(logged) == pytest.approx(61.0)


def test_steps_go_to_where_trials_open(original, opened, log):
    events, _, start_ns = log
    logged = opened(original)
    ready = logged.opening.states.index("READY")
    opens = events["arrival_ns"][(events["kind"] == Kind.STATE) & (events["state"] == ready)].tolist()
    for expected in (opens[0], opens[1], opens[2]):
        assert logged.steer(Steer(0, "step", 1.0)).done
        assert logged.moment_ns() == expected
        assert expected in events_in(logged.everything())["arrival_ns"], "the opening itself is not shown yet"
    logged.steer(Steer(0, "step", -2.0))
    assert logged.moment_ns() == opens[0]
    before = logged.steer(Steer(0, "step", -1.0))
    assert (before.done, before.sentence) == (False, "there is no earlier trial")
    seek(logged, (opens[5] - start_ns) / NS_PER_S + 0.2)
    logged.steer(Steer(0, "step", -1.0))
    assert logged.moment_ns() == opens[5]
    seek(logged, logged.length_s)
    assert logged.steer(Steer(0, "step", 1.0)).sentence == "there is no later trial"


def test_while_it_plays_a_step_back_soon_after_an_opening_goes_to_the_trial_before(original, opened, hours):
    logged = opened(original)
    logged.steer(Steer(0, "step", 4.0))
    fourth_s = second(logged)
    logged.steer(Steer(0, "step", -1.0))
    third_ns = logged.moment_ns()
    seek(logged, fourth_s)
    logged.steer(Steer(0, "play"))
    hours.go(0.5)
    logged.steer(Steer(0, "step", -1.0))
    assert logged.moment_ns() == third_ns


@pytest.mark.parametrize("speed", [0.0, 0.09, FASTEST + 1.0, float("nan")])
def test_a_speed_out_of_range_is_refused_with_the_range(original, opened, speed):
    logged = opened(original, whole=False)
    answer = logged.steer(Steer(0, "speed", speed))
    assert not answer.done
    assert "0.1 to 50 times" in answer.sentence


def test_a_recording_takes_no_wishes_and_no_seek_to_nowhere(original, opened):
    logged = opened(original, whole=False)
    answers = []
    logged.ask(Wish(1, Request("reward", "A")), answers.append)
    logged.ask(Steer(2, "seek", float("nan")), answers.append)
    assert [answer.done for answer in answers] == [False, False]
    assert "this is a recording" in answers[0].sentence
    assert second(logged) == 0.0


# -- what is found in the background


def test_older_estimates_are_found_after_a_while_and_viewers_begin_anew(original, opened):
    logged = opened(original, whole=False)
    seek(logged, 170.0)
    logged.begun_anew()
    shares, anew = [logged.playhead.read], 0
    while not logged.looked_through:
        logged.news()
        anew += logged.begun_anew()
        shares.append(logged.playhead.read)
    assert shares == sorted(shares)
    assert (0.0 < shares[0] < 1.0, shares[-1]) == (True, 1.0)
    assert 1 <= anew <= 4
    oldest = told(logged.everything(), Subspace)[0]
    assert oldest.t_ns < logged.opening.start_ns + 5 * NS_PER_S


@pytest.mark.parametrize("count", [0, 1, PAGE_EVENTS - 1, PAGE_EVENTS, PAGE_EVENTS + 700, 10**9])
def test_a_ledger_opened_anywhere_is_one_that_went_there_event_by_event(original, count):
    recording = Recording.open(original)
    events = recording.events
    count = min(count, events.size)
    whole = Ledger(events, recording.plan, recording.calibration)
    while not whole.complete:
        whole.step()
    page, rows = whole.at(count)
    slow = Ledger(events[:0], recording.plan, recording.calibration).first()
    slow_rows = [row for place in range(count) for row in slow.add(events[place : place + 1])]
    if count == events.size:
        slow_rows += slow.book.flush()
    recording.close()
    assert page.book.counts() == slow.book.counts()
    assert rows == slow_rows
    assert page.summed() == slow.summed()


def test_the_span_before_a_chunk_is_that_of_its_messages(original):
    with LogReader(original / LOG_NAME) as reader:
        for chunk in reader.chunks():
            times = [message.log_time for message in reader.messages_in(chunk)]
            assert reader.chunk_span(chunk) == (min(times), max(times))
        assert len(reader.chunks(NEURAL_TOPICS)) > 4


# -- the proof


def rewrite(session, *, change=False, drop=None, note=None, lacking=None):
    """Write the log anew with a change."""
    path = session / LOG_NAME
    with LogReader(path) as reader:
        metadata = {name: dict(values) for name, values in reader.metadata.items() if name != lacking}
        events, brains = reader.events(), list(read_neural(reader))
        clock = reader.metadata["clock"]
    if change:
        events["value"][events["kind"] == Kind.TRIAL] = float(Outcome.OMISSION)
    if drop is not None:
        events = np.delete(events, drop)
    path.unlink()
    writer = LogWriter(path, metadata, Clock(int(clock["start_ns"]), int(clock["epoch_ns"])))
    writer.add_events(events)
    if note is not None:
        channel = writer.add_channel(NOTES_TOPIC, NoteMessage)
        writer.add_message(channel, note, note.t_ns, note.t_ns)
    writer.add_neural(brains)
    writer.finish()


def test_the_proof_is_told_when_it_has_come_out(original, opened, log):
    events, _, _ = log
    logged = opened(original, prove=True, whole=False)
    first = told(logged.everything(), Playhead)[0]
    assert (first.proof, first.proven) == ("not yet", None)
    while not logged.looked_through:
        logged.news()
    decisions = int(np.isin(events["kind"], (Kind.COMMAND, Kind.STATE, Kind.TRIAL, Kind.TIMER)).sum())
    assert logged.playhead.proven
    assert logged.playhead.proof.startswith(
        f"proven: {events.size} events, of which {decisions} decisions, were decided again the same"
    )
    assert "'duetto verify' makes them anew" in logged.playhead.proof
    assert told(logged.everything(), Remark) == []


def test_a_changed_log_is_shown_with_the_first_difference(session, opened):
    rewrite(session, change=True)
    logged = opened(session, prove=True)
    assert logged.playhead.proven is False
    assert "the log was changed: event" in logged.playhead.proof
    (remark,) = told(logged.everything(), Remark)
    assert remark.text == f"The proof failed: {logged.playhead.proof}"


def test_closed_at_once_no_thread_is_left(session, hours):
    before = threading.active_count()
    Logged(session, hours, prove=True).close()
    assert threading.active_count() == before


# -- logs that are not whole


def test_a_log_that_was_cut_is_shown_as_far_as_it_goes_with_the_way_out(session, opened):
    path = session / LOG_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    logged = opened(session, prove=True)
    remarks = [one.text for one in told(logged.everything(), Remark)]
    assert "The log was not finished" in remarks[0]
    assert f"'duetto recover {session}'" in remarks[0]
    seek(logged, 30.0)
    assert events_in(logged.everything()).size > 50
    assert told(logged.everything(), Frame)
    seek(logged, logged.length_s)
    newest_ns = max(frame.t_ns for frame in told(logged.everything(), Frame))
    assert newest_ns < logged.moment_ns() - 30 * NS_PER_S  # what the brains said last was cut off


def test_a_log_that_lacks_only_its_index_shows_the_same(session, original, opened):
    path = session / LOG_NAME
    path.write_bytes(path.read_bytes()[:-20])
    cut, whole = opened(session), opened(original)
    for logged in (cut, whole):
        seek(logged, 120.0)
    for kind in (Records, Trials, Counts, Frame, Subspace, Synchrony, Overview):
        assert told(cut.everything(), kind) == told(whole.everything(), kind)


def test_a_damaged_chunk_of_brains_is_said_as_soon_as_it_is_found(session, opened):
    path = session / LOG_NAME
    with LogReader(path) as reader:
        chunk = reader.chunks(NEURAL_TOPICS)[3]
    data = bytearray(path.read_bytes())
    data[chunk + 300] ^= 0xFF
    path.write_bytes(data)
    logged = opened(session, whole=False)
    assert told(logged.everything(), Remark) == []
    while not logged.looked_through:
        logged.news()
    (remark,) = told(logged.everything(), Remark)
    assert remark.text.startswith("1 chunks of messages are damaged.")


def test_missing_events_are_counted_and_the_rest_is_shown(session, opened):
    rewrite(session, drop=slice(50, 53))
    remarks = [one.text for one in told(opened(session).everything(), Remark)]
    assert remarks[0].startswith("3 events are missing before the last one")


def test_a_session_in_which_nothing_happened_is_shown_empty_and_proven_for_what_it_is(session, opened):
    rewrite(session, drop=slice(None))
    logged = opened(session, prove=True)
    assert logged.length_s == 0.0
    assert told(logged.everything(), Trials) == []
    assert logged.steer(Steer(0, "play")).done
    logged.news()
    assert logged.speed == 0.0
    assert not logged.steer(Steer(0, "step", 1.0)).done


def test_a_note_appears_at_its_moment(session, opened, log):
    start_ns = log[2]
    rewrite(session, note=NoteMessage(0, start_ns + 60 * NS_PER_S, "cage door opened", 1))
    logged = opened(session)
    (overview,) = told(logged.everything(), Overview)
    assert [note.text for note in overview.notes] == ["cage door opened"]
    for at_s, expected in ((59.9, []), (60.0, ["cage door opened"])):
        seek(logged, at_s)
        assert [note.text for note in told(logged.everything(), Note)] == expected


def test_a_session_that_is_recorded_now_is_to_be_watched_with_monitor(session, opened):
    with (session / LOG_NAME).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StillRunningError, match=r"runs right now: watch it with 'duetto monitor"):
            opened(session)


def test_a_log_without_its_plan_cannot_be_shown_and_says_so(session, opened):
    rewrite(session, lacking="plan")
    with pytest.raises(NotReplayableError, match=r"its plan cannot be read.*duetto recover"):
        opened(session)


def test_what_is_no_log_or_a_newer_one_is_said(tmp_path, session, opened, monkeypatch):
    with pytest.raises(LogAbsentError):
        opened(tmp_path / "nowhere")
    (tmp_path / LOG_NAME).write_text("this is a letter, and not the log of a session", encoding="utf-8")
    with pytest.raises(NotALogError):
        opened(tmp_path)
    monkeypatch.setattr("controller.logreader.LOG_VERSION", 0)
    with pytest.raises(LogTooNewError, match="update"):
        opened(session)
