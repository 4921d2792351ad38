"""The book of a session: rows of trials and counts, against what its log says when it is read another way."""

from pathlib import Path

import numpy as np
import pytest

from controller import plan as plans
from controller import rigfile
from controller.calibration import Calibration
from controller.log import LOG_NAME, LogReader
from controller.session import read_plan
from controller.viewing.book import UNSHOWN, Book, shown, states_with
from controller.viewing.sums import Sums
from realtime.machine import Action
from realtime.records import (
    NO_ANIMAL,
    NS_PER_MS,
    NS_PER_S,
    Events,
    Fault,
    Flag,
    Kind,
    Line,
    Operator,
    Outcome,
    no_events,
)
from tests.controller.virtual_sessions import VIRTUAL, changed, record
from tests.realtime.kernels import COMPILED_HERE

pytestmark = pytest.mark.skipif(not COMPILED_HERE, reason="compilation is switched off: ten minutes take too long")
OFTEN_LIT = {"fraction = 0.1667": "fraction = 0.5", "min_plain_between = 2": "min_plain_between = 0"}
SOME_SHAM = {"sham_fraction = 0.0": "sham_fraction = 0.3"}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Ten minutes of the virtual rig, half of the trials chosen for light and a third of those sham."""
    return record(tmp_path_factory.mktemp("book"), 10.0, OFTEN_LIT | SOME_SHAM, ("m1", "m2"))


@pytest.fixture(scope="module")
def events(session: Path) -> Events:
    """The session's events."""
    with LogReader(session / LOG_NAME) as log:
        return log.events()


@pytest.fixture(scope="module")
def plan(session: Path) -> plans.Plan:
    """The session's plan."""
    return read_plan(session)


def all_rows(book: Book, events: Events, size: int):
    rows = []
    for start in range(0, events.size, size):
        rows += book.add(events[start : start + size])
    return rows + book.flush()


def test_every_ended_trial_has_one_row_with_its_outcome_in_order(events, plan) -> None:
    rows = all_rows(Book(plan, Calibration()), events, events.size)
    ended = events[events["kind"] == Kind.TRIAL]
    assert len(rows) > 50
    assert [row.trial for row in rows] == ended["trial"].tolist()
    assert [row.outcome for row in rows] == ended["value"].astype(int).tolist()
    assert [row.end_ns for row in rows] == ended["t_ns"].tolist()


def test_a_row_has_the_first_poke_the_lag_and_the_window_that_the_log_shows(events, plan) -> None:
    rows = all_rows(Book(plan, Calibration()), events, events.size)
    names = plan.state_names
    pokes = events[events["kind"] == Kind.POKE_IN]
    states = events[events["kind"] == Kind.STATE]
    for row in rows:
        opened = states[(states["state"] == names.index("READY")) & (states["trial"] == row.trial)]
        assert row.opened_ns == opened["t_ns"][0]
        first = states[
            np.isin(states["state"], [names.index("A_FIRST"), names.index("B_FIRST")]) & (states["trial"] == row.trial)
        ]
        if not first.size:
            assert (row.first_ns, row.first, row.lag_ns) == (None, -1, None)
            continue
        assert row.first_ns == first["t_ns"][0]
        assert names[int(first["state"][0])] == f"{'AB'[row.first]}_FIRST"
        partner = pokes[(pokes["animal"] == 1 - row.first) & (pokes["t_ns"] >= row.first_ns)]["t_ns"]
        within = partner[partner <= row.end_ns]
        if row.outcome == Outcome.SUCCESS:
            assert row.lag_ns == within[0] - row.first_ns
        assert row.window_ns == 3 * NS_PER_S


def test_a_row_is_lit_only_where_the_laser_itself_said_that_it_was_on(events, plan) -> None:
    rows = all_rows(Book(plan, Calibration()), events, events.size)
    lasers = events[events["kind"] == Kind.LASER_ON]["t_ns"]
    table = plan.arrays["trials"][0]
    seen = set()
    for row in rows:
        chosen, sham = bool(table["light_from"][row.trial - 1]), bool(table["sham"][row.trial - 1])
        edge = bool(((lasers >= row.opened_ns) & (lasers <= row.end_ns + 50 * NS_PER_MS)).any())
        expected = "none" if not chosen else "sham" if sham else "lit" if edge else "dark"
        assert row.light == expected
        seen.add(row.light)
    assert {"none", "sham", "lit"} <= seen


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_it_does_not_matter_in_what_pieces_events_come(events, plan, size: int) -> None:
    whole, pieces = Book(plan, Calibration()), Book(plan, Calibration())
    assert all_rows(pieces, events, size) == all_rows(whole, events, events.size)
    assert pieces.counts() == whole.counts()


