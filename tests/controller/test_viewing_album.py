"""What a viewer that comes late is shown."""

import numpy as np

from controller.messages import Frame, Synchrony
from controller.messages.view import Chance, Device, Note, Records, Remark, Storage, Trials, decode_view, encode_view
from controller.viewing.album import MOST_REMARKS, RECENT_NS, Album, Thinned
from realtime.records import EVENT, NS_PER_S, no_events
from tests.controller.viewing_things import opening, row

S = NS_PER_S


def frame(seq: int, t_ns: int, animal: str = "A") -> Frame:
    return Frame(seq, t_ns, animal, seq, t_ns, t_ns, np.zeros(3, "<f4").tobytes())  # type: ignore[arg-type]


def synchrony(t_ns: int) -> Synchrony:
    return Synchrony(1, 1, t_ns, 0.1, 0.0, 0.1, 1.0, 0.1, 30.0, True)


def kept(album: Album, kind: type) -> list:
    return [one for one in map(decode_view, album.everything()) if isinstance(one, kind)]


def test_a_message_comes_back_as_the_bytes_that_are_sent_on() -> None:
    note = Note(1, 5, "mouse B sneezed")
    assert Album().take(note) == encode_view(note)


def test_the_opening_comes_first_and_only_the_last_of_each_state_is_kept() -> None:
    album = Album()
    devices, lines = [Device("board", "reference_board", "/dev/ttyACM0")], {"poke_a": "board pin 0"}
    first = opening(session="s1", devices=devices, lines=lines)
    album.take(Storage(1, 0, 0, 0, 0, 0.0, 0, 0))
    album.take(first)
    album.take(Storage(2, 0, 0, 0, 0, 0.0, 0, 0))
    assert [one.disk_free_bytes for one in kept(album, Storage)] == [2]
    assert decode_view(album.everything()[0]) == first


def test_frames_of_the_last_minute_are_kept_for_each_animal() -> None:
    album = Album()
    for second in range(100):
        album.take(frame(second, second * S, "A"))
    album.take(frame(200, 5 * S, "B"))
    mine = [one.t_ns for one in kept(album, Frame) if one.animal == "A"]
    assert mine == [second * S for second in range(39, 100)]
    assert [one.t_ns for one in kept(album, Frame) if one.animal == "B"] == [5 * S]


def test_events_trials_and_notes_are_kept_whole_and_in_order() -> None:
    album = Album()
    for seq in range(1, 6):
        events = no_events(2)
        events["seq"] = (2 * seq - 1, 2 * seq)
        album.take(Records(events.tobytes()))
        album.take(Trials([row(seq)]))
        album.take(Note(seq, seq, str(seq)))
    (records,) = kept(album, Records)
    assert np.frombuffer(records.events, EVENT)["seq"].tolist() == list(range(1, 11))
    assert [one.trial for one in kept(album, Trials)[0].rows] == [1, 2, 3, 4, 5]
    assert [one.text for one in kept(album, Note)] == ["1", "2", "3", "4", "5"]


def test_remarks_are_kept_up_to_a_bound() -> None:
    album = Album()
    for number in range(MOST_REMARKS + 50):
        album.take(Remark(number, str(number)))
    assert len(kept(album, Remark)) == MOST_REMARKS
    assert kept(album, Remark)[-1].text == str(MOST_REMARKS + 49)


def test_the_levels_of_chance_so_far_are_kept_in_order_and_thinned() -> None:
    album = Album()
    for place in range(6 * 720):
        album.take(Chance(place * 5 * S, 1, 1, 1.0, 1.0, 1.0))
    times = [one.t_ns for one in kept(album, Chance)]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (0, (6 * 720 - 1) * 5 * S)
    assert 500 < len(times) < 1020


def test_six_hours_of_estimates_take_no_more_room_than_one() -> None:
    album = Album()
    for tick in range(6 * 3600 * 2):
        album.take(synchrony(tick * S // 2))
    estimates = kept(album, Synchrony)
    assert len(estimates) < 4000 + RECENT_NS // (S // 2) + 2
    assert len(estimates) > 2000
    times = [one.t_ns for one in estimates]
    assert times == sorted(times)
    assert times[0] == 0
    recent = [t for t in times if t > times[-1] - RECENT_NS]
    assert np.all(np.diff(recent) == S // 2)


def test_what_is_old_is_thinned_evenly() -> None:
    thinned = Thinned(most=100)
    for second in range(10_000):
        thinned.add(second * S, str(second).encode())
    old = [int(one) for one in thinned if int(one) < 10_000 - 61]
    gaps = np.diff(old)
    assert 50 <= len(old) <= 101
    assert gaps.max() <= 4 * np.median(gaps)
