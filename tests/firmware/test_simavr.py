"""The simulated board as a device among the others: its bytes, its time, its faults, and the real driver on top."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hardware.board.registers import ARM_KEY, MODE_ACTIVE, WHO_AM_I, BootCause, Register
from hardware.device import DeviceState, EmulatedDevice, NoSuchPin
from hardware.firmware.build import (
    INSTALL,
    SOURCES,
    BuildFailed,
    Programs,
    ToolchainMissing,
    build,
    missing,
)
from hardware.firmware.lockstep import BoardProgramDied
from hardware.firmware.simavr import CycleClock, FirmwareCrashed, SimavrBoard
from hardware.harp import CoreRegister, Framer, MessageType, PayloadType, read_request
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Fault, Kind, Line
from tests.firmware.bench import BOOT_MS, CYCLES_PER_BYTE, Bench, Firmware, pulse_frame, write_frame

WHO = read_request(CoreRegister.WHO_AM_I, PayloadType.U16)


def a_story(programs: Programs, step_ns: int) -> tuple[bytes, list[tuple[int, int, int]]]:
    """Let the same things happen, with time cut into other pieces; return all bytes and edges."""
    deeds: dict[int, Callable[[SimavrBoard, int], None]] = {
        3: lambda board, now: board.feed(write_frame(CoreRegister.OPERATION_CONTROL, MODE_ACTIVE), now),
        5: lambda board, now: board.feed(write_frame(Register.ARM, ARM_KEY), now),
        7: lambda board, now: board.set_input(0, True, now),
        9: lambda board, now: board.feed(pulse_frame(0x0F, 4, 1) + WHO, now),
        11: lambda board, now: board.set_interlock(False, now),
        16: lambda board, now: board.set_input(5, True, now),
        18: lambda board, now: board.reset(now),
        22: lambda board, now: board.feed(WHO, now),
    }
    sent = b""
    with SimavrBoard(programs) as board:
        for ms in range(1, 30):
            for now_ns in range((ms - 1) * NS_PER_MS + step_ns, ms * NS_PER_MS, step_ns):
                sent += board.outgoing(now_ns)
            sent += board.outgoing(ms * NS_PER_MS)
            if ms in deeds:
                deeds[ms](board, ms * NS_PER_MS)
        return sent, board.edges_cycles


# --- building


def test_what_is_built_once_is_not_built_again(programs: Programs) -> None:
    before = programs.firmware.stat().st_mtime_ns, programs.harness.stat().st_mtime_ns
    again = build()
    assert again == programs
    assert (again.firmware.stat().st_mtime_ns, again.harness.stat().st_mtime_ns) == before


def test_another_macro_makes_another_firmware(programs: Programs, tmp_path: Path) -> None:
    other = build(defines={"WHOAMI": 1216}, cache=tmp_path)
    with Firmware(other) as board:
        assert board.get(CoreRegister.WHO_AM_I) == 1216
    with Firmware(programs) as board:
        assert board.get(CoreRegister.WHO_AM_I) == WHO_AM_I


def test_other_sources_flags_and_macros_make_another_firmware(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    made = [build(tmp_path, cache=tmp_path / "cache"), build(tmp_path, {"A": 1}, cache=tmp_path / "cache")]
    made.append(build(tmp_path, {"A": 2}, cache=tmp_path / "cache"))
    made.append(build(tmp_path, {"A": 2}, cache=tmp_path / "cache", strict=False))
    (tmp_path / "main.c").write_text("int main(void) { return 1; }\n")
    made.append(build(tmp_path, cache=tmp_path / "cache"))
    (tmp_path / "main.h").write_text("\n")
    made.append(build(tmp_path, cache=tmp_path / "cache"))
    assert len({each.firmware for each in made}) == len(made)
    assert len({each.harness for each in made}) == 1


def test_a_machine_without_compilers_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing() == ["gcc-avr", "gcc"]
    with pytest.raises(ToolchainMissing, match=f"gcc-avr, gcc missing. Run: {INSTALL}"):
        build()


def test_a_mistake_in_the_sources_is_told_in_the_compilers_words(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return nothing_of_this_name; }\n")
    with pytest.raises(BuildFailed, match="nothing_of_this_name"):
        build(tmp_path, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_without_sources_is_refused(programs: Programs, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="holds no C files"):
        build(tmp_path)


def test_a_cache_that_cannot_be_written_is_told(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(BuildFailed, match="XDG_CACHE_HOME"):
        build(cache=tmp_path / "taken")


def test_two_processes_may_build_at_once(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    code = (
        "import pathlib, sys; from hardware.firmware.build import build; here = pathlib.Path(sys.argv[1]);"
        "print(build(here, cache=here / 'cache'))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=SOURCES.parent.parent)
        for _ in range(2)
    ]
    told = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert told[0] == told[1]
    assert sorted(len(list(folder.iterdir())) for folder in (tmp_path / "cache").iterdir()) == [1, 1]


# --- time and bytes


def test_it_is_an_emulated_device(programs: Programs) -> None:
    with SimavrBoard(programs) as board:
        device: EmulatedDevice = board
        assert device.outputs == 0
        assert device.take_edges() == []


@settings(deadline=None, max_examples=12)
@given(step_ns=st.integers(5_000, NS_PER_MS))
@example(step_ns=7_777)
def test_what_happens_does_not_depend_on_how_time_is_cut(programs: Programs, step_ns: int) -> None:
    coarse = a_story(programs, NS_PER_MS)
    assert len(coarse[1]) >= 6
    assert a_story(programs, step_ns) == coarse


def test_a_byte_is_on_the_wire_for_10_us_each_way(programs: Programs) -> None:
    step_ns = 125
    with Firmware(programs) as board:
        board.run(5)
        start_ns = board.now_ns
        board.feed(WHO)
        arrivals = []
        for now_ns in range(start_ns, start_ns + NS_PER_MS // 2, step_ns):
            arrivals += [now_ns - start_ns] * len(board.board.outgoing(now_ns))
        assert arrivals[0] >= len(WHO) * 10_000 + 10_000
        gaps = [after - before for before, after in pairwise(arrivals)]
        assert len(gaps) == 13
        assert all(10_000 - step_ns < gap < 10_000 + step_ns for gap in gaps)  # no pause between two bytes


def test_bytes_that_are_still_on_the_wire_are_not_there_yet(programs: Programs) -> None:
    with Firmware(programs) as board:
        before = board.board.cycle
        board.feed(WHO * 3)
        assert board.written_to_cycle - before == 3 * 6 * CYCLES_PER_BYTE
        assert board.board.outgoing(board.now_ns + 60_000) == b""


def test_it_looks_one_quantum_ahead(programs: Programs) -> None:
    with SimavrBoard(programs, now_ns=5 * NS_PER_S, quantum_ns=123_000) as board:
        assert board.due_ns() == 5 * NS_PER_S + 123_000


def test_calls_that_go_back_in_time_count_as_the_latest(programs: Programs) -> None:
    with SimavrBoard(programs, now_ns=NS_PER_S) as board:
        board.advance(NS_PER_S + 5 * NS_PER_MS)
        board.advance(NS_PER_S)
        assert board.cycle == 5 * 16_000
        assert board.due_ns() > NS_PER_S + 5 * NS_PER_MS


@pytest.mark.parametrize("ppm", [0, 80, -80, 200])
def test_a_cycle_and_its_time_fit_together(ppm: int) -> None:
    clock = CycleClock(1_000_000_007, 12_345, 1_000_000_000 + ppm * 1000)
    for cycle in (12_345, 12_346, 1_000_000, 16_000_000_000, 16_000_000_001):
        assert clock.cycle_at(clock.host_ns(cycle)) == cycle
        assert clock.cycle_at(clock.host_ns(cycle) - 1) < cycle


def test_a_fast_clock_makes_more_cycles_and_shorter_pulses(programs: Programs) -> None:
    with Firmware(programs) as board:
        board.board.knobs.clock_ppm = 5000
        board.run(1)
        before = board.board.cycle
        board.run(100, step_ms=10)
        assert board.board.cycle - before == pytest.approx(1_600_000 * 1.005, abs=1)
        board.board.take_edges()
        board.pulse(1, 100, 1)
        board.run(120)
        (on_ns, _, _), (off_ns, _, _) = board.board.take_edges()
        assert (off_ns - on_ns) / NS_PER_MS == pytest.approx(100 / 1.005, abs=0.06)


def test_a_frozen_chip_does_nothing_and_goes_on_where_it_was(programs: Programs) -> None:
    with Firmware(programs) as board:
        board.pulse(1, 20, 1)
        board.board.knobs.freeze = True
        board.run(0.1)
        cycle = board.board.cycle
        assert board.board.due_ns() == NEVER_NS
        board.feed(WHO)
        board.run(100)
        assert board.board.outputs == 1
        assert board.board.cycle == cycle
        board.board.knobs.freeze = False
        board.mark()
        board.run(30)
        assert board.heard == [m for m in board.heard if m.type == MessageType.EVENT]  # nobody heard the question
        assert [level for _, _, level in board.edges(0)] == [0]


SLOW_READER = """
#include <avr/io.h>
#include <util/delay.h>
static void send(uint8_t byte) { while (!(UCSR0A & 1 << UDRE0)) {} UDR0 = byte; }
int main(void) {
    UCSR0A = 1 << U2X0; UBRR0 = F_CPU / 8 / BAUD - 1; UCSR0B = 1 << RXEN0 | 1 << TXEN0;
    _delay_ms(2);
    send(UCSR0A & 1 << DOR0);
    while (UCSR0A & 1 << RXC0) send(UDR0);
    send(UCSR0A & 1 << DOR0);
    for (;;) {}
}
"""


def told_by_a_slow_reader(folder: Path, data: bytes, baud: int = 1_000_000) -> tuple[bytes, int]:
    """Send bytes to a program that reads only after 2 ms; return what it says, and how many bytes were lost."""
    (folder / "main.c").write_text(SLOW_READER)
    with SimavrBoard(build(folder, defines={"BAUD": baud}, cache=folder)) as board:
        board.feed(data, NS_PER_MS)
        return board.outgoing(5 * NS_PER_MS), board.lost_bytes


def test_the_receiver_holds_three_bytes_as_the_chips_does(programs: Programs, tmp_path: Path) -> None:
    assert told_by_a_slow_reader(tmp_path, b"abc") == (b"\0abc\0", 0)
    assert told_by_a_slow_reader(tmp_path, b"abcdef") == (b"\x08abc\0", 3)


def test_a_firmware_at_another_rate_hears_nothing(programs: Programs, tmp_path: Path) -> None:
    told, lost = told_by_a_slow_reader(tmp_path, b"abc", baud=500_000)
    assert (told, lost) == (b"\0\0", 0)


SLEEPER = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
ISR(TIMER2_COMPA_vect) { PINB = 1 << 1; }
ISR(PCINT1_vect) {}
int main(void) {
    DDRB = 1 << 0 | 1 << 1;
    PORTC = 1 << 0;
    PCICR = 1 << PCIE1; PCMSK1 = 1 << 0;
    OCR2A = OCR2B = 249; TCCR2A = 1 << WGM21; TCCR2B = 1 << CS22; TIMSK2 = 1 << OCIE2A;
    sei();
    for (;;) {
        if (PINC & 1 << 0) PORTB |= 1 << 0; else PORTB &= ~(1 << 0);
        sleep_mode();
    }
}
"""
"""Output 0 copies input 0, which has its pull-up; output 1 changes every ms; in between it sleeps."""


