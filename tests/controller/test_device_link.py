"""A device that goes away and comes back: who serves it then, what is recorded, and what stays off.

The real driver and the real emulated board; the cable between them is a list of bytes, and time is an argument.
"""

import numpy as np
import pytest

from controller.device_link import RETRY_NS, DeviceGone, DeviceLink
from hardware.device import DeviceSettings, DeviceState, SilentDevice, WrongDevice
from hardware.drivers import reference_board
from hardware.emulators.reference_board import EmulatedBoard
from hardware.transport import PortAbsent, PortLost
from realtime.records import NS_PER_MS, NS_PER_S, Events, Fault, Kind, Line, no_events

PINS = {Line.POKE_A: 0, Line.POKE_B: 1, Line.VALVE_A: 0, Line.VALVE_B: 1, Line.LASER_A: 2, Line.LASER_B: 3}
STEP_NS = NS_PER_MS


class Box:
    """One board at the end of a cable that can be pulled."""

    def __init__(self, reconnect_s: float = 30.0) -> None:
        self.now_ns = NS_PER_S
        self.board = EmulatedBoard(self.now_ns)
        self.plugged = True
        self.seen: list[np.ndarray] = []
        self.said: list[str] = []
        self.host_faults: list[Fault] = []
        settings = DeviceSettings("box", 2, PINS, link_baud=0)
        self.link = DeviceLink(
            "box",
            lambda first_seq: reference_board.create(settings, first_seq),
            lambda: Cable(self),
            round(reconnect_s * NS_PER_S),
        )
        self.link.start(self.now_ns)

    def run(self, ms: float) -> "Box":
        """Let time pass."""
        for _ in range(round(ms)):
            self.now_ns += STEP_NS
            self.board.advance(self.now_ns)
            try:
                self.link.turn(self.now_ns)
            finally:
                self.seen.append(self.link.records())
                self.said += self.link.remarks()
                self.host_faults += self.link.host_faults()
        return self

    def command(self, line: Line, value: float) -> None:
        record = no_events(1)
        record["kind"], record["line"], record["value"] = Kind.COMMAND, line, value
        self.link.command(record, self.now_ns)

    def records(self) -> Events:
        return np.concatenate(self.seen)

    def faults(self) -> list[int]:
        events = self.records()
        return [int(value) for value in events["value"][events["kind"] == Kind.FAULT]]


class Cable:
    """A port: bytes to and from the board, while the cable is plugged in."""

    latency_ms = None

    def __init__(self, box: Box) -> None:
        if not box.plugged:
            raise PortAbsent("There is no port.")
        self._box = box

    def read(self) -> bytes:
        self._check()
        return self._box.board.outgoing(self._box.now_ns)

    def write(self, data: bytes) -> None:
        self._check()
        self._box.board.feed(data, self._box.now_ns)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        return

    def latency_warning(self) -> str:
        return ""

    def _check(self) -> None:
        if not self._box.plugged:
            raise PortLost("The port was lost.")


def lit_box(**words: float) -> Box:
    """Return a box that is armed and whose laser A is on."""
    box = Box(**words).run(200)
    box.command(Line.ARM, 1)
    box.run(5)
    box.command(Line.LASER_A, NS_PER_S)
    box.run(5)
    assert box.board.outputs == 0b0100
    return box


def is_back(box: Box) -> None:
    """See that the device is served again, dark and disarmed, and that its records were counted on without a gap."""
    assert box.link.ready
    assert box.link.restarts == 1
    assert not box.board.armed
    assert box.board.outputs == 0
    counted = box.records()["source_seq"].tolist()
    assert counted == list(range(1, len(counted) + 1))


def test_an_unplugged_board_is_served_again_when_it_is_back_and_stays_disarmed():
    box = lit_box()
    box.plugged = False
    box.run(1000)
    assert (box.link.ready, box.board.outputs) == (False, 0)
    assert box.host_faults == [Fault.PORT_LOST]
    box.plugged = True
    box.run(1500)
    is_back(box)
    assert box.host_faults == [Fault.PORT_LOST]
    assert [sentence for sentence in box.said if "is back after" in sentence]


def test_a_board_that_restarted_is_told_once_and_configured_anew():
    box = lit_box()
    box.board.reset(box.now_ns)
    box.run(2000)
    is_back(box)
    assert box.faults().count(Fault.DEVICE_RESET) == 1


def test_a_board_whose_watchdog_acted_is_served_again():
    box = lit_box()
    box.now_ns += 600 * NS_PER_MS
    box.run(2000)
    is_back(box)
    assert box.faults().count(Fault.DEVICE_WATCHDOG) == 1


def test_vain_attempts_leave_no_trace_in_the_records():
    box = lit_box()
    box.board.knobs.silence = True
    box.run(9000)
    assert box.faults() == [Fault.DEVICE_SILENT]
    box.board.knobs.silence = False
    box.run(4000)
    is_back(box)
    assert box.faults().count(Fault.DEVICE_SILENT) == 1


def test_a_device_that_stays_away_too_long_ends_it_with_the_first_reason():
    box = lit_box(reconnect_s=2.0)
    box.plugged = False
    with pytest.raises(DeviceGone, match=r"box was away for more than 2 s .*The port was lost"):
        box.run(5000)


def test_without_time_to_reconnect_the_first_error_ends_it():
    box = lit_box(reconnect_s=0.0)
    box.plugged = False
    with pytest.raises(PortLost):
        box.run(2)
    assert box.host_faults == [Fault.PORT_LOST]


def test_a_device_that_was_never_ready_is_not_waited_for():
    box = Box()
    box.board.knobs.silence = True
    with pytest.raises(SilentDevice):
        box.run(5000)


def test_another_device_on_the_same_port_is_refused():
    box = lit_box()
    box.plugged = False
    box.run(100)
    box.board = EmulatedBoard(box.now_ns)
    box.board.knobs.who_am_i = 1216
    box.plugged = True
    with pytest.raises(WrongDevice):
        box.run(2000)


def test_commands_to_a_device_that_is_away_switch_nothing_and_are_counted_and_told():
    box = lit_box()
    box.plugged = False
    box.run(100)
    box.command(Line.VALVE_A, 30 * NS_PER_MS)
    box.command(Line.LASER_A, 0)
    box.run(1)
    assert box.link.counters()["unheard_commands"] == 2
    assert box.host_faults == [Fault.PORT_LOST, Fault.DEVICE_REFUSED]
    assert "box is away: nothing was switched." in box.said
    box.plugged = True
    box.run(2000)
    assert box.board.outputs == 0


def test_closing_makes_the_board_safe_and_lets_go_of_the_port():
    box = lit_box()
    box.link.close(box.now_ns)
    assert box.board.outputs == 0
    assert not box.board.armed
    assert box.link.driver.state is DeviceState.CLOSED
    assert box.link.port is None


def test_the_next_try_waits_half_a_second():
    box = lit_box()
    box.plugged = False
    box.run(1)
    assert box.link.due_ns() <= box.now_ns + RETRY_NS
