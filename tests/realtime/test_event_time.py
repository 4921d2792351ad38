"""Event time: what happened when decides, not when the loop heard of it.

In these stories the ITI ends at 2 s, the window is 1 s wide and the grace 5 ms. Each story's log must also decide
itself again, which the box proves when the story is over.
"""

import itertools

import pytest

from realtime.records import Flag, Kind, Operator, Outcome
from realtime.sequencer import HELD, MOST_FROM_ONE, Status
from tests.realtime.box import MS, ONE_BOARD, TWO_BOARDS, A, B, S

SUCCESS, MISS, OMISSION = Outcome.SUCCESS, Outcome.MISS, Outcome.OMISSION


def flags_of_last(box, kind):
    return int(box.of(kind)["flags"][-1])


# -- the window and its bounds -----------------------------------------------------------------------------------------


def test_two_pokes_within_the_window_succeed_at_the_second_poke(box):
    box.poke(A, 3 * S)
    box.poke(B, 3 * S + 400 * MS)
    assert box.outcomes() == [(1, SUCCESS, 3 * S + 400 * MS)]


def test_the_order_of_the_animals_does_not_matter(box):
    box.poke(B, 3 * S)
    box.poke(A, 3 * S + 400 * MS)
    assert box.outcomes() == [(1, SUCCESS, 3 * S + 400 * MS)]


def test_a_poke_exactly_on_the_boundary_counts(box):
    box.poke(A, 3 * S)
    box.poke(B, 4 * S)
    assert box.outcomes() == [(1, SUCCESS, 4 * S)]


def test_a_poke_one_nanosecond_after_the_boundary_does_not_count(box):
    box.poke(A, 3 * S)
    box.poke(B, 4 * S + 1)
    assert box.outcomes() == [(1, MISS, 4 * S)]
    assert box.rewards() == []


def test_one_animal_alone_misses_one_window_after_its_poke(box):
    box.poke(A, 3 * S)
    box.until(10 * S)
    assert box.outcomes() == [(1, MISS, 4 * S)]


def test_a_deadline_fires_after_its_grace_and_is_stamped_when_it_was_due(box):
    box.poke(A, 3 * S)
    box.until(5 * S)
    timer = box.of(Kind.TIMER)[-1]
    assert (timer["t_ns"], timer["arrival_ns"]) == (4 * S, 4 * S + 5 * MS + 1)


# -- late messages, one board ------------------------------------------------------------------------------------------


def test_a_poke_in_the_window_that_is_heard_after_its_end_but_within_the_grace_counts(box):
    box.poke(A, 3 * S)
    box.until(4 * S + 4 * MS)
    box.poke(B, 4 * S - 1, arrives=4 * S + 4 * MS)
    assert box.outcomes() == [(1, SUCCESS, 4 * S - 1)]


def test_a_poke_on_the_boundary_that_is_heard_within_the_grace_counts(box):
    box.poke(A, 3 * S)
    box.until(4 * S + 4 * MS)
    box.poke(B, 4 * S, arrives=4 * S + 4 * MS)
    assert box.outcomes() == [(1, SUCCESS, 4 * S)]


def test_a_poke_one_nanosecond_outside_that_is_heard_within_the_grace_does_not_count(box):
    box.poke(A, 3 * S)
    box.until(4 * S + 4 * MS)
    box.poke(B, 4 * S + 1, arrives=4 * S + 4 * MS)
    assert box.outcomes() == [(1, MISS, 4 * S)]


def test_a_poke_in_the_window_that_is_heard_after_the_grace_is_late_and_takes_nothing_back(box):
    box.poke(A, 3 * S)
    box.poke(B, 4 * S - 1, arrives=4 * S + 6 * MS)
    assert box.outcomes() == [(1, MISS, 4 * S)]
    assert box.rewards() == []
    assert flags_of_last(box, Kind.POKE_IN) == Flag.LATE
    assert box.count("n_late") == 1


def test_a_loop_that_woke_too_late_itself_still_judges_the_waiting_poke_in_time(make_box):
    sleepy = make_box(punctual=False).start()
    sleepy.wake(2 * S + 5 * MS)
    sleepy.poke(A, 3 * S)
    sleepy.poke(B, 4 * S - 1, arrives=4 * S + 300 * MS)
    assert sleepy.ended() == [SUCCESS]


# -- simultaneous, repeated and held pokes -----------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(A, B), (B, A)])
@pytest.mark.parametrize("boards", [ONE_BOARD, TWO_BOARDS])
def test_two_pokes_with_the_same_stamp_succeed_whichever_is_heard_first(make_box, order, boards):
    box = make_box(boards=boards).start()
    box.poke(order[0], 3 * S, arrives=3 * S + 1 * MS)
    box.poke(order[1], 3 * S, arrives=3 * S + 2 * MS)
    assert box.outcomes() == [(1, SUCCESS, 3 * S)]


