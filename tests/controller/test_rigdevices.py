"""Rig files: what a driver's device can have, who confirms what it does, and the shipped examples."""

from pathlib import Path

import pytest

from controller import rigfile
from controller.rigfile import Rig, RigFileError
from realtime.records import FIRST_DEVICE, Line

RIGS = Path(__file__).parents[2] / "rigs"

RIG = """
[rig]
name = "box"
kind = "real"
[devices.board]
driver = "reference_board"
port = "/dev/ttyUSB0"
[devices.pal]
driver = "pulse_pal"
port = "/dev/ttyUSB1"
train_hz = 20.0
train_pulse_ms = 5.0
[devices.head]
driver = "cobolt"
port = "/dev/ttyUSB2"
feeds = "laser_a"
power_mw = 10.0
[lines]
poke_a = { device = "board", pin = 0 }
poke_b = { device = "board", pin = 1 }
valve_a = { device = "board", pin = 0 }
valve_b = { device = "board", pin = 1 }
laser_a = { device = "pal", pin = 0, copy = { device = "board", pin = 2 } }
laser_b = { device = "board", pin = 3 }
"""


def parsed(*changes: tuple[str, str]) -> Rig:
    text = RIG
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return rigfile.parse(text, "box.toml")


def test_the_rig_of_these_tests_is_sound():
    rig = parsed()
    assert rigfile.copies_on(rig, "board") == {Line.LASER_A: 2}
    assert rigfile.copies_on(rig, "pal") == {}
    assert set(rigfile.outputs_on(rig, "board")) == {Line.VALVE_A, Line.VALVE_B, Line.LASER_B}


def test_heads_and_devices_with_lasers_hear_of_arming():
    assert rigfile.laser_devices(parsed()) == [FIRST_DEVICE, FIRST_DEVICE + 1, FIRST_DEVICE + 2]


@pytest.mark.parametrize("path", sorted(RIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_rig_is_sound_and_explains_its_keys(path):
    rig = rigfile.load(path)
    assert rig.rig.name.replace("-", "_") == path.stem
    lines = [line for line in path.read_text().splitlines() if " = " in line and not line.startswith("#")]
    explained = {line.split(" = ")[0].rstrip("ab").rstrip("_") for line in lines if "#" in line}
    bare = {line.split(" = ")[0].rstrip("ab").rstrip("_") for line in lines if "#" not in line}
    assert bare <= explained | {"valve", "laser"}


def test_there_is_a_shipped_rig_for_every_driver():
    used = {device.driver for path in RIGS.glob("*.toml") for device in rigfile.load(path).devices.values()}
    assert used == set(rigfile.driver_names())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            (', copy = { device = "board", pin = 2 }', ""),
            (
                "[lines] laser_a.copy: pal does not report what its outputs do: lead the same wire to an "
                "input of a board"
            ),
        ),
        (
            (
                'laser_b = { device = "board", pin = 3 }',
                'laser_b = { device = "board", pin = 3, copy = { device = "board", pin = 3 } }',
            ),
            "[lines] laser_b.copy: board reports the edges of its own outputs; remove the copy",
        ),
        (
            ('copy = { device = "board", pin = 2 }', 'copy = { device = "head", pin = 2 }'),
            "[lines] laser_a.copy.device: head has no inputs; name a board that has",
        ),
        (
            ('copy = { device = "board", pin = 2 }', 'copy = { device = "bord", pin = 2 }'),
            '[lines] laser_a.copy.device: "bord" is no device of this file',
        ),
        (
            ('copy = { device = "board", pin = 2 }', 'copy = { device = "board", pin = 1 }'),
            "[lines] laser_a.copy.pin: input pin 1 of board is poke_b already",
        ),
        (
            ('valve_b = { device = "board"', 'valve_b = { device = "pal"'),
            "[lines] valve_b.device: pal cannot be a valve; it has laser",
        ),
        (
            ('valve_b = { device = "board"', 'valve_b = { device = "head"'),
            "[lines] valve_b.device: head cannot be a valve; it has no lines at all",
        ),
        (
            ('feeds = "laser_a"\n', ""),
            '[devices.head] feeds: "cobolt" is a laser head: write feeds = "laser_a" or "laser_b"',
        ),
        (("power_mw = 10.0\n", ""), "[devices.head] power_mw: write either power_mw (at the head) or tip_mw"),
        (
            ("power_mw = 10.0\n", "power_mw = 10.0\ntip_mw = 5.0\n"),
            "[devices.head] power_mw: write either power_mw (at the head) or tip_mw",
        ),
        (
            ('driver = "pulse_pal"', 'driver = "pulse_pal"\nfeeds = "laser_b"'),
            '[devices.pal] feeds: only a laser head has this key, and "pulse_pal" is none',
        ),
        (
            ('driver = "reference_board"', 'driver = "reference_board"\ntrain_hz = 5.0'),
            ('[devices.board] train_hz: only a pulse generator has this key, and "reference_board" is none'),
        ),
        (("train_pulse_ms = 5.0\n", ""), "[devices.pal] train_pulse_ms: the key is missing"),
        (
            ("train_hz = 20.0\n", ""),
            "[devices.pal] train_hz: the key is missing: train_pulse_ms says nothing without it",
        ),
        (
            ("train_pulse_ms = 5.0", "train_pulse_ms = 50.0"),
            ("[devices.pal] train_pulse_ms: 50.0 is as long as the pause from pulse to pulse, 50.0 milliseconds"),
        ),
        (("train_hz = 20.0", "train_hz = 60.0"), "[devices.pal] train_hz: 60.0 makes 120.0 edges a second"),
        (
            ("[lines]", "[reward]\nvalve_ms = 30.0\nvolume_ul = 4.0\n[lines]"),
            "[reward] volume_ul: valve_ms says the same reward",
        ),
    ],
)
def test_a_wrong_wiring_is_told_with_the_way_out(change, says):
    with pytest.raises(RigFileError) as caught:
        parsed(change)
    assert len(caught.value.mistakes) == 1, caught.value.mistakes
    assert caught.value.mistakes[0].startswith(f"box.toml: {says}")


def test_a_head_that_feeds_a_line_nobody_has_and_a_line_fed_twice_are_told():
    with pytest.raises(RigFileError, match=r"\[lines\] has no laser_b: its TTL is what lights this head"):
        parsed(
            ('feeds = "laser_a"', 'feeds = "laser_b"'),
            ('laser_b = { device = "board", pin = 3 }\n', '[inhibition]\nanimals = "a"\n'),
        )
    other = '[devices.head2]\ndriver = "obis"\nport = "/dev/ttyUSB3"\nfeeds = "laser_a"\npower_mw = 1.0\n[lines]'
    with pytest.raises(RigFileError, match=r"\[devices.head2\] feeds: head feeds laser_a already"):
        parsed(("[lines]", other))
