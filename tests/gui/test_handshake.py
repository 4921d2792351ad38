"""The sentence for each way in which a session on another computer does not let a window in."""

import pytest

from gui.handshake import BREAKS, TRIES, Handshake, Knock

C, T, S, G = Knock.CONNECTED, Knock.TURNED_AWAY, Knock.SHAKEN, Knock.GONE


def after(*knocks: Knock) -> str:
    """What is said after these knocks, as libzmq's monitor tells them."""
    door = Handshake("tcp://lab:5757", "OURS", "THEIRS")
    for knock in knocks:
        door.take(knock)
    return door.refusal


def test_who_is_let_in_is_told_nothing():
    assert after(C, S) == ""


def test_an_unknown_key_is_refused_at_once_and_says_what_to_have_allowed():
    assert after(C, Knock.UNKNOWN_KEY, G).endswith("duetto keys allow NAME OURS")


def test_another_language_is_no_session():
    assert "is no session that can be watched" in after(C, Knock.OTHER_LANGUAGE, G)


def test_a_connection_that_ends_without_a_handshake_is_no_session():
    assert "is no session that can be watched" in after(C, G)


def test_a_connection_that_ends_after_its_handshake_says_nothing_of_who_it_was():
    assert after(C, S, G, T, C, S, G) == ""


def test_hanging_up_is_another_key_only_when_it_happens_several_times_in_a_row():
    broken = (C, Knock.BROKEN_OFF, G, T)
    assert after(*broken * (BREAKS - 1)) == ""
    assert "does not have the key THEIRS, and was told nothing" in after(*broken * BREAKS)
    assert after(*broken * (BREAKS - 1), C, S, G, T, *broken) == "", "in between it went well"


def test_a_slow_handshake_is_no_refusal():
    assert after(*(C, Knock.TOO_SLOW, G, T) * 10) == ""


def test_nobody_is_there_only_after_several_tries():
    assert after(*[T] * (TRIES - 1)) == ""
    assert after(*[T] * TRIES).startswith("nobody listens at tcp://lab:5757")
    assert after(*[T] * (TRIES - 1), C) == "", "somebody is there now"


def test_a_session_that_was_there_and_is_away_is_no_refusal():
    assert after(C, S, G, *[T] * 100) == ""


@pytest.mark.parametrize("refused", [(T,) * TRIES, (C, Knock.BROKEN_OFF, G, T) * BREAKS, (C, Knock.UNKNOWN_KEY, G)])
def test_being_let_in_ends_every_refusal(refused):
    assert after(*refused) != ""
    assert after(*refused, C, S) == ""
