"""Asking a running session for something, from another process."""

import json
from pathlib import Path
from typing import Final

from controller.bus import Bus
from controller.messages import Answer, Request, Verb, decode_answer, encode
from controller.session import LIVE_NAME
from realtime.errors import DuettoError
from realtime.records import ANIMALS

ANIMAL_NEEDED: Final[dict[str, str]] = {
    "reward": "say for whom: reward A or reward B",
    "laser": "say whose: laser A or laser B",
}
"""Verbs that are about one animal, and what is answered where none is named."""


class NotRunning(DuettoError):
    """The session is not running."""


class BadRequest(DuettoError):
    """The words do not make a request."""


def address_of(session: Path) -> str:
    """Return where the running session in ``session`` listens.

    Raises
    ------
    NotRunning
        If it has ended, or is no session.
    """
    try:
        return str(json.loads((session / LIVE_NAME).read_text(encoding="utf-8"))["control"])
    except (OSError, ValueError, KeyError):
        raise NotRunning(f"{session} is not a running session; name the folder that 'duetto run' writes to") from None


def request_of(verb: Verb, words: tuple[str, ...]) -> Request:
    """Return the request that ``verb`` and its words make."""
    if verb in ANIMAL_NEEDED:
        if len(words) != 1 or words[0].upper() not in ANIMALS:
            raise BadRequest(ANIMAL_NEEDED[verb])
        return Request(verb, animal="A" if words[0].upper() == "A" else "B")
    if verb == "note":
        return Request(verb, text=" ".join(words))
    if words:
        raise BadRequest(f"{verb} takes no more words, but got {' '.join(words)!r}")
    return Request(verb)


def ask(session: Path, verb: Verb, words: tuple[str, ...] = ()) -> Answer:
    """Ask the session in ``session`` for ``verb`` and return its answer.

    Raises
    ------
    NotRunning, BadRequest, NobodyThere
    """
    request = request_of(verb, words)
    with Bus() as bus:
        return decode_answer(bus.ask(address_of(session), encode(request)))
