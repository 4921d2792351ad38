"""The firmware's own C files, compiled for this machine with sanitizers, on a virtual chip in virtual time.

What happens to the board is a script of bytes (``hardware/firmware/native/script.h``); what must hold at every step is
checked beside it (``checks.h``). Stories say what the board does, byte by byte; random and directed scripts try to make
it break a rule; firmware without one of its limits must be caught by them; and its twin, the emulated board, must say
the same.
"""

import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware.board.registers import (
    ARM_KEY,
    DEFAULTS,
    N_INPUTS,
    N_OUTPUTS,
    N_RULES,
    PULSE_WORDS,
    RANGES,
    RULE_WORDS,
    U16,
    FaultBit,
    Register,
    payload_type,
)
from hardware.emulators.reference_board import EmulatedBoard
from hardware.firmware.build import SOURCES
from hardware.harp import (
    CoreRegister,
    Framer,
    Message,
    MessageType,
    PayloadType,
    crc16,
    read_request,
    write_request,
)
from realtime.records import NS_PER_MS

NATIVE = SOURCES / "native"
FLAGS = (
    *("-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-Dmain=firmware_main", "-DF_CPU=16000000UL", f"-I{NATIVE}"),
)
LENIENT = ("-Wno-unused", "-Wno-empty-body")
VIOLATION = 3
ESCAPE = b"\x1b"
CLOSED = 0x40
RANDOM_SCRIPTS = 24

CAUGHT_BY = {
    "max-on": "is on for longer than its max-on",
    "watchdog": "though the host is silent",
    "arm check": "a laser is on while the board is disarmed",
    "interlock": "a laser is on while the",
    "min gap": "before its gap was over",
    "duty": "is on for longer than its duty",
    "chatter": "an input chatters and is not muted",
}


# Building.


def missing() -> str:
    """What this machine lacks to build the firmware natively; empty if nothing."""
    if shutil.which("gcc") is None:
        return "gcc is not installed (sudo apt-get install gcc)"
    probe = subprocess.run(
        ["gcc", "-fsanitize=address,undefined", "-x", "c", "-", "-o", "/dev/null"],
        input=b"int main(void) { return 0; }",
        capture_output=True,
        check=False,
    )
    return "gcc has no sanitizers (sudo apt-get install libc6-dev libgcc-12-dev)" if probe.returncode else ""


def compile_one(source: Path, folder: Path, flags: Iterable[str] = ()) -> Path:
    """Compile one file against the firmware's headers; return the object."""
    made = folder / f"{source.parent.name}-{source.stem}.o"
    subprocess.run(["gcc", *FLAGS, *flags, f"-I{SOURCES}", "-c", str(source), "-o", str(made)], check=True)
    return made


