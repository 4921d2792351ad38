"""``duetto emulate``: devices in hand, behind ports that any program opens."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.journal import open_for_reading
from hardware.device import find_emulators
from hardware.drivers import reference_board
from hardware.firmware.build import INSTALL, missing
from hardware.harp import CoreRegister, Framer, PayloadType, read_request
from hardware.transport import PortLost, SerialTransport
from realtime.clock import now_ns
from realtime.records import NS_PER_S, Kind
from tests.system import bench_box
from tests.system.bench_box import InHand

pytestmark = pytest.mark.slow


@pytest.fixture
def emulate(tmp_path: Path) -> Iterator[Callable[..., InHand]]:
    """Start emulators; all are ended, and end well."""
    devices: list[InHand] = []

    def start(name: str, *words: str) -> InHand:
        devices.append(bench_box.start(name, tmp_path / f"{name}{len(devices)}", *words))
        return devices[-1]

    yield start
    for device in devices:
        bench_box.end(device)


def who_is_there(port: Path) -> int:
    """Ask a board who it is, again and again, as drivers do: it may be starting."""
    framer = Framer()
    until_ns, ask_ns = now_ns() + 5 * NS_PER_S, 0
    with SerialTransport.open(str(port), reference_board.BAUD) as transport:
        while now_ns() < until_ns:
            if now_ns() >= ask_ns:
                ask_ns = now_ns() + NS_PER_S // 4
                transport.write(read_request(CoreRegister.WHO_AM_I, PayloadType.U16))
            for message in framer.feed(transport.read(), now_ns()):
                return message.value
    raise AssertionError("nobody answered")


def use_until_it_fails(transport: SerialTransport) -> None:
    for _ in range(1000):
        transport.read()
        transport.write(b"\x01")


def test_without_a_name_every_device_is_listed_with_its_first_line(command):
    answer = command("emulate")
    assert answer.returncode == 0
    assert [line.split()[0] for line in answer.stdout.splitlines()] == sorted(find_emulators())


@pytest.mark.parametrize("name", sorted(find_emulators()))
def test_every_emulator_runs_until_it_is_interrupted_and_takes_its_link_away(name, emulate):
    device = emulate(name)
    assert device.port.is_symlink()
    assert device.do("show").startswith("outputs=0b0000")


def test_the_board_answers_through_its_port(emulate):
    assert who_is_there(emulate("reference_board").port) == 3335


def test_the_true_firmware_answers_through_its_port(emulate):
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)} is not installed: {INSTALL}")
    device = emulate("reference_board", "--firmware", "simavr")
    assert who_is_there(device.port) == 3335
    device.do("input 0 1")
    device.do("reset")
    assert who_is_there(device.port) == 3335


def test_an_unplugged_port_fails_for_who_has_it_open_and_a_new_one_has_the_same_name(emulate):
    device = emulate("reference_board")
    with SerialTransport.open(str(device.port), reference_board.BAUD) as transport:
        assert device.do("unplug") == "unplugged"
        with pytest.raises(PortLost):
            use_until_it_fails(transport)
    assert device.do("plug") == f"plugged {device.port}"
    assert who_is_there(device.port) == 3335


def test_a_deed_that_makes_no_sense_is_answered_and_changes_nothing(emulate):
    device = emulate("reference_board")
    for deed, says in (
        ("jump", "'jump' is nothing that can be done here"),
        ("input 9 1", "no "),
        ("input x 1", "'x' is not the number of a pin"),
        ("interlock ajar", "'ajar' is none of"),
        ("set colour red", "There is no knob 'colour'"),
        ("set silence maybe", "'maybe' is none of"),
        ("set clock_ppm fast", "'fast' is not what this knob takes"),
    ):
        device.process.stdin.write(deed + "\n")
        device.process.stdin.flush()
        answer = device._read(5.0)
        assert answer.startswith("error: "), deed
        assert says in answer


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nonsense",), "there is no emulator 'nonsense'"),
        (("cobolt", "--firmware", "simavr"), "--firmware is the reference board's"),
        (("reference_board", "--link", "/no/such/folder/board"), "Cannot make the link"),
    ],
)
def test_a_mistake_is_answered_with_one_sentence(words, says, command):
    answer = command("emulate", *words)
    assert answer.returncode != 0
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


TWO_BOARDS = """
[rig]
name = "two"
kind = "virtual"
[devices.left]
driver = "reference_board"
port = "{left}"
[devices.right]
driver = "reference_board"
port = "{right}"
[lines]
poke_a = {{ device = "left", pin = 0 }}
poke_b = {{ device = "right", pin = 0 }}
valve_a = {{ device = "left", pin = 0 }}
valve_b = {{ device = "right", pin = 0 }}
[task]
iti_min_s = 0.1
iti_max_s = 0.1
drink_s = 0.1
[inhibition]
fraction = 0.0
"""


def test_two_boards_are_judged_across_their_clocks_and_every_trial_says_how_uncertain_that_is(
    emulate, run_session, command, tmp_path
):
    left, right = emulate("reference_board"), emulate("reference_board")
    left.do("set clock_ppm 100")
    right.do("set clock_ppm -100")
    rig = tmp_path / "two.toml"
    rig.write_text(TWO_BOARDS.format(left=left.port, right=right.port))
    session = run_session(rig, "--minutes", 5, "--trials", 4, "--seed", 1)
    session.wait_for(lambda: session.output.exists() and any(session.output.iterdir()), "a folder")
    done = 0
    while done < 4:
        session.wait_for(lambda: session.status().get("state") == "READY", "READY")
        left.poke(0)
        right.poke(0)
        done += 1
        session.wait_for(lambda n=done: int(session.status().get("trials", n)) >= n, f"{done} trials")
    status, _, err = session.end()
    assert status == 0, err
    with open_for_reading(session.folder / "journal.bin", accept_cut=True) as reader:
        events = reader.read(0, reader.count())
    trials = events[events["kind"] == Kind.TRIAL]
    assert trials.size == 4
    assert (trials["uncertainty_ns"] > 0).all()
    assert "two boards: the time between the animals' pokes is uncertain by up to" in err
    listed = command("events", session.folder, "--jsonl").stdout.splitlines()
    assert sum('"uncertainty_ns":' in line and '"kind":"TRIAL"' in line for line in listed) == 4
    proof = command("verify", session.folder)
    assert proof.returncode == 0, proof.stderr


def test_a_session_runs_on_the_true_firmware(emulate, run_session, command, tmp_path):
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)} is not installed: {INSTALL}")
    board = emulate("reference_board", "--firmware", "simavr")
    rig = tmp_path / "rig.toml"
    rig.write_text(bench_box.rig_text(board.port))
    session = run_session(rig, "--minutes", 5, "--trials", 3, "--seed", 3)
    session.wait_for(lambda: session.output.exists() and any(session.output.iterdir()), "a folder")
    for n in range(1, 4):
        session.wait_for(lambda: session.status().get("state") == "READY", "READY")
        board.poke(0)
        board.poke(1)
        session.wait_for(lambda n=n: int(session.status().get("trials", n)) >= n, f"{n} trials")
    status, _, err = session.end()
    assert status == 0, err
    assert board.levels()[0] == 0
    proof = command("verify", session.folder)
    assert proof.returncode == 0, proof.stderr


def test_the_port_is_printed_where_no_link_is_asked_for():
    process = subprocess.Popen(
        [*bench_box.COMMAND, "emulate", "reference_board"],
        cwd=bench_box.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    port = Path(process.stdout.readline().strip())
    assert port.is_char_device()
    assert who_is_there(port) == 3335
    process.send_signal(2)
    process.communicate(timeout=10)
    assert process.returncode == 0
