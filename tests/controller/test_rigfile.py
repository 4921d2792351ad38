"""Rig files: what is taken, and what is said about every mistake."""

import pickle
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect, structs

from agents.mice import MouseParameters
from controller import rigcheck, rigfile
from realtime import records
from realtime.records import Line

HOUSE = Path(__file__).parents[2]
VIRTUAL = HOUSE / "rigs" / "virtual.toml"
PAGE = HOUSE / "docs" / "reference" / "rig-file.md"

BOX = """
[rig]
name = "box"
kind = "virtual"

[devices.board]
driver = "reference_board"
port = "emulator"

[lines]
poke_a = { device = "board", pin = 0 }
poke_b = { device = "board", pin = 1 }
valve_a = { device = "board", pin = 0 }
valve_b = { device = "board", pin = 1 }
laser_a = { device = "board", pin = 2 }
laser_b = { device = "board", pin = 3 }
"""

TWO_BOARDS = """
[rig]
name = "two"
kind = "real"

[devices.cage]
driver = "reference_board"
port = "/dev/ttyACM0"

[devices.light]
driver = "reference_board"
port = "/dev/ttyACM1"

[lines]
poke_a = { device = "cage", pin = 3 }
poke_b = { device = "cage", pin = 4 }
lick_b = { device = "cage", pin = 5 }
valve_a = { device = "cage", pin = 3 }
valve_b = { device = "cage", pin = 4, max_on_ms = 150 }
laser_a = { device = "light", pin = 7, max_on_ms = 9000 }

[inhibition]
animals = "a"
"""


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(rigfile.RigFileError) as caught:
        rigfile.parse(text, "box.toml")
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return caught.value.mistakes


def changed(old: str, new: str, text: str = BOX) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


# What is taken.


def test_the_shipped_virtual_rig_loads():
    rig = rigfile.load(VIRTUAL)
    assert (rig.rig.name, rig.rig.kind, list(rig.devices)) == ("virtual", "virtual", ["board"])
    assert rig.lines.lick_b == rigfile.Input(device="board", pin=5)


def test_the_shipped_virtual_rig_shows_the_defaults_but_is_short_and_armed():
    rig = rigfile.load(VIRTUAL)
    assert (rig.task, rig.window, rig.reward) == (rigfile.Task(), rigfile.Window(), rigfile.Reward())
    assert (rig.loop, rig.session) == (rigfile.Loop(), rigfile.Session(minutes=5.0))
    assert rig.mice == rigfile.Mice(a=rigfile.MouseSettings(), b=rigfile.MouseSettings())
    brain = rigfile.NeuralStream(source="virtual")
    assert rig.neural == rigfile.Neural(a=brain, b=brain)
    assert (rig.estimators, rig.trigger, rig.brains) == (rigfile.Estimators(), rigfile.Trigger(), rigfile.Brains())
    assert rig.inhibition.arm_at_start
    assert structs.replace(rig.inhibition, fraction=1 / 6, arm_at_start=False) == rigfile.Inhibition()
    assert rig.inhibition.fraction == pytest.approx(1 / 6, abs=1e-4)


def test_the_shipped_virtual_rig_has_every_key_that_has_a_default_or_is_needed():
    table = tomllib.loads(VIRTUAL.read_text())
    for header, spec in keys_of_the_schema():
        if spec.default is None and header != "lines":
            continue  # a key for some devices or rewards only
        place = table
        for part in header.replace("NAME", "board").split("."):
            place = place[part]
        assert spec.encode_name in place, f"[{header}] {spec.encode_name}"


def test_every_key_line_of_the_shipped_virtual_rig_but_repetitions_has_a_comment():
    lines = [line for line in VIRTUAL.read_text().splitlines() if " = " in line and not line.startswith("#")]
    assert [line.split(" ")[0] for line in lines if "#" not in line] == ["poke_b", "lick_b", "valve_b", "laser_b"]


def test_every_key_there_is_stands_in_some_shipped_rig():
    shipped = "".join(path.read_text() for path in sorted((HOUSE / "rigs").glob("*.toml")))
    for header, spec in keys_of_the_schema():
        key = spec.encode_name
        assert f"{key} = " in shipped or f"[{key}" in shipped, f"[{header}] {key}"


def test_a_file_with_only_the_three_needed_tables_has_the_defaults():
    rig = rigfile.parse(BOX, "box.toml")
    assert rig.inhibition == rigfile.Inhibition()
    assert rig.inhibition.from_ == "trial_start"
    assert rig.lines.lick_a is None
    assert rig.lines.valve_a.max_on_ms == 200
    assert rig.devices["board"].host_timeout_ms == 500
    assert rig.mice.a.poke_interval_s == 6.0
    assert (rig.neural, rig.trigger) == (None, None)
    assert (rig.estimators, rig.brains) == (rigfile.Estimators(), rigfile.Brains())