def test_the_counts_are_the_logs_own(events, plan) -> None:
    book = Book(plan, Calibration())
    book.add(events)
    counts = book.counts()
    for animal in (0, 1):
        mine = events[events["animal"] == animal]
        assert counts.pokes[animal] == np.count_nonzero(mine["kind"] == Kind.POKE_IN)
        assert counts.licks[animal] == np.count_nonzero(mine["kind"] == Kind.LICK_IN)
        assert counts.rewards[animal] == np.count_nonzero(mine["kind"] == Kind.VALVE_ON)
        opened, closed = (mine["t_ns"][mine["kind"] == kind] for kind in (Kind.VALVE_ON, Kind.VALVE_OFF))
        assert counts.open_s[animal] == pytest.approx((closed - opened).sum() / NS_PER_S)
    ended = events[events["kind"] == Kind.TRIAL]["value"]
    assert counts.outcomes == {o.name: int(np.count_nonzero(ended == o)) for o in Outcome}
    assert counts.water_ul == (None, None)
    assert counts.lit[1] + counts.control[1] == counts.outcomes["SUCCESS"] + counts.outcomes["MISS"]


def test_a_copy_goes_on_by_itself(events, plan) -> None:
    book = Book(plan, Calibration())
    half = events.size // 2
    book.add(events[:half])
    copied = book.copy()
    before = book.counts()
    rows = copied.add(events[half:])
    assert rows
    assert book.counts() == before
    assert copied.plan is book.plan


def test_a_reward_by_hand_is_counted_as_free_when_the_valve_says_that_it_opened(plan) -> None:
    book = Book(plan, Calibration())
    book.add(event(Kind.COMMAND, 1, Line.VALVE_A, flags=Flag.FREE, value=30e6))
    assert book.counts().free == (0, 0)
    book.add(event(Kind.VALVE_ON, 2, Line.VALVE_A))
    book.add(event(Kind.VALVE_OFF, 3, Line.VALVE_A))
    book.add(event(Kind.VALVE_ON, 4, Line.VALVE_A))
    assert book.counts().free == (1, 0)
    assert book.counts().rewards == (2, 0)


def test_a_reward_that_was_withheld_is_not_waited_for(plan) -> None:
    book = Book(plan, Calibration())
    book.add(event(Kind.COMMAND, 1, Line.VALVE_B, flags=Flag.FREE | Flag.UNROUTED, value=30e6))
    book.add(event(Kind.VALVE_ON, 2, Line.VALVE_B))
    assert book.counts().free == (0, 0)


@pytest.mark.parametrize("fault", [Fault.DEVICE_REFUSED, Fault.DEVICE_GAP, Fault.DEVICE_DUTY, Fault.EDGE_MISSING])
def test_after_a_reward_by_hand_that_was_refused_the_next_earned_one_is_not_called_free(plan, fault: Fault) -> None:
    book = Book(plan, Calibration())
    book.add(event(Kind.COMMAND, 1, Line.VALVE_A, flags=Flag.FREE, value=30e6))
    book.add(event(Kind.FAULT, 2, Line.VALVE_A, value=fault))
    book.add(event(Kind.COMMAND, 3, Line.VALVE_A, value=30e6))
    book.add(event(Kind.VALVE_ON, 4, Line.VALVE_A))
    assert (book.counts().free, book.counts().rewards) == ((0, 0), (1, 0))


@pytest.mark.parametrize(("fault", "line"), [(Fault.DEVICE_GAP, Line.VALVE_B), (Fault.DEVICE_MAX_ON, Line.VALVE_A)])
def test_a_fault_of_another_line_or_kind_leaves_a_reward_by_hand_due(plan, fault: Fault, line: Line) -> None:
    book = Book(plan, Calibration())
    book.add(event(Kind.COMMAND, 1, Line.VALVE_A, flags=Flag.FREE, value=30e6))
    book.add(event(Kind.FAULT, 2, line, value=fault))
    book.add(event(Kind.VALVE_ON, 4, Line.VALVE_A))
    assert book.counts().free == (1, 0)


def test_a_fault_of_a_device_whose_number_is_that_of_a_valve_is_no_fault_of_the_valve(plan) -> None:
    book = Book(plan, Calibration())
    book.add(event(Kind.COMMAND, 1, Line.VALVE_A, flags=Flag.FREE, value=30e6))
    fault = event(Kind.FAULT, 2, Line.VALVE_A, value=Fault.DEVICE_REFUSED)
    fault["animal"] = NO_ANIMAL
    book.add(fault)
    book.add(event(Kind.VALVE_ON, 4, Line.VALVE_A))
    assert book.counts().free == (1, 0)


