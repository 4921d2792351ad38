"""Asks at addresses of this computer whether a session is there, and which."""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from controller.bus import Bus, Poller, Socket, receive_parts
from controller.messages.view import (
    PROTOCOL,
    Batch,
    Bye,
    Hello,
    Opening,
    Ping,
    Pong,
    Refusal,
    Setup,
    decode_said,
    decode_view,
    encode_view,
)
from realtime.clock import now_ns
from realtime.records import NS_PER_S

ANSWER_S: Final = 0.5
"""How long a session that is looked for has to answer."""
TELL_S: Final = 3.0
"""How long one that has answered has to say what it is."""


@dataclass(frozen=True, slots=True)
class Found:
    """A session that answers.

    Attributes
    ----------
    endpoint
        Where.
    name
        The session's; for one that is being set up the rig's.
    folder
        The session's; empty before it has one.
    mode
        LIVE, VIRTUAL or REPLAY; SETUP for one that is being set up; empty where it did not say.
    """

    endpoint: str
    name: str = ""
    folder: str = ""
    mode: str = ""


def answering(endpoints: list[str], timeout_s: float = ANSWER_S) -> list[str]:
    """Return which of some addresses of this computer answer, in their order.

    Raises
    ------
    BusError
        If an address is none of this computer's.
    """
    with Bus() as bus:
        asked = _Asked(bus, endpoints)
        for socket in asked.sockets.values():
            socket.send(encode_view(Ping(now_ns(), 0)))
        answered = {endpoint for endpoint, parts in asked.answers(timeout_s) if isinstance(_head(parts), Pong)}
    return [endpoint for endpoint in endpoints if endpoint in answered]


def identify(endpoints: list[str], timeout_s: float = TELL_S) -> list[Found]:
    """Return what is shown at addresses of this computer that answer.

    Raises
    ------
    BusError
        If an address is none of this computer's.
    """
    with Bus() as bus:
        asked = _Asked(bus, endpoints)
        for socket in asked.sockets.values():
            socket.send(encode_view(Hello(PROTOCOL, "probe")))
        told = {endpoint: _found(endpoint, parts) for endpoint, parts in asked.answers(timeout_s)}
        for socket in asked.sockets.values():
            socket.send(encode_view(Bye()))
        bus.flush()
    return [told.get(endpoint, Found(endpoint)) for endpoint in endpoints]


@dataclass(slots=True)
class _Asked:
    """Sockets to several addresses, of each of which one answer is wanted."""

    bus: Bus
    endpoints: list[str]
    sockets: "dict[str, Socket[bytes]]" = field(init=False)

    def __post_init__(self) -> None:
        self.sockets = {endpoint: self.bus.deal(endpoint) for endpoint in self.endpoints}

    def answers(self, timeout_s: float) -> list[tuple[str, list[bytes]]]:
        """Return the first answer of each, as far as they come in time."""
        until_ns = now_ns() + round(timeout_s * NS_PER_S)
        silent, answers = dict(self.sockets), []
        while silent and (left_ns := until_ns - now_ns()) > 0:
            Poller(*silent.values()).wait(left_ns / NS_PER_S)
            for endpoint, socket in [*silent.items()]:
                if (parts := receive_parts(socket)) is not None:
                    answers.append((endpoint, parts))
                    del silent[endpoint]
        return answers


def _head(parts: list[bytes]) -> Batch | Pong | Refusal | None:
    """Return the first part of an answer, or None for one that cannot be read."""
    try:
        said = decode_said(parts[0])
    except msgspec.DecodeError:
        return None
    return said if isinstance(said, Batch | Pong | Refusal) else None


def _found(endpoint: str, parts: list[bytes]) -> Found:
    """Return what a session's first batch says of it."""
    if not isinstance(_head(parts), Batch):
        return Found(endpoint)
    for part in parts[1:]:
        try:
            said = decode_view(part)
        except msgspec.DecodeError:
            continue
        if isinstance(said, Opening):
            return Found(endpoint, said.session, said.folder, said.mode)
        if isinstance(said, Setup):
            return Found(endpoint, said.rig, mode="SETUP")
    return Found(endpoint)