def link(objects: Iterable[Path], program: Path) -> Path:
    """Link objects to a program."""
    subprocess.run(["gcc", *FLAGS, *map(str, objects), "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The firmware and its virtual chip, compiled, by the names of their sources."""
    if lacking := missing():
        pytest.skip(f"the firmware cannot be built natively: {lacking}")
    folder = tmp_path_factory.mktemp("native")
    return {path.name: compile_one(path, folder) for path in (*SOURCES.glob("*.c"), *NATIVE.glob("*.c"))}


@pytest.fixture(scope="session")
def program(objects: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware on its virtual chip."""
    return link(objects.values(), tmp_path_factory.mktemp("program") / "board")


def without(name: str, objects: dict[str, Path], folder: Path) -> Path:
    """The same without the one line that is marked with a safety act."""
    mark = re.compile(rf"^.*/\* SAFETY: {name} \*/$", re.MULTILINE)
    marked = [path for path in SOURCES.glob("*.c") if mark.search(path.read_text())]
    assert len(marked) == 1, f"{name} is marked in {marked}"
    text, n_taken = mark.subn(";", marked[0].read_text())
    assert n_taken == 1
    mutant = folder / marked[0].name
    mutant.write_text(text)
    made = compile_one(mutant, folder, LENIENT)
    return link((objects | {mutant.name: made}).values(), folder / "board")


# Running.


@dataclass
class Told:
    """What a run showed: its exit code and last words, output masks and messages, each with its virtual time in µs."""

    code: int
    words: str
    outputs: list[tuple[int, int]]
    messages: list[tuple[int, Message]]
    sent: bytes

    def of(self, address: int, kind: MessageType = MessageType.EVENT) -> list[int]:
        """Values of the messages of one register and type."""
        return [message.value for _, message in self.messages if (message.address, message.type) == (address, kind)]

    def answers(self, address: int) -> list[int]:
        """Values of the answers of one register, errors left out."""
        return sorted(self.of(address, MessageType.READ) + self.of(address, MessageType.WRITE))


def run(program: Path, script: bytes, *, trace: bool = False) -> Told:
    """Let a script happen to the board, and six seconds of silence after it."""
    done = subprocess.run(
        [str(program), *["--trace"] * trace], input=script, capture_output=True, check=False, timeout=60
    )
    framer, outputs, messages, sent = Framer(), [], [], b""
    for line in done.stdout.decode().splitlines():
        time_us, what, *value = line.split()
        if what == "outputs":
            outputs.append((int(time_us), int(value[0])))
        elif what == "sent":
            sent += bytes((int(value[0]),))
            messages += [(int(time_us), message) for message in framer.feed(sent[-1:], int(time_us) * 1000)]
    assert framer.garbage_bytes == 0
    return Told(done.returncode, done.stderr.decode(), outputs, messages, sent)


def tell(program: Path, *parts: bytes) -> Told:
    """Run a story, which must end well."""
    told = run(program, b"".join(parts), trace=True)
    assert told.code == 0, told.words
    return told


# Writing scripts.


def wire(data: bytes) -> bytes:
    """Bytes for the serial line."""
    return data.replace(ESCAPE, ESCAPE + ESCAPE)


def pins(state: int) -> bytes:
    """Inputs as in register 32, and ``CLOSED``."""
    return ESCAPE + b"p" + bytes((state,))


def wait(ms: float) -> bytes:
    """A pause."""
    return b"".join(ESCAPE + letter + U16.pack(n) for letter, n in ((b"w", int(ms)), (b"u", round(ms % 1 * 1000))) if n)


def write(address: int, value: int) -> bytes:
    """A write of one element."""
    if address < Register.DIGITAL_INPUT_STATE:
        kind = PayloadType.U32 if address == CoreRegister.TIMESTAMP_SECONDS else PayloadType.U8
    else:
        kind = payload_type(address)
    return wire(write_request(address, kind, value.to_bytes(kind, "little")))


def read(address: int) -> bytes:
    """A read."""
    return wire(read_request(address, PayloadType.U8))


def pulse(mask: int, ms: int, nonce: int, spoil: int = 0) -> bytes:
    """A PulseCmd."""
    words = PULSE_WORDS.pack(mask, ms, nonce)
    return wire(write_request(Register.PULSE_CMD, PayloadType.U16, words + U16.pack(crc16(words) ^ spoil)))


def rule(which: int, beams: int, outputs: int, ms: int, window_ms: int) -> bytes:
    """A local rule."""
    words = RULE_WORDS.pack(beams, outputs, ms, window_ms)
    return wire(write_request(Register.LOCAL_RULE + which, PayloadType.U16, words + U16.pack(crc16(words))))


ACTIVE = write(CoreRegister.OPERATION_CONTROL, 1)
ARM = write(Register.ARM, ARM_KEY)
KEEP_ALIVE = write(Register.KEEP_ALIVE, 0)
PATIENT = write(Register.HOST_TIMEOUT_MS, 5000)


def alive(ms: float) -> bytes:
    """A pause in which the host pings."""
    return (KEEP_ALIVE + wait(40)) * int(ms // 40) + wait(ms % 40)


# Stories. The script begins 1 ms after power-on; a byte takes 10 µs.


def test_the_board_says_who_it_is_byte_by_byte(program: Path) -> None:
    told = tell(program, bytes.fromhex("01 04 00 ff 02 06"))
    # 1056 µs are 33 units of a stamp. 3335 is 0x0d07.
    assert told.sent.hex(" ") == "01 0c 00 ff 12 00 00 00 00 21 00 07 0d 53"
    assert told.outputs == []


def test_a_broken_beam_is_told_with_the_time_of_its_edge(program: Path) -> None:
    active = bytes.fromhex("02 05 0a ff 01 01 12")
    told = tell(program, active, wait(9.93), pins(CLOSED | 1), wait(20), pins(CLOSED), wait(1))
    assert (
        told.sent[13:]
        .hex(" ")
        .startswith(
            # the event of register 32: 1, after 11 ms (343 units of 32 µs), and 0, after 31 ms (968)
            "03 0b 20 ff 11 00 00 00 00 57 01 01 97 03 0b 20 ff 11 00 00 00 00 c8 03 00 09"
        )
    )


def test_an_edge_at_a_whole_second_is_stamped_with_that_second(program: Path) -> None:
    # The pin's interrupt comes before the timer's: the clock must know of the second that is not counted yet.
    told = tell(program, ACTIVE, PATIENT, wait(998.85), pins(CLOSED | 1), wait(1))
    (edge,) = [m for _, m in told.messages if (m.type, m.address) == (MessageType.EVENT, Register.DIGITAL_INPUT_STATE)]
    assert edge.device_ns == 1_000_000_000


def test_a_pulse_across_whole_seconds_ends_at_its_time(program: Path) -> None:
    told = tell(program, PATIENT, write(Register.MAX_ON_MS, 2000), wait(700), pulse(1, 1777, 1), wait(2000))
    (on_us, _), (off_us, _) = told.outputs
    assert off_us - on_us == pytest.approx(1_777_000, abs=32)


def test_a_valve_opens_before_the_answer_and_closes_after_25_ms(program: Path) -> None:
    told = tell(program, bytes.fromhex("02 0c d0 ff 02 01 00 19 00 01 00 51 90 db"), wait(50))
    (on_us, opened), (off_us, closed) = told.outputs
    assert (opened, closed) == (1, 0)
    assert on_us == pytest.approx(1000 + 140, abs=30)
    assert off_us - on_us == pytest.approx(25_000, abs=32)
    assert [(message.type, message.address) for _, message in told.messages[:3]] == [
        (MessageType.EVENT, Register.OUTPUT_EVENT),
        (MessageType.WRITE, Register.PULSE_CMD),
        (MessageType.EVENT, Register.OUTPUT_EVENT),
    ]
    assert told.messages[2][1].device_ns == pytest.approx(off_us * 1000, abs=32_000)


def test_a_retried_pulse_happens_once_and_a_spoilt_one_never(program: Path) -> None:
    told = tell(program, pulse(2, 5, 1), wait(30), pulse(2, 5, 1), pulse(2, 5, 2, spoil=1), pulse(2, 0, 3), wait(30))
    assert [mask for _, mask in told.outputs] == [2, 0]
    assert len(told.of(Register.PULSE_CMD, MessageType.WRITE)) == 2
    assert len(told.of(Register.PULSE_CMD, MessageType.WRITE_ERROR)) == 2


def test_a_valve_left_on_is_cut_at_200_ms_and_told(program: Path) -> None:
    told = tell(program, write(Register.OUTPUT_STATE, 1), alive(300))
    (on_us, _), (off_us, _) = told.outputs
    assert off_us - on_us == pytest.approx(200_000, abs=32)
    assert told.of(Register.FAULT) == [FaultBit.MAX_ON]


def test_a_laser_needs_arming_and_dies_in_the_interrupt_that_sees_the_interlock_open(program: Path) -> None:
    told = tell(
        program,
        *(pulse(4, 50, 1), wait(5), ARM, pulse(4, 500, 2), wait(100)),
        *(pins(0), wait(1), ARM, wait(1), pins(CLOSED), wait(1), pulse(4, 50, 3), wait(5)),
    )
    assert [mask for _, mask in told.outputs] == [4, 0]
    cut_us = told.outputs[1][0]
    assert cut_us == 1000 + 140 + 5000 + 70 + 140 + 100_000
    assert told.of(Register.ARM, MessageType.WRITE) == [1, 0]
    assert told.of(Register.FAULT) == [FaultBit.DISARMED, FaultBit.DISARMED | FaultBit.INTERLOCK]


def test_a_host_that_falls_silent_leaves_nothing_on(program: Path) -> None:
    told = tell(
        program, ACTIVE, write(Register.MAX_ON_MS, 2000), write(Register.OUTPUT_STATE, 1), wait(2500), KEEP_ALIVE
    )
    (on_us, _), (off_us, _) = told.outputs
    assert 500_000 <= off_us - on_us <= 501_500
    assert told.of(Register.FAULT) == [FaultBit.WATCHDOG]


def test_a_pulse_too_soon_is_acknowledged_and_told_and_does_not_happen(program: Path) -> None:
    told = tell(program, pulse(1, 5, 1), wait(14), pulse(1, 5, 2), wait(2), pulse(1, 5, 3), wait(20))
    assert [mask for _, mask in told.outputs] == [1, 0, 1, 0]
    assert told.of(Register.FAULT) == [FaultBit.GAP]
    assert len(told.of(Register.PULSE_CMD, MessageType.WRITE)) == 3


def test_time_on_is_used_up_and_comes_back_after_a_minute(program: Path) -> None:
    spend = [write(Register.DUTY_MS, 30), pulse(1, 20, 1), wait(40), pulse(1, 20, 2), wait(40), pulse(1, 20, 3)]
    told = tell(program, *spend, alive(60_700), pulse(1, 20, 4), alive(500), pulse(1, 20, 5), wait(30))
    times_us = [time_us for time_us, _ in told.outputs]
    assert [off_us - on_us for on_us, off_us in zip(times_us[::2], times_us[1::2], strict=True)] == [
        pytest.approx(20_000, abs=32),
        pytest.approx(10_000, abs=32),
        pytest.approx(20_000, abs=32),
    ]
    assert told.outputs[-1][0] > 61_000_000
    assert told.of(Register.FAULT) == [FaultBit.DUTY]


def test_an_input_that_chatters_is_muted_until_it_is_listened_to(program: Path) -> None:
    storm = b"".join(pins(CLOSED | state) + wait(0.5) for state in [0b10_0000, 0] * 5)
    told = tell(
        program,
        *(ACTIVE, write(Register.CHATTER_LIMIT, 10), wait(1), storm, read(Register.MUTED_INPUTS), wait(1)),
        *(pins(CLOSED | 0b10_0000), read(Register.MUTED_INPUTS), read(Register.DIGITAL_INPUT_STATE), wait(1)),
        *(write(Register.MUTED_INPUTS, 0xFF), wait(2)),
    )
    assert told.of(Register.DIGITAL_INPUT_STATE) == [0x20, 0] * 5 + [0x20]
    assert told.of(Register.FAULT)[0] == FaultBit.CHATTER
    assert told.of(Register.DIGITAL_INPUT_STATE, MessageType.READ) == [0]
    assert told.of(Register.MUTED_INPUTS, MessageType.READ) == [0, 0x20]
    assert told.of(Register.MUTED_INPUTS, MessageType.WRITE) == [0]


def test_what_one_moment_brings_is_told_in_order(program: Path) -> None:
    told = tell(program, ACTIVE, rule(0, 1, 0b0101, 10, 100), wait(5), pins(CLOSED | 1), wait(1), pulse(0b0110, 10, 1))
    assert [(message.address, message.value & 0xFF) for _, message in told.messages[2:6]] == [
        (Register.DIGITAL_INPUT_STATE, 1),
        (Register.OUTPUT_EVENT, 1),
        (Register.FAULT, FaultBit.DISARMED),
        (Register.OUTPUT_EVENT, 3),
    ]
    assert told.messages[6][1].address == Register.PULSE_CMD


def test_a_local_rule_fires_at_the_edge_and_a_repeated_request_fires_nothing(program: Path) -> None:
    request = rule(1, 0b0010, 0b0011, 15, 300)
    told = tell(
        program,
        *(ACTIVE, request, wait(20), pins(CLOSED | 2), wait(30), pins(CLOSED), request, wait(1)),
        *(pins(CLOSED | 2), wait(20), read(Register.LOCAL_RULE + 1), wait(1)),
    )
    poked_us = 1000 + 70 + 160 + 20_000
    assert told.outputs[0] == (poked_us, 3)
    assert [mask for _, mask in told.outputs] == [3, 0]
    told_of = [message.address for time_us, message in told.messages if time_us > poked_us]
    assert told_of[:2] == [Register.DIGITAL_INPUT_STATE, Register.OUTPUT_EVENT]
    (last,) = told.of(Register.LOCAL_RULE + 1, MessageType.READ)
    assert last.to_bytes(10, "little") == RULE_WORDS.pack(2, 3, 15, 0) + b"\0\0"


def test_half_a_frame_is_forgotten_after_a_pause_and_garbage_at_once(program: Path) -> None:
    whole = wire(read_request(CoreRegister.WHO_AM_I, PayloadType.U16))
    told = tell(program, whole[:4], wait(6.5), whole, b"\xff\x00\x55\x02", whole, wait(1))
    assert told.of(CoreRegister.WHO_AM_I, MessageType.READ) == [3335, 3335]


def test_a_wrong_checksum_and_a_byte_that_the_chip_lost_are_counted_and_told(program: Path) -> None:
    spoilt = bytearray(KEEP_ALIVE)
    spoilt[-1] ^= 1
    told = tell(program, bytes(spoilt), wait(10), ESCAPE + b"o", KEEP_ALIVE, read(Register.ERROR_COUNTERS), wait(1))
    assert told.of(Register.FAULT) == [FaultBit.CHECKSUM, FaultBit.CHECKSUM | FaultBit.RECEIVE_OVERFLOW]
    assert told.answers(Register.ERROR_COUNTERS) == [0x0000_0000_0001_0001]


def test_a_flood_of_questions_costs_answers_but_no_command(program: Path) -> None:
    told = tell(program, read(CoreRegister.VERSION) * 100, pulse(1, 5, 1), wait(30), read(Register.ERROR_COUNTERS))
    (counters,) = told.answers(Register.ERROR_COUNTERS)
    n_lost = counters >> 48
    assert len(told.of(CoreRegister.VERSION, MessageType.READ)) + n_lost == pytest.approx(100, abs=1)
    assert n_lost > 10
    assert told.of(Register.FAULT) == [FaultBit.TRANSMIT_OVERFLOW]
    assert [mask for _, mask in told.outputs] == [1, 0]


def test_more_events_than_the_queue_holds_are_counted_and_told(program: Path) -> None:
    storm = b"".join(pins(CLOSED | state) for state in range(1, 64) for _ in range(2))
    told = tell(program, ACTIVE, wait(1), storm, wait(30), read(Register.ERROR_COUNTERS), read(Register.EVENT_COUNT))
    (lost,) = [counters >> 32 & 0xFFFF for counters in told.answers(Register.ERROR_COUNTERS)]
    assert lost > 0
    assert FaultBit.EVENT_OVERFLOW in FaultBit(told.of(Register.FAULT)[0])
    assert told.answers(Register.EVENT_COUNT) == [len(told.of(Register.DIGITAL_INPUT_STATE)) + lost]


def test_a_reset_switches_off_answers_and_then_restarts(program: Path) -> None:
    told = tell(program, write(Register.OUTPUT_STATE, 3), wait(10), write(CoreRegister.RESET_DEVICE, 1), wait(10))
    assert [mask for _, mask in told.outputs] == [3, 0]
    assert told.messages[-1][1].address == CoreRegister.RESET_DEVICE


def test_every_register_of_the_table_is_dumped_once_with_its_default(program: Path) -> None:
    told = tell(program, write(CoreRegister.OPERATION_CONTROL, 8), wait(100))
    dumped = [message for _, message in told.messages if message.type == MessageType.READ]
    known = {*range(20), *DEFAULTS, *Register, *range(Register.LOCAL_RULE, Register.LOCAL_RULE + N_RULES)}
    assert [message.address for message in dumped] == sorted(known)
    assert {message.address: message.value for message in dumped if message.address in DEFAULTS} == DEFAULTS
    assert all(m.payload_type == payload_type(m.address) for m in dumped if m.address >= Register.DIGITAL_INPUT_STATE)


@pytest.mark.parametrize("address", sorted(RANGES))
def test_a_number_register_takes_its_range_and_no_more(program: Path, address: int) -> None:
    low, high = RANGES[address]
    most = (1 << 8 * payload_type(address)) - 1
    inside, outside = {low, high}, {value for value in (low - 1, high + 1) if 0 <= value <= most}
    told = tell(program, *(write(address, value) + wait(1) for value in (*inside, *outside)))
    assert told.of(address, MessageType.WRITE) == list(inside)
    assert len(told.of(address, MessageType.WRITE_ERROR)) == len(outside)


# Scripts that try to break a rule.


def some_setting(dice: random.Random) -> bytes:
    """A write of a limit: within its range, at its ends, or beyond."""
    address = dice.choice(sorted(RANGES))
    low, high = RANGES[address]
    most = (1 << 8 * payload_type(address)) - 1
    value = dice.choice(
        (low, high, dice.randint(low, high), dice.randint(low, min(high, low + 300)), dice.randint(0, most))
    )
    return write(address, value)


def some_frame(dice: random.Random) -> bytes:
    """Any request, sound or not."""
    address = dice.choice((*range(20), *Register, dice.randrange(256)))
    kind = dice.choice(list(PayloadType))
    payload = dice.randbytes(dice.choice((0, 1, 2, 4, 8, 10, 25)))
    frame = bytearray(write_request(address, kind, payload) if dice.random() < 0.7 else read_request(address, kind))
    if dice.random() < 0.3:
        frame[dice.randrange(len(frame))] = dice.randrange(256)
    return wire(bytes(frame[: dice.choice((len(frame), len(frame), dice.randrange(len(frame)))) or None]))


def some_inputs(dice: random.Random) -> bytes:
    """Edges, one or many; the interlock is closed mostly."""
    edges = dice.choice((1, 1, 1, 5, 60))
    states = (dice.randrange(64) | CLOSED * (dice.random() < 0.9) for _ in range(edges))
    return b"".join(pins(state) + wait(dice.choice((0, 0.02, 0.3))) for state in states) + pins(CLOSED)


def some_time(dice: random.Random) -> bytes:
    """A pause of any length that matters."""
    return dice.choice(
        (wait(dice.random()), wait(dice.randrange(20)), alive(dice.randrange(300)), wait(dice.randrange(700)))
    )


def random_script(seed: int) -> bytes:
    """Everything that can happen, in any order."""
    dice = random.Random(seed)

    def something() -> bytes:
        match dice.randrange(14):
            case 0:
                return ACTIVE
            case 1:
                return ARM
            case 2 | 3:
                return pulse(dice.randrange(16), dice.choice((1, 5, 30, 400, 5000, 65535)), dice.randrange(1, 9))
            case 4:
                return write(dice.choice((34, 35, 37)), dice.randrange(16))
            case 5:
                return rule(
                    dice.randrange(2), dice.randrange(16), dice.randrange(16), dice.randrange(50), dice.randrange(900)
                )
            case 6:
                return some_setting(dice)
            case 7:
                return some_frame(dice)
            case 8 | 9:
                return some_inputs(dice)
            case 10:
                return write(CoreRegister.OPERATION_CONTROL, dice.choice((0, 1, 1, 5, 0x81, 9, 0x11)))
            case 11:
                return read(dice.choice((Register.EVENT_COUNT, Register.FAULT, 8, 19, 223))) * dice.choice((1, 1, 20))
            case _:
                return some_time(dice)

    return b"".join(something() for _ in range(150))


def held_on(dice: random.Random) -> Iterator[bytes]:
    """A host that wants its outputs on for as long as it can get."""
    yield PATIENT + ARM
    for nonce in range(1, 40):
        yield pulse(dice.randrange(1, 16), dice.choice((150, 300, 3000, 65535)), nonce)
        yield dice.choice((write(Register.OUTPUT_STATE, 15), write(Register.OUTPUT_SET, dice.randrange(16)), b""))
        yield alive(dice.choice((20, 80, 400)))


def left_alone(dice: random.Random) -> Iterator[bytes]:
    """A host that dies while things are on."""
    for nonce in range(1, 6):
        yield (
            ACTIVE + ARM + write(Register.MAX_ON_MS + 3, 9000) + write(Register.HOST_TIMEOUT_MS, dice.randint(50, 900))
        )
        yield pulse(dice.randrange(1, 16), 9000, nonce) + wait(dice.randrange(1000, 1500))


def without_right(dice: random.Random) -> Iterator[bytes]:
    """A host that asks for light while disarmed, and a rule that does."""
    for nonce in range(1, 12):
        yield dice.choice((pulse(12, 20, nonce), write(Register.OUTPUT_SET, 4), write(Register.OUTPUT_STATE, 8)))
        yield rule(0, 1, 12, 20, 500) + pins(CLOSED | 1) + wait(dice.randrange(30)) + pins(CLOSED)


def opened_door(dice: random.Random) -> Iterator[bytes]:
    """A door that opens while there is light."""
    for nonce in range(1, 12):
        yield (
            pins(CLOSED) + ARM + pulse(12, 200, nonce) + wait(dice.randrange(50)) + pins(dice.randrange(64)) + wait(30)
        )


def in_haste(dice: random.Random) -> Iterator[bytes]:
    """A host that pulses again at once, and rules that do."""
    yield PATIENT + ARM
    for output in range(N_OUTPUTS):
        yield write(Register.MIN_GAP_MS + output, dice.choice((1, 10, 200)))
    for nonce in range(1, 40):
        yield pulse(dice.randrange(1, 16), dice.randrange(1, 9), nonce) + wait(dice.randrange(15) + dice.random())
        yield (
            rule(1, 2, dice.randrange(1, 16), 3, 400 + nonce)
            + pins(CLOSED | 2)
            + wait(dice.random() * 9)
            + pins(CLOSED)
        )


def much_light(dice: random.Random) -> Iterator[bytes]:
    """A host that spends its minute, again and again, for two minutes."""
    yield PATIENT
    for output in range(N_OUTPUTS):
        yield write(Register.DUTY_MS + output, dice.choice((5, 100, 700))) + write(Register.MIN_GAP_MS + output, 0)
    for nonce in range(1, 90):
        yield ARM + pulse(dice.randrange(1, 16), dice.choice((3, 40, 500, 1900)), nonce) + wait(dice.randrange(2800))


def noise(dice: random.Random) -> Iterator[bytes]:
    """Inputs that chatter, and a host that listens again."""
    yield PATIENT + ACTIVE
    for _ in range(12):
        yield write(Register.CHATTER_LIMIT, dice.choice((10, 30))) + write(Register.MUTED_INPUTS, dice.randrange(64))
        yield b"".join(pins(CLOSED | dice.randrange(64)) + wait(dice.random() * 3) for _ in range(80)) + wait(300)


DIRECTED = {
    "max-on": held_on,
    "watchdog": left_alone,
    "arm check": without_right,
    "interlock": opened_door,
    "min gap": in_haste,
    "duty": much_light,
    "chatter": noise,
}


def directed_script(name: str, seed: int) -> bytes:
    """A script that goes for one limit."""
    return b"".join(DIRECTED[name](random.Random(seed)))


@pytest.mark.parametrize("seed", range(RANDOM_SCRIPTS))
def test_nothing_that_happens_makes_the_board_break_a_rule(program: Path, seed: int) -> None:
    told = run(program, random_script(seed))
    assert told.code == 0, told.words


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_whatever_make_the_board_break_a_rule(program: Path, seed: int) -> None:
    told = run(program, random.Random(seed).randbytes(4000))
    assert told.code == 0, told.words


@pytest.mark.parametrize("name", DIRECTED)
@pytest.mark.parametrize("seed", range(2))
def test_nobody_who_goes_for_a_limit_gets_past_it(program: Path, name: str, seed: int) -> None:
    told = run(program, directed_script(name, seed))
    assert told.code == 0, told.words


@pytest.mark.parametrize("name", CAUGHT_BY)
def test_a_firmware_without_a_limit_is_caught(objects: dict[str, Path], tmp_path: Path, name: str) -> None:
    mutant = without(name, objects, tmp_path)
    told = [run(mutant, directed_script(name, seed)) for seed in range(2)]
    assert [each.code for each in told] == [VIOLATION, VIOLATION], told
    assert all(CAUGHT_BY[name] in each.words for each in told), told


# The emulated board, given the same script, says the same.


def twin_script(seed: int) -> list[bytes | int | float]:
    """What happens, one thing at a time: bytes on the wire, a state of the pins, a pause in ms."""
    dice = random.Random(seed)
    script: list[bytes | int | float] = [ACTIVE, PATIENT, 3.0] if dice.random() < 0.7 else [ACTIVE, 3.0]
    state, nonce = CLOSED, 1

    def request() -> bytes:
        nonlocal nonce
        address = dice.choice(sorted(set(RANGES) - {Register.HOST_TIMEOUT_MS}))
        low, high = RANGES[address]
        nonce += dice.random() < 0.7
        match dice.randrange(9):
            case 0 | 1:
                return pulse(dice.randrange(16), dice.choice((1, 15, 40, 300, 3000)), nonce, dice.random() < 0.1)
            case 2:
                return write(dice.choice((34, 35, 37)), dice.randrange(16))
            case 3:
                return rule(dice.randrange(2), dice.randrange(32), dice.randrange(32), dice.choice((0, 20)), 500)
            case 4:
                return write(Register.ARM, dice.choice((ARM_KEY, ARM_KEY, 0, 7)))
            case 5:
                return write(
                    address, dice.choice((low, high, dice.randint(low, min(high, low + 200)), max(0, low - 1)))
                )
            case 6:
                return write(CoreRegister.OPERATION_CONTROL, dice.choice((1, 1, 1, 0, 5, 0x81)))
            case 7:
                return write(
                    *dice.choice(((Register.FAULT, 0xFFFF), (222, dice.randrange(64)), (8, dice.randrange(9999))))
                )
            case _:
                return read(dice.choice((8, 10, 18, 32, 37, *range(200, 225), 99)))

    for _ in range(100):
        script.append(request())
        for _ in range(dice.choice((1, 1, 1, 30))):
            script.append(2.03 + round(dice.random() * dice.choice((1, 60, 400)), 3))
            state ^= CLOSED if dice.random() < 0.05 else 1 << dice.randrange(6)
            script.append(state)
        script.append(2.011)
    return [*script, 6000.0]


def said_by_the_firmware(program: Path, script: list[bytes | int | float]) -> list[Message]:
    """What the firmware says to a script."""
    parts = (
        part if isinstance(part, bytes) else pins(part) if isinstance(part, int) else wait(part) for part in script
    )
    return [message for _, message in tell(program, *parts).messages]


def said_by_the_emulator(script: list[bytes | int | float]) -> list[Message]:
    """What the emulated board says to the same script, at the same times."""
    board, framer, now_ns, state, said = EmulatedBoard(), Framer(), NS_PER_MS, CLOSED, []
    for part in script:
        if isinstance(part, bytes):
            data = part.replace(ESCAPE + ESCAPE, ESCAPE)
            now_ns += len(data) * 10_000
            board.feed(data, now_ns)
        elif isinstance(part, float):
            now_ns += round(part * 1000) * 1000
        else:
            for pin in (pin for pin in range(N_INPUTS) if (state ^ part) >> pin & 1):
                board.set_input(pin, bool(part >> pin & 1), now_ns)
            board.set_interlock(bool(part & CLOSED), now_ns)
            state = part
        said += framer.feed(board.outgoing(now_ns), now_ns)
    return said


def by_register(messages: list[Message]) -> dict[tuple[int, int], list[bytes]]:
    """Payloads by type and address; without those that differ by the boards' names, and by what a moment is."""
    said: dict[tuple[int, int], list[bytes]] = {}
    for message in messages:
        if message.address in {CoreRegister.TIMESTAMP_SECONDS, CoreRegister.HEARTBEAT}:
            continue
        content = message.payload[:6] if message.address >= Register.LOCAL_RULE else message.payload
        said.setdefault((message.type, message.address), []).append(content)
    return said


@pytest.mark.parametrize("seed", range(12))
def test_firmware_and_emulator_say_the_same(program: Path, seed: int) -> None:
    script = twin_script(seed)
    assert by_register(said_by_the_firmware(program, script)) == by_register(said_by_the_emulator(script))
