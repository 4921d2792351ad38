"""The Harp codec against the protocol's own examples, and the framer against everything a wire does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.harp import (
    CoreRegister,
    Framer,
    Message,
    MessageType,
    PayloadType,
    crc16,
    encode,
    event,
    read_request,
    reply,
    write_request,
)

MS = 1_000_000
PING = write_request(201, PayloadType.U8, b"\x07")
EVENT = event(32, PayloadType.U8, b"\x03", 12_000_064_000)


def one(data: bytes) -> Message:
    messages = Framer().feed(data, 0)
    assert len(messages) == 1
    return messages[0]


def test_the_protocols_own_examples_are_encoded_byte_for_byte():
    assert write_request(34, PayloadType.U16, b"\x08\x00") == bytes.fromhex("02 06 22 ff 02 08 00 33")
    assert write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, b"\x01") == bytes.fromhex("02050aff010112")


def test_a_read_request_has_no_payload():
    assert read_request(CoreRegister.WHO_AM_I, PayloadType.U16) == bytes.fromhex("01 04 00 ff 02 06")


def test_a_stamped_event_carries_seconds_and_units_of_32_us():
    assert bytes.fromhex("03 0b 20 ff 11 0c000000 0200 03 4f") == EVENT
    message = one(EVENT)
    assert (message.seconds, message.ticks32us, message.device_ns) == (12, 2, 12_000_064_000)
    assert message.value == 3
    assert not message.is_error


def test_a_stamp_is_cut_to_whole_units_never_rounded_up():
    assert one(event(32, PayloadType.U8, b"\0", 1_000_063_999)).device_ns == 1_000_032_000


def test_an_unstamped_message_has_no_device_time():
    assert one(PING).device_ns is None


@pytest.mark.parametrize(("request_type", "code"), [(MessageType.READ, 9), (MessageType.WRITE, 10)])
def test_an_error_reply_is_the_request_with_the_error_bit(request_type, code):
    data = reply(request_type, 208, PayloadType.U16, b"", 0, error=True)
    assert data[0] == code
    assert one(data).is_error


def test_the_crc_is_the_ccitt_check_value():
    assert crc16(b"123456789") == 0x29B1


@given(
    st.sampled_from(MessageType),
    st.integers(0, 255),
    st.sampled_from(PayloadType),
    st.integers(0, 4),
    st.one_of(st.none(), st.integers(0, 2**32 * 10**9 - 1)),
    st.binary(min_size=32, max_size=32),
)
@settings(deadline=None)
def test_whatever_is_encoded_is_decoded_again(kind, address, payload_type, count, device_ns, source):
    payload = source[: count * (payload_type & 0x0F)]
    message = one(encode(kind, address, payload_type, payload, device_ns))
    assert (message.type, message.address, message.payload_type, message.payload) == (
        kind,
        address,
        payload_type,
        payload,
    )
    assert message.port == 255
    assert message.device_ns == (
        None if device_ns is None else device_ns // 10**9 * 10**9 + device_ns % 10**9 // 32000 * 32000
    )


def test_a_frame_that_comes_one_byte_at_a_time_is_one_message():
    framer = Framer()
    messages = [message for index, byte in enumerate(EVENT) for message in framer.feed(bytes((byte,)), index * MS)]
    assert [message.address for message in messages] == [32]
    assert framer.garbage_bytes == 0


def test_frames_that_come_together_are_told_apart_in_their_order():
    assert [message.address for message in Framer().feed(EVENT + PING + EVENT, 0)] == [32, 201, 32]


def test_garbage_before_a_frame_is_skipped_and_counted():
    framer = Framer()
    assert [message.address for message in framer.feed(b"\x00\xff\x77" + EVENT, 0)] == [32]
    assert framer.garbage_bytes == 3
    assert framer.bad_checksums == 0


def test_a_wrong_checksum_refuses_the_frame_and_the_next_one_is_found():
    framer = Framer()
    assert [message.address for message in framer.feed(EVENT[:-1] + b"\x00" + PING, 0)] == [201]
    assert framer.bad_checksums == 1
    assert framer.garbage_bytes == len(EVENT)


def test_a_truncated_frame_does_not_swallow_the_one_after_the_pause():
    framer = Framer()
    assert framer.feed(EVENT[:6], 0) == []
    assert [message.address for message in framer.feed(PING, 6 * MS)] == [201]
    assert framer.garbage_bytes == 6


def test_a_frame_hidden_behind_a_false_header_comes_out_when_the_line_falls_silent():
    framer = Framer()
    assert framer.feed(b"\x02\x28\x20\xff\x01" + EVENT, 0) == []
    assert framer.due_ns() == 5 * MS + 1
    assert framer.feed(b"", 5 * MS) == []
    assert [message.address for message in framer.feed(b"", framer.due_ns())] == [32]
    assert framer.garbage_bytes == 5


def test_bytes_exactly_at_the_timeout_still_belong_together():
    framer = Framer()
    framer.feed(PING[:3], 0)
    assert len(framer.feed(PING[3:], 5 * MS)) == 1


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("04 04 20 ff 01", id="unknown message type"),
        pytest.param("03 00 20 ff 01", id="too short to hold a header"),
        pytest.param("03 41 20 ff 01", id="longer than the limit"),
        pytest.param("03 05 20 ff 03", id="unknown payload type"),
        pytest.param("03 05 20 ff 02", id="half an element"),
        pytest.param("03 05 20 ff 11", id="too short to hold its stamp"),
    ],
)
def test_an_impossible_header_is_refused_at_once_and_does_not_wait_for_its_rest(header):
    framer = Framer()
    assert [message.address for message in framer.feed(bytes.fromhex(header) + PING, 0)] == [201]
    assert framer.garbage_bytes == 5
    assert framer.bad_checksums == 0


def test_an_empty_line_is_never_due():
    framer = Framer()
    assert framer.due_ns() == 2**63 - 1
    assert framer.feed(b"", 0) == []


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(EVENT), st.just(PING)), max_size=8))
@settings(deadline=None)
def test_after_any_garbage_and_a_pause_the_next_frame_always_gets_through(chunks):
    framer, now, decoded, fed = Framer(), 0, 0, 0
    for chunk in chunks:
        decoded += sum(message_bytes(message) for message in framer.feed(chunk, now))
        fed += len(chunk)
        now += MS
    now += 6 * MS
    decoded += sum(message_bytes(message) for message in framer.feed(b"", now))
    assert decoded + framer.garbage_bytes == fed
    assert [message.address for message in framer.feed(EVENT, now)] == [32]


@given(st.lists(st.sampled_from([EVENT, PING, b"\x02\x28", b"\x03"]), max_size=6), st.lists(st.integers(1, 9)))
@settings(deadline=None)
def test_how_the_bytes_are_cut_into_reads_changes_nothing(frames, cuts):
    data, whole, cut = b"".join(frames), Framer(), Framer()
    expected = whole.feed(data, 0) + whole.feed(b"", 6 * MS)
    got, start = [], 0
    for size in [*cuts, len(data)]:
        got += cut.feed(data[start : start + size], 0)
        start += size
    assert got + cut.feed(b"", 6 * MS) == expected
    assert cut.garbage_bytes == whole.garbage_bytes


def message_bytes(message: Message) -> int:
    return 6 + 6 * (message.seconds is not None) + len(message.payload)