def test_the_key_from_is_read_although_python_cannot_name_a_field_so():
    rig = rigfile.parse(BOX + '[inhibition]\nfrom = "first_poke"\n', "box.toml")
    assert rig.inhibition.from_ == "first_poke"


def test_a_whole_number_is_taken_where_a_number_may_have_decimals():
    rig = rigfile.parse(BOX + "[task]\niti_min_s = 1\n", "box.toml")
    assert isinstance(rig.task.iti_min_s, float)


def test_equal_shortest_and_longest_intervals_are_taken():
    rig = rigfile.parse(BOX + "[task]\niti_min_s = 3.0\niti_max_s = 3.0\n", "box.toml")
    assert rig.task.iti_max_s == 3.0


def test_a_fraction_at_the_very_limit_is_taken():
    third = "[inhibition]\nfraction = 0.3333333333333333\nmin_plain_between = 2\n"
    assert rigfile.parse(BOX + third, "box.toml").inhibition.min_plain_between == 2


def test_a_virtual_rig_may_name_a_real_port():
    rig = rigfile.parse(changed('port = "emulator"', 'port = "/dev/ttyACM0"'), "box.toml")
    assert rig.devices["board"].port == "/dev/ttyACM0"


def test_a_rig_without_lasers_is_taken_when_no_light_is_planned():
    text = BOX.split("laser_a", maxsplit=1)[0] + "[inhibition]\nfraction = 0\n"
    assert rigfile.parse(text, "box.toml").lines.laser_a is None


def test_one_laser_is_enough_when_one_animal_is_lit():
    assert rigfile.parse(TWO_BOARDS, "two.toml").lines.laser_b is None


def test_the_solo_task_takes_one_animal():
    rig = rigfile.parse(BOX + '[task]\nname = "solo"\nanimals = "b"\n', "box.toml")
    assert rig.task.animals == "b"


def test_a_rig_cannot_be_changed_once_it_is_read():
    rig = rigfile.parse(BOX, "box.toml")
    with pytest.raises(AttributeError, match="immutable"):
        rig.task.drink_s = 3.0


def test_reading_keeps_the_text_for_the_log(tmp_path):
    path = tmp_path / "box.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BOX.encode())
    assert rigfile.read(path) == rigfile.LoadedRig(rigfile.parse(BOX, "box.toml"), BOX, path)


# What others ask of a rig.


def test_devices_are_numbered_in_the_order_of_the_file():
    rig = rigfile.parse(TWO_BOARDS, "two.toml")
    assert rigfile.device_numbers(rig) == {"cage": 2, "light": 3}


def test_each_device_has_the_pins_that_the_lines_give_it():
    rig = rigfile.parse(TWO_BOARDS, "two.toml")
    on_cage = {Line.POKE_A: 3, Line.POKE_B: 4, Line.LICK_B: 5, Line.VALVE_A: 3, Line.VALVE_B: 4}
    assert rigfile.pins_of(rig, "cage") == on_cage
    assert rigfile.pins_of(rig, "light") == {Line.LASER_A: 7}


def test_only_outputs_have_a_longest_on_time():
    rig = rigfile.parse(TWO_BOARDS, "two.toml")
    assert rigfile.max_on_ms_of(rig, "cage") == {Line.VALVE_A: 200, Line.VALVE_B: 150}
    assert rigfile.max_on_ms_of(rig, "light") == {Line.LASER_A: 9000}


def test_commands_are_routed_to_the_device_that_has_the_line():
    routes = rigfile.routes(rigfile.parse(TWO_BOARDS, "two.toml"))
    none = records.NO_ROUTE
    assert routes.dtype == np.uint16
    assert routes.tolist() == [2, 2, none, 2, 2, 2, 3, none, none]


def test_arming_concerns_the_devices_with_lasers_only():
    assert rigfile.laser_devices(rigfile.parse(TWO_BOARDS, "two.toml")) == [3]
    assert rigfile.laser_devices(rigfile.parse(BOX, "box.toml")) == [2]


def test_asking_about_a_device_that_the_rig_has_not_names_those_it_has():
    rig = rigfile.parse(TWO_BOARDS, "two.toml")
    with pytest.raises(rigfile.NoSuchDeviceError, match="has no device board; it has cage, light"):
        rigfile.pins_of(rig, "board")


# Files that cannot be read.


