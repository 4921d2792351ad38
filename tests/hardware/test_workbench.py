"""The lines with which a person or a test does things to an emulated device."""

import pytest

from hardware.board.registers import Register
from hardware.device import NoSuchPin, find_emulators
from hardware.emulators import reference_board
from hardware.emulators.workbench import BadDeed, Workbench
from hardware.harp import Framer, PayloadType, read_request
from realtime.records import NS_PER_S


@pytest.fixture
def bench() -> Workbench:
    """Return a workbench with a board on it."""
    return Workbench(reference_board.create(NS_PER_S))


def inputs_of(bench: Workbench) -> int:
    """Ask the board itself how its inputs stand."""
    bench.device.feed(read_request(Register.DIGITAL_INPUT_STATE, PayloadType.U8), NS_PER_S)
    (message,) = Framer().feed(bench.device.outgoing(NS_PER_S), NS_PER_S)
    return message.value


def test_an_input_goes_where_the_line_says(bench):
    assert bench.obey("input 0 1", NS_PER_S) == "input 0 1"
    assert inputs_of(bench) == 1
    bench.obey("input 0 0", NS_PER_S)
    assert inputs_of(bench) == 0


def test_the_interlock_opens_and_closes(bench):
    bench.obey("interlock open", NS_PER_S)
    assert not bench.device.interlock_closed
    bench.obey("interlock closed", NS_PER_S)
    assert bench.device.interlock_closed


@pytest.mark.parametrize(
    ("deed", "knob", "value"),
    [
        ("set silence on", "silence", True),
        ("set silence off", "silence", False),
        ("set drop 12", "drop", 12),
        ("set garbage 00ff55", "garbage", b"\x00\xff\x55"),
        ("set clock_ppm -80.5", "clock_ppm", -80.5),
        ("set who_am_i 1216", "who_am_i", 1216),
    ],
)
def test_a_knob_is_turned_to_what_it_takes(bench, deed, knob, value):
    bench.obey(deed, NS_PER_S)
    assert getattr(bench.device.knobs, knob) == value
    assert type(getattr(bench.device.knobs, knob)) is type(value)


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("", "there are: input PIN 0|1"),
        ("input 0", "nothing that can be done"),
        ("set colour red", "no knob 'colour'; there are: garbage, drop"),
        ("set drop many", "'many' is not what this knob takes"),
        ("set silence perhaps", "'perhaps' is none of on, 1"),
        ("set garbage xyz", "'xyz' is not what this knob takes"),
        ("interlock ajar", "'ajar' is none of closed"),
    ],
)
def test_a_line_that_makes_no_sense_is_answered_with_what_does(bench, deed, says):
    with pytest.raises(BadDeed) as caught:
        bench.obey(deed, NS_PER_S)
    assert says in str(caught.value)


def test_a_pin_that_there_is_not_is_named(bench):
    with pytest.raises(NoSuchPin):
        bench.obey("input 14 1", NS_PER_S)


def test_a_reset_is_a_reset(bench):
    bench.obey("set who_am_i 7", NS_PER_S)
    bench.obey("reset", 2 * NS_PER_S)
    assert bench.device.knobs.who_am_i == 7, "knobs are the world's, not the board's"


@pytest.mark.parametrize("name", sorted(find_emulators()))
def test_every_emulator_shows_its_knobs_and_outputs(name):
    bench = Workbench(find_emulators()[name].create(NS_PER_S))
    assert bench.obey("show", NS_PER_S).startswith("outputs=0b0000 garbage= drop=0")
