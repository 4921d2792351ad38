"""The page that adds a driver: what it shows is a driver, an emulator and a rig file that work together.

And the page that builds a board: its commands exist, and the rig that it tries the board with is safe.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import cli, rigfile
from controller.calibration import Calibration
from controller.plan import make
from controller.proof import prove
from hardware.device import BadSettings, DeviceReset, DeviceState, SilentDevice, WrongDevice
from hardware.emulators import cobolt as emulated_cobolt
from realtime.records import NS_PER_MS, Fault, Flag, Kind, Line
from tests.hardware import test_contract as contract
from tests.hardware.hookups import START_NS, Hookup, Joint

HOUSE = Path(__file__).resolve().parent.parent
HOW_TO = HOUSE / "docs" / "how-to"


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and text of a page's code blocks; those in a list are indented, and not wanted."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


BLOCKS = blocks(HOW_TO / "add-a-driver.md")
BOARD_BLOCKS = blocks(HOW_TO / "build-a-board.md")
DRIVER, EMULATOR = (text for language, text in BLOCKS if language == "python")
RIG = next(text for language, text in BLOCKS if language == "toml")
EDGES = (Kind.POKE_IN, Kind.POKE_OUT)


def written(folder: Path, name: str, text: str) -> ModuleType:
    """Return a code block of the page as a module, from a file of its own."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hookup]:
    """The page's driver with the page's emulator."""
    folder = tmp_path_factory.mktemp("page")
    driver = written(folder, "written_driver", DRIVER)
    emulator = written(folder, "written_emulator", EMULATOR)
    yield Hookup(
        "poke_box",
        driver,
        emulator.create,
        {Line.POKE_A: 0, Line.POKE_B: 2},
        emulated_cobolt.create,
        laser=None,
        ready_ms=300,
        has_edges=False,
    )
    del sys.modules["written_driver"], sys.modules["written_emulator"]


@pytest.fixture
def joint(hookup: Hookup) -> Joint:
    return Joint(hookup)


@pytest.fixture
def box(joint: Joint) -> Joint:
    """A box and its driver, ready."""
    joint.start()
    assert joint.driver.state is DeviceState.READY, joint.driver.error
    return joint


def edges(box: Joint) -> list[tuple[Kind, Line]]:
    return [(Kind(record["kind"]), Line(record["line"])) for record in box.records(*EDGES)]


# --- who it is


def test_it_is_ready_when_the_box_has_said_its_name_and_three_times(joint):
    joint.driver.start(joint.now_ns)
    assert joint.driver.state is DeviceState.CONNECTING
    joint.run(1)
    assert joint.driver.state is DeviceState.READY
    assert joint.driver.firmware == "1.0"


def test_a_box_that_boots_for_two_seconds_is_waited_for(joint):
    joint.device.knobs.silence = True
    joint.start(2_000)
    joint.device.knobs.silence = False
    joint.run(300)
    assert joint.driver.state is DeviceState.READY


def test_another_name_is_refused_and_quoted(joint):
    joint.device.knobs.name = "valve-box 2.0"
    joint.start(3_000)
    assert isinstance(joint.driver.error, WrongDevice)
    assert "valve-box 2.0" in str(joint.driver.error)
    assert joint.faults() == [Fault.DEVICE_REFUSED]


@pytest.mark.parametrize("pins", [{Line.POKE_A: 4}, {Line.LICK_A: 0}, {Line.LASER_A: 0}])
def test_a_pin_or_a_line_that_it_does_not_have_is_refused(hookup, pins):
    described = Hookup("x", hookup.driver, hookup.device, pins, hookup.stranger).settings()
    with pytest.raises(BadSettings, match="beams, at pins 0 to 3"):
        hookup.driver.create(described)


# --- pokes and their times


def test_pokes_are_recorded_with_their_line_animal_and_time_within_the_clock_s_uncertainty(box):
    truth = []
    for pin, high in ((0, True), (2, True), (0, False), (1, True), (2, False)):
        box.run(137.4)
        box.device.set_input(pin, high, box.now_ns)
        if pin != 1:  # no line of the rig
            truth.append(box.now_ns)
        box.run(0.3)
    found = box.records(*EDGES)
    assert edges(box) == [
        (Kind.POKE_IN, Line.POKE_A),
        (Kind.POKE_IN, Line.POKE_B),
        (Kind.POKE_OUT, Line.POKE_A),
        (Kind.POKE_OUT, Line.POKE_B),
    ]
    assert found["animal"].tolist() == [0, 1, 0, 1]
    assert abs(found["t_ns"] - truth).max() <= box.driver.counters()["clock_uncertainty_ns"] < 1.1 * NS_PER_MS


