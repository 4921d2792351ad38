"""The latency timer of USB-to-serial chips: shortened where the system lets us, told where it does not."""

import pytest

from hardware import transport
from hardware.emulators.pty_link import PtyLink
from hardware.transport import SerialTransport, shorten_latency


@pytest.fixture
def timer(tmp_path):
    """Return the latency timer's file of a port called ttyUSB3."""
    (tmp_path / "ttyUSB3").mkdir()
    file = tmp_path / "ttyUSB3" / "latency_timer"
    file.write_text("16\n")
    return file


def test_a_timer_that_may_be_written_is_set_to_one_millisecond(tmp_path, timer):
    assert shorten_latency("/dev/ttyUSB3", tmp_path) == 1
    assert timer.read_text() == "1\n"


def test_a_link_that_names_the_port_leads_to_the_same_timer(tmp_path, timer):
    link = tmp_path / "left_box"
    link.symlink_to("/dev/ttyUSB3")
    assert shorten_latency(str(link), tmp_path) == 1


def test_a_port_without_a_timer_has_none(tmp_path):
    assert shorten_latency("/dev/ttyACM0", tmp_path) is None


def test_a_timer_that_says_no_number_counts_as_none(tmp_path, timer):
    timer.unlink()
    timer.mkdir()
    assert shorten_latency("/dev/ttyUSB3", tmp_path) is None


@pytest.mark.parametrize(("latency_ms", "warned"), [(None, False), (1, False), (2, True), (16, True)])
def test_only_a_long_timer_is_warned_about_and_the_way_out_is_told(latency_ms, warned):
    sentence = SerialTransport("/dev/ttyUSB3", None, latency_ms).latency_warning()
    assert bool(sentence) == warned
    if warned:
        assert f"up to {latency_ms} ms" in sentence
        assert "/sys/bus/usb-serial/devices/ttyUSB3/latency_timer" in sentence


def test_opening_a_port_shortens_its_timer_and_keeps_what_it_is_then(tmp_path, monkeypatch):
    with PtyLink.open() as link:
        folder = tmp_path / link.path.resolve().name
        folder.mkdir()
        (folder / "latency_timer").write_text("16\n")
        monkeypatch.setattr(transport.shorten_latency, "__defaults__", (tmp_path,))
        with SerialTransport.open(str(link.path), 1_000_000) as port:
            assert port.latency_ms == 1
