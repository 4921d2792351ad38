"""From the first question to a reference board that reports: who is there, configure it, set its clock, activate it."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from hardware.board import requests as ask
from hardware.board import troubles as trouble
from hardware.board.events import BoardEvents
from hardware.board.pulses import TRIES
from hardware.board.registers import WHO_AM_I, Register
from hardware.device import IDENTIFY_RETRY_NS, SILENCE_NS, DeviceError, DeviceSettings, Lane
from hardware.harp import CoreRegister, Message
from realtime.records import NS_PER_MS, Flag

SETUP_ANSWER_NS: Final = 100 * NS_PER_MS
_REQUEST_BITS: Final = 0x07


class Stage(IntEnum):
    """How far the driver has come."""

    IDLE = 0
    IDENTIFY = 1
    CONFIGURE = 2
    SYNCHRONISE = 3
    ACTIVATE = 4
    RUN = 5


class BoardSetup:
    """The requests that bring one board up, and later those that are not urgent.

    Parameters
    ----------
    settings
        What the rig file says.
    outputs
        The board's outputs by line.
    events
        Is told how things stand.

    Attributes
    ----------
    stage
        How far it has come. SYNCHRONISE ends by :meth:`activate`, the others by themselves.
    lane
        The requests under way and waiting.
    firmware, boot_cause
        What the board says of itself.
    """

    __slots__ = ("_events", "_outputs", "_settings", "boot_cause", "firmware", "lane", "stage")

    def __init__(self, settings: DeviceSettings, outputs: Mapping[int, ask.Wire], events: BoardEvents) -> None:
        self._settings = settings
        self._outputs = outputs
        self._events = events
        self.stage = Stage.IDLE
        self.lane = Lane(IDENTIFY_RETRY_NS, SILENCE_NS // IDENTIFY_RETRY_NS)
        self.firmware = ""
        self.boot_cause = 0

    @property
    def identified(self) -> bool:
        """Whether it is known who is there. Before that nothing may be told to it."""
        return self.stage > Stage.IDENTIFY

    def start(self) -> None:
        """Ask who is there."""
        self.stage = Stage.IDENTIFY
        self.lane.waiting.append(ask.who_am_i())

    def activate(self) -> None:
        """The clock is set: let the board report."""
        self.stage = Stage.ACTIVATE
        self.lane.waiting += ask.activation()

    def is_answer(self, message: Message) -> bool:
        """Return whether ``message`` may be the answer to the request under way."""
        request = self.lane.current
        return (
            request is not None
            and request.address == message.address
            and request.frame[0] == message.type & _REQUEST_BITS
        )

    def take(self, message: Message, device_ns: int, now_ns: int) -> DeviceError | None:
        """Take such an answer; return the error that ends the start, if it is one."""
        request = self.lane.answer(message.address, message.payload, message.is_error)
        if request is None:
            return None
        if message.is_error:
            refused = self.stage < Stage.RUN
            return trouble.configuration_refused(self._settings.name, request) if refused else None
        match message.address:
            case CoreRegister.WHO_AM_I:
                return self._identify(message.value)
            case CoreRegister.VERSION:
                self.firmware = ".".join(str(part) for part in message.payload[3:6])
            case Register.BOOT_CAUSE:
                self.boot_cause = message.value
            case _:
                flags = Flag.GAP if self.stage == Stage.RUN else Flag.HELD
                self._events.content(message, device_ns, now_ns, flags)
        if self.lane.idle and self.stage in {Stage.CONFIGURE, Stage.ACTIVATE}:
            self.stage = Stage(self.stage + 1)
        return None

    def _identify(self, number: int) -> DeviceError | None:
        if number != WHO_AM_I:
            return trouble.wrong_device(self._settings.name, number)
        stale = self.lane.stale
        self.lane = Lane(SETUP_ANSWER_NS, TRIES)
        self.lane.stale = stale
        self.stage = Stage.CONFIGURE
        self.lane.waiting += ask.configuration(self._settings, self._outputs)
        return None