def test_a_missing_file_is_told_in_one_sentence(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(rigfile.RigFileError) as caught:
        rigfile.load(path)
    assert caught.value.mistakes == (f"{path}: there is no such file.",)


def test_a_folder_is_told_in_one_sentence(tmp_path):
    with pytest.raises(rigfile.RigFileError) as caught:
        rigfile.load(tmp_path)
    assert caught.value.mistakes == (f"{tmp_path}: this is a folder; name a rig file in it.",)


def test_a_file_below_a_file_is_told_in_one_sentence(tmp_path):
    (tmp_path / "box.toml").write_text(BOX)
    with pytest.raises(rigfile.RigFileError, match="the file cannot be read: Not a directory"):
        rigfile.load(tmp_path / "box.toml" / "rig.toml")


def test_a_file_that_is_no_text_is_told_with_its_line(tmp_path):
    (tmp_path / "box.toml").write_bytes(b'[rig]\nname = "\xff"\n')
    with pytest.raises(rigfile.RigFileError, match="line 2 is not UTF-8 text"):
        rigfile.load(tmp_path / "box.toml")


def test_text_that_is_not_toml_is_told_with_its_line():
    assert mistakes("[rig]\nname = box\n") == ("box.toml: the file is not TOML: Invalid value (at line 2, column 8).",)


def test_text_that_ends_too_early_is_told_with_its_last_line():
    (sentence,) = mistakes("[rig]\nname =")
    assert sentence.endswith("(at line 2, the end of the file).")


def test_a_number_of_thousands_of_digits_is_told():
    text = changed("pin = 2", "pin = " + "9" * 5000)
    assert mistakes(text) == ("box.toml: a number in the file has too many digits.",)


def test_text_nested_beyond_reason_is_told():
    assert mistakes("a = " + "[" * 20_000) == ("box.toml: the file is nested too deeply to be a rig file.",)


# Mistakes of keys and tables.


def test_an_empty_file_is_told_its_three_needed_tables():
    assert mistakes("") == (
        "box.toml: [rig]: the table is missing: it must have name and kind.",
        "box.toml: [devices]: the table is missing: write at least one [devices.NAME].",
        "box.toml: [lines]: the table is missing: it must have poke_a and poke_b and valve_a and valve_b.",
    )


REWARD_KEYS = "valve_ms, free_valve_ms, volume_ul, free_volume_ul"
KEYS = {
    "[task]\niti_mn_s = 2.0": "[task] iti_mn_s: there is no such key; did you mean iti_min_s?",
    "[task]\nDRINK_S = 2.0": "[task] DRINK_S: there is no such key; did you mean drink_s?",
    "[task]\niti_min_ms = 2500": "[task] iti_min_ms: the unit is wrong: write iti_min_s, in seconds.",
    "[task]\niti_min = 2": "[task] iti_min: the unit is missing: write iti_min_s, in seconds.",
    "[loop]\ngrace_s = 0.005": "[loop] grace_s: the unit is wrong: write grace_ms, in milliseconds.",
    "[session]\nhours = 1": "[session] hours: the unit is wrong: write minutes, in minutes.",
    "[reward]\nzzz = 1": f"[reward] zzz: there is no such key; the keys here are {REWARD_KEYS}.",
    "[session]\ngrace_ms = 1.0": "[session] grace_ms: there is no such key here; it belongs in [loop].",
    "[loop]\nport = 'x'": "[loop] port: there is no such key here; it belongs in [devices.NAME].",
    "[reward]\n'a b' = 1": f'[reward] "a b": there is no such key; the keys here are {REWARD_KEYS}.',
    "[windo]": "[windo]: there is no such table; did you mean [window]?",
    "[mice.a]": "[mice.b]: the table is missing: it may be empty, but must stand there.",
    "[mice.a]\n[mice.b]\n[mice.c]\n": "[mice.c]: there is no such key; the keys here are a, b.",
    "[mice]\na = 3\nb = {}": ("[mice.a]: 3 stands where a table must be: it may be empty, but must stand there."),
}


@pytest.mark.parametrize(("text", "sentence"), KEYS.items())
def test_a_wrong_key_is_told_with_the_way_out(text, sentence):
    assert mistakes(BOX + text) == (f"box.toml: {sentence}",)


def test_a_key_before_every_table_is_told():
    says = "box.toml: gain: the key stands before every table; write it under its [table]."
    assert mistakes("gain = 3\n" + BOX) == (says,)


def test_a_misspelt_needed_key_is_one_mistake_and_not_two():
    says = "box.toml: [devices.board] drivr: there is no such key; did you mean driver, which is missing?"
    assert mistakes(changed("driver =", "drivr =")) == (says,)


def test_the_mistakes_in_a_misspelt_table_are_told_with_it():
    assert mistakes(BOX + "[reards]\nvalve_ms = 0") == (
        "box.toml: [reards]: there is no such table; did you mean [reward]?",
        "box.toml: [reards] valve_ms: 0 is out of range: write a number from 1 to 2000, in milliseconds.",
    )


def test_a_missing_key_is_told_with_what_it_may_be():
    assert mistakes(changed('kind = "virtual"', "")) == (
        'box.toml: [rig] kind: the key is missing: write "real" or "virtual".',
    )


def test_a_missing_line_is_told_with_what_it_must_have():
    assert mistakes(changed('valve_b = { device = "board", pin = 1 }', "")) == (
        "box.toml: [lines] valve_b: the table is missing: it must have device and pin.",
    )


def test_a_file_without_a_device_is_told_to_have_one():
    (first, *others) = mistakes(changed("[devices.board]", "[devices]\n[junk]"))
    assert first == "box.toml: [devices]: the table is missing: write at least one [devices.NAME]."
    assert others


def test_more_devices_than_there_are_source_numbers_are_refused():
    more = "".join(f'[devices.d{n}]\ndriver = "reference_board"\nport = "emulator"\n' for n in range(13))
    assert mistakes(BOX + more) == ("box.toml: [devices]: there are 14 tables; at most 13 are allowed.",)


def test_a_device_name_with_a_dot_is_refused():
    says = 'the name is not allowed: write a name of 1 to 40 letters, digits, "_" or "-".'
    text = BOX + '[devices."my.board"]\ndriver = "reference_board"\nport = "emulator"\n'
    assert mistakes(text) == (f'box.toml: [devices."my.board"]: {says}',)


# Mistakes of values.

VALUES = {
    "[task]\niti_min_s = -1": ("[task] iti_min_s: -1 is out of range: write a number from 0 to 600, in seconds."),
    "[task]\ntrial_limit_s = nan": (
        "[task] trial_limit_s: nan is out of range: write a number from 0 to 3600, in seconds."
    ),
    "[reward]\nvalve_ms = inf": (
        "[reward] valve_ms: inf is out of range: write a number from 1 to 2000, in milliseconds."
    ),
    "[loop]\nfifo_priority = 99": ("[loop] fifo_priority: 99 is out of range: write a whole number from 0 to 90."),
    "[loop]\nfifo_priority = 9.0": ("[loop] fifo_priority: 9.0 is not allowed: write a whole number from 0 to 90."),
    "[task]\ndrink_s = true": "[task] drink_s: true is not allowed: write a number from 0 to 60, in seconds.",
    "[inhibition]\narm_at_start = 1": "[inhibition] arm_at_start: 1 is not allowed: write true or false.",
    "[task]\ndrink_s = '3 s'": (
        '[task] drink_s: "3 s" is text with a unit: write the number alone, drink_s = 3.0; '
        "allowed is a number from 0 to 60, in seconds."
    ),
    "[loop]\ngrace_ms = '0.007s'": (
        '[loop] grace_ms: "0.007s" is text with a unit: write the number alone, grace_ms = 7.0; '
        "allowed is a number from 0 to 100, in milliseconds."
    ),
    "[loop]\ngrace_ms = '3 s'": (
        '[loop] grace_ms: "3 s" is text with a unit: write the number alone; '
        "allowed is a number from 0 to 100, in milliseconds."
    ),
    "[loop]\nfifo_priority = '5'": (
        '[loop] fifo_priority: "5" is text: write the number alone, fifo_priority = 5; '
        "allowed is a whole number from 0 to 90."
    ),
    "[loop]\nfifo_priority = '1e999'": (
        '[loop] fifo_priority: "1e999" is text: write the number alone; allowed is a whole number from 0 to 90.'
    ),
    "[loop]\nfifo_priority = '2.5'": (
        '[loop] fifo_priority: "2.5" is text: write the number alone; allowed is a whole number from 0 to 90.'
    ),
    "[task]\ndrink_s = " + "[" * 100 + "]" * 100: (
        "[task] drink_s: [[...]] is not allowed: write a number from 0 to 60, in seconds."
    ),
    "[inhibition]\nfraction = '16 %'": (
        '[inhibition] fraction: "16 %" is text with a unit: write the number alone; allowed is a number from 0 to 0.5.'
    ),
    "[task]\ndrink_s = 'long'": ('[task] drink_s: "long" is not allowed: write a number from 0 to 60, in seconds.'),
    "[window]\nschedule = 'weekly'": (
        '[window] schedule: "weekly" is not allowed: write "criterion", "days" or "fixed".'
    ),
    "[window]\nstages_s = [3.0, 0.01]\nstage_days = [1, 2]": (
        "[window] stages_s: [3.0, 0.01] is not allowed: write a list of 1 to 8 values, "
        "each a number from 0.05 to 10, in seconds."
    ),
    "[window]\nstage_days = []": (
        "[window] stage_days: [] is not allowed: write a list of 1 to 8 values, each a whole number from 1 to 100."
    ),
    "[session]\nsubjects = ['A']": (
        '[session] subjects: ["A"] is not allowed: write a list of 2 values, '
        'each a name of 1 to 40 letters, digits, ".", "_" or "-".'
    ),
    "[session]\noutput = ''": ('[session] output: "" is not allowed: write the path of a folder, which is not empty.'),
    "[mice.a]\n[mice.b]\nfollow_final = 1.2": (
        "[mice.b] follow_final: 1.2 is out of range: write a number from 0 to 1."
    ),
}


@pytest.mark.parametrize(("text", "sentence"), VALUES.items())
def test_a_wrong_value_is_told_with_what_is_allowed(text, sentence):
    assert mistakes(BOX + text) == (f"box.toml: {sentence}",)


def test_a_name_of_a_rig_with_a_space_is_refused():
    says = '[rig] name: "my box" is not allowed: write a name of 1 to 40 letters, digits, ".", "_" or "-".'
    assert mistakes(changed('name = "box"', 'name = "my box"')) == (f"box.toml: {says}",)


def test_a_name_that_ends_in_a_line_break_is_refused():
    (sentence,) = mistakes(changed('name = "box"', 'name = "box\\n"'))
    assert sentence.startswith('box.toml: [rig] name: "box\\n" is not allowed')


def test_a_port_that_is_neither_path_nor_emulator_is_refused():
    says = 'write "emulator", a path such as "/dev/ttyACM0", or a port such as "COM3".'
    text = changed('"emulator"', '"ttyACM0"')
    assert mistakes(text) == (f'box.toml: [devices.board] port: "ttyACM0" is not allowed: {says}',)


def test_a_pin_beyond_the_board_is_refused():
    says = "[lines] laser_b.pin: 16 is out of range: write a whole number from 0 to 15."
    assert mistakes(changed("pin = 3", "pin = 16")) == (f"box.toml: {says}",)


def test_an_input_has_no_longest_on_time():
    text = changed('poke_a = { device = "board", pin = 0 }', 'poke_a = { device = "board", pin = 0, max_on_ms = 5 }')
    says = "[lines] poke_a.max_on_ms: there is no such key; the keys here are device, pin."
    assert mistakes(text) == (f"box.toml: {says}",)


# Mistakes between keys.

RULES = {
    "[task]\niti_min_s = 4.0": "[task] iti_max_s: 3.5 must be at least iti_min_s, 4.0 seconds.",
    "[task]\nname = 'coperation'": (
        '[task] name: "coperation" is no task in controller/tasks; did you mean "cooperation"?'
    ),
    "[task]\nanimals = 'a'": (
        '[task] animals: only the solo task takes one animal; write "both", or name = "solo" instead of "cooperation".'
    ),
    "[window]\nstages_s = [3.0, 1.5, 1.5]": (
        "[window] stages_s: [3.0, 1.5, 1.5] must narrow: write each window shorter than the one before, in seconds."
    ),
    "[window]\nstages_s = [3.0, 1.5]": (
        "[window] stage_days: [5, 10, 15] must have one number of days per window of stages_s, 2 in all."
    ),
    "[window]\nretreat_below = 0.75": "[window] retreat_below: 0.75 must be below advance_above, 0.75.",
    "[reward]\nfree_valve_ms = 201": (
        "[reward] free_valve_ms: 201.0 must be at most max_on_ms of the valves, 200 milliseconds."
    ),
    "[inhibition]\nfraction = 0.34": (
        "[inhibition] fraction: 0.34 cannot be reached with min_plain_between = 2; write at most 0.3333."
    ),
    "[inhibition]\nmin_plain_between = 6": (
        "[inhibition] fraction: 0.1666666667 cannot be reached with min_plain_between = 6; write at most 0.1428."
    ),
    "[session]\nsubjects = ['A', 'A']": '[session] subjects: ["A", "A"] must be two different names.',
}


@pytest.mark.parametrize(("text", "sentence"), RULES.items())
def test_keys_that_contradict_each_other_are_told(text, sentence):
    assert mistakes(BOX + text) == (f"box.toml: {sentence}",)


def test_the_highest_fraction_that_is_told_is_itself_taken():
    text = "[inhibition]\nfraction = 0.1428\nmin_plain_between = 6\n"
    assert rigfile.parse(BOX + text, "box.toml").inhibition.fraction == 0.1428


def test_a_driver_that_does_not_exist_is_told_with_the_likely_one():
    says = 'driver: "refrence_board" is no driver in hardware/drivers; did you mean "reference_board"?'
    assert mistakes(changed('"reference_board"', '"refrence_board"')) == (f"box.toml: [devices.board] {says}",)


def test_the_host_must_show_itself_twice_within_its_timeout():
    says = "keep_alive_ms: 250 must be under half of host_timeout_ms, 250.0 milliseconds."
    text = changed('port = "emulator"', 'port = "emulator"\nkeep_alive_ms = 250')
    assert mistakes(text) == (f"box.toml: [devices.board] {says}",)


def test_two_devices_cannot_share_a_port():
    says = 'port: "/dev/ttyACM0" is the port of cage already; give each device its own.'
    assert mistakes(changed("ttyACM1", "ttyACM0", TWO_BOARDS)) == (f"box.toml: [devices.light] {says}",)


def test_a_line_on_a_device_that_does_not_exist_is_told():
    text = changed('laser_b = { device = "board"', 'laser_b = { device = "bord"')
    says = '[lines] laser_b.device: "bord" is no device of this file; did you mean "board"?'
    assert mistakes(text) == (f"box.toml: {says}",)


def test_a_sentence_stays_on_one_line_whatever_a_device_is_called():
    told = mistakes(
        BOX.replace("board", '"my\\nboard"', 1).replace('"board"', '"my\\nboard"').replace("pin = 3", "pin = 2")
    )
    assert len(told) == 2
    assert told[1].endswith('output pin 2 of "my\\nboard" is laser_a already; give laser_b and laser_a a pin each.')
    assert not any("\n" in sentence for sentence in told)


def test_two_outputs_on_one_pin_are_told_by_both_names():
    says = "output pin 2 of board is laser_a already; give laser_b and laser_a a pin each."
    assert mistakes(changed("pin = 3", "pin = 2")) == (f"box.toml: [lines] laser_b.pin: {says}",)


def test_two_inputs_on_one_pin_are_told_by_both_names():
    text = BOX.replace('poke_b = { device = "board", pin = 1 }', 'poke_b = { device = "board", pin = 0 }')
    says = "input pin 0 of board is poke_a already; give poke_b and poke_a a pin each."
    assert mistakes(text) == (f"box.toml: [lines] poke_b.pin: {says}",)


def test_light_without_a_laser_is_told_for_each_lit_animal():
    told = mistakes(BOX.split("laser_a", maxsplit=1)[0])
    assert [sentence.split(": ")[1] for sentence in told] == ["[lines] laser_a", "[lines] laser_b"]
    assert "inhibition.fraction is 0.1666666667" in told[0]
    assert "write fraction = 0" in told[0]


def test_light_longer_than_the_laser_allows_is_told():
    text = changed("pin = 3", "pin = 3, max_on_ms = 5000")
    says = "max_s: 8.0 must be at most max_on_ms of the lit lasers, 5.0 seconds."
    assert mistakes(text) == (f"box.toml: [inhibition] {says}",)


def test_a_laser_test_longer_than_either_laser_allows_is_told():
    only_a_lit = '[inhibition]\nanimals = "a"\n'
    text = changed("pin = 3", "pin = 3, max_on_ms = 400") + only_a_lit
    assert rigfile.parse(text + "test_ms = 400\n", "box.toml").inhibition.test_ms == 400
    says = "test_ms: 401 must be at most max_on_ms of the lasers, 400 milliseconds."
    assert mistakes(text + "test_ms = 401\n") == (f"box.toml: [inhibition] {says}",)


@pytest.mark.parametrize("test_ms", [10, 2000])
def test_a_laser_test_lasts_from_ten_milliseconds_to_two_seconds(test_ms):
    assert rigfile.parse(f"{BOX}[inhibition]\ntest_ms = {test_ms}\n", "box.toml").inhibition.test_ms == test_ms
    outside = {10: 9, 2000: 2001}[test_ms]
    (sentence,) = mistakes(f"{BOX}[inhibition]\ntest_ms = {outside}\n")
    assert f"{outside} is out of range: write a whole number from 10 to 2000, in milliseconds" in sentence


def test_a_real_rig_takes_no_simulated_device_no_simulated_mice_and_is_armed_by_a_person():
    text = changed('kind = "virtual"', 'kind = "real"')
    assert mistakes(text + "[mice.a]\n[mice.b]\n[inhibition]\narm_at_start = true\n") == (
        'box.toml: [devices.board] port: "emulator" is for virtual rigs; write a port such as "/dev/ttyACM0".',
        (
            "box.toml: [inhibition] arm_at_start: only virtual rigs may write true; "
            "a person arms the lasers of a real one."
        ),
        "box.toml: [mice]: simulated mice are for virtual rigs only; remove the table.",
    )


# All mistakes at once.


def test_six_mistakes_of_one_file_are_told_at_once():
    text = changed("pin = 3", "pin = 2")
    text = changed('kind = "virtual"', 'kind = "vritual"', text)
    text += "[task]\niti_min_ms = 2500\ndrink_s = '3 s'\n[window]\nstages_s = [0.75, 1.5, 3.0]\n[looop]\n"
    assert mistakes(text) == (
        'box.toml: [rig] kind: "vritual" is not allowed: write "real" or "virtual".',
        "box.toml: [lines] laser_b.pin: output pin 2 of board is laser_a already; give laser_b and laser_a a pin each.",
        "box.toml: [task] iti_min_ms: the unit is wrong: write iti_min_s, in seconds.",
        (
            'box.toml: [task] drink_s: "3 s" is text with a unit: write the number alone, drink_s = 3.0; '
            "allowed is a number from 0 to 60, in seconds."
        ),
        (
            "box.toml: [window] stages_s: [0.75, 1.5, 3.0] must narrow: write each window shorter than the one "
            "before, in seconds."
        ),
        "box.toml: [looop]: there is no such table; did you mean [loop]?",
    )


def test_a_bad_value_makes_up_no_contradiction_with_a_good_one():
    (sentence,) = mistakes(BOX + "[task]\niti_min_s = 'x'\niti_max_s = 0.1\n")
    assert sentence.startswith("box.toml: [task] iti_min_s")


def test_the_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(rigfile.RigFileError(("one.", "two."))))
    assert error.mistakes == ("one.", "two.")
    assert str(error) == "one.\ntwo."


