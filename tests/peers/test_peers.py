"""Other people's clients against our emulators and our firmware: they read from us what they read from real devices."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.board.registers import DEFAULTS, Register, payload_type
from tests.system.bench_box import InHand

pytestmark = pytest.mark.slow

DEVICE_YML = Path(__file__).parents[2] / "hardware" / "firmware" / "device.yml"
HARP_SERIAL = "harp-serial==0.4.0"
HARP = "harp==0.5.0"
MICROSCOPE = "microscope==0.7.0"
PYPULSEPAL = "pypulsepal==0.4.6"
APPLICATION = {*DEFAULTS, *(int(register) for register in Register), Register.LOCAL_RULE + 1}
CORE = set(range(20))


def test_harp_serial_reads_and_drives_the_board(board: InHand, client: Callable[..., dict]):
    found = client(HARP_SERIAL, "harp_serial_client.py", board.port)
    assert found["who_am_i"] == 3335
    assert found["mode"] == 1
    assert found["set"] == [34, 1, True, False]
    (on_s, on), (off_s, off) = found["edges"]
    assert (on, off) == (1, 0)
    assert off_s - on_s == pytest.approx(0.025, abs=0.000_064)
    assert set(found["dump"]) == APPLICATION | CORE


def test_harp_finds_in_the_boards_own_file_what_the_board_has(board: InHand, client: Callable[..., dict]):
    found = client(HARP, "harp_client.py", board.port, DEVICE_YML)
    assert found["who_am_i"] == found["who_am_i_of_file"] == 3335
    assert {int(address) for address in found["registers"]} == APPLICATION
    for address, (name, _length) in found["registers"].items():
        assert name == payload_type(int(address)).name, f"register {address}"
    assert set(found["read"]) == APPLICATION, "every register of the file is answered without an error"
    assert found["pulse_ms"] == 30
    on_s, off_s = found["edges"]
    assert off_s - on_s == pytest.approx(0.030, abs=0.000_064)
    assert abs(found["answered"] - on_s) <= 0.001


@pytest.mark.parametrize("head", ["cobolt", "obis"])
def test_microscope_drives_the_laser_heads(head: str, emulate: Callable[..., InHand], client: Callable[..., dict]):
    device = emulate(head)
    device.do("input 0 1")  # the TTL: both are left in digital modulation
    found = client(MICROSCOPE, "microscope_client.py", head, device.port)
    assert found["on"]
    assert found["off"]
    assert found["power"] == pytest.approx(0.25, abs=0.01)
    device.do("show")
    assert device.levels().get(0) == 0, "dark in the end"


def test_pypulsepal_programs_and_triggers_trains(emulate: Callable[..., InHand], client: Callable[..., dict]):
    device = emulate("pulse_pal")
    found = client(PYPULSEPAL, "pypulsepal_client.py", device.port)
    assert found == {"firmware": 21, "channels": 4, "programmed": True}
    device.do("show")
    edges = [line.split() for line in device.lines]
    rises = [int(t_ns) for _, t_ns, pin, level in edges if (pin, level) == ("0", "1")]
    first_train = [t_ns for t_ns in rises if t_ns - rises[0] < 500_000_000]
    assert len(first_train) == 10, "20 Hz for half a second"
    assert first_train[1] - first_train[0] == 50_000_000
    assert len(rises) < 20, "the second train was stopped"
    assert device.levels()[0] == 0