@given(
    waits_us=st.lists(st.integers(1, 400_000), min_size=1, max_size=12),
    drift_ppm=st.sampled_from([-5_000, -100, 0, 100, 5_000]),
)
@settings(deadline=None, max_examples=40)
def test_no_edge_is_off_by_more_than_the_clock_says_nor_earlier_than_a_watermark_before_it(hookup, waits_us, drift_ppm):
    box = Joint(hookup)
    box.device.knobs.drift_ppm = drift_ppm
    box.start().run(8_000)  # by then the rate is known
    box.records()
    truth = []
    for index, wait_us in enumerate(waits_us):
        box.run(wait_us / 1000)
        box.device.set_input(0, index % 2 == 0, box.now_ns)
        truth.append(box.now_ns)
    box.run(200)
    assert box.driver.state is DeviceState.READY
    told = box.records()
    found = told[(told["kind"] == Kind.POKE_IN) | (told["kind"] == Kind.POKE_OUT)]
    assert abs(found["t_ns"] - truth).max() <= box.driver.counters()["clock_uncertainty_ns"]
    watermark_ns = 0
    for record in told:
        assert record["t_ns"] > watermark_ns
        if record["kind"] == Kind.CLOCK:
            watermark_ns = record["t_ns"]
    assert watermark_ns > truth[-1], "everything was vouched for in the end"


def test_a_watermark_leaves_room_for_a_change_in_the_same_millisecond(box):
    box.run(100)
    box.records()
    while not box.records(Kind.CLOCK).size or int(box.records(Kind.CLOCK)["t_ns"][-1]) < box.now_ns - NS_PER_MS:
        box.run(0.25)
    watermark_ns = int(box.records(Kind.CLOCK)["t_ns"][-1])
    box.device.set_input(0, True, box.now_ns)
    box.run(1)
    assert int(box.records(Kind.POKE_IN)["t_ns"][-1]) > watermark_ns


def test_a_beam_that_is_broken_at_the_start_is_held(joint):
    joint.device.set_input(2, True, joint.now_ns)
    joint.start()
    held = joint.records(Kind.POKE_IN)
    assert held["line"].tolist() == [Line.POKE_B]
    assert held["flags"].tolist() == [Flag.HELD]


def test_the_answer_to_a_ping_makes_up_for_a_lost_line(box):
    box.device.set_input(0, True, box.now_ns)
    box.lose_from_device = 1
    box.run(300)
    assert edges(box) == [(Kind.POKE_IN, Line.POKE_A)]
    assert box.records(Kind.POKE_IN)["flags"].tolist() == [Flag.GAP]
    assert box.driver.counters()["lost_lines"] == 1


@pytest.mark.parametrize("ahead_ms", [-500, 500])
def test_a_stamp_that_cannot_be_is_dropped_and_counted(box, ahead_ms):
    box.run(1_000)
    box.driver.feed(b"b1 %d\n" % (1_300 + ahead_ms), box.now_ns)
    assert edges(box) == []
    assert box.driver.counters()["bad_stamps"] == 1
    box.run(1_000)
    assert box.driver.state is DeviceState.READY


def test_one_byte_at_a_time_is_enough(joint):
    joint.chunk = 1
    joint.start()
    joint.device.set_input(0, True, joint.now_ns)
    joint.run(50)
    assert edges(joint) == [(Kind.POKE_IN, Line.POKE_A)]


def test_a_line_that_the_usb_chip_held_back_is_stamped_by_the_box_and_not_by_its_arrival(box):
    box.run(1_030)
    at_ns = box.now_ns
    box.device.set_input(0, True, at_ns)
    line = box.device.outgoing(at_ns)
    box.run(16)
    box.driver.feed(line, box.now_ns)
    assert edges(box) == [(Kind.POKE_IN, Line.POKE_A)]
    assert abs(int(box.records(Kind.POKE_IN)["t_ns"][0]) - at_ns) < 1.1 * NS_PER_MS