def test_a_second_poke_of_the_same_animal_does_not_extend_the_window(box):
    box.poke(A, 3 * S)
    box.poke(A, 3 * S + 900 * MS)
    box.poke(B, 4 * S + 100 * MS)
    assert box.outcomes() == [(1, MISS, 4 * S)]


def test_a_second_poke_of_the_same_animal_does_not_spoil_the_trial(box):
    for t in (3 * S, 3 * S + 200 * MS, 3 * S + 600 * MS):
        box.poke(A, t)
    box.poke(B, 3 * S + 700 * MS)
    assert box.outcomes() == [(1, SUCCESS, 3 * S + 700 * MS)]


def test_a_beam_broken_before_the_trial_opens_counts_only_when_it_is_broken_anew(box):
    box.poke(A, 1 * S + 500 * MS)
    box.poke(B, 2 * S + 100 * MS)
    box.until(3 * S)
    assert box.state() == "B_FIRST"
    box.leave(A, 3 * S)
    assert box.ended() == []
    box.poke(A, 3 * S + 50 * MS)
    assert box.outcomes() == [(1, SUCCESS, 3 * S + 50 * MS)]


def test_a_beam_that_the_board_finds_broken_when_it_starts_to_report_is_no_poke(box):
    box.poke(A, 3 * S, flags=Flag.HELD)
    assert box.state() == "READY"
    box.leave(A, 3 * S + 100 * MS)
    box.poke(A, 3 * S + 200 * MS)
    assert box.state() == "A_FIRST"


@pytest.mark.parametrize("t", [1 * S, 2 * S])
def test_a_poke_until_the_end_of_the_iti_opens_no_window(box, t):
    box.poke(A, t)
    box.until(3 * S)
    assert box.entered()[-1] == ("READY", 2 * S)


def test_pokes_while_drinking_change_nothing(box):
    box.poke(A, 3 * S)
    box.poke(B, 3 * S)
    box.poke(A, 3 * S + 500 * MS)
    box.poke(B, 4 * S)
    box.until(7 * S + 6 * MS)
    assert box.entered()[-3:] == [("SUCCESS", 3 * S), ("ITI", 5 * S), ("READY", 7 * S)]
    assert len(box.rewards()) == 2


def test_pokes_in_the_time_out_change_nothing(box):
    box.poke(A, 3 * S)
    box.poke(A, 4 * S + 200 * MS)
    box.poke(B, 4 * S + 300 * MS)
    box.until(7 * S + 6 * MS)
    assert box.entered()[-3:] == [("MISS", 4 * S), ("ITI", 5 * S), ("READY", 7 * S)]


def test_a_poke_stamped_before_the_trial_opened_does_not_open_the_window_however_late_it_is_heard(box):
    box.until(2 * S + 5 * MS + 1)
    assert box.state() == "READY"
    box.poke(A, 2 * S - 1, arrives=2 * S + 6 * MS)
    assert box.state() == "READY"
    assert flags_of_last(box, Kind.POKE_IN) == Flag.LATE


def test_a_partner_heard_late_with_a_stamp_before_the_trial_opened_does_not_succeed(box):
    box.poke(A, 2 * S + 6 * MS)
    box.poke(B, 2 * S - 1, arrives=2 * S + 7 * MS)
    assert box.state() == "A_FIRST"
    assert box.ended() == []


def test_a_late_partner_whose_stamp_is_before_the_first_poke_but_in_the_trial_succeeds(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 3 * S)
    box.until(3 * S + 5 * MS)
    assert box.state() == "A_FIRST"
    box.poke(B, 3 * S - 10 * MS, arrives=3 * S + 6 * MS)
    assert box.outcomes() == [(1, SUCCESS, 3 * S - 10 * MS)]


@pytest.mark.parametrize(
    ("t", "ended"),
    [(2 * S - 1, []), (2 * S, [SUCCESS]), (2 * S + 1, [SUCCESS])],
)
def test_a_late_partner_counts_from_the_instant_the_trial_opened(make_box, t, ended):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 2 * S + 500 * MS)
    box.until(2 * S + 505 * MS)
    box.poke(B, t, arrives=2 * S + 506 * MS)
    box.until(2 * S + 700 * MS)
    assert box.ended() == ended


