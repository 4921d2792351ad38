"""The preflight proof: what it says of safe tasks, and what it finds in unsafe ones, each with the path to it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from controller import plan as plans
from controller import rigfile
from controller.proof import NotSafe, prove
from controller.proof.findings import Property
from controller.proof.tables import UnknownWord
from controller.task import PEOPLE, Task, To, task_named, tasks
from realtime.machine import Action, Guard, Input, LightFrom
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S
from realtime.window import Schedule
from tests.realtime.box import Light, Setup

S = NS_PER_S
MS = NS_PER_MS
MINUTE = 60 * S
START, FIRST = LightFrom.TRIAL_START, LightFrom.FIRST_POKE
VIRTUAL = rigfile.load(Path(__file__).resolve().parents[2] / "rigs" / "virtual.toml")
COOPERATION = task_named("cooperation")
EVERY_TASK = sorted(tasks())


def rig(*, trial_s=10.0, minute_s=40.0, cut_s=40.0, **others):
    """The virtual rig with these limits of light."""
    lasers = {
        name: structs.replace(getattr(VIRTUAL.lines, name), on_per_minute_s=cut_s) for name in ("laser_a", "laser_b")
    }
    limits = structs.replace(VIRTUAL.limits, light_per_trial_s=trial_s, light_per_minute_s=minute_s)
    return structs.replace(VIRTUAL, lines=structs.replace(VIRTUAL.lines, **lasers), limits=limits, **others)


def planned(*lit_rows, light_from=START, stays=False, sham=False, animals=3, **numbers):
    """A plan with light in some rows of its table."""
    lights = tuple(Light(row, light_from, animals, sham=sham, stays=stays) for row in lit_rows)
    return Setup(**{"lights": lights, "trials": 20, "grace": 0} | numbers).plan()


def found(proof, what):
    """The findings about one property."""
    return [finding for finding in proof.findings if finding.what == what]


def the(proof, what):
    """The one finding about a property."""
    (finding,) = found(proof, what)
    return finding


def without(task, name, **fields):
    """The task with a state written otherwise."""
    return replace(task, states=tuple(replace(s, **fields) if s.name == name else s for s in task.states))


def arcs_of(task, name):
    return next(dict(state.on) for state in task.states if state.name == name)


def with_arrays(plan, **arrays):
    return replace(plan, arrays=plan.arrays | arrays)


# -- what holds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", [1, 7, 20])
@pytest.mark.parametrize("task", EVERY_TASK)
def test_every_task_of_the_project_is_safe_on_the_virtual_rig(task, day):
    starts = "shared_state" if task == "shared_state_inhibition" else VIRTUAL.inhibition.from_
    light = structs.replace(VIRTUAL.inhibition, from_=starts)
    on = structs.replace(VIRTUAL, task=structs.replace(VIRTUAL.task, name=task), inhibition=light)
    proof = prove(plans.make(on, seed=day, day=day, minutes=30.0, trials=None), on)
    proof.insist()
    assert proof.holds
    assert proof.violations == proof.warnings == ()
    assert {finding.what for finding in proof.findings} >= {
        Property.LEFT,
        Property.STOPPED,
        Property.SWITCHED_OFF,
        Property.ENDS,
        Property.LIGHT_PER_TRIAL,
        Property.VALVE_PER_MINUTE,
        Property.DEVICES,
    }


def test_a_plan_read_back_from_a_log_is_proven_as_the_one_that_was_written():
    plan = planned(3, 6)
    once, again = prove(plan, rig()), prove(plans.from_text(plan.to_text()), rig())
    assert [(f.title, f.holds, f.says, f.worst_s) for f in once.findings] == [
        (f.title, f.holds, f.says, f.worst_s) for f in again.findings
    ]


def test_what_is_found_says_how_much_was_walked_and_when_everything_is_off():
    proof = prove(planned(3, limit=60 * S), rig())
    assert the(proof, Property.LEFT).says == "10 states, 31 situations, each input in each of them"
    assert the(proof, Property.ENDS).says == (
        "an earned reward 30 ms, light 8 s, a reward by hand 40 ms, a laser test by hand 200 ms; 8 s after the last "
        "command nothing is on"
    )


# -- light, in numbers -------------------------------------------------------------------------------------------------


def test_light_of_a_trial_is_at_most_its_length():
    finding = the(prove(planned(3), rig()), Property.LIGHT_PER_TRIAL)
    assert (finding.worst_s, finding.limit_s, finding.animals) == (8.0, 10.0, (0, 1))
    assert str(finding.path) == (
        "trial 4: ITI (2 s) —over→ READY, light on (7 s) —A pokes→ A_FIRST (1 s) —window over→ MISS, light off (1 s) "
        "—time-out over→ next trial"
    )


def test_light_until_the_outcome_ends_with_the_window_where_it_starts_with_the_first_poke():
    finding = the(prove(planned(3, light_from=FIRST), rig()), Property.LIGHT_PER_TRIAL)
    assert finding.worst_s == 1.0


def test_light_for_its_full_time_does_not_end_with_the_outcome():
    finding = the(prove(planned(3, light_from=FIRST, stays=True), rig()), Property.LIGHT_PER_TRIAL)
    assert finding.worst_s == 8.0


def test_light_of_a_trial_ends_with_the_trials_limit_where_that_is_shorter():
    finding = the(prove(planned(3, limit=3 * S), rig()), Property.LIGHT_PER_TRIAL)
    assert finding.worst_s == 4.0  # three seconds until a poke on the limit, one more until the window is over


def test_a_deadline_that_may_fire_late_lengthens_light_by_the_loops_grace():
    finding = the(prove(planned(3, limit=3 * S, grace=100 * MS), rig()), Property.LIGHT_PER_TRIAL)
    assert finding.worst_s == 4.1


def test_in_a_minute_a_deadline_that_may_fire_late_lengthens_light_and_shortens_what_is_between():
    short = prove(planned(0, 5, limit=3 * S, grace=100 * MS), rig())
    assert the(short, Property.LIGHT_PER_MINUTE).worst_s == 8.2
    dense = prove(planned(*range(20), grace=100 * MS), rig(minute_s=60.0))
    assert the(dense, Property.LIGHT_PER_MINUTE).worst_s == 60.0 - 5 * 2.9


def test_the_widest_window_of_a_criterion_schedule_counts_for_a_trial_and_the_narrowest_for_a_minute():
    numbers = {
        "windows": (3 * S, 1 * S),
        "schedule": (Schedule.CRITERION, 2, 5, 0.75, 0.35),
        "timeout": 0,
        "drink": 9 * S,
    }
    proof = prove(planned(0, 1, 2, 3, 4, 5, 6, 7, light_from=FIRST, trials=8, **numbers), rig())
    assert the(proof, Property.LIGHT_PER_TRIAL).worst_s == 3.0
    # Each of eight trials: an ITI of 2 s, then 3 s of light; the first light needs no ITI in the minute.
    assert the(proof, Property.LIGHT_PER_MINUTE).worst_s == 24.0


def test_a_minute_has_all_the_light_that_fits_with_the_time_between_trials():
    # From one light to the next: MISS lasts 1 s, an ITI 2 s. So 8 s of light in 11 s: 60 = 5 * 11 + 5.
    finding = the(prove(planned(*range(20)), rig(minute_s=60.0)), Property.LIGHT_PER_MINUTE)
    assert finding.worst_s == 45.0


def test_trials_without_light_keep_lights_apart():
    # Between two lights: 1 s of MISS, two trials of 2 s ITI and 2 s (success, or window and time-out), one more ITI.
    finding = the(prove(planned(0, 3, 6, 9, 12, 15), rig()), Property.LIGHT_PER_MINUTE)
    assert finding.worst_s == 60.0 - 3 * (1 + 2 * 4 + 2)


def test_sham_trials_have_no_light():
    proof = prove(planned(0, 1, 2, sham=True), rig())
    assert the(proof, Property.LIGHT_PER_TRIAL).says == "no light is planned"


def test_each_animals_light_is_bounded_by_itself():
    proof = prove(planned(0, 1, 2, 3, animals=2), rig())
    finding = the(proof, Property.LIGHT_PER_MINUTE)
    assert finding.title == "light per minute, B"


def test_machines_of_their_own_have_tables_of_their_own():
    lights = (Light(0, START, 1, machine=0), *(Light(row, START, 2, machine=1) for row in range(20)))
    proof = prove(Setup(task="independent", lights=lights, trials=20, grace=0).plan(), rig(minute_s=60.0))
    assert [(f.title, f.worst_s) for f in found(proof, Property.LIGHT_PER_MINUTE)] == [
        ("light per minute, A", 8.0),
        ("light per minute, B", 8.0 * 5),  # a success costs 2 s to drink and 2 s of ITI: a light every 12 s
    ]
    assert "—B pokes→ REWARD" in str(found(proof, Property.LIGHT_PER_MINUTE)[1].path)


def test_two_machines_that_light_the_same_laser_are_added_up():
    lights = (Light(0, START, 3, machine=0), Light(0, START, 1, machine=1))
    proof = prove(Setup(task="independent", lights=lights, grace=0).plan(), rig(trial_s=60.0))
    assert [(f.title, f.worst_s) for f in found(proof, Property.LIGHT_PER_MINUTE)] == [
        ("light per minute, A", 16.0),
        ("light per minute, B", 8.0),
    ]


def test_what_is_found_of_both_animals_is_told_as_one_only_if_the_same_happens():
    together = found(prove(planned(), rig()), Property.VALVE_PER_MINUTE)
    apart = found(prove(planned(task="independent"), rig()), Property.VALVE_PER_MINUTE)
    assert [finding.title for finding in together] == ["valve per minute, A and B"]
    assert [finding.title for finding in apart] == ["valve per minute, A", "valve per minute, B"]
    assert "—B pokes→" in str(apart[1].path)


def test_people_who_pause_and_resume_skip_the_trials_without_light():
    finding = the(prove(planned(0, 10, 18), rig()), Property.LIGHT_WITH_PAUSES)
    assert finding.worst_s == 24.0
    assert str(finding.path).splitlines() == [
        "trials 1, 11, 19: ITI —over→ READY, light on (8 s) —pause→ PAUSED, light off —resume→ next trial",
        "trials 2 to 10, 12 to 18: ITI —pause→ PAUSED —resume→ next trial",
    ]


def test_a_valve_may_open_once_per_success():
    finding = the(prove(planned(trials=100), rig()), Property.VALVE_PER_MINUTE)
    # A pause cuts the drinking: ITI of 2 s and 30 ms of water; the 30th opening begins after 29 * 2.03 s.
    assert finding.worst_s == 0.9
    assert finding.limit_s == 10.0


# -- what does not hold ------------------------------------------------------------------------------------------------


def refusal(plan, on=None):
    """The sentences with which a plan is refused."""
    with pytest.raises(NotSafe) as refused:
        prove(plan, rig() if on is None else on).insist()
    return str(refused.value).splitlines()


def test_a_state_that_only_people_can_leave_is_found_with_the_path_to_it():
    plan = planned()
    plan.arrays["arcs"][plan.state_names.index("MISS"), Input.TIMER] = 0
    (sentence,) = refusal(plan)
    assert sentence == (
        "task cooperation is not safe: MISS never leads to FINISHED unless a person pauses or stops: lead one of its "
        "inputs, or its TIMER, on towards the next trial."
    )
    path = the(prove(plan, rig()), Property.LEFT).path
    assert str(path).splitlines() == [
        "IDLE —start→ ITI",
        "trial 1: ITI (2 s) —over→ READY —A pokes→ A_FIRST (1 s) —window over→ MISS",
    ]


def test_states_that_go_round_without_time_are_found():
    task = without(COOPERATION, "MISS", on={Input.TIMER: "OMISSION", **PEOPLE})
    task = without(task, "OMISSION", on={Input.TIMER: "MISS", Input.POKE_A: "ITI", **PEOPLE})
    (sentence,) = refusal(Setup(task=task, timeout=0).plan())
    assert sentence == (
        "task cooperation is not safe: MISS → OMISSION is a circle in which no time passes: let one of these states "
        "last longer than 0."
    )
    prove(Setup(task=task, timeout=1).plan(), rig()).insist()


def test_a_state_that_does_not_hear_a_stop_is_found():
    task = without(COOPERATION, "A_FIRST", on=arcs_of(COOPERATION, "A_FIRST") | {Input.STOP: ()})
    (sentence,) = refusal(Setup(task=task).plan())
    assert sentence == (
        "task cooperation is not safe: a stop does not end A_FIRST: lead its STOP to FINISHED (on={…, **PEOPLE})."
    )


def test_a_stop_that_is_heard_only_sometimes_is_not_enough():
    arcs = arcs_of(COOPERATION, "READY") | {Input.STOP: To("FINISHED", Guard.IN_TRIAL)}
    assert "a stop does not end READY" in refusal(Setup(task=without(COOPERATION, "READY", on=arcs)).plan())[0]


def test_a_pause_that_leaves_outputs_on_is_found_with_the_path_to_it():
    task = without(COOPERATION, "PAUSED", enter=(Action.ABORT,))
    plan = planned(0, task=task)
    (sentence,) = refusal(plan)
    assert sentence == (
        "task cooperation is not safe: PAUSED is entered with VALVE_A, VALVE_B, LASER_A, LASER_B on: give it the "
        "action OUTPUTS_OFF."
    )
    path = the(prove(plan, rig()), Property.SWITCHED_OFF).path
    assert str(path) == "IDLE —start→ ITI\ntrial 1: ITI (2 s) —over→ READY —pause→ PAUSED"


def test_an_end_that_leaves_outputs_on_is_found():
    (sentence,) = refusal(planned(0, task=without(COOPERATION, "FINISHED", enter=())))
    assert "FINISHED is entered with VALVE_A, VALVE_B, LASER_A, LASER_B on" in sentence


def test_outputs_switched_off_before_one_is_switched_on_are_not_off():
    task = without(COOPERATION, "PAUSED", enter=(Action.OUTPUTS_OFF, Action.REWARD_A))
    assert "PAUSED is entered with VALVE_A on" in refusal(Setup(task=task).plan())[0]


def test_a_state_with_light_that_does_not_hear_a_pause_is_found():
    arcs = arcs_of(COOPERATION, "A_FIRST")
    del arcs[Input.PAUSE]
    task = without(COOPERATION, "A_FIRST", on=arcs)
    (sentence,) = refusal(planned(0, task=task))
    assert "a pause, which is also what a lost device makes, does not end A_FIRST" in sentence
    assert "in which LASER_A, LASER_B can be on" in sentence
    prove(planned(task=task), rig()).insist()  # without light nothing can be on in it


def test_light_without_end_is_found():
    plan = planned(0, light=NEVER_NS)
    sentences = refusal(plan)
    assert sentences[:2] == [
        f"task cooperation is not safe: light on laser_{animal} has no end: give [inhibition] max_s a length."
        for animal in "ab"
    ]
    assert str(found(prove(plan, rig()), Property.ENDS)[0].path).endswith("—over→ READY")


def test_light_without_length_is_found():
    assert "light on laser_a has no length (0 ms)" in refusal(planned(0, light=0))[0]


def test_light_longer_than_its_line_allows_is_found():
    assert refusal(planned(0, light=10_001 * MS), rig(trial_s=60.0)) == [
        f"task cooperation is not safe: light on laser_{animal} lasts 10 s, longer than [lines] laser_{animal} "
        "max_on_ms = 10000: shorten [inhibition] max_s, or raise max_on_ms."
        for animal in "ab"
    ]
    prove(planned(0, light=10_000 * MS), rig()).insist()


def test_rewards_longer_than_their_valve_allows_are_found():
    (earned, *_, by_hand) = refusal(planned(valve=201 * MS, free=201 * MS))
    assert "an earned reward on valve_a lasts 201 ms, longer than [lines] valve_a max_on_ms = 200" in earned
    assert "a reward by hand on valve_b lasts 201 ms" in by_hand


def test_a_laser_test_longer_than_its_laser_allows_is_found():
    assert refusal(planned(test=10_001 * MS)) == [
        f"task cooperation is not safe: a laser test by hand on laser_{animal} lasts 10 s, longer than [lines] "
        f"laser_{animal} max_on_ms = 10000: shorten [inhibition] test_ms, or raise max_on_ms."
        for animal in "ab"
    ]
    prove(planned(test=10_000 * MS), rig()).insist()


def test_a_laser_test_without_length_is_found():
    _, of_b = refusal(planned(test=0))
    assert "a laser test by hand on laser_b has no length (0 ms): give [inhibition] test_ms one above 0" in of_b


def test_a_rig_without_lasers_is_told_of_no_laser_test():
    dark = structs.replace(VIRTUAL, lines=structs.replace(VIRTUAL.lines, laser_a=None, laser_b=None))
    proof = prove(planned(lasers=False, test=10_001 * MS), dark)
    proof.insist()
    assert "laser test" not in the(proof, Property.ENDS).says


def test_too_much_light_in_a_trial_is_found():
    (sentence,) = refusal(planned(0), rig(trial_s=7.9))
    assert sentence == (
        "task cooperation is not safe: light per trial, A and B: it can be 8 s in one trial, and [limits] "
        "light_per_trial_s allows 7.9 s: lower [inhibition] max_s, or raise light_per_trial_s."
    )


def test_light_that_comes_again_and_again_within_a_trial_is_found():
    task = without(COOPERATION, "A_FIRST", on=arcs_of(COOPERATION, "A_FIRST") | {Input.TIMER: "READY"})
    proof = prove(planned(0, task=task, light_from=FIRST), rig())
    finding = the(proof, Property.LIGHT_PER_TRIAL)
    assert not finding.holds
    assert finding.worst_s == math.inf
    assert "comes again and again within one trial" in finding.says
    assert str(finding.path).count("—A pokes→ A_FIRST, light on (1 s) —window over→ READY") == 3
    assert the(proof, Property.LIGHT_PER_MINUTE).worst_s == 60.0


def test_light_that_starts_twice_in_a_trial_counts_twice():
    twice = Task(
        name="cooperation",
        summary="",
        scope="pair",
        states=tuple(
            replace(state, enter=(*state.enter, Action.LIGHT_AT_START)) if state.name == "A_FIRST" else state
            for state in COOPERATION.states
        ),
    )
    finding = the(prove(planned(0, task=twice), rig(trial_s=20.0)), Property.LIGHT_PER_TRIAL)
    assert finding.worst_s == 16.0


def test_a_table_with_too_much_light_for_a_minute_is_found():
    (sentence,) = refusal(planned(*range(20)))
    assert sentence == (
        "task cooperation is not safe: light per minute, A and B: it can be 45 s in a minute, and [limits] "
        "light_per_minute_s allows 40 s: lower [inhibition] max_s or fraction, raise min_plain_between or [task] "
        "iti_min_s, or raise light_per_minute_s."
    )


def test_light_that_only_pauses_bring_beyond_the_limit_is_safe_if_the_device_cuts_it():
    plan = planned(0, 3, 6, 9, 12, 15)
    finding = the(prove(plan, rig()), Property.LIGHT_WITH_PAUSES)
    assert finding.holds
    assert finding.worst_s == 48.0
    assert finding.says == "the device itself cuts it at on_per_minute_s = 40"
    (sentence,) = refusal(plan, rig(cut_s=41.0))
    assert sentence == (
        "task cooperation is not safe: light per minute, pauses without end, A and B: it can be 48 s in a minute, and "
        "[limits] light_per_minute_s allows 40 s: write on_per_minute_s = 40 for the laser in [lines], so that the "
        "device cuts it (now 41)."
    )


def test_everything_that_does_not_hold_is_told_at_once():
    task = without(COOPERATION, "PAUSED", enter=(Action.ABORT,))
    sentences = refusal(planned(*range(20), task=task, valve=300 * MS), rig(trial_s=1.0))
    for words in (
        "PAUSED is entered",
        "an earned reward on valve_b",
        "light per trial, A and B",
        "light per minute, A",
    ):
        assert any(words in sentence for sentence in sentences)


def test_a_word_that_the_proof_does_not_know_is_an_error_and_not_a_proof():
    plan = planned()
    actions = plan.arrays["actions"].copy()
    actions["code"][-1] = 99
    with pytest.raises(UnknownWord, match="FINISHED does something that this version does not know"):
        prove(with_arrays(plan, actions=actions), rig())


# -- what a person should know -----------------------------------------------------------------------------------------


def test_a_device_that_would_cut_planned_light_is_warned_about():
    proof = prove(planned(0, 3, 6, 9), rig(cut_s=20.0))
    assert proof.holds
    (warning,) = proof.warnings
    assert warning == (
        "light per minute, A and B: the device cuts it at 20 s a minute, which trials can reach: raise on_per_minute_s "
        "of the laser in [lines], or plan less light"
    )


def test_a_device_that_would_shut_a_valve_is_warned_about():
    proof = prove(planned(trials=500, iti=0, drink=0, timeout=0, valve=200 * MS), rig())
    assert proof.holds
    assert [warning for warning in proof.warnings if "shuts it at 10 s a minute" in warning]


def test_outputs_that_no_device_has_are_told_and_bring_no_light():
    proof = prove(planned(0, lasers=False), structs.replace(rig(), lines=structs.replace(VIRTUAL.lines, laser_a=None)))
    assert proof.holds
    assert the(proof, Property.DEVICES).warning == (
        "no device has laser_a and laser_b: its commands are logged and never sent; wire it in [lines], or plan no "
        "light with fraction = 0"
    )
    assert the(proof, Property.LIGHT_PER_TRIAL).says == "no light is planned"
