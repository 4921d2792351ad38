"""What every driver needs: finding them, writing records, repeating requests."""

import numpy as np
import pytest

from hardware import device
from hardware.device import BadModule, Lane, RecordWriter, Request, WireFaults, animal_of, find_drivers, find_emulators
from realtime.records import EVENT, NEVER_NS, Fault, Flag, Kind, Line, Role

MS = 1_000_000
DEMANDED = ("BAUD", "ROLES", "CONFIRMS", "create")
SOUND = '"""Doc."""\nNAME = "same"\nBAUD = 1\nROLES = 1\nCONFIRMS = 1\ncreate = 1\n'


def request(address: int = 208, line: Line | None = None, echo: bytes | None = None) -> Request:
    return Request(b"frame%d" % address, address, "a test", echo, () if line is None else (line,))


def test_drivers_are_found_by_walking_their_folder():
    drivers = find_drivers()
    assert "reference_board" in drivers
    for name, module in drivers.items():
        assert name == module.NAME
        assert callable(module.create)
        assert module.BAUD > 0
        assert module.ROLES.issubset(set(Role) - {Role.ARM})
        assert module.CONFIRMS.issubset(module.ROLES & {Role.VALVE, Role.LASER})
        assert module.__doc__.splitlines()[0].endswith(".")


