"""Cobolt laser heads with digital modulation (06-MLD and 08 families): power, permission to emit, interlock, faults.

Manual
------
*What every head's driver does*, and what is guaranteed: :mod:`hardware.heads.laser_head`. Here is what Cobolt adds.

*Wiring.* The laser's line of a board goes to the head's digital modulation input. The rig file gives the head
``power_mw`` and no lines.

*Who it is.* ``sn?``, ``gfv?``, ``glm?``; the model reads like ``0473-06-01-0100-100``: wavelength, family, ... Families
04, 05, 06 and 08 are taken for Cobolts; 04 and 05 mostly have no digital modulation and are refused at ``sdmes``.

*Words.* 115200 8N1, a line ends with CR, an answer with CR LF: ``OK``, a value, or ``Syntax error: ...``. One line at a
time, the next 20 ms after the answer (a maker's client waits 100 ms after each). There are no checksums: a value that
cannot be one is dropped, and asked for again.

*Units.* ``p`` and ``pa?`` are in W, ``slmp``, ``glmp?`` and ``gmlp?`` in mW. The power is sent in whole 0.01 mW.

*Set at start and at each arming, and read back:* emission off (``l0``, ``l?``); autostart off (``@cobas 0``; the
question ``@cobas?`` is not in the maker's manual, and a head that does not know it is believed); power below ``gmlp?``;
``p`` to the same power, so that constant power mode, should somebody choose it, gives no more; modulation mode (``em``,
``gam?`` 2), digital on (``sdmes 1``), analog off (``sames 0``), modulation power (``slmp``). Models ending in ``-1ddd``
take the newer words: ``LASer:RUNMode PowerModulation``, ``las:pm:dig:ena 1``, ``las:pm:ana:ena 0``, the digital
modulator ``external``, ``LASer:PowerModulation:POWer:SETPoint`` in mW.

*Watched every 500 ms:* ``ilk?``, ``f?``, ``gom?`` (older words), ``l?``, mode, digital modulation, modulation power,
``pa?``. About 0.3 s of every 0.5 s the line is in use.

*Faults* (``f?``): 1 temperature, 3 interlock, 4 constant power time-out; others by number. A head keeps them, also the
interlock's after it was closed, until ``cf`` or its key clears them; this driver never does.

Sources: the maker's Python client (cobolt-lasers/pycobolt), its adapter for Micro-Manager, and open drivers of others.
Not tried on a real head.
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

NAME: Final = "cobolt"
BAUD: Final = 115_200
ROLES: Final[frozenset[Role]] = frozenset()
CONFIRMS: Final[frozenset[Role]] = frozenset()

_SERIAL_NUMBER: Final = re.compile(r"(?=.*\d)[0-9A-Za-z-]{3,}")
_MODEL: Final = re.compile(r"\d{4}-0[4568]-")
_NEWER_MODEL: Final = re.compile(r"-06-.*-1\d{3}(-C)?$")
_INTERLOCK_FAULT: Final = 3
_FAULTS: Final = {1: "temperature out of range (1)", 4: "constant power time-out (4)"}
_HINTS: Final = {1: "it waits for its key", 5: "it is in fault", 6: "its start was aborted"}
"""What ``gom?`` says of a head that does not emit."""


def _flag(text: str) -> float | None:
    return float(text) if text in {"0", "1"} else None


def _count(text: str) -> float | None:
    return float(text) if text.isdecimal() else None


def _done(text: str) -> str | None:
    return text if text == "OK" else None


def _serial_number(text: str) -> str | None:
    """Return a serial number: nothing that a head still had to say to somebody before us."""
    return text if _SERIAL_NUMBER.fullmatch(text) else None


def _watts(text: str) -> float | None:
    """Return in mW what is told in W."""
    watts = number(text)
    return None if watts is None else 1000 * watts


_OFF: Final = Step("l0", "emission off", _done)
_ON: Final = Step("l1", "emission on", _done)
_EMISSION: Final = Step("l?", "emission", _flag, Reading.EMISSION)
_STATE: Final = Step("gom?", "operating mode", _count, Reading.STATE, optional=True)
_MODE: Final = Step("gam?", "modulation mode", _count, wanted=2.0)
_DIGITAL: Final = Step("gdmes?", "digital modulation", _flag, wanted=1.0)
_RUN_MODE: Final = Step("LASer:RUNMode?", "run mode", words, wanted="PowerModulation")
_DIGITAL_NEWER: Final = Step("las:pm:dig:ena?", "digital modulation", _flag, wanted=1.0)
_IDENTIFICATION: Final = (
    Step("sn?", "serial number", _serial_number, Reading.SERIAL_NUMBER),
    Step("gfv?", "firmware", words, Reading.FIRMWARE),
    Step("glm?", "model", words, Reading.MODEL),
)
_MADE_SAFE: Final = (
    _OFF,
    replace(_EMISSION, wanted=0.0),
    Step("@cobas 0", "autostart off", _done),
    Step("@cobas?", "autostart", _flag, wanted=0.0, optional=True),
    Step("gmlp?", "highest power", number, Reading.LIMIT),
)


class CoboltHead:
    """Cobolt's words, as a :class:`hardware.heads.words.Head`."""

    make: str = "Cobolt laser head"
    ending: bytes = b"\r"
    identification: tuple[Step, ...] = _IDENTIFICATION
    off: Step = _OFF
    emission: Step = _EMISSION
    switching_on: tuple[Step, ...] = (_ON, _STATE, _EMISSION)

    def __init__(self) -> None:
        self.readings: dict[Reading, float | str] = {}

    @property
    def _newer(self) -> bool:
        return _NEWER_MODEL.search(str(self.readings.get(Reading.MODEL, ""))) is not None

    def answer(self, line: str) -> Answer | None:
        """Return the answer that ``line`` is."""
        return Answer(line, is_error="error" in line.lower())

    def mistaken(self) -> bool:
        """Whether the model is none of Cobolt's."""
        return _MODEL.match(str(self.readings[Reading.MODEL])) is None

    def configuration(self, power_mw: float) -> Sequence[Step]:
        """Return the steps that make it safe, set it, and read everything back."""
        power = Step(f"p {power_mw / 1000:.5f}", "constant power", _done)
        read_power = Step(
            "p?",
            "constant power in mW",
            _watts,
            wanted=power_mw,
            tolerance=power_tolerance_mw(power_mw),
        )
        modulation = _newer_modulation(power_mw) if self._newer else _modulation(power_mw)
        return (*_MADE_SAFE, power, read_power, *modulation, *self._settings(power_mw))

    def survey(self, power_mw: float) -> Sequence[Step]:
        """Return the steps that look at it."""
        return (
            Step("ilk?", "interlock", _flag, Reading.INTERLOCK),
            Step("f?", "fault", _count, Reading.FAULT),
            *(() if self._newer else (_STATE,)),
            _EMISSION,
            *self._settings(power_mw),
            Step("pa?", "measured power", _watts, Reading.MEASURED),
        )

    def interlock(self) -> str:
        """Return what ``ilk?`` and ``f?`` say of the interlock."""
        if self.readings.get(Reading.INTERLOCK) == 1:
            return "its interlock is open"
        kept = self.readings.get(Reading.FAULT) == _INTERLOCK_FAULT
        return "its interlock was open, and it keeps that as a fault (3) until a person clears it" if kept else ""

    def faults(self) -> frozenset[str]:
        """Return the fault that ``f?`` names, in words; that of the interlock is told as such."""
        code = int(self.readings.get(Reading.FAULT, 0))
        return frozenset([_FAULTS.get(code, f"unknown fault {code}")] if code not in {0, _INTERLOCK_FAULT} else [])

    def late(self) -> str:
        """Return why it gives no light yet: a Cobolt that permits emission does."""
        return ""

    def hint(self) -> str:
        """Return what the operating mode says of a head that stayed off."""
        return _HINTS.get(int(self.readings.get(Reading.STATE, 0)), "")

    def _settings(self, power_mw: float) -> tuple[Step, ...]:
        """Return the questions about the settings on which the light depends."""
        mode, digital = (_RUN_MODE, _DIGITAL_NEWER) if self._newer else (_MODE, _DIGITAL)
        text = "LASer:PowerModulation:POWer:SETPoint?" if self._newer else "glmp?"
        tolerance_mw = power_tolerance_mw(power_mw)
        power = Step(text, "modulation power in mW", number, wanted=power_mw, tolerance=tolerance_mw)
        return mode, digital, power


