"""Coherent OBIS laser heads (LS, LX): power, permission to emit, interlock, faults.

Manual
------
*What every head's driver does*, and what is guaranteed: :mod:`hardware.heads.laser_head`. Here is what OBIS adds.

*Wiring.* The laser's line of a board goes to the head's digital modulation input. The rig file gives the head
``power_mw`` and no lines.

*Who it is.* ``*IDN?`` must name an OBIS; then model, serial number and firmware.

*Words.* 115200 8N1, SCPI, a line ends with CR LF. Handshaking is switched on first: then each line is answered by its
value, if it asks for one, and ``OK``, or by ``ERR`` and a number. One line at a time, the next 20 ms after the answer.
There are no checksums: a value that cannot be one is dropped, and asked for again.

*Units.* Every power on the wire is in W. It is sent in whole 0.01 mW.

*Set at start and at each arming, and read back:* emission off (``SOURce:AM:STATe``); autostart off
(``SYSTem:AUTostart``); power below ``SOURce:POWer:LIMit:HIGH?``; external digital modulation (``SOURce:AM:EXTernal
DIGital``), which also excludes analog; power (``SOURce:POWer:LEVel:IMMediate:AMPLitude``). The diode's cooler is
switched on where there is one to switch (``SOURce:TEMPerature:APRobe``): a head left asleep would not emit.

*Late light.* With ``SYSTem:CDRH`` on, as the law wants it, the head emits 5 s after it was switched on, and says so in
its status; so it does while it warms up. Arm at least that long before the first light. The delay is not changed here.

*Watched every 500 ms:* ``SYSTem:LOCK?`` (the interlock, where the head knows the question; ``OFF`` is open),
``SYSTem:STATus?``, ``SYSTem:FAULt?``, emission, mode, power, measured power. A fault 0x8, no power to the diode, counts
as an open interlock.

*Faults* are told in words, with their bit. Bits above 0x100000 say how a controller between is set up, not that
something failed, and are ignored.

Sources: command lists and status and fault bits in open drivers of the OBIS. Not tried on a real head; the answers of
``SYSTem:LOCK?`` and the numbers behind ``ERR`` are as those drivers have them.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hardware.device import DeviceSettings
from hardware.heads.laser_head import LaserHead
from hardware.heads.text_lines import Answer, number, words
from hardware.heads.words import Reading, Step, power_tolerance_mw
from realtime.records import Role

NAME: Final = "obis"
BAUD: Final = 115_200
ROLES: Final[frozenset[Role]] = frozenset()
CONFIRMS: Final[frozenset[Role]] = frozenset()

_HEX: Final = re.compile(r"(0x)?[0-9A-Fa-f]{1,16}")
_ERROR: Final = re.compile(r"ERR-?(\d*)")
_ERRORS: Final = {
    100: "unknown command",
    102: "syntax",
    109: "parameter missing",
    200: "not possible now",
    203: "protected command",
    220: "parameter not allowed",
    221: "settings conflict",
    241: "device unavailable",
    310: "failure of the head",
    350: "error queue full",
}
_FAULT: Final = 0x1
_STANDBY: Final = 0x8
_CDRH_DELAY: Final = 0x10
_WARM_UP: Final = 0x100
_NO_DIODE_POWER: Final = 0x8
_FAULT_BITS: Final = 0x1FFFFF
_FAULTS: Final = {
    0x1: "base plate temperature out of range",
    0x2: "diode temperature out of range",
    0x4: "internal temperature out of range",
    0x10: "internal bus",
    0x20: "diode current too high",
    0x40: "memory checksum",
    0x80: "memory restored to defaults",
    0x100: "message buffer overflow",
    0x200: "warm-up took too long",
    0x400: "cooler's driver",
    0x800: "connection bus",
    0x1000: "diode temperature away from its set point",
    0x2000: "set power not reached",
    0x4000: "photodiode",
    0x8000: "fatal failure",
    0x10000: "failure at start",
    0x20000: "restart by its own watchdog",
    0x40000: "field calibration",
    0x100000: "power above its limit",
}


def _switch(text: str) -> float | None:
    return {"ON": 1.0, "OFF": 0.0}.get(text.upper())


def _lock(text: str) -> float | None:
    return {"ON": 0.0, "OK": 0.0, "OFF": 1.0}.get(text.upper())


def _bits(text: str) -> float | None:
    return float(int(text, 16)) if _HEX.fullmatch(text) else None


def _done(text: str) -> str | None:
    return None if text else text


def _upper(text: str) -> str | None:
    return text.upper() or None


def _identity(text: str) -> str | None:
    """Return an identity, which has parts: nothing that a head still had to say to somebody before us."""
    return text if "," in text or "-" in text else None


def _watts(text: str) -> float | None:
    """Return in mW what is told in W."""
    watts = number(text)
    return None if watts is None else 1000 * watts


_OFF: Final = Step("SOURce:AM:STATe OFF", "emission off", _done)
_ON: Final = Step("SOURce:AM:STATe ON", "emission on", _done)
_EMISSION: Final = Step("SOURce:AM:STATe?", "emission", _switch, Reading.EMISSION)
_STATUS: Final = Step("SYSTem:STATus?", "status", _bits, Reading.STATE)
_MODE: Final = Step("SOURce:AM:SOURce?", "modulation mode", _upper, wanted="DIGITAL")
_IDENTIFICATION: Final = (
    Step("SYSTem:COMMunicate:HANDshaking ON", "handshaking on", _done),
    Step("*IDN?", "identity", _identity, Reading.IDENTITY),
    Step("SYSTem:INFormation:MODel?", "model", words, Reading.MODEL),
    Step("SYSTem:INFormation:SNUMber?", "serial number", words, Reading.SERIAL_NUMBER),
    Step("SYSTem:INFormation:FVERsion?", "firmware", words, Reading.FIRMWARE, optional=True),
)
_MADE_SAFE: Final = (
    _OFF,
    replace(_EMISSION, wanted=0.0),
    Step("SYSTem:AUTostart OFF", "autostart off", _done),
    Step("SYSTem:AUTostart?", "autostart", _switch, wanted=0.0),
    Step("SOURce:POWer:LIMit:HIGH?", "highest power", _watts, Reading.LIMIT),
    Step("SOURce:TEMPerature:APRobe ON", "diode cooler on", _done, optional=True),
    Step("SOURce:AM:EXTernal DIGital", "digital modulation", _done),
)


class ObisHead:
    """The words of OBIS, as a :class:`hardware.heads.words.Head`."""

    make: str = "Coherent OBIS laser head"
    ending: bytes = b"\r\n"
    identification: tuple[Step, ...] = _IDENTIFICATION
    off: Step = _OFF
    emission: Step = _EMISSION
    switching_on: tuple[Step, ...] = (_ON, _STATUS, _EMISSION)

    def __init__(self) -> None:
        self.readings: dict[Reading, float | str] = {}
        self._value = ""

    def answer(self, line: str) -> Answer | None:
        """Return the answer that ``line`` ends: a value comes first, then OK or ERR; of several values, the last."""
        error = _ERROR.match(line)
        if error is None and line != "OK":
            self._value = line
            return None
        value, self._value = self._value, ""
        if error is None:
            return Answer(value)
        code = int(error[1] or 0)
        return Answer(f"{line}: {_ERRORS[code]}" if code in _ERRORS else line, is_error=True)

    def mistaken(self) -> bool:
        """Whether its identity names no OBIS."""
        return "OBIS" not in str(self.readings[Reading.IDENTITY]).upper()

    def configuration(self, power_mw: float) -> Sequence[Step]:
        """Return the steps that make it safe, set it, and read everything back."""
        power = Step(f"SOURce:POWer:LEVel:IMMediate:AMPLitude {power_mw / 1000:.5f}", "power", _done)
        return (*_MADE_SAFE, power, *_settings(power_mw))

    def survey(self, power_mw: float) -> Sequence[Step]:
        """Return the steps that look at it."""
        return (
            Step("SYSTem:LOCK?", "interlock", _lock, Reading.INTERLOCK, optional=True),
            _STATUS,
            Step("SYSTem:FAULt?", "faults", _bits, Reading.FAULT),
            _EMISSION,
            *_settings(power_mw),
            Step("SOURce:POWer:LEVel?", "measured power", _watts, Reading.MEASURED),
        )

    def interlock(self) -> str:
        """Return what is wrong with the interlock: the head says so, or its diode has no power."""
        if self.readings.get(Reading.INTERLOCK) == 1:
            return "its interlock is open"
        no_power = self._read(Reading.FAULT) & _NO_DIODE_POWER
        return "its diode has no power (0x8): the interlock is open, or the supply fails" if no_power else ""

    def faults(self) -> frozenset[str]:
        """Return its faults in words; that of an open interlock is told as such."""
        bits = self._read(Reading.FAULT)
        known = bits & _FAULT_BITS & ~_NO_DIODE_POWER
        places = [1 << place for place in range(_FAULT_BITS.bit_length()) if known >> place & 1]
        named = [f"{_FAULTS.get(bit, 'unknown fault')} (0x{bit:X})" for bit in places]
        if self._read(Reading.STATE) & _FAULT and not bits & _FAULT_BITS:
            named.append(f"a fault without a name (0x{bits:X})")
        return frozenset(named)

    def late(self) -> str:
        """Return why it gives no light yet."""
        status = self._read(Reading.STATE)
        if status & _CDRH_DELAY:
            return "its safety delay (CDRH) of 5 s has not ended"
        return "it warms up" if status & _WARM_UP else ""

    def hint(self) -> str:
        """Return what its status says of a head that stayed off."""
        return "it is in standby" if self._read(Reading.STATE) & _STANDBY else ""

    def _read(self, reading: Reading) -> int:
        return int(self.readings.get(reading, 0))


def _settings(power_mw: float) -> tuple[Step, ...]:
    """Return the questions about the settings on which the light depends."""
    text, tolerance_mw = "SOURce:POWer:LEVel:IMMediate:AMPLitude?", power_tolerance_mw(power_mw)
    return _MODE, Step(text, "power in mW", _watts, wanted=power_mw, tolerance=tolerance_mw)


def create(settings: DeviceSettings, first_seq: int = 0) -> LaserHead:
    """Return a driver for the head that ``settings`` describes; its records are numbered after ``first_seq``.

    Raises
    ------
    BadSettings
        If the rig gives it no power, or lines.
    """
    return LaserHead(settings, ObisHead(), first_seq)
