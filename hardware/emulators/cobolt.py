"""Emulates a Cobolt 06-MLD laser head at the bytes: the older words, and the newer SCPI-like ones beside them.

Manual
------
``EmulatedCobolt(now_ns)`` is a head that was just powered: emission off, constant power mode, autostart on, interlock
closed, key on. Pump it as :class:`hardware.device.EmulatedDevice` says; the lines it understands:

==========================  ==========================================================================================
``?``                       ``OK``
``sn?`` ``gsn?``            serial number; ``glm?`` model; ``gfv?`` firmware; ``hrs?`` hours
``l1`` ``l0`` ``l?``        emission on, off, 1 or 0; ``@cob1`` and ``@cob0`` do the same here
``@cobas 0|1`` ``@cobas?``  autostart: a restart switches emission on; ``@cobasdr 0|1`` is kept and does nothing
``p W`` ``p?`` ``pa?``      constant power, measured power, in W; ``@cobasp W`` is ``p``
``cp`` ``ci`` ``em``        constant power (``gam?`` 1), constant current (0), modulation (2)
``eoom`` ``xoom``           on/off modulation: the TTL in the constant modes
``slc mA`` ``glc?`` ``i?``  current, kept only
``slmp mW`` ``glmp?``       modulation power; ``gmlp?`` limit, in mW
``sdmes`` ``sames``         digital, analog modulation 0 or 1; ``gdmes?``, ``games?``
``salis`` ``galis?``        impedance of the analog input, kept only
``ilk?`` ``f?`` ``cf``      interlock (1 is open); fault; clear it
``gom?`` ``state?``         0 off, 1 waiting for its key, 2 continuous, 3 on/off modulation, 4 modulation, 5 fault
==========================  ==========================================================================================

Newer: ``LASer:RUNMode``, ``LASer:CP:POWer:SETPoint``, ``LASer:PowerModulation:POWer:SETPoint`` and ``LASer:POWer?`` in
mW, ``LASer:PM:DIGital:ENAble``, ``LASer:PM:ANAlog:ENAble``, ``LASer:PAUSe``, ``LASer:PM:DIGital:MODulator`` with
``!e``, ``!d`` and ``!p mW``, which are not answered; each in long or short form, any case. Anything else is answered
``Syntax error: illegal command``.

*Light* comes out with emission on, interlock closed, key on, no fault, no pause, and in modulation mode while the
modulator is high: the TTL, or with the modulator ``Command`` what ``!e`` and ``!d`` said. The analog input is at 0 V.

*Faults.* ``knobs.fault_code`` is a fault of the head: it ends emission and stays until it is taken back and ``cf`` is
sent. An interlock that opens while emission is on, or is open when it is asked for, is fault 3 and stays likewise.

*A restart* keeps autostart, powers and serial number; it forgets the mode and the modulation.

What a real head answers to ``l1`` with an open interlock or without its key is not known here: the first is an error,
the second ``OK`` and no emission.
"""

from dataclasses import dataclass
from typing import Final

from hardware.emulators.head_parts import EmulatedHead, HeadKnobs

NAME: Final = "cobolt"

ILLEGAL: Final = "Syntax error: illegal command"
_OK: Final = "OK"
_INTERLOCK_FAULT: Final = 3
_NODES: Final = {
    "las": "laser",
    "runm": "runmode",
    "pm": "powermodulation",
    "cm": "currentmodulation",
    "pow": "power",
    "setp": "setpoint",
    "dig": "digital",
    "ana": "analog",
    "ena": "enable",
    "paus": "pause",
    "mod": "modulator",
}
"""Short forms of the newer words."""
_MODES: Final = {"ci": 0, "cp": 1, "em": 2}
_RUN_MODES: Final = {0: "ConstantCurrent", 1: "ConstantPower", 2: "PowerModulation"}
_FLAGS: Final = {
    "sdmes": "digital",
    "sames": "analog",
    "@cobas": "autostart",
    "@cobasdr": "direct",
    "salis": "low_impedance",
    "laser:powermodulation:digital:enable": "digital",
    "laser:powermodulation:analog:enable": "analog",
    "laser:pause": "paused",
}
_POWERS: Final = {
    "p": ("power_mw", 1000.0),
    "@cobasp": ("power_mw", 1000.0),
    "slmp": ("modulation_mw", 1.0),
    "slc": ("current_ma", 1.0),
    "laser:cp:power:setpoint": ("power_mw", 1.0),
    "laser:powermodulation:power:setpoint": ("modulation_mw", 1.0),
}
"""Words that set a number: which one, and what it is multiplied by."""


@dataclass(slots=True)
class CoboltKnobs(HeadKnobs):
    """What the head is, and what is broken.

    Attributes
    ----------
    fault_code
        What ``f?`` answers: 0 none, 1 temperature, 4 constant power time-out.
    """

    model: str = "0473-06-01-0100-100"
    fault_code: int = 0