@pytest.fixture(scope="module")
def sleeper(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Return a firmware that sleeps and wakes."""
    folder = tmp_path_factory.mktemp("sleeper")
    (folder / "main.c").write_text(SLEEPER)
    return build(folder, cache=folder)


def test_a_core_that_falls_asleep_where_time_is_cut_wakes_as_if_it_were_not(sleeper: Programs) -> None:
    edges = []
    for first_ns, last_ns in ((0, 0), (1_990_000, 2_010_000)):
        with SimavrBoard(sleeper) as board:
            for now_ns in range(first_ns, last_ns, 20):  # a cycle is 62.5 ns
                board.advance(now_ns)
            board.set_input(0, True, 2_200_000)
            board.advance(10 * NS_PER_MS)
            edges.append(board.edges_cycles)
            assert board.inputs_cycles[-1] == (pytest.approx(35_200, abs=4), 0, 1)
    assert edges[0] == edges[1]
    toggles = [cycle for cycle, pin, _ in edges[0] if pin == 1]
    assert {after - before for before, after in pairwise(toggles)} == {16_000}


def test_a_level_on_an_input_wins_over_the_chips_pull_up(sleeper: Programs) -> None:
    with SimavrBoard(sleeper) as board:
        board.advance(NS_PER_MS // 2)
        assert board.outputs & 1 == 0
        board.set_input(0, True, NS_PER_MS // 2)
        board.advance(NS_PER_MS)
        assert board.outputs & 1 == 1


def test_a_reset_takes_an_output_down_until_the_firmware_raises_it(sleeper: Programs) -> None:
    with SimavrBoard(sleeper) as board:
        board.advance(int(1.5 * NS_PER_MS))
        assert board.outputs == 0b10
        board.reset(int(1.5 * NS_PER_MS))
        board.advance(2 * NS_PER_MS)
        assert board.outputs == 0
        boot_cycle = board.boots_cycles[-1][0]
        assert board.edges_cycles[1:] == [(boot_cycle, 1, 0)]
        board.advance(3 * NS_PER_MS)
        assert board.outputs == 0b10


# --- knobs and pins


def test_the_wires_knobs_spoil_what_the_board_sends(programs: Programs) -> None:
    with Firmware(programs) as board:
        board.board.knobs.silence = True
        assert board.ask(WHO) is None
        board.board.knobs.silence = False
        board.board.knobs.corrupt = 3
        assert board.ask(WHO) is None
        board.board.knobs.garbage = b"\x05\x06\x07"
        assert board.ask(WHO) is not None
        board.board.knobs.drop = 2
        assert board.ask(WHO) is None


def test_a_frame_can_be_sent_twice(programs: Programs) -> None:
    with Firmware(programs) as board:
        board.board.knobs.duplicate = 2
        now_ns = board.now_ns
        board.feed(WHO + WHO + WHO)
        sent = b"".join(board.board.outgoing(now_ns + at_ns) for at_ns in range(0, 2 * NS_PER_MS, 70_000))
        messages = Framer().feed(sent, 0)
        assert len(messages) == 5
        assert messages[0] == messages[1]
        assert messages[2] == messages[3]


def test_a_frame_that_a_reset_cuts_off_is_not_repeated(programs: Programs) -> None:
    with Firmware(programs) as board:
        board.mark()
        board.board.knobs.duplicate = 1
        board.feed(WHO)
        for _ in range(100):
            board.run(0.01, step_ms=0.01)
            if board._framer._pending:
                break
        board.board.reset(board.now_ns)
        board.run(10)
        assert board.heard == []
        assert board.board.knobs.duplicate == 1
        board.ask(WHO)
        board.run(1)
        assert len(board.heard) == 2
        assert board.heard[0] == board.heard[1]


@pytest.mark.parametrize("pin", [-1, 6])
def test_a_pin_that_the_board_lacks_is_refused(programs: Programs, pin: int) -> None:
    with SimavrBoard(programs) as board, pytest.raises(NoSuchPin, match="0 to 3"):
        board.set_input(pin, True, 0)


def test_edges_come_once_in_host_time_and_stay_in_cycles(programs: Programs) -> None:
    with SimavrBoard(programs, now_ns=NS_PER_S) as board:
        now_ns = NS_PER_S + BOOT_MS * NS_PER_MS
        board.feed(pulse_frame(0b10, 5, 1), now_ns)
        board.advance(now_ns + 20 * NS_PER_MS)
        edges = board.take_edges()
        assert [(pin, level) for _, pin, level in edges] == [(1, 1), (1, 0)]
        assert board.take_edges() == []
        assert [cycle for cycle, _, _ in board.edges_cycles] == [(t_ns - NS_PER_S) * 16 // 1000 for t_ns, _, _ in edges]


# --- how it ends


def test_a_board_whose_program_died_says_so(programs: Programs) -> None:
    with SimavrBoard(programs) as board:
        board._program._child.kill()
        board._program._child.wait()
        with pytest.raises(BoardProgramDied, match="exit code -9"):
            board.advance(NS_PER_S)
        with pytest.raises(BoardProgramDied):
            board.advance(2 * NS_PER_S)


def test_a_closed_board_says_so(programs: Programs) -> None:
    board = SimavrBoard(programs)
    board.close()
    board.close()
    with pytest.raises(BoardProgramDied, match="was closed"):
        board.advance(NS_PER_S)


def test_a_firmware_that_cannot_be_read_is_told(programs: Programs, tmp_path: Path) -> None:
    broken = tmp_path / "firmware.elf"
    broken.write_bytes(b"no such thing")
    with pytest.raises(BoardProgramDied, match="firmware cannot be read"):
        SimavrBoard(Programs(broken, programs.harness))


def test_a_firmware_that_crashes_is_told(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(
        "#include <avr/interrupt.h>\n#include <avr/sleep.h>\n"
        "int main(void) { for (volatile long i = 0; i < 1000; i++) {} cli(); sleep_mode(); return 0; }\n"
    )
    sleeper = build(tmp_path, cache=tmp_path)
    with SimavrBoard(sleeper) as board:
        with pytest.raises(FirmwareCrashed, match="crashed at cycle"):
            board.advance(NS_PER_S)
        with pytest.raises(FirmwareCrashed):
            board.advance(2 * NS_PER_S)


def test_a_power_on_is_told_from_a_reset(programs: Programs) -> None:
    with SimavrBoard(programs) as board:
        board.reset(NS_PER_MS, BootCause.BROWN_OUT)
        board.advance(5 * NS_PER_MS)
        assert [cause for _, cause in board.boots_cycles] == [BootCause.POWER, BootCause.BROWN_OUT]


def test_the_sources_are_not_built_into(programs: Programs) -> None:
    assert SOURCES not in programs.firmware.parents


# --- the real driver


def test_the_driver_gets_the_firmware_ready(bench: Bench) -> None:
    assert bench.driver.state == DeviceState.READY
    assert bench.driver.error is None
    bench.run(3000)
    assert bench.driver.state == DeviceState.READY
    assert bench.records(Kind.FAULT).size == 0


def test_a_valve_opens_for_as_long_as_the_driver_was_asked_to(bench: Bench) -> None:
    bench.command(Line.VALVE_A, 25, nonce=7)
    bench.run(100)
    (on_ns, _, _), (off_ns, _, _) = bench.board.take_edges()
    assert (off_ns - on_ns) / NS_PER_MS == pytest.approx(25, abs=0.05)
    told = bench.records(Kind.VALVE_ON, Kind.VALVE_OFF)
    assert told["kind"].tolist() == [Kind.VALVE_ON, Kind.VALVE_OFF]
    assert told["t_ns"].tolist() == pytest.approx([on_ns, off_ns], abs=400_000)


def test_a_poke_reaches_the_driver_with_the_time_of_its_edge(bench: Bench) -> None:
    bench.run(2000)
    poked_ns = bench.now_ns
    bench.board.set_input(1, True, poked_ns)
    bench.run(20)
    (poke,) = bench.records(Kind.POKE_IN)
    assert poke["line"] == Line.POKE_B
    assert poke["t_ns"] == pytest.approx(poked_ns, abs=300_000)


def test_a_laser_needs_the_drivers_arm_and_the_interlock(bench: Bench) -> None:
    bench.command(Line.ARM, 1, nonce=1)
    bench.run(20)
    bench.command(Line.LASER_B, 10, nonce=2)
    bench.run(30)
    assert [pin for _, pin, _ in bench.board.take_edges()] == [3, 3]
    bench.board.set_interlock(False, bench.now_ns)
    bench.run(30)
    bench.command(Line.LASER_B, 10, nonce=3)
    bench.run(30)
    assert bench.board.take_edges() == []
    assert Fault.DEVICE_INTERLOCK in bench.records(Kind.FAULT)["value"].astype(int).tolist()


def test_a_reset_of_the_chip_ends_the_driver(bench: Bench) -> None:
    bench.run(500)
    bench.board.reset(bench.now_ns)
    bench.run(1500)
    assert bench.driver.state == DeviceState.FAULTED
    assert bench.driver.fault == Fault.DEVICE_RESET


def test_a_frozen_chip_is_silent(bench: Bench) -> None:
    bench.board.knobs.freeze = True
    bench.run(1000)
    assert bench.driver.state == DeviceState.FAULTED
    assert bench.driver.fault == Fault.DEVICE_SILENT


def test_an_event_keeps_its_time_on_a_board_whose_clock_is_80_ppm_fast(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.board.knobs.clock_ppm = 80
    bench.start()
    bench.run(8_000)
    errors_ns = []
    for turn in range(20):
        bench.run(37.3)
        poked_ns = bench.now_ns
        bench.board.set_input(0, turn % 2 == 0, poked_ns)
        bench.run(20)
        told = bench.records(Kind.POKE_IN, Kind.POKE_OUT)[-1]
        errors_ns.append(int(told["t_ns"]) - poked_ns)
    assert max(errors_ns) - min(errors_ns) < 250_000
    assert max(map(abs, errors_ns)) < 300_000
