"""Does the safety suite see it when the firmware lacks a limit? Each is taken out of a copy of the sources.

A statement that carries ``/* SAFETY: NAME */`` is replaced by an empty one. Then the suite's own tests run, on the
mutant and on the firmware as it is.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.firmware.build import SOURCES, Programs, build
from tests.firmware import test_safety as suite
from tests.firmware.bench import Firmware

Check = Callable[[Firmware], None]

CHECKS: dict[str, list[Check]] = {
    "max-on": [
        suite.test_an_output_that_is_set_for_ever_goes_off_at_its_longest_time,
        suite.test_an_output_without_pulse_length_goes_off_at_its_longest_time,
        suite.test_a_pulse_longer_than_the_longest_time_is_cut_there,
        suite.test_a_pulse_that_is_lengthened_again_and_again_still_ends_at_its_longest_time,
        suite.test_switching_on_what_is_on_does_not_start_its_longest_time_anew,
    ],
    "watchdog": [
        suite.test_a_silent_host_switches_everything_off_after_500_ms,
        suite.test_the_shortest_timeout_of_50_ms_holds,
        suite.test_garbage_and_broken_frames_do_not_keep_the_board_alive,
    ],
    "arm check": [suite.test_no_command_lights_a_laser_while_disarmed],
    "interlock": [
        suite.test_an_open_interlock_cuts_the_light_within_20_us,
        suite.test_light_stays_off_after_the_interlock_closed_until_it_is_armed_again,
    ],
    "min gap": [
        suite.test_a_pulse_too_soon_after_the_last_one_is_acknowledged_and_does_not_happen,
        suite.test_a_gap_comes_out_at_least_as_long_as_was_set,
        suite.test_a_local_rule_keeps_the_gap_too,
    ],
    "duty": [
        suite.test_an_output_is_cut_where_its_duty_is_used_up_and_then_refused,
        suite.test_duty_that_was_used_up_comes_back_after_a_minute_and_not_before,
    ],
    "chatter": [
        suite.test_an_input_that_chatters_is_muted_at_its_limit_and_told,
        suite.test_a_muted_input_fires_no_rule_and_the_others_go_on,
    ],
}
MARK = re.compile(r"^(?P<indent>\s*)[^\s/].*/\* SAFETY: (?P<name>[^*]+) \*/\s*$")


def without(name: str, folder: Path) -> Path:
    """Copy the firmware's sources to ``folder`` with the marked statement of ``name`` taken out; return the folder."""
    folder.mkdir()
    n_taken = 0
    for source in (*SOURCES.glob("*.c"), *SOURCES.glob("*.h")):
        copy = folder / source.name
        shutil.copy(source, copy)
        lines = copy.read_text().splitlines()
        for number, line in enumerate(lines):
            mark = MARK.match(line)
            if mark and mark["name"] == name:
                lines[number] = f"{mark['indent']};"
                n_taken += 1
        copy.write_text("\n".join(lines) + "\n")
    assert n_taken == 1, f"{n_taken} statements are marked SAFETY: {name}"
    return folder


def passes(check: Check, programs: Programs) -> bool:
    """Return whether a test of the safety suite passes on a firmware."""
    with Firmware(programs) as firmware:
        try:
            check(firmware)
        except AssertionError:
            return False
    return True


def test_every_marked_limit_has_its_checks() -> None:
    marks = [MARK.match(line) for source in SOURCES.glob("*.[ch]") for line in source.read_text().splitlines()]
    assert sorted(mark["name"] for mark in marks if mark) == sorted(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_the_suite_sees_a_firmware_without(name: str, programs: Programs, tmp_path: Path) -> None:
    mutant = build(without(name, tmp_path / "sources"), cache=tmp_path, strict=False)
    for check in CHECKS[name]:
        assert passes(check, programs), f"{check.__name__} fails on the firmware as it is"
        assert not passes(check, mutant), f"{check.__name__} passes without the {name}"
