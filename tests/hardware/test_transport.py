"""The serial port and the pseudo-terminal: one real round through the operating system, and every way to fail."""

import select
import time
from pathlib import Path

import pytest

from hardware.device import DeviceSettings, DeviceState
from hardware.drivers import reference_board
from hardware.emulators.pty_link import LinkTaken, LinkUnplugged, PtyLink
from hardware.emulators.reference_board import EmulatedBoard
from hardware.transport import PortAbsent, PortBusy, PortLost, PortRefused, SerialTransport
from realtime.clock import now_ns
from realtime.records import Kind, Line, no_events

BAUD = reference_board.BAUD


@pytest.fixture
def link():
    with PtyLink.open() as opened:
        yield opened


@pytest.fixture
def port(link):
    with SerialTransport.open(str(link.path), BAUD) as opened:
        yield opened


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def readable(what, within_s: float = 2.0) -> bool:
    return bool(select.select([what], [], [], within_s)[0])


def test_bytes_pass_both_ways_unchanged_whatever_they_are(link, port):
    every_byte = bytes(range(256))
    port.write(every_byte)
    assert readable(link)
    assert link.read() == every_byte
    link.write(every_byte)
    assert readable(port)
    assert port.read() == every_byte


def test_reading_an_empty_line_returns_at_once_with_nothing(link, port):
    assert port.read() == b""
    assert link.read() == b""


def test_a_port_that_does_not_exist_is_absent(tmp_path):
    with pytest.raises(PortAbsent, match="no port"):
        SerialTransport.open(str(tmp_path / "ttyNONE"), BAUD)


def test_a_port_can_be_held_by_one_program_only(link, port):
    with pytest.raises(PortBusy, match="in use"):
        SerialTransport.open(str(link.path), BAUD)


def test_a_closed_port_can_be_opened_again(link):
    SerialTransport.open(str(link.path), BAUD).close()
    with SerialTransport.open(str(link.path), BAUD) as again:
        again.write(b"x")
        assert readable(link)


def test_a_file_is_refused_as_a_serial_port(tmp_path):
    (tmp_path / "file").write_text("no port")
    with pytest.raises(PortRefused, match="serial port"):
        SerialTransport.open(str(tmp_path / "file"), BAUD)


def test_pulling_the_plug_loses_the_port_and_it_stays_lost(link, port):
    link.unplug()
    with pytest.raises(PortLost, match="lost"):
        port.read()
    with pytest.raises(PortLost, match="not usable any more"):
        port.write(b"x")
    with pytest.raises(PortLost):
        port.fileno()


def test_writing_after_the_plug_was_pulled_loses_the_port(link, port):
    link.unplug()
    with pytest.raises(PortLost):
        port.write(b"x")


def test_a_closed_port_says_that_it_was_closed(port):
    port.close()
    port.close()
    with pytest.raises(PortLost, match="closed"):
        port.read()


def test_a_link_can_have_a_name_of_its_own_which_goes_with_it(tmp_path):
    name = tmp_path / "board"
    with PtyLink.open(name) as opened:
        assert opened.path == name
        with SerialTransport.open(str(name), BAUD) as port:
            port.write(b"hello")
            assert readable(opened)
    assert not name.is_symlink()


def test_an_old_name_is_taken_over_but_a_file_is_not(tmp_path):
    name = tmp_path / "board"
    name.symlink_to(tmp_path / "gone")
    PtyLink.open(name).close()
    name.write_text("precious")
    with pytest.raises(LinkTaken, match="no symbolic link"):
        PtyLink.open(name)
    assert name.read_text() == "precious"
    with pytest.raises(LinkTaken, match="folder"):
        PtyLink.open(tmp_path / "absent" / "board")


def test_a_link_whose_name_is_taken_leaves_no_descriptor_open(tmp_path):
    (tmp_path / "board").write_text("")
    before = open_descriptors()
    with pytest.raises(LinkTaken):
        PtyLink.open(tmp_path / "board")
    assert open_descriptors() == before


def test_an_unplugged_link_is_refused_by_name():
    link = PtyLink.open()
    link.unplug()
    link.close()
    assert not link.plugged
    for use in (link.read, link.fileno, lambda: link.write(b"x")):
        with pytest.raises(LinkUnplugged, match="unplugged"):
            use()


def test_what_nobody_reads_is_kept_in_order_and_the_rest_is_counted(link, port):
    for _ in range(10):
        link.write(b"a" * 10_000)
    assert link.dropped_bytes > 0
    received = 0
    while readable(port, 0.05):
        received += len(port.read())
        link.write(b"")
    assert received + link.dropped_bytes == 100_000


def test_a_driver_identifies_an_emulated_board_through_a_real_port_and_opens_a_valve(link, port):
    board = EmulatedBoard(now_ns())
    driver = reference_board.create(
        DeviceSettings("box", 2, {Line.POKE_A: 0, Line.VALVE_A: 0, Line.VALVE_B: 1}, link_baud=0)
    )
    command = no_events(1)
    command["line"], command["value"], command["source_seq"] = Line.VALVE_B, 5_000_000, 1
    commanded, kinds, times = False, [], []
    deadline = time.monotonic() + 10
    driver.start(now_ns())
    while Kind.VALVE_OFF not in kinds and time.monotonic() < deadline:
        if driver.state is DeviceState.READY and not commanded:
            commanded = True
            driver.command(command, now_ns())
        port.write(driver.outgoing())
        due_ns = min(driver.due_ns(), board.due_ns())
        ready, _, _ = select.select([link, port], [], [], min(0.05, max(0, due_ns - now_ns()) / 1e9))
        if link in ready:
            board.feed(link.read(), now_ns())
        link.write(board.outgoing(now_ns()))
        if port in ready:
            driver.feed(port.read(), now_ns())
        driver.poll(now_ns())
        events = driver.records()
        kinds += events["kind"].tolist()
        times += events["t_ns"].tolist()
    assert driver.error is None
    assert [kind for kind in kinds if kind != Kind.CLOCK] == [Kind.VALVE_ON, Kind.VALVE_OFF]
    assert [(pin, level) for _, pin, level in board.take_edges()] == [(1, 1), (1, 0)]
    assert times == sorted(times)
