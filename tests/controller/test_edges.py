"""Outputs whose edges another device reports: a command that no edge follows is noticed."""

import numpy as np

from controller.edges import EDGE_NS, EdgeWatch, lines_watched
from controller.rigfile import parse
from realtime.records import NEVER_NS, NS_PER_S, Flag, Kind, Line, no_events

RIG = """
[rig]
name = "box"
kind = "virtual"
[devices.board]
driver = "reference_board"
port = "emulator"
[devices.pal]
driver = "pulse_pal"
port = "emulator"
[lines]
poke_a = { device = "board", pin = 0 }
poke_b = { device = "board", pin = 1 }
valve_a = { device = "board", pin = 0 }
valve_b = { device = "board", pin = 1 }
laser_a = { device = "pal", pin = 0, copy = { device = "board", pin = 2 } }
laser_b = { device = "pal", pin = 1, copy = { device = "board", pin = 3 } }
"""


def event(kind: Kind, line: Line, at_ns: int, value: float = 0.0, flags: int = 0) -> np.ndarray:
    record = no_events(1)
    record["kind"], record["line"], record["arrival_ns"], record["value"] = kind, line, at_ns, value
    record["flags"] = flags
    return record


def watch() -> EdgeWatch:
    return EdgeWatch((Line.LASER_A, Line.LASER_B))


def test_outputs_with_a_copy_on_another_device_are_watched():
    assert lines_watched(parse(RIG, "box.toml")) == (Line.LASER_A, Line.LASER_B)


def test_a_command_that_no_edge_follows_is_overdue_once():
    edges = watch()
    edges.add(event(Kind.COMMAND, Line.LASER_A, 0, NS_PER_S))
    assert edges.due_ns() == EDGE_NS
    assert edges.overdue(EDGE_NS - 1) == []
    assert edges.overdue(EDGE_NS) == [Line.LASER_A]
    assert edges.overdue(EDGE_NS) == []
    assert edges.due_ns() == NEVER_NS


def test_an_edge_settles_the_command_of_its_own_line_only():
    edges = watch()
    edges.add(event(Kind.COMMAND, Line.LASER_A, 0, NS_PER_S))
    edges.add(event(Kind.COMMAND, Line.LASER_B, 5, NS_PER_S))
    edges.add(event(Kind.LASER_ON, Line.LASER_B, 10))
    assert edges.overdue(NS_PER_S) == [Line.LASER_A]


def test_a_command_that_was_recalled_or_never_sent_owes_nothing():
    edges = watch()
    edges.add(event(Kind.COMMAND, Line.LASER_A, 0, NS_PER_S))
    edges.add(event(Kind.COMMAND, Line.LASER_A, 1))
    edges.add(event(Kind.COMMAND, Line.LASER_B, 2, NS_PER_S, Flag.SHAM))
    assert edges.overdue(NS_PER_S) == []


def test_lines_that_are_confirmed_by_their_own_device_are_not_watched():
    edges = watch()
    edges.add(event(Kind.COMMAND, Line.VALVE_A, 0, 30e6))
    assert edges.due_ns() == NEVER_NS


def test_a_second_command_does_not_put_off_what_the_first_one_owes():
    edges = watch()
    edges.add(event(Kind.COMMAND, Line.LASER_A, 0, NS_PER_S))
    edges.add(event(Kind.COMMAND, Line.LASER_A, EDGE_NS - 1, NS_PER_S))
    assert edges.overdue(EDGE_NS) == [Line.LASER_A]


def test_a_command_that_lengthens_a_pulse_owes_no_edge():
    edges = watch()
    edges.add(event(Kind.COMMAND, Line.LASER_A, 0, NS_PER_S))
    edges.add(event(Kind.LASER_ON, Line.LASER_A, 5))
    edges.add(event(Kind.COMMAND, Line.LASER_A, NS_PER_S // 2, NS_PER_S))
    assert edges.due_ns() == NEVER_NS
    edges.add(event(Kind.LASER_OFF, Line.LASER_A, NS_PER_S))
    edges.add(event(Kind.COMMAND, Line.LASER_A, 2 * NS_PER_S, NS_PER_S))
    assert edges.overdue(2 * NS_PER_S + EDGE_NS) == [Line.LASER_A]


def test_a_copy_that_says_on_for_longer_than_was_told_hides_no_missing_edge():
    edges = watch()
    edges.add(event(Kind.COMMAND, Line.LASER_A, 0, NS_PER_S))
    edges.add(event(Kind.LASER_ON, Line.LASER_A, 5))
    edges.add(event(Kind.COMMAND, Line.LASER_A, NS_PER_S + EDGE_NS, NS_PER_S))
    assert edges.overdue(NS_PER_S + 2 * EDGE_NS) == [Line.LASER_A]


def test_an_edge_that_nobody_told_does_not_hide_a_missing_one():
    edges = watch()
    edges.add(event(Kind.LASER_ON, Line.LASER_A, 0))
    edges.add(event(Kind.COMMAND, Line.LASER_A, 10, NS_PER_S))
    assert edges.overdue(10 + EDGE_NS) == [Line.LASER_A]
