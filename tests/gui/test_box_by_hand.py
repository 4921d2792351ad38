"""The box from above, edge by edge and state by state: how long things stay, and what two machines show."""

from pathlib import Path

import pytest

from gui.parts.chamber import HELD_NS, chamber_of, position_of
from realtime.records import NS_PER_S, Line, Outcome
from tests.gui.box_scenes import START_NS, STATES, A, B, counts, edge, ended, entered, opening, scene_with
from tests.gui.conftest import scene_of


@pytest.mark.parametrize("line", [line for line in Line if line != Line.ARM])
def test_an_edge_of_thirty_milliseconds_stays_visible_for_a_quarter_of_a_second_and_not_for_a_whole_one(
    line: Line,
) -> None:
    edges = (edge(line, 5.0, on=True), edge(line, 5.03, on=False))

    def shown(now_s: float) -> tuple[bool, bool]:
        half = chamber_of(scene_with(*edges, now_s=now_s)).halves[line % 2]
        one = (half.beam, half.lick, half.valve, half.mouse.light)[line // 2]
        return one.on, one.shown

    assert shown(5.28) == (False, True)
    assert shown(5.0 + HELD_NS / NS_PER_S - 0.001) == (False, True)
    assert shown(6.0) == (False, False)


def test_a_line_that_stays_on_is_shown_on_for_as_long_as_it_is() -> None:
    half = chamber_of(scene_with(edge(Line.VALVE_B, 5.0, on=True), now_s=65.0)).halves[B]
    assert (half.valve.on, half.valve.shown) == (True, True)


@pytest.mark.parametrize(
    ("age_s", "words"),
    [(0.2, "poking"), (1.9, "seen just now"), (4.2, "seen 4 s ago"), (75.0, "seen 1 min ago"), (7300, "seen 2 h ago")],
)
def test_a_mouse_that_left_the_port_stays_there_and_says_how_long_ago_it_was_seen(age_s: float, words: str) -> None:
    edges = (edge(Line.POKE_A, 5.0, on=True), edge(Line.POKE_A, 5.05, on=False))
    mouse = chamber_of(scene_with(*edges, now_s=5.05 + age_s)).halves[A].mouse
    assert (mouse.words, mouse.position.place) == (words, "poke")


def test_a_mouse_fades_and_never_vanishes() -> None:
    edges = (edge(Line.POKE_A, 5.0, on=True), edge(Line.POKE_A, 5.05, on=False))
    strengths = [chamber_of(scene_with(*edges, now_s=5.0 + age)).halves[A].mouse.strength for age in (1, 4, 8, 12, 900)]
    assert strengths == sorted(strengths, reverse=True)
    assert (strengths[0], strengths[-1]) == (1.0, 0.4)
    assert strengths[1] < 1.0


def test_a_mouse_that_breaks_its_beam_stands_there_whatever_else_was_seen_later() -> None:
    scene = scene_with(
        edge(Line.POKE_B, 5.0, on=True), edge(Line.LICK_B, 6.0, on=True), edge(Line.LICK_B, 6.1, on=False), now_s=7.0
    )
    position = position_of(scene, B)
    assert (position.place, position.now, position.seen_ns) == ("poke", True, START_NS + 5 * NS_PER_S)


def test_a_mouse_goes_from_port_to_spout_at_once() -> None:
    edges = (edge(Line.POKE_A, 5.0, on=True), edge(Line.POKE_A, 5.1, on=False), edge(Line.LICK_A, 5.6, on=True))
    assert position_of(scene_with(*edges[:2], now_s=5.6), A).place == "poke"
    assert position_of(scene_with(*edges, now_s=5.6), A).place == "water"
    assert position_of(scene_with(*edges, now_s=5.6), B).place == "middle"


def test_the_ring_is_full_at_the_poke_and_empty_when_the_window_is_over() -> None:
    def ring(now_s: float) -> tuple[float, str]:
        one = chamber_of(scene_with(entered("B_FIRST", 10.0), now_s=now_s)).halves[B].ring
        assert one is not None
        return one.share, one.words

    assert ring(10.0) == (1.0, "3.00 s left")
    assert ring(12.38) == (pytest.approx(0.62 / 3), "0.62 s left")
    assert ring(13.5) == (0.0, "0.00 s left")


@pytest.mark.parametrize("state", [name for name in STATES if not name.endswith("_FIRST")])
def test_without_a_first_poke_there_is_no_ring(state: str) -> None:
    chamber = chamber_of(scene_with(entered(state, 10.0), now_s=10.5))
    assert [half.ring for half in chamber.halves] == [None, None]


def test_two_machines_have_a_badge_in_their_half_each_and_none_for_the_pair() -> None:
    scene = scene_with(
        ended(2, Outcome.OMISSION, 4.0, 0),
        ended(8, Outcome.SUCCESS, 10.2, 1),
        entered("READY", 10.0, 0, trial=3),
        entered("REWARD", 10.2, 1, trial=8),
        now_s=10.5,
        about=opening(machines=[A, B], task="independent"),
    )
    chamber = chamber_of(scene)
    assert (chamber.badge, chamber.flash) == (None, None)
    a, b = (half.badge for half in chamber.halves)
    assert a is not None
    assert b is not None
    assert (a.state, a.words, a.trial) == ("READY", "waiting", "trial 3")
    assert (b.state, b.words, b.trial) == ("REWARD", "success", "trial 8")
    assert chamber.halves[A].flash is None
    assert chamber.halves[B].flash is not None
    assert chamber.halves[B].flash.outcome == Outcome.SUCCESS


def test_an_animal_without_a_machine_has_no_badge() -> None:
    chamber = chamber_of(scene_with(entered("READY", 1.0), now_s=2.0, about=opening(machines=[B], task="solo")))
    assert [half.badge is None for half in chamber.halves] == [True, False]


def test_a_miss_that_leads_to_the_next_trial_at_once_flashes() -> None:
    scene = scene_with(ended(2, Outcome.MISS, 20.0), entered("ITI", 20.0, trial=3), now_s=20.1)
    chamber = chamber_of(scene)
    assert chamber.flash is not None
    assert chamber.flash.outcome == Outcome.MISS
    assert chamber.badge is not None
    assert chamber.badge.trial == "trial 3 comes next"


def test_a_stop_does_not_make_an_earlier_success_flash_again() -> None:
    chamber = chamber_of(scene_with(ended(1, Outcome.SUCCESS, 10.0), entered("FINISHED", 20.0), now_s=20.1))
    assert chamber.flash is None
    assert chamber.badge is not None
    assert (chamber.badge.words, chamber.badge.trial) == ("finished", "after trial 1")


def test_an_omission_flashes_while_its_state_lasts_and_fades() -> None:
    flashes = [chamber_of(scene_with(entered("OMISSION", 20.0), now_s=20.0 + age)).flash for age in (0.5, 1.15, 1.5)]
    assert [None if flash is None else (flash.outcome, flash.strength) for flash in flashes] == [
        (Outcome.OMISSION, 1.0),
        (Outcome.OMISSION, 0.5),
        None,
    ]


def test_a_pause_says_so_and_the_aborted_trial_flashes() -> None:
    chamber = chamber_of(scene_with(ended(4, Outcome.ABORTED, 20.0), entered("PAUSED", 20.0, trial=4), now_s=20.3))
    assert chamber.badge is not None
    assert (chamber.badge.words, chamber.badge.tone, chamber.badge.trial) == ("paused", "paused", "after trial 4")
    assert chamber.flash is not None
    assert chamber.flash.outcome == Outcome.ABORTED


def test_after_a_pause_between_trials_the_number_is_the_machines_own() -> None:
    scene = scene_with(ended(4, Outcome.MISS, 20.0), entered("READY", 31.0, trial=6), now_s=32.0)
    badge = chamber_of(scene).badge
    assert badge is not None
    assert badge.trial == "trial 6"


def test_a_state_of_an_unknown_task_is_named_as_the_task_names_it() -> None:
    about = opening(states=["IDLE", "SNIFF_EACH_OTHER", *STATES[2:]])
    badge = chamber_of(scene_with(entered("ITI", 1.0), now_s=2.0, about=about)).badge
    assert badge is not None
    assert (badge.words, badge.tone) == ("sniff each other", "quiet")


def test_before_the_task_has_begun_it_is_not_started_and_has_no_trial() -> None:
    badge = chamber_of(scene_with(now_s=0.5)).badge
    assert badge is not None
    assert (badge.words, badge.trial) == ("not started", "")


def test_a_rig_without_lasers_has_no_fibres_and_nothing_to_arm(without_brains: Path) -> None:
    lasers = scene_of(without_brains, 60.0).opening.lasers  # type: ignore[union-attr]
    chamber = chamber_of(scene_of(without_brains, 60.0))
    assert [half.mouse.fibre for half in chamber.halves] == list(lasers)
    none = chamber_of(scene_with(now_s=1.0, about=opening(lasers=(False, False))))
    assert (none.lasers, [half.mouse.fibre for half in none.halves]) == (False, [False, False])


def test_only_the_animal_with_a_laser_wears_a_fibre() -> None:
    chamber = chamber_of(scene_with(now_s=1.0, about=opening(lasers=(False, True))))
    assert [half.mouse.fibre for half in chamber.halves] == [False, True]


def test_light_is_drawn_as_the_edges_say_also_while_disarmed() -> None:
    chamber = chamber_of(scene_with(edge(Line.LASER_A, 5.0, on=True), now_s=9.0, known=counts(armed=False)))
    assert (chamber.armed, chamber.halves[A].mouse.light.on, chamber.halves[B].mouse.light.on) == (False, True, False)