TABLES = ("rig", "devices.board", "lines", "task", "window", "reward", "inhibition", "loop", "session")
BARE = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


def keys_of_the_schema() -> Iterator[tuple[str, structs.FieldInfo]]:
    parts = {
        "devices": ("devices.NAME", rigfile.Device),
        "mice": ("mice.a", rigfile.MouseSettings),
        "neural": ("neural.a", rigfile.NeuralStream),
    }
    for spec in structs.fields(rigfile.Rig):
        kind = rigcheck.shape_of(spec.type)
        header, table = parts.get(spec.encode_name) or (spec.encode_name, kind.cls)
        yield from ((header, one) for one in structs.fields(table))


KNOWN = {spec.encode_name for _, spec in keys_of_the_schema()}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(TABLES), st.sets(BARE.filter(lambda key: key not in KNOWN), max_size=4)))
def test_whatever_unknown_keys_a_file_has_each_is_told_exactly_once(injected):
    whole = BOX + "".join(f"[{table}]\n" for table in TABLES[3:])
    for table, keys in injected.items():
        whole = changed(f"[{table}]\n", f"[{table}]\n" + "".join(f"{key} = 1\n" for key in keys), whole)
    wanted = sorted(f"box.toml: [{table}] {key}: " for table, keys in injected.items() for key in keys)
    told = mistakes(whole) if wanted else ()
    assert len(told) == len(wanted)
    assert all(any(sentence.startswith(start) for sentence in told) for start in wanted)