class EmulatedCobolt(EmulatedHead):
    """The head; the module's docstring is its manual.

    Attributes
    ----------
    emission
        Whether it is permitted.
    power_mw, modulation_mw
        The powers that were set.
    """

    def __init__(self, now_ns: int = 0, knobs: CoboltKnobs | None = None) -> None:
        super().__init__(now_ns)
        self._knobs = knobs or CoboltKnobs()
        self.autostart = True
        self.power_mw = 10.0
        self.modulation_mw = 10.0
        self.current_ma = 0.0
        self._forget()

    def _forget(self) -> None:
        self.emission = False
        self.mode = _MODES["cp"]
        self.digital = self.analog = self.direct = self.low_impedance = self.paused = False
        self.on_off = False
        self.commanded: bool | None = None  # the modulator's level by command; None: the input's
        self.fault_code = 0

    @property
    def knobs(self) -> CoboltKnobs:
        """What is broken."""
        return self._knobs

    @property
    def state(self) -> int:
        """What ``gom?`` answers."""
        if self.fault_code:
            return 5
        if not self._knobs.key_on:
            return 1
        if not self.emission:
            return 0
        return 4 if self.mode == _MODES["em"] else 3 if self.on_off else 2

    def _live(self) -> None:
        if self._knobs.fault_code:
            self.fault_code = self._knobs.fault_code
        elif self.emission and not self.interlock_closed:
            self.fault_code = _INTERLOCK_FAULT
        if self.fault_code or not self._knobs.key_on:
            self.emission = False

    def _lit(self) -> bool:
        if not self.emission or self.paused:
            return False
        modulator = self.ttl_high if self.commanded is None else self.commanded
        if self.mode == _MODES["em"]:
            return self.digital and not self.analog and modulator
        return modulator or not self.on_off

    def _restart(self) -> None:
        self._forget()
        self.emission = self.autostart and self.interlock_closed

    # --- words

    def _obey(self, line: str) -> list[str]:
        word, _, value = line.lower().partition(" ")
        if word.startswith("!"):
            self._command(word, value)
            return []
        asks = word.endswith("?")
        word = ":".join(_NODES.get(node, node) for node in word.rstrip("?").split(":"))
        if not self._knobs.knows(line):
            return [ILLEGAL]
        answer = self._ask(word) if asks else self._tell(word, value.strip())
        return [ILLEGAL if answer is None else answer]

    def _ask(self, word: str) -> str | None:
        """Return the answer to a question, without its mark; None if there is no such question."""
        measured_mw = self._light_mw() * self._knobs.measured_factor
        words = {
            "": _OK,
            "sn": self._knobs.serial_number,
            "gsn": self._knobs.serial_number,
            "glm": self._knobs.model,
            "gfv": self._knobs.firmware,
            "hrs": "123.4",
            "l": str(int(self.emission)),
            "p": f"{self.power_mw / 1000:.5f}",
            "pa": f"{measured_mw / 1000:.5f}",
            "i": f"{self.current_ma if self.emission else 0:.1f}",
            "glc": f"{self.current_ma:.1f}",
            "gam": str(self.mode),
            "glmp": f"{self.modulation_mw:.2f}",
            "gmlp": f"{self._knobs.max_power_mw:.1f}",
            "gdmes": str(int(self.digital)),
            "games": str(int(self.analog)),
            "galis": str(int(self.low_impedance)),
            "@cobas": str(int(self.autostart)),
            "ilk": str(int(not self.interlock_closed)),
            "f": str(self.fault_code),
            "gom": str(self.state),
            "state": str(self.state),
            "laser:runmode": _RUN_MODES[self.mode],
            "laser:power": f"{measured_mw:.2f}",
            "laser:cp:power:setpoint": f"{self.power_mw:.2f}",
            "laser:powermodulation:power:setpoint": f"{self.modulation_mw:.2f}",
            "laser:powermodulation:digital:enable": str(int(self.digital)),
            "laser:powermodulation:analog:enable": str(int(self.analog)),
            "laser:powermodulation:digital:modulator": "external" if self.commanded is None else "command",
            "laser:pause": str(int(self.paused)),
        }
        return words.get(word)

    def _tell(self, word: str, value: str) -> str | None:
        """Carry out a command; return its answer, or None if it is not understood."""
        if word in _FLAGS:
            return self._set_flag(_FLAGS[word], value)
        if word in _POWERS:
            return self._set_number(*_POWERS[word], value)
        if word in _MODES:
            self.mode = _MODES[word]
            return _OK
        match word:
            case "l0" | "@cob0":
                self.emission = False
            case "l1" | "@cob1":
                return self._switch_on()
            case "eoom" | "xoom":
                self.on_off = word == "eoom"
            case "cf":
                self.fault_code = 0
            case "laser:runmode":
                return self._set_run_mode(value)
            case "laser:powermodulation:digital:modulator" if value in {"command", "external"}:
                self.commanded = False if value == "command" else None
            case _:
                return None
        return _OK

    def _switch_on(self) -> str:
        if not self.interlock_closed:
            self.fault_code = self.fault_code or _INTERLOCK_FAULT
            return "Error: interlock open"
        self.emission = True
        return _OK

    def _set_flag(self, name: str, value: str) -> str | None:
        if value not in {"0", "1"}:
            return None
        setattr(self, name, value == "1")
        return _OK

    def _set_number(self, name: str, factor: float, value: str) -> str | None:
        try:
            wanted = factor * float(value)
        except ValueError:
            return None
        if not 0 <= wanted <= (self._knobs.max_power_mw if name.endswith("_mw") else 1000):
            return None
        setattr(self, name, wanted)
        return _OK

    def _set_run_mode(self, value: str) -> str | None:
        modes = {name.lower(): mode for mode, name in _RUN_MODES.items()} | {"currentmodulation": 2}
        if value not in modes:
            return None
        self.mode = modes[value]
        return _OK

    def _command(self, word: str, value: str) -> None:
        """Move the modulator by command, where it listens to commands."""
        if self.commanded is None:
            return
        if word == "!p":
            self._set_number("modulation_mw", 1.0, value)
        elif word in {"!e", "!d"}:
            self.commanded = word == "!e"

    def _light_mw(self) -> float:
        if not self.outputs:
            return 0.0
        return self.modulation_mw if self.mode == _MODES["em"] else self.power_mw


def create(now_ns: int) -> EmulatedCobolt:
    """Return a sound head, powered on at ``now_ns``."""
    return EmulatedCobolt(now_ns)