def test_emulators_are_found_by_the_name_of_their_driver_and_helpers_are_not_mistaken_for_them():
    emulators = find_emulators()
    assert "reference_board" in emulators
    assert "pty_link" not in emulators
    assert set(emulators) <= set(find_drivers())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('"""Doc."""\nNAME = "one"\n', "lacks BAUD, ROLES, CONFIRMS, create"),
        (SOUND.replace("ROLES = 1\n", "").replace("same", "one"), "lacks ROLES"),
        (SOUND.replace('"""Doc."""\n', "").replace("same", "one"), "lacks docstring"),
        (SOUND, "taken twice"),
    ],
)
def test_a_module_that_is_no_driver_is_refused_by_name(tmp_path, monkeypatch, text, complaint):
    package = f"drivers_{abs(hash(complaint))}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "a_good.py").write_text(SOUND)
    (tmp_path / package / "b_other.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadModule, match=complaint):
        device._find(package, DEMANDED)


def test_a_sound_wire_changes_nothing():
    assert WireFaults().spoil(b"sound") == b"sound"


def test_each_fault_of_a_wire_is_used_up_in_its_turn():
    wire = WireFaults(garbage=b"??", drop=3, corrupt=2)
    assert wire.spoil(b"") == b""
    assert (wire.garbage, wire.drop, wire.corrupt) == (b"", 1, 2)
    assert wire.spoil(b"abcd") == bytes((ord("b") ^ 0x55, ord("c") ^ 0x55)) + b"d"
    assert wire.spoil(b"abcd") == b"abcd"


def test_a_dead_transmitter_uses_nothing_up():
    wire = WireFaults(garbage=b"?", drop=1, corrupt=1, duplicate=1, silence=True)
    assert wire.spoil(b"abc") == b""
    assert (wire.garbage, wire.drop, wire.corrupt, wire.duplicate) == (b"?", 1, 1, 1)
    wire.silence = False
    assert wire.spoil(b"abc") == bytes((ord("a") ^ 0x55,)) + b"bc"


def test_the_writer_of_a_driver_that_follows_on_another_goes_on_counting():
    writer = RecordWriter(source=3, start=41)
    assert writer.seq == 41
    writer.add(Kind.CLOCK, 1)
    writer.add(Kind.CLOCK, 2)
    assert writer.seq == 43
    assert writer.take()["source_seq"].tolist() == [42, 43]
    assert writer.seq == 43


def test_numbers_of_records_begin_anew_after_the_last_one_that_fits():
    writer = RecordWriter(source=3, start=0xFFFFFFFF)
    writer.add(Kind.CLOCK, 1)
    assert writer.take()["source_seq"].tolist() == [0]


def test_records_are_written_as_events_numbered_without_gaps():
    writer = RecordWriter(source=3)
    writer.add(Kind.POKE_IN, 5, line=Line.POKE_B, animal=1, flags=Flag.HELD)
    writer.add(Kind.FAULT, 6, Fault.GARBAGE)
    first = writer.take()
    writer.add(Kind.CLOCK, -7, 16_000.0)
    second = writer.take()
    assert first.dtype == EVENT
    assert first["kind"].tolist() == [Kind.POKE_IN, Kind.FAULT]
    assert first["t_ns"].tolist() == [5, 6]
    assert first["animal"].tolist() == [1, -1]
    assert first["line"].tolist() == [Line.POKE_B, 0]
    assert first["flags"].tolist() == [Flag.HELD, 0]
    assert first["value"].tolist() == [0.0, Fault.GARBAGE]
    assert first["source"].tolist() == [3, 3]
    assert np.concatenate([first, second])["source_seq"].tolist() == [1, 2, 3]
    assert second["t_ns"].tolist() == [-7]
    for untouched in ("seq", "arrival_ns", "trial", "state", "uncertainty_ns", "digest"):
        assert not first[untouched].any()


def test_records_once_taken_are_gone_and_are_the_takers_own():
    writer = RecordWriter(source=2)
    writer.add(Kind.NOTE, 1)
    taken = writer.take()
    taken["seq"] = 9
    assert len(writer.take()) == 0


def test_a_line_says_whose_it_is():
    assert [animal_of(line) for line in Line] == [0, 1, 0, 1, 0, 1, 0, 1, -1]


def test_a_lane_sends_one_request_at_a_time_and_the_next_after_the_answer():
    lane = Lane(20 * MS, 4)
    lane.waiting += [request(1), request(2)]
    assert lane.due_ns() == 0
    assert lane.poll(0) == (b"frame1", None)
    assert lane.poll(5 * MS) == (b"", None)
    assert lane.answer(1, b"", is_error=False).address == 1
    assert lane.poll(6 * MS) == (b"frame2", None)
    assert lane.due_ns() == 26 * MS


def test_an_unanswered_request_is_repeated_and_then_given_up():
    lane = Lane(20 * MS, 3)
    lane.waiting.append(request(1))
    sent = [lane.poll(ms * MS)[0] for ms in (0, 20, 40)]
    assert sent == [b"frame1"] * 3
    frame, given_up = lane.poll(60 * MS)
    assert frame == b""
    assert given_up.tries == 3
    assert lane.retries == 2
    assert lane.idle
    assert lane.due_ns() == NEVER_NS


@pytest.mark.parametrize(("address", "payload"), [(209, b"\1"), (208, b"\2")])
def test_an_answer_to_something_else_is_stale_and_ends_nothing(address, payload):
    lane = Lane(20 * MS, 3)
    lane.waiting.append(request(208, echo=b"\1"))
    lane.poll(0)
    assert lane.answer(address, payload, is_error=False) is None
    assert lane.stale == 1
    assert lane.answer(208, b"\1", is_error=False) is not None


def test_an_error_needs_no_echo_to_be_the_answer():
    lane = Lane(20 * MS, 3)
    lane.waiting.append(request(208, echo=b"\1"))
    lane.poll(0)
    assert lane.answer(208, b"", is_error=True) is not None


def test_requests_for_a_line_are_recalled_and_the_others_stay():
    lane = Lane(20 * MS, 3)
    lane.waiting += [request(1, Line.VALVE_A), request(2, Line.VALVE_B), request(3, Line.VALVE_A)]
    lane.poll(0)
    assert lane.drop(Line.VALVE_A) == 2
    assert lane.poll(1) == (b"frame2", None)
    assert lane.drop() == 1
    assert lane.idle
