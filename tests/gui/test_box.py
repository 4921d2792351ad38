"""The box from above, at moments of a recorded session: what it says is what the session's log says by itself."""

from pathlib import Path

import numpy as np
import pytest

from controller.log import read_events, read_metadata
from gui.parts.chamber import Chamber, chamber_of
from realtime.records import NS_PER_S, Events, Kind, Line, Outcome, Role
from tests.gui.conftest import scene_of

ON = {Kind.POKE_IN, Kind.LICK_IN, Kind.VALVE_ON, Kind.LASER_ON}
A, B = 0, 1


class Log:
    """A session's events, and what they say at a moment, by a walk over all of them."""

    def __init__(self, session: Path) -> None:
        self.session = session
        self.events = read_events(session / "session.mcap")
        self.start_ns = int(read_metadata(session / "session.mcap")["clock"]["start_ns"])
        self.names = scene_of(session, 0.0).opening.states  # type: ignore[union-attr]

    def seconds_after(self, index: int, late_s: float = 0.0) -> float:
        """The moment at which the loop had event ``index``, and ``late_s`` more, since the session's start [s]."""
        return (int(self.events["arrival_ns"][index]) - self.start_ns + 1) / NS_PER_S + late_s

    def at(self, at_s: float) -> Events:
        return self.events[self.events["arrival_ns"] <= self.start_ns + round(at_s * NS_PER_S)]

    def lines_on(self, at_s: float) -> set[int]:
        on: set[int] = set()
        for one in self.at(at_s):
            if Kind.POKE_IN <= one["kind"] <= Kind.LASER_OFF:
                (on.add if int(one["kind"]) in ON else on.discard)(int(one["line"]))
        return on

    def last(self, kinds: tuple[Kind, ...], at_s: float, animal: int | None = None) -> np.void | None:
        seen = self.at(at_s)
        seen = seen[np.isin(seen["kind"], kinds)]
        seen = seen if animal is None else seen[seen["animal"] == animal]
        return seen[-1] if seen.size else None

    def indices(self, kind: Kind, *, state: str = "", most: int = 12) -> list[int]:
        chosen = self.events["kind"] == kind
        if state:
            chosen &= self.events["state"] == self.names.index(state)
        found = np.flatnonzero(chosen)
        assert found.size, f"the session has no {kind.name} {state}"
        return found[:: max(1, found.size // most)].tolist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def log(without_brains: Path) -> Log:
    """Cooperation without brains: scenes of it are made quickly."""
    return Log(without_brains)


@pytest.fixture(scope="module")
def with_brains(recorded: Path) -> Log:
    """Light that two brains turn on."""
    return Log(recorded)


def seen_signals(chamber: Chamber) -> set[int]:
    """The lines that the chamber says are on."""
    on: set[int] = set()
    for animal, half in enumerate(chamber.halves):
        signals = {Role.POKE: half.beam, Role.LICK: half.lick, Role.VALVE: half.valve, Role.LASER: half.mouse.light}
        on |= {2 * role + animal for role, signal in signals.items() if signal.on}
    return on


def letters(animal: int) -> str:
    return "AB"[animal]


@pytest.mark.parametrize("kind", [Kind.POKE_IN, Kind.POKE_OUT, Kind.LICK_IN, Kind.VALVE_ON, Kind.LASER_ON])
def test_just_after_an_edge_exactly_the_lines_that_the_log_says_are_on_are_drawn_on(
    with_brains: Log, kind: Kind
) -> None:
    for index in with_brains.indices(kind, most=2):
        at_s = with_brains.seconds_after(index)
        chamber = chamber_of(scene_of(with_brains.session, at_s))
        assert seen_signals(chamber) == with_brains.lines_on(at_s)
        assert (int(with_brains.events["line"][index]) in seen_signals(chamber)) is (kind in ON)


def test_a_mouse_stands_at_the_poke_port_just_after_it_broke_the_beam(log: Log) -> None:
    for index in log.indices(Kind.POKE_IN, most=4):
        animal = int(log.events["animal"][index])
        mouse = chamber_of(scene_of(log.session, log.seconds_after(index))).halves[animal].mouse
        assert (mouse.position.place, mouse.words, mouse.strength) == ("poke", "poking", 1.0)


def test_a_mouse_stands_at_the_spout_just_after_it_licked(log: Log) -> None:
    for index in log.indices(Kind.LICK_IN, most=4):
        animal = int(log.events["animal"][index])
        at_s = log.seconds_after(index)
        if Line.POKE_A + animal in log.lines_on(at_s):
            continue
        mouse = chamber_of(scene_of(log.session, at_s)).halves[animal].mouse
        assert (mouse.position.place, mouse.words) == ("water", "licking")


def test_at_any_moment_a_mouse_that_touches_nothing_stands_where_its_last_edge_was_and_says_how_long_ago(
    log: Log,
) -> None:
    checked = 0
    for at_s in np.linspace(31.0, 590.0, 12).tolist():
        scene = scene_of(log.session, at_s)
        for animal in (A, B):
            if log.lines_on(at_s) & {Line.POKE_A + animal, Line.LICK_A + animal}:
                continue
            last = log.last((Kind.POKE_IN, Kind.POKE_OUT, Kind.LICK_IN, Kind.LICK_OUT), at_s, animal)
            mouse = chamber_of(scene).halves[animal].mouse
            if last is None:
                assert (mouse.position.place, mouse.words) == ("middle", "not seen yet")
                continue
            poked = last["kind"] in (Kind.POKE_IN, Kind.POKE_OUT)
            assert mouse.position.place == ("poke" if poked else "water")
            age_s = at_s + (log.start_ns - int(last["t_ns"])) / NS_PER_S
            if age_s > 2.1:
                assert mouse.words == f"seen {int(age_s)} s ago"
                checked += 1
    assert checked >= 5


def test_in_the_middle_of_a_window_the_ring_says_what_is_left_of_it_and_stands_at_the_first_pokers_port(
    log: Log,
) -> None:
    for name, first in (("A_FIRST", A), ("B_FIRST", B)):
        checked = 0
        for index in log.indices(Kind.STATE, state=name):
            at_s = log.seconds_after(index, 0.2)
            last = log.last((Kind.STATE,), at_s)
            if last is None or log.names[last["state"]] != name:
                continue  # the partner came sooner
            scene = scene_of(log.session, at_s)
            window_ns = scene.counts.window_ns  # type: ignore[union-attr]
            left_ns = window_ns - (round(at_s * NS_PER_S) + log.start_ns - int(last["t_ns"]))
            chamber = chamber_of(scene)
            ring = chamber.halves[first].ring
            assert ring is not None
            assert chamber.halves[1 - first].ring is None
            assert ring.share == pytest.approx(left_ns / window_ns)
            assert ring.words == f"{left_ns / NS_PER_S:.2f} s left"
            assert chamber.badge is not None
            assert (chamber.badge.words, chamber.badge.first) == (f"window open, {letters(first)} was first", first)
            checked += 1
        assert checked >= 2


@pytest.mark.parametrize(("outcome", "word"), [(Outcome.SUCCESS, "success"), (Outcome.MISS, "miss")])
def test_an_outcome_flashes_at_once_and_is_gone_after_a_second_and_a_half(
    log: Log, outcome: Outcome, word: str
) -> None:
    ends = np.flatnonzero((log.events["kind"] == Kind.TRIAL) & (log.events["value"] == outcome))
    assert ends.size
    for index in ends[: -1 : max(1, ends.size // 4)].tolist():  # the last may end with the session: no later moment
        flash = chamber_of(scene_of(log.session, log.seconds_after(index, 0.01))).flash
        assert flash is not None
        assert (flash.outcome.name.lower(), flash.strength) == (word, 1.0)
        later_s = log.seconds_after(index, 1.5)
        newest = log.last((Kind.TRIAL,), later_s)
        assert newest is not None
        if newest["seq"] == log.events["seq"][index]:
            assert chamber_of(scene_of(log.session, later_s)).flash is None


def test_the_badge_says_the_state_that_the_log_entered_last_and_the_trial_that_the_log_counts(log: Log) -> None:
    words = {"READY": "waiting", "ITI": "between trials", "SUCCESS": "success", "FINISHED": "finished"}
    said = set()
    moments = [log.seconds_after(i, late) for i in log.indices(Kind.TRIAL, most=10) for late in (0.005, 0.12, 2.6)]
    for at_s in moments:
        last = log.last((Kind.STATE,), at_s)
        badge = chamber_of(scene_of(log.session, at_s)).badge
        assert badge is not None
        assert last is not None
        name = log.names[last["state"]]
        assert badge.state == name
        assert badge.words == words.get(name, badge.words)
        after, before = "after " * (name == "FINISHED"), " comes next" * (name == "ITI")
        assert badge.trial == f"{after}trial {last['trial']}{before}"
        said.add(name)
    assert {"ITI", "READY", "SUCCESS"} <= said


def test_a_session_that_arms_at_its_start_is_drawn_armed_with_fibres(with_brains: Log) -> None:
    chamber = chamber_of(scene_of(with_brains.session, 30.0))
    assert (chamber.lasers, chamber.armed) == (True, True)
    assert [half.mouse.fibre for half in chamber.halves] == [True, True]


def test_before_its_first_edge_a_mouse_is_faint_in_the_middle_and_was_not_seen_yet(log: Log) -> None:
    first = int(np.flatnonzero(np.isin(log.events["kind"], (Kind.POKE_IN, Kind.LICK_IN)))[0])
    chamber = chamber_of(scene_of(log.session, log.seconds_after(first) - 0.01))
    for half in chamber.halves:
        assert (half.mouse.words, half.mouse.position.place) == ("not seen yet", "middle")
        assert half.mouse.strength < 0.4