ODD = ("true", "-3", "1e400", "nan", "0", "''", "'3 s'", "[]", "[[1]]", "{}", "{ pin = 1 }", "2026-01-01", "'é\\n'")
SHIPPED = VIRTUAL.read_text().splitlines()


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, len(SHIPPED) - 1), st.sampled_from(("", *ODD)), max_size=6))
def test_however_a_file_is_spoilt_it_is_taken_or_refused_in_whole_sentences(spoilt):
    lines = [f"{line.split(' = ')[0]} = {spoilt[n]}" if spoilt.get(n) and " = " in line else line
             for n, line in enumerate(SHIPPED) if spoilt.get(n) != ""]  # fmt: skip
    for sentence in taken_or_told("\n".join(lines)):
        assert sentence.startswith("box.toml: ")
        assert sentence[-1] in ".?"
        assert "`$" not in sentence, "the converter met what the walk had let pass"
        assert len(sentence.splitlines()) == 1


def taken_or_told(text: str) -> tuple[str, ...]:
    try:
        rig = rigfile.parse(text, "box.toml")
    except rigfile.RigFileError as error:
        return error.mistakes or ("an error that tells nothing",)
    assert isinstance(rig, rigfile.Rig)
    return ()


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_at_all_is_refused_with_sentences_and_nothing_else(text):
    assert mistakes(text)


