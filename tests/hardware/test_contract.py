"""What every driver owes, whatever its device: one suite over each driver with each device that answers it.

The devices are the emulators, and for the reference board also its true firmware in the simulator. Time is virtual.
"""

from collections.abc import Iterator

import pytest

from hardware.device import DeviceState, find_drivers
from realtime.records import NS_PER_MS, Fault, Kind, Line, Role
from tests.hardware.hookups import HOOKUPS, Hookup, Joint

ON = (Kind.VALVE_ON, Kind.LASER_ON)
GARBAGE = bytes(range(40, 120)) + b"\xff\x00\x01\x02" * 5


@pytest.fixture(params=HOOKUPS, ids=lambda hookup: hookup.name)
def hookup(request: pytest.FixtureRequest) -> Hookup:
    """Return one driver with one device."""
    return request.param


@pytest.fixture
def joints() -> Iterator[list[Joint]]:
    """Keep joints; what they have of their own is closed in the end."""
    made: list[Joint] = []
    yield made
    for joint in made:
        joint.close()


@pytest.fixture
def joint(hookup: Hookup, joints: list[Joint]) -> Joint:
    """Return a driver and its device, not started."""
    joints.append(Joint(hookup))
    return joints[-1]


@pytest.fixture
def ready(joint: Joint) -> Joint:
    """Return a driver that is ready."""
    joint.start()
    assert joint.driver.state is DeviceState.READY, joint.driver.error
    return joint


def is_dark(joint: Joint) -> bool:
    """Return whether everything is off, and stays off when light is asked for."""
    joint.run(20)
    if joint.device.outputs:
        return False
    joint.light(nonce=999)
    joint.run(60)
    return not joint.is_lit()


def outputs_of(joint: Joint) -> list[tuple[Line, int]]:
    """Return the outputs that can be pulsed, with their pins."""
    lines = [line for line in (joint.hookup.valve, joint.hookup.laser) if line is not None]
    return [(line, joint.hookup.pins[line]) for line in lines]


def test_every_driver_is_held_to_this_contract():
    assert {hookup.driver.NAME for hookup in HOOKUPS} == set(find_drivers())


# --- identity, opening, closing


def test_it_is_ready_only_when_the_device_has_said_who_it_is(joint):
    assert joint.driver.state is DeviceState.CONNECTING
    joint.start()
    assert joint.driver.state is DeviceState.READY
    assert joint.driver.error is None


def test_another_device_on_the_port_is_refused_and_nothing_of_it_is_switched(hookup, joints):
    joint = Joint(hookup, hookup.stranger(1_000 * NS_PER_MS))
    joints.append(joint)
    joint.start(10_000)
    assert joint.driver.state is DeviceState.FAULTED
    assert joint.driver.error is not None
    assert "it" in str(joint.driver.error)
    joint.light()
    joint.run(100)
    assert joint.edges == []


def test_a_silent_device_is_named_and_not_waited_for(joint):
    joint.device.knobs.silence = True
    joint.start(10_000)
    assert joint.driver.state is DeviceState.FAULTED
    assert joint.driver.fault == Fault.DEVICE_SILENT


def test_it_opens_and_closes_twice(ready):
    ready.driver.close(ready.now_ns)
    ready.driver.close(ready.now_ns)
    ready.settle()
    assert ready.driver.state is DeviceState.CLOSED
    ready.restart_driver()
    assert ready.driver.state is DeviceState.READY
    ready.driver.close(ready.now_ns)
    ready.settle()
    assert ready.driver.state is DeviceState.CLOSED
    assert ready.device.outputs == 0


# --- arming


def test_light_is_refused_before_it_is_armed(ready):
    ready.light()
    ready.run(200)
    assert not any(level for _, pin, level in ready.edges if ready.is_lit() or pin in _laser_pins(ready))
    if ready.hookup.laser is not None:
        assert Fault.DEVICE_REFUSED in ready.faults()