def test_nothing_is_stamped_later_than_it_was_heard_of(hookup):
    box = Joint(hookup, hookup.device(START_NS - 900_000))  # it is asked when most of its millisecond has passed
    box.start().run(1_030)
    for index in range(10):
        box.run(1.1)
        box.device.set_input(0, index % 2 == 0, box.now_ns)
        box.settle()
        assert int(box.records(*EDGES)["t_ns"][-1]) <= box.now_ns
    assert len(edges(box)) == 10


def test_an_answer_that_comes_twice_counts_once(box):
    box.device.knobs.duplicate = 1
    box.run(150)
    assert box.driver.counters()["late_answers"] == 1


def test_a_late_answer_is_counted_and_taken_for_nothing(box):
    box.records()
    box.driver.feed(b"t9 0 1\n", box.now_ns)
    assert box.driver.counters()["late_answers"] == 1
    assert box.driver.state is DeviceState.READY
    assert edges(box) == []


# --- what ends it


def test_silence_ends_it_after_three_unanswered_questions(box):
    box.run(50)
    box.device.knobs.silence = True
    box.run(500)
    assert isinstance(box.driver.error, SilentDevice)
    assert box.faults() == [Fault.DEVICE_SILENT]
    assert box.driver.due_ns() > box.now_ns + 10**15, "it asks no more"


def test_an_answer_that_comes_after_the_end_changes_nothing(box):
    box.device.knobs.silence = True
    box.run(500)
    box.records()
    for tag in range(10):
        box.driver.feed(b"t%d 800 1\n" % tag, box.now_ns)
    assert box.driver.state is DeviceState.FAULTED
    assert edges(box) == []


def test_a_restart_of_the_box_ends_it_and_the_next_driver_counts_on(box):
    box.run(5_000)
    box.device.reset(box.now_ns)
    box.run(500)
    assert isinstance(box.driver.error, DeviceReset)
    box.restart_driver()
    assert box.driver.state is DeviceState.READY
    told = box.records()
    assert told["source_seq"].tolist() == list(range(1, told.size + 1))
    after = told[told["source_seq"] > told[told["kind"] == Kind.FAULT]["source_seq"][0]]
    assert after["flags"][0] == Flag.GAP
    assert after["flags"][1:].max(initial=0) == 0


def test_a_command_is_refused_because_there_is_nothing_to_switch(box):
    box.command(Line.VALVE_A, 30.0 * NS_PER_MS, 1)
    assert box.faults() == [Fault.DEVICE_REFUSED]
    assert box.remarks == ["it has no outputs: VALVE_A was not switched."]


OF_INPUTS: tuple[Callable[..., None], ...] = (
    contract.test_a_silent_device_is_named_and_not_waited_for,
    contract.test_it_opens_and_closes_twice,
    contract.test_a_new_driver_on_the_same_device_never_arms,
    contract.test_a_cut_message_is_got_over,
    contract.test_repeated_messages_of_the_device_change_nothing,
    contract.test_a_device_that_falls_silent_is_told_once_and_remembered,
    contract.test_a_pulled_cable_ends_the_driver_and_a_new_one_serves_the_device_again,
    contract.test_a_faulted_driver_refuses_every_command_and_says_so,
    contract.test_a_poke_is_recorded_at_its_own_time,
    contract.test_its_records_are_numbered_without_gaps_and_every_fault_has_a_sentence,
)
"""What the contract asks of a device whether it has outputs or not."""


@pytest.mark.parametrize("owed", OF_INPUTS, ids=lambda owed: owed.__name__)
def test_it_keeps_what_the_contract_asks_of_every_device(joint, owed):
    if "ready" in owed.__code__.co_varnames[: owed.__code__.co_argcount]:
        joint.start()
    owed(joint)


def test_another_device_on_its_port_is_refused(hookup):
    contract.test_another_device_on_the_port_is_refused_and_nothing_of_it_is_switched(hookup, [])


# --- in the house