# The schema, its page, and the mice it describes.


def test_every_key_of_the_schema_is_described():
    for header, spec in keys_of_the_schema():
        kind = inspect.type_info(spec.type)
        assert isinstance(kind, inspect.Metadata), f"[{header}] {spec.encode_name}"
        assert kind.extra_json_schema["description"], f"[{header}] {spec.encode_name}"


def test_the_mice_take_every_setting_that_a_rig_file_may_have():
    default = structs.asdict(rigfile.MouseSettings())
    assert MouseParameters(**default) == MouseParameters()
    for spec in structs.fields(rigfile.MouseSettings):
        bounds = rigcheck.shape_of(spec.type)
        for bound in (bounds.ge, bounds.le):
            assert getattr(MouseParameters(**default | {spec.name: float(bound)}), spec.name) == bound


def page() -> str:
    """Return what docs/reference/rig-file.md must say: the schema, in words."""
    parts = [HEAD]
    header = ""
    for table, spec in keys_of_the_schema():
        if table != header:
            header = table
            title = f"[{table}], [{table[:-1]}b]" if table.endswith(".a") else f"[{table}]"
            parts.append(f"\n## `{title}`\n\n| key | what it is | allowed | default |\n|---|---|---|---|\n")
        says = inspect.type_info(spec.type).extra_json_schema["description"]
        parts.append(f"| `{spec.encode_name}` | {says} | {may_be(spec)} | {default(spec)} |\n")
        if table == "lines" and spec.encode_name == "laser_b":
            parts.extend(WIRING)
    return "".join(parts)