@pytest.mark.parametrize(("before", "ended"), [(1 * S, [SUCCESS]), (1 * S + 1, [])])
def test_a_late_partner_stamped_before_the_first_poke_is_held_to_the_same_window(make_box, before, ended):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 5 * S)
    box.until(5 * S + 5 * MS)
    box.poke(B, 5 * S - before, arrives=5 * S + 6 * MS)
    box.until(5 * S + 500 * MS)
    assert box.ended() == ended


# -- two boards --------------------------------------------------------------------------------------------------------


def test_a_window_waits_for_the_board_that_reports_later(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 3 * S)
    box.report(2, 4 * S + 2 * MS)
    box.poke(B, 4 * S - 1, arrives=4 * S + 4 * MS)
    assert box.outcomes() == [(1, SUCCESS, 4 * S - 1)]


def test_a_window_ends_before_its_grace_when_both_boards_have_reported_something_newer(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 3 * S)
    box.report(2, 4 * S + 1)
    assert box.ended() == []
    box.report(3, 4 * S + 1)
    assert box.outcomes() == [(1, MISS, 4 * S)]
    assert box.of(Kind.TRIAL)["arrival_ns"].tolist() == [4 * S + 1]


@pytest.mark.parametrize("boards", [ONE_BOARD, TWO_BOARDS])
def test_a_report_stamped_on_the_boundary_does_not_end_the_window_and_one_after_it_does(make_box, boards):
    box = make_box(boards=boards).start()
    box.poke(A, 3 * S)
    for board in sorted(set(boards)):
        box.report(board, 4 * S)
    assert box.ended() == []
    for board in sorted(set(boards)):
        box.report(board, 4 * S + 1)
    assert box.ended() == [MISS]


def test_a_fault_stamped_by_the_host_ends_no_window_that_an_older_edge_may_still_reach(box):
    box.poke(A, 3 * S)
    box.edge(Kind.FAULT, A, 4 * S + 1 * MS)
    box.poke(B, 4 * S - 1, arrives=4 * S + 2 * MS)
    assert box.outcomes() == [(1, SUCCESS, 4 * S - 1)]


def test_a_silent_board_stops_nothing(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 3 * S)
    assert box.state() == "READY"
    box.until(3 * S + 5 * MS)
    assert box.entered()[-1] == ("A_FIRST", 3 * S)
    box.until(60 * S)
    assert box.ended() == [MISS]


@pytest.mark.parametrize("heard", list(itertools.permutations(range(3))))
def test_events_of_two_boards_are_judged_in_the_order_in_which_they_happened(make_box, heard):
    box = make_box(boards=TWO_BOARDS).start()
    told = [
        lambda at: box.poke(B, 3 * S, arrives=at),
        lambda at: box.poke(A, 3 * S + 1 * MS, arrives=at),
        lambda at: box.press(Operator.PAUSE, 3 * S + 500_000, arrives=at),
    ]
    for place, who in enumerate(heard):
        told[who](3 * S + (1 + place) * MS)
    box.until(4 * S)
    assert box.entered()[-2:] == [("B_FIRST", 3 * S), ("PAUSED", 3 * S + 500_000)]
    assert box.ended() == [Outcome.ABORTED]


def test_a_wake_that_leads_to_nothing_is_journaled_so_that_a_replay_knows_what_was_late(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 1 * S)  # in the ITI, handed over after its grace, without consequence
    box.until(1 * S + 5 * MS)
    assert box.of(Kind.HEALTH)["arrival_ns"].tolist() == [1 * S + 5 * MS]
    box.poke(B, 1 * S - 1, arrives=1 * S + 6 * MS)
    assert flags_of_last(box, Kind.POKE_IN) == Flag.LATE


def test_a_wake_that_leads_to_a_decision_needs_no_record_of_its_own(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 3 * S)
    box.until(20 * S)
    assert box.of(Kind.HEALTH).size == 0


# -- no grace ----------------------------------------------------------------------------------------------------------


def test_without_grace_a_deadline_fires_the_nanosecond_after_it_was_due(make_box):
    box = make_box(grace=0).start()
    box.poke(A, 3 * S)
    box.until(4 * S)
    assert box.ended() == []
    box.until(4 * S + 1)
    timer = box.of(Kind.TIMER)[-1]
    assert box.ended() == [MISS]
    assert (timer["t_ns"], timer["arrival_ns"]) == (4 * S, 4 * S + 1)


def test_without_grace_a_poke_heard_on_the_boundary_counts(make_box):
    box = make_box(grace=0).start()
    box.poke(A, 3 * S)
    box.poke(B, 4 * S)
    assert box.ended() == [SUCCESS]