def test_a_valve_that_opens_more_than_a_second_after_a_reward_by_hand_gives_an_earned_one(plan) -> None:
    for later_ns, free in ((NS_PER_S, 1), (NS_PER_S + 1, 0)):
        book = Book(plan, Calibration())
        book.add(event(Kind.COMMAND, 1, Line.VALVE_A, flags=Flag.FREE, value=30e6))
        book.add(event(Kind.VALVE_ON, 1 + later_ns, Line.VALVE_A))
        assert book.counts().free == (free, 0)


def test_two_rewards_by_hand_of_which_one_is_refused_are_one(plan) -> None:
    book = Book(plan, Calibration())
    for t_ns in (1, 2):
        book.add(event(Kind.COMMAND, t_ns, Line.VALVE_A, flags=Flag.FREE, value=30e6))
    book.add(event(Kind.FAULT, 3, Line.VALVE_A, value=Fault.DEVICE_GAP))
    for t_ns in (4, 5):
        book.add(event(Kind.VALVE_ON, t_ns, Line.VALVE_A))
    assert (book.counts().free, book.counts().rewards) == ((1, 0), (2, 0))


@pytest.fixture(scope="module")
def alone() -> plans.Plan:
    """A plan of two animals that work independently of each other, with every second trial chosen for light."""
    text = changed(VIRTUAL.read_text(encoding="utf-8"), OFTEN_LIT | {'"cooperation" ': '"independent" '})
    return plans.make(
        rigfile.parse(text, "alone.toml"), seed=3, day=1, minutes=10.0, trials=None, volumes=Calibration()
    )


@pytest.mark.parametrize(("laser", "light"), [(Line.LASER_A, "dark"), (Line.LASER_B, "lit")])
@pytest.mark.parametrize("when", ["before it opens", "while it is open", "after it ended"])
def test_one_animals_light_lights_no_trial_of_the_other(alone, laser: Line, light: str, when: str) -> None:
    assert alone.animals == (0, 1)
    table = alone.arrays["trials"][1]
    chosen = 1 + next(i for i, one in enumerate(table) if one["light_from"] and not one["sham"])
    opened = event(Kind.STATE, 10, 1)
    opened["state"], opened["trial"] = min(states_with(alone, Action.OPEN_TRIAL)), chosen
    ended = event(Kind.TRIAL, 100, 1, value=Outcome.SUCCESS)
    ended["trial"] = chosen
    on_ns = {"before it opens": 5, "while it is open": 50, "after it ended": 150}[when]
    book = Book(alone, Calibration())
    for one in sorted([opened, ended, event(Kind.LASER_ON, on_ns, laser)], key=lambda one: one["t_ns"][0]):
        book.add(one)
    assert [(row.machine, row.light) for row in book.flush()] == [(1, light)]


def test_most_of_a_journal_is_not_shown_and_nothing_else_is_left_out(events) -> None:
    chosen = shown(events)
    assert not np.isin(chosen["kind"], UNSHOWN).any()
    assert chosen.size + np.count_nonzero(np.isin(events["kind"], UNSHOWN)) == events.size
    assert chosen.size < events.size / 2


def test_events_that_are_missing_are_counted(plan) -> None:
    book = Book(plan, Calibration())
    book.add(event(Kind.CLOCK, 1, 0, flags=Flag.GAP))
    assert book.counts().gaps == 1


def test_counts_chance_and_latency_are_said_once_and_again_when_they_change(events, plan) -> None:
    book = Book(plan, Calibration())
    sums = Sums(book)
    half = events.size // 2
    book.add(events[:half])
    sums.add(events[:half])
    first = [type(one).__name__ for one in sums.due(0)]
    assert first == ["Counts", "Chance", "Latency"]
    assert sums.due(60 * NS_PER_S) == []
    book.add(events[half:])
    sums.add(events[half:])
    assert [type(one).__name__ for one in sums.due(61 * NS_PER_S)] == ["Counts"]
    assert [type(one).__name__ for one in sums.due(66 * NS_PER_S)] == ["Chance", "Latency"]


def event(kind: Kind, t_ns: int, line: int, *, flags: int = 0, value: float = 0.0) -> Events:
    """One event of a line's animal."""
    one = no_events(1)
    one["kind"], one["t_ns"], one["arrival_ns"], one["line"] = kind, t_ns, t_ns, line
    one["animal"], one["flags"], one["value"] = line % 2, flags, value
    return one


def test_an_operator_arms_and_the_book_says_so(plan) -> None:
    book = Book(plan, Calibration())
    book.add(event(Kind.OPERATOR, 1, 0, value=Operator.ARM))
    assert book.counts().armed