def may_be(spec: structs.FieldInfo) -> str:
    kind = rigcheck.shape_of(spec.type)
    if isinstance(kind, inspect.StructType):
        return "a table: " + ", ".join(f"`{one.encode_name}`" for one in structs.fields(kind.cls))
    return rigcheck.allowed(spec.type, spec.encode_name)


def default(spec: structs.FieldInfo) -> str:
    if spec.required:
        return "needed"
    return "none" if spec.default is None else f"`{rigcheck.shown(spec.default)}`"


def wiring() -> Iterator[str]:
    yield "\nThe keys of a line's table:\n\n| key | what it is | allowed | default |\n|---|---|---|---|\n"
    for kind in (rigfile.Valve, rigfile.Laser):
        for spec in structs.fields(kind):
            if kind is rigfile.Valve or spec.encode_name in {"max_on_ms", "on_per_minute_s"}:
                says = inspect.type_info(spec.type).extra_json_schema["description"]
                yield f"| `{spec.encode_name}` | {says} | {may_be(spec)} | {default(spec)} |\n"


WIRING = tuple(wiring())
HEAD = """# Rig file: every key

A rig file is TOML. `[rig]`, `[devices.NAME]` and `[lines]` must be there; what is left out of the rest has its default.
Without `[neural]` a rig has no brains, and without `[trigger]` no estimate becomes an event.
A key's last part is its unit. `rigs/virtual.toml` is a whole example. This page is held against the schema,
`controller/rigschema.py`, by `tests/controller/test_rigfile.py`, whose `page()` returns it.

Rules between keys:

- `keep_alive_ms` is under half of `host_timeout_ms`; two devices never share a serial port.
- Inputs (poke, lick) and outputs (valve, laser) have pins of their own; two lines of one kind never share a pin.
- `iti_max_s` is at least `iti_min_s`; `animals` is `"a"` or `"b"` for the solo task only.
- `stages_s` narrows strictly, `stage_days` has one number per stage, `retreat_below` is below `advance_above`.
- `valve_ms` and `free_valve_ms` are at most `max_on_ms` of both valves;
  `max_s` at most that of the lit lasers, `test_ms` of both.
- With `fraction` above 0 every lit animal has a laser, and `fraction * (min_plain_between + 1)` is at most 1.
- A device has only the lines that its driver can have. An output whose device reports no edges has a `copy`.
- A laser head has `feeds` and either `power_mw` or `tip_mw`; only a pulse generator has `train_` keys.
- A reward is said once: in ms or in µl. Volumes and `tip_mw` need a calibration (`duetto calibrate`).
- A real rig has no `"emulator"`, no `[mice]`, no simulated brains, and `arm_at_start = false`.
- `[mice.a]` and `[mice.b]` come together, and so do `[neural.a]` and `[neural.b]`.
- A source has its own keys only: `zmq` needs `endpoint` and may have `stream`; `recording` needs `file` and may have
  `series` and `loop`; `lsl` needs `lsl_name`. Another source's key may stand there with its default.
- `endpoint` is on this computer: `tcp://127.0.0.1`, `localhost` or `[::1]`, or `ipc://`. Frames travel in the clear.
- A and B never have the same stream. Their `rate_hz` differ by a factor of 4 at most; simulated brains share one.
- `clock = "own"` is for `zmq` and `lsl`. Simulated brains have at most `max_cells` cells.
- `embargo_s` is below `tau_s`, and `null_lag_s` above `embargo_s`.
- `[trigger]` needs `[neural.a]` and `[neural.b]`; its `low` is at most `high`, which is at most 1 for a correlation.
- `from = "shared_state"` needs `[trigger]`. It is for the task `shared_state_inhibition`, which takes nothing else.
"""


def test_the_reference_page_is_up_to_date():
    assert PAGE.read_text() == page()


def test_what_the_walk_lets_pass_is_what_the_converter_takes():
    rig = rigfile.load(VIRTUAL)
    assert msgspec.convert(msgspec.to_builtins(rig), rigfile.Rig) == rig
