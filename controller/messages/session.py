"""What the processes of a session and scripts say to each other, as msgpack. Events have their own 64-byte records."""

from typing import Literal

import msgspec

from controller.messages.decoding import decoded

Verb = Literal["status", "start", "pause", "resume", "stop", "reward", "laser", "arm", "disarm", "note"]
Stage = Literal["starting", "compiling", "ready", "failed", "ended"]


class Beat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process says that it lives, how far it is, and what it has counted."""

    process: str
    t_ns: int
    stage: Stage
    sentence: str = ""
    counters: dict[str, int] = {}
    texts: dict[str, str] = {}


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person or a script asks of a running session."""

    verb: Verb
    animal: Literal["A", "B"] | None = None
    text: str = ""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the session answers: whether it was done, and a sentence."""

    done: bool
    sentence: str
    status: dict[str, str | int | float] = {}


_BEAT = msgspec.msgpack.Decoder(Beat)
_REQUEST = msgspec.msgpack.Decoder(Request)
_ANSWER = msgspec.msgpack.Decoder(Answer)


def encode(message: Beat | Request | Answer) -> bytes:
    """Return a message's bytes."""
    return msgspec.msgpack.encode(message)


def decode_beat(data: bytes) -> Beat:
    """Return the beat in ``data``; raises msgspec.DecodeError for anything else."""
    return decoded(_BEAT.decode, data)


def decode_request(data: bytes) -> Request:
    """Return the request in ``data``; raises msgspec.DecodeError for anything else."""
    return decoded(_REQUEST.decode, data)


def decode_answer(data: bytes) -> Answer:
    """Return the answer in ``data``; raises msgspec.DecodeError for anything else."""
    return decoded(_ANSWER.decode, data)
