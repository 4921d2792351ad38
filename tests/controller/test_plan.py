"""A session's plan: from a rig file to the numbers that the loop decides by, and back from its log."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller import rigfile
from controller.plan import PlanError, animals_of, from_text, make, trials_needed
from controller.task import UnknownTask
from realtime.digest import words_of
from realtime.machine import Param
from realtime.records import FIRST_DEVICE, NEVER_NS, NO_ROUTE, NS_PER_MS, NS_PER_S, Line, no_events
from realtime.window import Schedule, TrainingDayError

VIRTUAL = (Path(__file__).resolve().parents[2] / "rigs" / "virtual.toml").read_text(encoding="utf-8")


def rig(*changes):
    """The virtual rig with some of its lines written otherwise."""
    text = VIRTUAL
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the virtual rig"
        text = text.replace(old, new)
    return rigfile.parse(text, "rig.toml")


def planned(*changes, seed=1, day=1, minutes=30.0, trials=None):
    return make(rig(*changes), seed=seed, day=day, minutes=minutes, trials=trials)


def test_the_numbers_of_the_rig_file_become_nanoseconds():
    params = planned().arrays["params"][0]
    assert params[Param.TRIAL_LIMIT] == 60 * NS_PER_S
    assert params[Param.DRINK] == 2 * NS_PER_S
    assert params[Param.TIMEOUT] == 0
    assert params[Param.VALVE_A] == params[Param.VALVE_B] == 30 * NS_PER_MS
    assert params[Param.LIGHT] == 8 * NS_PER_S
    assert (planned().grace_ns, planned().free_ns) == (5 * NS_PER_MS, (30 * NS_PER_MS, 30 * NS_PER_MS))
    assert planned(("test_ms = 200 ", "test_ms = 350 ")).test_ns == 350 * NS_PER_MS


def test_a_trial_limit_of_zero_is_never():
    plan = planned(("trial_limit_s = 60.0", "trial_limit_s = 0"))
    assert plan.arrays["params"][0, Param.TRIAL_LIMIT] == NEVER_NS


@pytest.mark.parametrize(("day", "window_s"), [(1, 3.0), (5, 3.0), (6, 1.5), (15, 1.5), (16, 0.75), (31, 0.75)])
def test_the_first_trial_of_a_training_day_has_that_days_window(day, window_s):
    plan = planned(day=day)
    stage = plan.arrays["windows"]["stage"][0]
    assert plan.arrays["stages_ns"][stage] == round(window_s * NS_PER_S)


def test_a_fixed_schedule_has_one_window_on_every_day():
    plan = planned(('schedule = "days"', 'schedule = "fixed"'), day=20)
    assert plan.arrays["stages_ns"].tolist() == [1_500_000_000]
    assert plan.arrays["schedule"]["kind"][0] == Schedule.FIXED
    assert plan.arrays["windows"]["stage"].tolist() == [0]


def test_a_criterion_schedule_begins_with_the_widest_window_on_every_day():
    plan = planned(('schedule = "days"', 'schedule = "criterion"'), day=20)
    assert plan.arrays["schedule"].tolist() == [(Schedule.CRITERION, 3, 40, 0.75, 0.35)]
    assert plan.arrays["windows"]["stage"].tolist() == [0]


def test_commands_are_routed_to_the_device_that_has_the_line():
    routes = planned().arrays["routes"]
    assert routes[: Line.ARM].tolist() == [FIRST_DEVICE] * Line.ARM
    assert routes[Line.ARM] == NO_ROUTE
    assert (planned().judged, planned().lasers) == ((FIRST_DEVICE,), (FIRST_DEVICE,))


def test_a_pair_has_one_machine_and_the_others_one_per_animal():
    assert planned().animals == (-1,)
    assert planned(('name = "cooperation"', 'name = "independent"')).animals == (0, 1)
    solo = ('name = "cooperation"', 'name = "solo"')
    assert planned(solo).animals == (0, 1)
    assert animals_of("each", "a") == (0,)
    assert animals_of("each", "b") == (1,)


def test_the_table_has_as_many_trials_as_asked_for_or_as_can_fit():
    assert planned(trials=12).arrays["trials"].shape == (1, 12)
    assert planned(minutes=30.0).arrays["trials"].shape == (1, 30 * 60 / 2.5 + 1)


def test_where_the_iti_is_zero_the_number_of_trials_is_still_bounded():
    assert trials_needed(1.0, 0.0) == 121


def test_the_seed_decides_the_table_and_nothing_else():
    same, again, other = planned(seed=4), planned(seed=4), planned(seed=5)
    assert same.to_text() == again.to_text()
    for name in same.arrays:
        assert (same.arrays[name].tobytes() == other.arrays[name].tobytes()) == (name != "trials")


def test_solo_never_lights_anybody():
    assert not planned(('name = "cooperation"', 'name = "solo"')).arrays["trials"]["light_from"].any()


def test_light_that_would_end_the_moment_it_begins_is_refused():
    independent = ('name = "cooperation"', 'name = "independent"')
    first_poke = ('from = "trial_start"', 'from = "first_poke"')
    with pytest.raises(PlanError, match=r"\[inhibition\] task independent: a poke is itself the outcome"):
        planned(independent, first_poke)
    assert planned(independent, first_poke, ('until = "outcome"', 'until = "fixed"')).animals == (0, 1)
    assert planned(independent, first_poke, ("fraction = 0.1667", "fraction = 0.0")).animals == (0, 1)


def test_a_day_before_the_first_is_refused():
    with pytest.raises(TrainingDayError, match="day 0 is not a day of training"):
        planned(day=0)


def test_a_task_that_does_not_exist_is_refused():
    described = rig()
    odd = rigfile.Task(name="tennis")
    with pytest.raises(UnknownTask, match="tennis"):
        make(
            rigfile.Rig(rig=described.rig, devices=described.devices, lines=described.lines, task=odd),
            seed=1,
            day=1,
            minutes=1.0,
            trials=None,
        )


# -- as text, in a log -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["cooperation", "solo", "independent"])
def test_a_plan_comes_back_from_its_text_the_same(task):
    plan = planned(('name = "cooperation"', f'name = "{task}"'))
    again = from_text(plan.to_text())
    assert again.to_text() == plan.to_text()
    for name, array in plan.arrays.items():
        assert (again.arrays[name].dtype, again.arrays[name].shape) == (array.dtype, array.shape)
        assert again.arrays[name].tobytes() == array.tobytes()
    assert (again.judged, again.lasers, again.state_names) == (plan.judged, plan.lasers, plan.state_names)
    assert (again.grace_ns, again.free_ns, again.test_ns) == (plan.grace_ns, plan.free_ns, 200 * NS_PER_MS)


def test_the_length_of_a_laser_test_is_in_the_cores_memory():
    log = no_events(1)
    assert planned().core(log, words_of(log)).memory["test_ns"].tolist() == [200 * NS_PER_MS]


def test_the_text_of_a_plan_from_before_there_were_laser_tests_is_read():
    plan = planned(trials=3)
    fields = json.loads(plan.to_text())
    del fields["test_ns"]
    old = from_text(json.dumps(fields))
    assert old.test_ns == 0
    assert old.to_text() == replace(plan, test_ns=0).to_text()


def test_a_plan_hands_out_fresh_machines_and_cores():
    plan = planned()
    before = plan.to_text()
    machine = plan.machine()
    log = no_events(1)
    core = plan.core(log, words_of(log))
    machine.memory["trial"], machine.params[:], machine.trials["iti_ns"], core.routes[:] = 9, 9, 9, 9
    assert plan.to_text() == before
    assert plan.machine().memory["trial"].tolist() == [0]


def damaged(change):
    fields = json.loads(planned(trials=3).to_text())
    change(fields)
    return json.dumps(fields)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no plan",
        "{}",
        "[]",
        "null",
        damaged(lambda fields: fields.pop("finished")),
        damaged(lambda fields: fields.update(test_ns="long")),
        damaged(lambda fields: fields["arrays"].pop("arcs")),
        damaged(lambda fields: fields["arrays"]["trials"].update(shape=[1, 4])),
        damaged(lambda fields: fields["arrays"]["trials"].update(base64="!")),
        damaged(lambda fields: fields["arrays"]["arcs"].update(base64=base64.b64encode(b"123").decode())),
    ],
)
def test_a_text_that_is_no_plan_is_refused_in_one_sentence(text):
    with pytest.raises(PlanError, match=r"the session's plan cannot be read .* damaged or of another version"):
        from_text(text)


def test_two_plans_with_the_same_numbers_have_tables_of_the_same_bytes():
    a, b = planned(trials=5), planned(trials=5)
    assert all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)
