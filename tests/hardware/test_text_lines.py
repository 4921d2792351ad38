"""Lines out of bytes, and one question at a time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.heads.text_lines import (
    FRAGMENT_NS,
    GAP_NS,
    LATE_NS,
    LINE_LIMIT,
    Answer,
    Conversation,
    LineFramer,
    Patience,
    Question,
    number,
    words,
)
from realtime.records import NEVER_NS

MS = 1_000_000
TWICE = Patience(200 * MS, 2)


def question(text: str, answer: str | None = None) -> Question:
    """Return a question that only ``answer`` can answer; without one, any words can."""
    return Question(text, "a test", words if answer is None else lambda given: given if given == answer else None)


# --- numbers and lines


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.5", 12.5), ("-0.001", -0.001), ("+3", 3.0), (".5", 0.5), ("5.", 5.0), ("1.25e-02", 0.0125)],
)
def test_a_decimal_number_is_read(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_0", "0x10", "12.5 mW", "1,5", "--1", "OK"])
def test_what_only_looks_like_a_number_is_none(text):
    assert number(text) is None


def test_lines_end_with_either_end_or_both_and_empty_ones_are_skipped():
    framer = LineFramer()
    assert framer.feed(b"OK\r\n1\n\r\n0.5\r ON \r\n", 0) == ["OK", "1", "0.5", "ON"]
    assert framer.garbage_bytes == 0


def test_a_line_that_comes_byte_by_byte_is_one_line():
    framer = LineFramer()
    lines = [line for place, byte in enumerate(b"12.5\r\n") for line in framer.feed(bytes((byte,)), place * MS)]
    assert lines == ["12.5"]


def test_bytes_that_are_no_text_spoil_their_line_only_and_are_counted():
    framer = LineFramer()
    assert framer.feed(b"\xff\x000\r\n1\r\n", 0) == ["1"]
    assert framer.garbage_bytes == 3


def test_an_unfinished_line_is_given_up_after_a_while_and_does_not_spoil_the_next():
    framer = LineFramer()
    framer.feed(b"gar", 0)
    assert framer.feed(b"OK\r\n", FRAGMENT_NS + 1) == ["OK"]
    assert framer.garbage_bytes == 3


def test_an_unfinished_line_is_waited_for_as_long_as_bytes_may_take():
    framer = LineFramer()
    framer.feed(b"O", 0)
    assert framer.feed(b"K\r\n", FRAGMENT_NS) == ["OK"]


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_a_line_without_end_is_noise(end):
    framer = LineFramer()
    assert framer.feed(b"x" * (LINE_LIMIT + 1) + end, 0) == []
    assert framer.garbage_bytes == LINE_LIMIT + 1
    assert framer.feed(b"OK\r\n", 0) == ["OK"]


@settings(deadline=None)
@given(st.binary(max_size=120), st.lists(st.integers(1, 20), max_size=30))
def test_however_bytes_are_cut_the_lines_and_the_garbage_are_the_same(data, cuts):
    whole, cut = LineFramer(), LineFramer()
    expected = whole.feed(data + b"\r\n", 0)
    lines, rest = [], data + b"\r\n"
    for size in [*cuts, len(rest)]:
        lines += cut.feed(rest[:size], 0)
        rest = rest[size:]
    assert lines == expected
    assert cut.garbage_bytes == whole.garbage_bytes


# --- one question at a time


def test_a_question_goes_out_with_its_end_and_the_next_one_after_the_answer_and_a_gap():
    talk = Conversation(b"\r")
    talk.ask([question("sn?"), question("f?")], TWICE)
    assert talk.due_ns() == 0
    assert talk.poll(0) == (b"sn?\r", None)
    assert talk.poll(5 * MS) == (b"", None)
    asked = talk.take(Answer("12345"), 6 * MS)
    assert (asked.question.text, asked.value, asked.tries) == ("sn?", "12345", 1)
    assert talk.poll(6 * MS + GAP_NS - 1) == (b"", None)
    assert talk.due_ns() == 6 * MS + GAP_NS
    assert talk.poll(6 * MS + GAP_NS) == (b"f?\r", None)
    assert GAP_NS >= 20 * MS


def test_an_unanswered_question_is_repeated_and_then_given_up():
    talk = Conversation(b"\r")
    talk.ask([question("f?")], TWICE)
    assert [talk.poll(ms * MS)[0] for ms in (0, 199, 200, 399)] == [b"f?\r", b"", b"f?\r", b""]
    line, given_up = talk.poll(400 * MS)
    assert line == b""
    assert (given_up.question.text, given_up.tries, given_up.value) == ("f?", 2, None)
    assert talk.idle
    assert talk.due_ns() == NEVER_NS
    assert talk.retries == 1


def test_without_end_a_question_is_repeated_for_ever():
    talk = Conversation(b"\r")
    talk.ask([question("l0")], Patience(500 * MS, None))
    assert [talk.poll(at * 500 * MS) for at in range(50)] == [(b"l0\r", None)] * 50


def test_an_answer_to_nothing_is_unexpected_and_ends_nothing():
    talk = Conversation(b"\r")
    assert talk.take(Answer("OK"), 0) is None
    assert talk.unexpected == 1


def test_an_answer_that_cannot_be_one_is_left_and_the_question_stays():
    talk = Conversation(b"\r")
    talk.ask([question("l0", "OK")], TWICE)
    talk.poll(0)
    assert talk.take(Answer("0.5"), 1) is None
    assert talk.unexpected == 1
    assert talk.take(Answer("OK"), 2) is not None


def test_the_second_of_two_equal_answers_is_unexpected():
    talk = Conversation(b"\r")
    talk.ask([question("f?"), question("l?")], TWICE)
    talk.poll(0)
    assert talk.take(Answer("0"), 1).question.text == "f?"
    assert talk.take(Answer("0"), 1) is None
    assert talk.unexpected == 1


def test_an_error_leaves_the_question_to_be_repeated_unless_it_is_ended():
    talk = Conversation(b"\r")
    talk.ask([question("sdmes 1", "OK"), question("f?")], TWICE)
    talk.poll(0)
    asked = talk.take(Answer("Syntax error", is_error=True), 1 * MS)
    assert (asked.error, asked.value) == ("Syntax error", None)
    assert talk.poll(200 * MS) == (b"sdmes 1\r", None)
    talk.take(Answer("Syntax error", is_error=True), 201 * MS)
    talk.end()
    assert talk.poll(300 * MS) == (b"f?\r", None)


def test_after_a_repetition_the_next_question_waits_for_the_second_answer():
    talk = Conversation(b"\r")
    talk.ask([question("f?"), question("l?")], TWICE)
    talk.poll(0)
    talk.poll(200 * MS)
    assert talk.take(Answer("0"), 210 * MS).question.text == "f?"
    assert talk.poll(300 * MS) == (b"", None)
    assert talk.take(Answer("0"), 310 * MS) is None
    assert talk.late == 1
    assert talk.poll(330 * MS) == (b"l?\r", None)


def test_the_second_answer_is_not_waited_for_for_ever():
    talk = Conversation(b"\r")
    talk.ask([question("f?"), question("l?")], TWICE)
    talk.poll(0)
    talk.poll(200 * MS)
    talk.take(Answer("0"), 210 * MS)
    assert talk.due_ns() == 200 * MS + LATE_NS
    assert talk.poll(200 * MS + LATE_NS) == (b"l?\r", None)
    assert talk.take(Answer("1"), 710 * MS).question.text == "l?"


def test_what_overtakes_goes_out_at_once_and_is_not_answered_by_the_late_answer_to_another():
    talk = Conversation(b"\r")
    talk.ask([question("sdmes 1", "OK"), question("f?")], TWICE)
    talk.poll(0)
    talk.overtake([question("l0", "OK")], TWICE)
    assert talk.due_ns() == 0
    assert talk.poll(1 * MS) == (b"l0\r", None)
    assert talk.take(Answer("OK"), 2 * MS) is None  # to sdmes 1
    assert talk.late == 1
    assert talk.take(Answer("OK"), 3 * MS).question.text == "l0"


def test_what_was_overtaken_is_asked_again_afterwards_before_what_waited_behind_it():
    talk = Conversation(b"\r")
    talk.ask([question("gmlp?", "100.0"), question("f?", "0")], TWICE)
    talk.poll(0)
    talk.overtake([question("l0", "OK"), question("l?", "0")], TWICE)
    sent = []
    for at_ms, answer in ((0, "100.0"), (1, "OK"), (30, "0"), (60, "100.0")):
        sent.append(talk.poll(at_ms * MS)[0])
        talk.take(Answer(answer), at_ms * MS)
    sent.append(talk.poll(100 * MS)[0])
    assert [line for line in sent if line] == [b"l0\r", b"l?\r", b"gmlp?\r", b"f?\r"]


def test_an_answer_shows_that_what_was_asked_before_has_lost_its_own():
    talk = Conversation(b"\r")
    talk.ask([question("gmlp?", "100.0")], TWICE)
    talk.poll(0)
    talk.overtake([question("l0", "OK")], TWICE)
    talk.poll(1)
    assert talk.take(Answer("OK"), 2).question.text == "l0"
    assert talk.poll(2 + GAP_NS) == (b"gmlp?\r", None)


def test_an_off_that_overtakes_an_off_is_sent_again_at_once():
    talk = Conversation(b"\r")
    off = question("l0", "OK")
    talk.overtake([off], TWICE)
    assert talk.poll(0)[0] == b"l0\r"
    talk.overtake([off], TWICE)
    assert talk.poll(1)[0] == b"l0\r"
    assert talk.take(Answer("OK"), 2) is None
    assert talk.take(Answer("OK"), 3) is not None
    assert talk.idle


def test_questions_are_dropped_but_what_is_urgent_stays():
    talk = Conversation(b"\r")
    talk.ask([question("f?"), question("l?")], TWICE)
    talk.poll(0)
    assert talk.drop() == 2
    assert talk.idle
    talk.overtake([question("l0", "OK"), question("l?")], TWICE)
    talk.poll(1)
    talk.ask([question("f?")], TWICE)
    assert talk.drop() == 1
    assert not talk.idle
    assert talk.drop(urgent_too=True) == 0
    assert talk.idle


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([1, 60, 210, 450])), max_size=20),
    st.sets(st.sampled_from(range(10, 1500, 110)), max_size=3),
)
def test_no_answer_is_ever_taken_for_that_of_another_question(fates, overtaken_ms):
    """The device echoes each question, in order; answers are lost, or up to 450 ms late. Any words could be any's."""
    talk = Conversation(b"\r")
    talk.ask([question(f"question {place}") for place in range(4)], Patience(200 * MS, 4))
    on_the_way: list[tuple[int, str]] = []
    fate = iter(fates)
    for at_ms in range(0, 20_000, 10):
        if at_ms > 1500 and talk.idle and not on_the_way:
            break
        if at_ms in overtaken_ms:
            talk.overtake([question(f"off {at_ms}"), question(f"off? {at_ms}")], Patience(200 * MS, 4))
        while on_the_way and on_the_way[0][0] <= at_ms:
            asked = talk.take(Answer(on_the_way.pop(0)[1]), at_ms * MS)
            assert asked is None or asked.value == asked.question.text
        line = talk.poll(at_ms * MS)[0] if talk.due_ns() <= at_ms * MS else b""
        if line:
            is_lost, delay_ms = next(fate, (False, 1))
            arrival_ms = max([at_ms + delay_ms, *(time_ms for time_ms, _ in on_the_way)])
            on_the_way += [] if is_lost else [(arrival_ms, line.decode().strip())]
    assert talk.idle