def test_driver_and_emulator_are_in_the_house_s_style(tmp_path):
    for name, text in (("driver.py", DRIVER), ("emulator.py", EMULATOR)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for task in (("check",), ("format", "--check")):
        ruff = [sys.executable, "-m", "ruff", *task, "--no-cache", "--config", HOUSE / "pyproject.toml", tmp_path]
        done = subprocess.run(ruff, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the house with the page's three files in their places."""
    top = tmp_path_factory.mktemp("tree")
    for package in ("agents", "analysis", "controller", "hardware", "realtime"):
        shutil.copytree(HOUSE / package, top / package, ignore=shutil.ignore_patterns("__pycache__"))
    (top / "hardware" / "drivers" / "poke_box.py").write_text(DRIVER, encoding="utf-8")
    (top / "hardware" / "emulators" / "poke_box.py").write_text(EMULATOR, encoding="utf-8")
    (top / "pokes.toml").write_text(RIG, encoding="utf-8")
    return top


def duetto(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run duetto in the copy."""
    program = [sys.executable, "-c", "from controller.cli import main; main()", *words]
    environment = os.environ | {"PYTHONPATH": str(tree), "COLUMNS": "200"}
    return subprocess.run(program, cwd=tree, env=environment, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.slow
def test_the_commands_of_the_page_find_the_files_and_a_session_runs_on_them(tree):
    assert "poke_box" in duetto(tree, "emulate").stdout
    checked = duetto(tree, "check", "pokes.toml")
    assert checked.returncode == 0, checked.stderr
    assert "poke_box on emulator, firmware 1.0, clock ± 1.02 ms" in checked.stdout + checked.stderr
    ran = duetto(tree, "run", "pokes.toml", "--fast", "--minutes", "2", "--seed", "1", "--out", "sessions")
    assert ran.returncode == 0, ran.stderr
    assert "0 events lost, 0 late, 0 edges missing, 0 faults" in ran.stdout + ran.stderr
    assert re.search(r"animal A\W+[1-9]\d* pokes, [1-9]", ran.stdout + ran.stderr)


@pytest.mark.slow
def test_driver_and_emulator_have_the_types_that_the_house_asks_for(tree):
    (tree / "hardware" / "used.py").write_text(
        "from hardware.device import DeviceSettings, Driver, EmulatedDevice\n"
        "from hardware.drivers import poke_box\n"
        "from hardware.emulators import poke_box as emulated\n\n\n"
        "def pair(settings: DeviceSettings) -> tuple[Driver, EmulatedDevice]:\n"
        "    return poke_box.create(settings), emulated.create(0)\n",
        encoding="utf-8",
    )
    mypy = [sys.executable, "-m", "mypy", "--strict", "--warn-unreachable", "--config-file", "", "-m", "hardware.used"]
    done = subprocess.run(
        [*mypy, "--cache-dir", str(tree / "cache")], cwd=tree, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- the commands of both pages, and the rig to try a board with


@pytest.mark.parametrize("page", ["add-a-driver.md", "build-a-board.md"])
def test_every_command_and_every_option_on_the_page_exists(page):
    shown = [line for language, text in blocks(HOW_TO / page) if language == "sh" for line in text.splitlines()]
    called = [line.partition("#")[0].split()[1:] for line in shown if line.startswith("./duetto ")]
    assert called
    for name, *words in called:
        command = cli.duetto.get_command(click.Context(cli.duetto), name)
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, name


def test_the_firmware_is_built_as_its_own_page_says():
    said = (HOUSE / "hardware" / "firmware" / "README.md").read_text(encoding="utf-8")
    shown = [line for language, text in BOARD_BLOCKS if language == "sh" for line in text.splitlines()]
    built = [line for line in shown if line.startswith(("avr", "cd"))]
    assert [line.split()[0] for line in built] == ["cd", "avr-gcc", "avr-objcopy", "avrdude"]
    assert [line for line in built if line not in said] == []


def test_the_rig_that_a_board_is_tried_with_is_safe_and_lit_often(tmp_path):
    changed = next(text for language, text in BOARD_BLOCKS if language == "toml")
    assert changed.startswith("[inhibition]\n")
    text = (HOUSE / "rigs" / "reference_board.toml").read_text(encoding="utf-8")
    for line in changed.splitlines()[1:]:
        text, times = re.subn(rf"^{line.split()[0]} = .*$", line, text, count=1, flags=re.MULTILINE)
        assert times == 1
    rig = rigfile.parse(text, "try.toml")
    plan = make(rig, seed=1, day=1, minutes=10.0, trials=None, volumes=Calibration())
    assert prove(plan, rig).holds
    assert rig.inhibition.fraction == 0.5
