"""Every shipped rig, with its devices emulated, runs a session in virtual time: water, light, and no faults."""

import re
from pathlib import Path

import numpy as np
import pytest

from controller import rigfile
from controller.calibration import Calibration
from controller.fast import run
from controller.log import read_events
from controller.recorder import LOG_NAME
from controller.session import Order
from realtime.records import FIRST_DEVICE, Fault, Flag, Kind, Line

RIGS = Path(__file__).parents[2] / "rigs"


def emulated(path: Path) -> str:
    """Return a shipped rig's text with emulated devices, lasers armed, and nothing that needs a calibration."""
    text = path.read_text(encoding="utf-8")
    text = text.replace('kind = "real"', 'kind = "virtual"').replace("arm_at_start = false", "arm_at_start = true")
    text = re.sub(r'^port = "/dev/[^"]*"', 'port = "emulator"', text, flags=re.M)
    text = re.sub(r"^tip_mw = ", "power_mw = ", text, flags=re.M)
    text = re.sub(r"^(free_)?volume_ul = .*$", "", text, flags=re.M)
    return re.sub(r"^fraction = [0-9.]*", "fraction = 0.3333", text, flags=re.M)


@pytest.mark.parametrize("path", sorted(RIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_session_on_its_emulated_devices_gives_water_and_light_and_meets_no_fault(path, tmp_path):
    text = emulated(path)
    rig = rigfile.parse(text, path.name)
    order = Order(rig, text, str(path), ("A", "B"), 1, 4.0, None, 3, True, tmp_path, Calibration())
    events = read_events(run(order).folder / LOG_NAME)
    faults = events[(events["kind"] == Kind.FAULT) & (events["value"] != Fault.LIGHT_LATE)]
    assert faults.size == 0, faults[["line", "value", "source"]]
    commands = events[(events["kind"] == Kind.COMMAND) & (events["value"] > 0) & (events["flags"] & Flag.SHAM == 0)]
    for line, kind in ((Line.VALVE_A, Kind.VALVE_ON), (Line.VALVE_B, Kind.VALVE_ON), (Line.LASER_A, Kind.LASER_ON)):
        asked = int(np.count_nonzero(commands["line"] == line))
        came = int(np.count_nonzero((events["kind"] == kind) & (events["line"] == line)))
        assert asked > 2
        assert came >= asked, f"{line.name}: commanded {asked} times, and its edge came {came} times"
    on_ns = events["t_ns"][events["kind"] == Kind.LASER_ON]
    assert on_ns.size
    assert (events["source"][events["kind"] == Kind.POKE_IN] >= FIRST_DEVICE).all()