def test_without_grace_a_poke_on_the_boundary_counts_even_as_the_second_of_that_instant(make_box):
    box = make_box(grace=0).start()
    box.poke(A, 3 * S)
    box.poke(A, 4 * S)
    box.poke(B, 4 * S)
    assert box.outcomes() == [(1, SUCCESS, 4 * S)]


def test_a_poke_on_the_boundary_whose_message_takes_the_whole_grace_counts(box):
    box.poke(A, 3 * S)
    box.until(4 * S + 5 * MS)
    box.poke(B, 4 * S, arrives=4 * S + 5 * MS)
    assert box.outcomes() == [(1, SUCCESS, 4 * S)]


def test_without_grace_a_poke_heard_after_the_deadline_fired_does_not_count(make_box):
    box = make_box(grace=0).start()
    box.poke(A, 3 * S)
    box.poke(B, 4 * S - 1, arrives=4 * S + 2)
    assert box.ended() == [MISS]
    assert box.count("n_late") == 1


# -- what is wrong with an arrival -------------------------------------------------------------------------------------


def test_a_record_seen_before_is_flagged_counted_and_not_judged(box):
    box.poke(A, 3 * S, source_seq=7)
    box.poke(B, 3 * S + 1 * MS, source_seq=7)
    assert flags_of_last(box, Kind.POKE_IN) == Flag.DUPLICATE
    assert box.count("n_duplicate") == 1
    assert box.state() == "A_FIRST"


def test_missing_records_are_flagged_and_counted_and_the_next_one_is_judged(box):
    box.leave(A, 1 * S, source_seq=1)
    box.poke(A, 3 * S, source_seq=5)
    assert flags_of_last(box, Kind.POKE_IN) == Flag.GAP
    assert box.count("n_lost") == 3
    assert box.state() == "A_FIRST"


def test_each_board_counts_for_itself(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 3 * S, source_seq=1)
    box.poke(B, 3 * S + 1 * MS, source_seq=900)
    box.until(4 * S)
    assert (box.count("n_lost"), box.count("n_duplicate")) == (0, 0)
    assert box.ended() == [SUCCESS]


def test_a_stamp_from_the_future_is_set_back_to_the_arrival_and_counted(box):
    box.poke(A, 3 * S + 1, arrives=3 * S)
    record = box.of(Kind.POKE_IN)[-1]
    assert (record["t_ns"], record["flags"]) == (3 * S, Flag.CLAMPED)
    assert box.count("n_clamped") == 1
    assert box.entered()[-1] == ("A_FIRST", 3 * S)


def test_a_clamped_report_does_not_end_a_window_ahead_of_its_time(box):
    box.poke(A, 3 * S)
    box.report(2, 9 * S, arrives=3 * S + 100 * MS)
    assert box.ended() == []
    box.poke(B, 3 * S + 200 * MS)
    assert box.ended() == [SUCCESS]


def test_more_events_than_can_wait_are_handed_over_early_and_counted(make_box):
    box = make_box(boards=TWO_BOARDS).start()
    box.until(3 * S)
    for i in range(HELD):
        box.poke(A, 3 * S + i, arrives=3 * S + i)
    assert (box.count("n_forced"), box.count("n_held"), box.state()) == (0, HELD, "READY")
    box.poke(A, 3 * S + HELD)
    assert (box.count("n_forced"), box.count("n_held"), box.state()) == (1, HELD, "A_FIRST")


@pytest.mark.parametrize("source", [16, 17, 65535])
def test_a_record_of_a_device_that_cannot_be_is_logged_counted_and_not_judged(box, source):
    box.until(3 * S)
    event = box.log[:1].copy()
    event["kind"], event["t_ns"], event["source"], event["animal"] = Kind.POKE_IN, 3 * S, source, A
    box.arrive(event, 3 * S)
    assert box.log["source"][-1] == source
    assert box.count("n_unknown") == 1
    assert box.state() == "READY"


def test_a_full_log_takes_nothing_more_and_stays_whole(make_box):
    box = make_box(room=MOST_FROM_ONE + 3).start()
    statuses = [box.leave(A, t) for t in range(1, 8)]
    assert statuses[0] == Status.GOING_ON
    assert statuses[-1] == Status.LOG_FULL
    assert box.log.size == 4
    assert box.wake(100 * S) == Status.LOG_FULL
    assert box.log.size == 4


def test_the_arrivals_keep_the_order_in_which_they_were_taken_and_carry_trial_and_state(box):
    box.poke(A, 3 * S)
    box.leave(A, 3 * S + 200 * MS)
    left = box.of(Kind.POKE_OUT)[-1]
    assert (left["trial"], box.plan.state_names[left["state"]]) == (1, "A_FIRST")