def _modulation(power_mw: float) -> tuple[Step, ...]:
    """Return the steps that choose digital modulation, in the older words."""
    return (
        Step(f"slmp {power_mw:.2f}", "modulation power", _done),
        Step("em", "modulation mode", _done),
        Step("sdmes 1", "digital modulation on", _done),
        Step("sames 0", "analog modulation off", _done),
        Step("games?", "analog modulation", _flag, wanted=0.0),
    )


def _newer_modulation(power_mw: float) -> tuple[Step, ...]:
    """Return the steps that choose digital modulation, in the newer words."""
    return (
        Step(f"LASer:PowerModulation:POWer:SETPoint {power_mw:.2f}", "modulation power", _done),
        Step("LASer:RUNMode PowerModulation", "power modulation mode", _done),
        Step("las:pm:dig:ena 1", "digital modulation on", _done),
        Step("las:pm:ana:ena 0", "analog modulation off", _done),
        Step("las:pm:ana:ena?", "analog modulation", _flag, wanted=0.0),
        Step("laser:pm:dig:modulator external", "modulation by the input", _done),
    )


def create(settings: DeviceSettings, first_seq: int = 0) -> LaserHead:
    """Return a driver for the head that ``settings`` describes; its records are numbered after ``first_seq``.

    Raises
    ------
    BadSettings
        If the rig gives it no power, or lines.
    """
    return LaserHead(settings, CoboltHead(), first_seq)