def _laser_pins(joint: Joint) -> set[int]:
    return {pin for line, pin in joint.hookup.pins.items() if line // 2 == Role.LASER} or {0}


def test_light_comes_when_it_is_armed_and_ends_when_it_is_disarmed(ready):
    ready.arm().light(ms=200)
    ready.run(20)
    assert ready.is_lit()
    ready.command(Line.ARM, 0.0)
    ready.run(50)
    assert not ready.is_lit()
    assert is_dark(ready)


def test_a_new_driver_on_the_same_device_never_arms(ready):
    ready.arm()
    ready.restart_driver()
    assert ready.driver.state is DeviceState.READY
    assert is_dark(ready)


# --- the wire


def test_it_takes_one_byte_at_a_time(joint):
    joint.chunk = 1
    joint.start()
    assert joint.driver.state is DeviceState.READY
    joint.arm().light()
    joint.run(20)
    assert joint.is_lit()


def test_garbage_on_the_wire_is_skipped_and_counted(ready):
    ready.device.knobs.garbage = GARBAGE
    ready.run(3000)
    assert ready.driver.state is DeviceState.READY
    counted = ready.driver.counters()
    assert any(counted.get(name, 0) for name in ("garbage_bytes", "stray_bytes", "stale_answers", "stray_lines"))
    ready.arm().light()
    ready.run(20)
    assert ready.is_lit()


def test_a_cut_message_is_got_over(ready):
    for lost in (1, 2, 3):  # the shortest answers have three bytes
        ready.device.knobs.drop = lost
        ready.run(2500)
        assert ready.driver.state is DeviceState.READY, f"{lost} bytes lost: {ready.driver.error}"


def test_repeated_messages_of_the_device_change_nothing(ready):
    ready.arm()
    ready.device.knobs.duplicate = 50
    before = {line: ready.rises(pin) for line, pin in outputs_of(ready)}
    for nonce, (line, _pin) in enumerate(outputs_of(ready), start=50):
        ready.command(line, 30.0 * NS_PER_MS, nonce)
        ready.run(200)
    ready.run(1500)
    assert ready.driver.state is DeviceState.READY
    for line, pin in outputs_of(ready):
        assert ready.rises(pin) - before[line] == 1
        if ready.hookup.has_edges:
            on = ready.records(*ON)
            assert (on["line"] == line).sum() == 1, "one edge, one record"


def test_a_device_that_falls_silent_is_told_once_and_remembered(ready):
    ready.device.knobs.silence = True
    ready.run(20_000)
    assert ready.driver.state is DeviceState.FAULTED
    first = ready.driver.error
    assert ready.faults().count(Fault.DEVICE_SILENT) == 1
    ready.device.knobs.silence = False
    ready.run(5_000)
    assert ready.driver.error is first
    assert ready.faults().count(Fault.DEVICE_SILENT) == 1
    assert ready.driver.state is DeviceState.FAULTED, "only a new driver starts again"


def test_a_pulled_cable_ends_the_driver_and_a_new_one_serves_the_device_again(ready):
    ready.arm()
    ready.plugged = False
    ready.run(20_000)
    assert ready.driver.state is DeviceState.FAULTED
    ready.plugged = True
    ready.restart_driver()
    assert ready.driver.state is DeviceState.READY
    assert is_dark(ready)
    counted = ready.records()["source_seq"].tolist()
    assert counted == list(range(1, len(counted) + 1)), "the records are counted on"


def test_a_device_that_restarts_is_dark_and_stays_dark(ready):
    ready.arm().light(ms=500)
    ready.run(20)
    assert ready.is_lit()
    if ready.hookup.laser is None:
        ready.device.set_input(0, False, ready.now_ns)
    ready.device.reset(ready.now_ns)
    ready.run(6_000)
    assert not ready.is_lit()
    if ready.driver.state is DeviceState.FAULTED:
        ready.restart_driver()
    assert ready.driver.state is DeviceState.READY
    assert is_dark(ready), "a restart never leads to light without a person"


# --- what ends, ends safely


def test_it_can_be_made_safe_from_every_state(hookup, joints):
    for stage in ("before it starts", "identifying", "ready", "armed", "lit", "faulted", "closed"):
        joint = Joint(hookup)
        joints.append(joint)
        _bring(joint, stage)
        joint.driver.safe(joint.now_ns)
        joint.driver.safe(joint.now_ns)
        joint.run(1_000)
        assert joint.device.outputs == 0, stage
        if stage not in {"before it starts", "identifying"}:
            assert is_dark(joint), stage


def _bring(joint: Joint, stage: str) -> None:
    if stage == "identifying":
        joint.driver.start(joint.now_ns)
    elif stage != "before it starts":
        joint.start()
    if stage in {"armed", "lit", "faulted", "closed"}:
        joint.arm()
    if stage in {"lit", "faulted", "closed"}:
        joint.light(ms=800)
        joint.run(20)
        assert joint.is_lit()
    if stage == "faulted":
        joint.device.knobs.silence = True
        joint.run(20_000)
        assert joint.driver.state is DeviceState.FAULTED
    elif stage == "closed":
        joint.driver.close(joint.now_ns)
        joint.settle()


def test_closing_while_lit_leaves_it_dark(ready):
    ready.arm().light(ms=800)
    ready.run(20)
    assert ready.is_lit()
    ready.driver.close(ready.now_ns)
    ready.run(100)
    assert ready.device.outputs == 0


def test_a_faulted_driver_refuses_every_command_and_says_so(ready):
    ready.device.knobs.silence = True
    ready.run(20_000)
    ready.records()
    before = len(ready.faults())
    edges = len(ready.edges)
    ready.command(Line.ARM, 1.0)
    for line, _pin in outputs_of(ready):
        ready.command(line, 30.0 * NS_PER_MS, 77)
    ready.run(500)
    refused = ready.faults()[before:]
    assert refused == [Fault.DEVICE_REFUSED] * (1 + len(outputs_of(ready)))
    assert not [edge for edge in ready.edges[edges:] if edge[2]]


# --- pulses


def test_a_pulse_is_done_when_the_device_itself_says_so_and_not_before(ready):
    ready.arm()
    for nonce, (line, pin) in enumerate(outputs_of(ready), start=1):
        before = ready.rises(pin)
        ready.command(line, 30.0 * NS_PER_MS, nonce)
        ready.run(300)
        assert ready.rises(pin) == before + 1
        mine = ready.records(*ON, Kind.VALVE_OFF, Kind.LASER_OFF)
        mine = mine[mine["line"] == line]
        assert mine.size == (2 if ready.hookup.has_edges else 0)
        if mine.size:
            truth = [t_ns for t_ns, at, _ in ready.edges if at == pin][-2:]
            assert abs(mine["t_ns"] - truth).max() < 2 * NS_PER_MS


def test_an_acknowledged_pulse_without_an_edge_raises_a_named_fault(ready):
    if not ready.hookup.has_edges:
        pytest.skip("this device reports no edges at all: the session watches the copy of its wire")
    if not _hide_edges(ready):
        pytest.skip("the true firmware cannot be made to hide an edge")
    line, pin = outputs_of(ready)[0]
    ready.command(line, 30.0 * NS_PER_MS, 5)
    ready.run(500)
    assert ready.rises(pin) == 1, "the output did go on"
    assert ready.records(*ON).size == 0
    assert ready.faults().count(Fault.EDGE_MISSING) == 1


def _hide_edges(joint: Joint) -> bool:
    if hasattr(joint.device.knobs, "suppress_edges"):
        joint.device.knobs.suppress_edges = True
        return True
    joint.wired = False
    return bool(joint.hookup.wires)


def test_a_repeated_command_fires_once(ready):
    ready.arm()
    for nonce, (line, pin) in enumerate(outputs_of(ready), start=30):
        before = ready.rises(pin)
        ready.command(line, 20.0 * NS_PER_MS, nonce)
        ready.command(line, 20.0 * NS_PER_MS, nonce)
        ready.run(300)
        ready.command(line, 20.0 * NS_PER_MS, nonce)
        ready.run(300)
        assert ready.rises(pin) == before + 1


def test_a_lost_answer_never_fires_a_pulse_twice(ready):
    ready.arm()
    for nonce, (line, pin) in enumerate(outputs_of(ready), start=40):
        before = ready.rises(pin)
        ready.lose_from_device = 1
        ready.command(line, 20.0 * NS_PER_MS, nonce)
        ready.run(2_000)
        assert ready.rises(pin) <= before + 1


def test_a_pulse_longer_than_allowed_is_refused_not_shortened(ready):
    ready.arm()
    for nonce, (line, pin) in enumerate(outputs_of(ready), start=60):
        before = ready.rises(pin)
        ready.command(line, 60_000.0 * NS_PER_MS, nonce)
        ready.run(200)
        assert ready.rises(pin) == before
        assert ready.faults()[-1] == Fault.DEVICE_REFUSED


def test_off_comes_at_once_and_recalls_what_waits(ready):
    ready.arm()
    for nonce, (line, pin) in enumerate(outputs_of(ready), start=70):
        ready.command(line, 150.0 * NS_PER_MS, nonce)
        ready.run(20)
        assert ready.device.outputs >> pin & 1
        ready.command(line, 0.0)
        ready.run(10)
        assert not ready.device.outputs >> pin & 1


# --- inputs


def test_a_poke_is_recorded_at_its_own_time(ready):
    if not ready.hookup.has_inputs:
        pytest.skip("this device has no inputs")
    ready.run(5_000)
    ready.device.set_input(ready.hookup.pins[Line.POKE_A], True, ready.now_ns)
    at_ns = ready.now_ns
    ready.run(50)
    pokes = ready.records(Kind.POKE_IN)
    assert pokes["line"].tolist() == [Line.POKE_A]
    assert pokes["animal"].tolist() == [0]
    assert abs(int(pokes["t_ns"][0]) - at_ns) < 2 * NS_PER_MS


def test_its_records_are_numbered_without_gaps_and_every_fault_has_a_sentence(ready):
    ready.arm().light()
    ready.run(300)
    ready.device.knobs.silence = True
    ready.run(20_000)
    counted = ready.records()["source_seq"].tolist()
    assert counted == list(range(1, len(counted) + 1))
    assert len(ready.remarks) == len(ready.faults())
    assert all(remark.strip() for remark in ready.remarks)
