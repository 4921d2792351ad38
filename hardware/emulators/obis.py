"""Emulates a Coherent OBIS laser head at the bytes: SCPI in long and short forms, with handshaking.

Manual
------
``EmulatedObis(now_ns)`` is a head that was just powered: emission off, constant power mode (CWP), autostart on,
handshaking on, CDRH delay on, cooler on, interlock closed, key on. Pump it as
:class:`hardware.device.EmulatedDevice` says. It understands, long or short (the capitals), in any case:

``*IDN?`` ``*TST?`` ``*RST``; of ``SYSTem``: ``INFormation:MODel?``, ``INFormation:SNUMber?``,
``INFormation:FVERsion?``, ``COMMunicate:HANDshaking``, ``COMMunicate:PROMpt`` (kept only), ``AUTostart``, ``CDRH``,
``LOCK?``, ``STATus?``, ``FAULt?``, ``HOURs?``, ``ERRor:COUNt?``, ``ERRor:NEXT?``, ``ERRor:CLEar``; of ``SOURce``:
``AM:STATe``, ``AM:INTernal CWP|CWC``, ``AM:EXTernal DIGital|ANALog|MIXed|DIGSO|MIXSO``, ``AM:SOURce?``,
``POWer:LEVel:IMMediate:AMPLitude`` (W), ``POWer:LEVel?`` (W), ``POWer:LIMit:HIGH?`` (W), ``TEMPerature:APRobe``.

*Answers.* With handshaking each line is answered by its value, if it asks for one, and ``OK``, or by ``ERR`` and a
number: -100 unknown, -102 no such value, -109 value missing, -200 not possible now, -220 power beyond the limit.
Without handshaking there is the value or nothing. Errors are queued.

*Light* comes out with emission on, its CDRH delay of 5 s over, interlock closed, key on, cooler on, warm, no fault, and
in an external digital mode while the TTL is high. The analog input is at 0 V, so the other external modes are dark.

*Faults.* ``knobs.fault_bits`` are the bits of ``SYSTem:FAULt?`` that a defect sets: they end emission for good. An open
interlock sets 0x8, ends emission, and refuses it.

*A restart* keeps autostart, CDRH and power; it forgets mode and handshaking, which are then CWP and on.

The status has its upper bits set as heads in the field have (0xC8001000). What a real head answers to ``AM:STATe ON``
without its key or with an open interlock is not known here: -200.
"""

from dataclasses import dataclass
from typing import Final

from hardware.emulators.head_parts import EmulatedHead, HeadKnobs
from realtime.records import NEVER_NS, NS_PER_S

NAME: Final = "obis"

CDRH_NS: Final = 5 * NS_PER_S
_UPPER_STATUS: Final = 0xC8001000
_INTERLOCK_BIT: Final = 0x8
_COMMANDS: Final = (
    "SYSTem:INFormation:MODel",
    "SYSTem:INFormation:SNUMber",
    "SYSTem:INFormation:FVERsion",
    "SYSTem:COMMunicate:HANDshaking",
    "SYSTem:COMMunicate:PROMpt",
    "SYSTem:AUTostart",
    "SYSTem:CDRH",
    "SYSTem:LOCK",
    "SYSTem:STATus",
    "SYSTem:FAULt",
    "SYSTem:HOURs",
    "SYSTem:ERRor:COUNt",
    "SYSTem:ERRor:NEXT",
    "SYSTem:ERRor:CLEar",
    "SOURce:AM:STATe",
    "SOURce:AM:INTernal",
    "SOURce:AM:EXTernal",
    "SOURce:AM:SOURce",
    "SOURce:POWer:LEVel:IMMediate:AMPLitude",
    "SOURce:POWer:LEVel",
    "SOURce:POWer:LIMit:HIGH",
    "SOURce:TEMPerature:APRobe",
    "*IDN",
    "*TST",
    "*RST",
)
_SWITCHES: Final = {
    "SYSTem:COMMunicate:HANDshaking": "handshaking",
    "SYSTem:COMMunicate:PROMpt": "prompt",
    "SYSTem:AUTostart": "autostart",
    "SYSTem:CDRH": "cdrh",
    "SOURce:TEMPerature:APRobe": "cooler",
}
_INTERNAL: Final = ("CWP", "CWC")
_EXTERNAL: Final = ("DIGital", "ANALog", "MIXed", "DIGSO", "MIXSO")
_DIGITAL: Final = ("DIGITAL", "DIGSO")


class _Refused(Exception):
    """A line is answered by an error; its text is the number."""


@dataclass(slots=True)
class ObisKnobs(HeadKnobs):
    """What the head is, and what is broken.

    Attributes
    ----------
    fault_bits
        What a defect sets in ``SYSTem:FAULt?``.
    warming_up
        The head is cold: it says so, and gives no light.
    reads_off_while_late
        ``SOURce:AM:STATe?`` says OFF until the CDRH delay is over; what real heads say is not known here.
    """

    model: str = "OBIS 473nm 75mW LX"
    firmware: str = "V1.0"
    max_power_mw: float = 75.0
    fault_bits: int = 0
    warming_up: bool = False
    reads_off_while_late: bool = False


class EmulatedObis(EmulatedHead):
    """The head; the module's docstring is its manual.

    Attributes
    ----------
    emission
        Whether it is permitted.
    power_mw
        The power that was set.
    """

    def __init__(self, now_ns: int = 0, knobs: ObisKnobs | None = None) -> None:
        super().__init__(now_ns)
        self._knobs = knobs or ObisKnobs()
        self.autostart = self.cdrh = self.cooler = True
        self.prompt = False
        self.power_mw = 5.0
        self._errors: list[str] = []
        self._forget()

    def _forget(self) -> None:
        self.emission = False
        self.mode = "CWP"
        self.handshaking = True
        self._emits_ns = NEVER_NS

    @property
    def knobs(self) -> ObisKnobs:
        """What is broken."""
        return self._knobs

    @property
    def fault_bits(self) -> int:
        """What ``SYSTem:FAULt?`` answers."""
        return self._knobs.fault_bits | (0 if self.interlock_closed else _INTERLOCK_BIT)

    @property
    def status(self) -> int:
        """What ``SYSTem:STATus?`` answers."""
        bits = 0x1 if self.fault_bits else 0
        if self.emission:
            bits |= 0x10 if self._delayed else 0x2
        else:
            bits |= 0x8
        bits |= 0x40 if self._errors else 0
        bits |= 0x100 if self._knobs.warming_up else 0
        bits |= 0x400 if self.mode not in _INTERNAL else 0
        return _UPPER_STATUS | bits

    @property
    def _delayed(self) -> bool:
        return self._now_ns < self._emits_ns

    def _next_ns(self) -> int:
        return self._emits_ns if self.emission and self._delayed else NEVER_NS

    def _live(self) -> None:
        if self.fault_bits or not self._knobs.key_on:
            self.emission = False

    def _lit(self) -> bool:
        if not self.emission or self._delayed or self._knobs.warming_up or not self.cooler:
            return False
        return self.mode in _INTERNAL or (self.mode in _DIGITAL and self.ttl_high)

    def _restart(self) -> None:
        self._forget()
        if self.autostart and not self.fault_bits and self._knobs.key_on:
            self._switch("ON")

    # --- words

    def _obey(self, line: str) -> list[str]:
        ends = self.handshaking
        try:
            value = self._carry_out(line)
        except _Refused as refusal:
            self._errors.append(str(refusal))
            return [f"ERR{refusal}"] if ends else []
        return [value] * bool(value) + ["OK"] * (ends or self.handshaking)

    def _carry_out(self, line: str) -> str:
        """Carry out one line; return its value, empty for a command."""
        word, _, value = line.partition(" ")
        command = next((each for each in _COMMANDS if _means(each, word.rstrip("?"))), None)
        if command is None or not self._knobs.knows(line):
            raise _Refused("-100")
        if word.endswith("?"):
            return self._ask(command)
        self._tell(command, value.strip())
        return ""

    def _ask(self, command: str) -> str:
        if command in _SWITCHES:
            return _on_off(getattr(self, _SWITCHES[command]))
        knobs = self._knobs
        measured_mw = self.power_mw * knobs.measured_factor if self.outputs else 0.0
        words = {
            "*IDN": f"Coherent, Inc - {knobs.model} - {knobs.firmware} - emulated",
            "*TST": "0",
            "SYSTem:INFormation:MODel": knobs.model,
            "SYSTem:INFormation:SNUMber": knobs.serial_number,
            "SYSTem:INFormation:FVERsion": knobs.firmware,
            "SYSTem:LOCK": _on_off(self.interlock_closed),
            "SYSTem:STATus": f"{self.status:08X}",
            "SYSTem:FAULt": f"{self.fault_bits:08X}",
            "SYSTem:HOURs": "12.3",
            "SYSTem:ERRor:COUNt": str(len(self._errors)),
            "SOURce:AM:STATe": _on_off(self.emission and not (knobs.reads_off_while_late and self._delayed)),
            "SOURce:AM:SOURce": self.mode,
            "SOURce:POWer:LEVel:IMMediate:AMPLitude": f"{self.power_mw / 1000:.5f}",
            "SOURce:POWer:LEVel": f"{measured_mw / 1000:.5f}",
            "SOURce:POWer:LIMit:HIGH": f"{knobs.max_power_mw / 1000:.5f}",
        }
        if command == "SYSTem:ERRor:NEXT":
            return self._errors.pop(0) if self._errors else "0"
        if command not in words:
            raise _Refused("-100")
        return words[command]

    def _tell(self, command: str, value: str) -> None:
        if command in _SWITCHES:
            setattr(self, _SWITCHES[command], _chosen(value, ("ON", "OFF")) == "ON")
            return
        match command:
            case "*RST":
                self._restart()
            case "SYSTem:ERRor:CLEar":
                self._errors.clear()
            case "SOURce:AM:STATe":
                self._switch(_chosen(value, ("ON", "OFF")))
            case "SOURce:AM:INTernal":
                self.mode = _chosen(value, _INTERNAL)
            case "SOURce:AM:EXTernal":
                self.mode = _chosen(value, _EXTERNAL)
            case "SOURce:POWer:LEVel:IMMediate:AMPLitude":
                self._set_power(value)
            case _:
                raise _Refused("-100")

    def _switch(self, wanted: str) -> None:
        if wanted == "OFF":
            self.emission = False
        elif self.fault_bits or not self._knobs.key_on:
            raise _Refused("-200")
        elif not self.emission:
            self.emission = True
            self._emits_ns = self._now_ns + (CDRH_NS if self.cdrh else 0)

    def _set_power(self, value: str) -> None:
        try:
            power_mw = 1000 * float(value)
        except ValueError as error:
            raise _Refused("-102" if value else "-109") from error
        if not 0 <= power_mw <= self._knobs.max_power_mw:
            raise _Refused("-220")
        self.power_mw = power_mw


def _means(command: str, word: str) -> bool:
    """Whether ``word`` is ``command``, each of its nodes long or short, in any case."""
    nodes, given = command.split(":"), word.removeprefix(":").upper().split(":")
    return len(nodes) == len(given) and all(
        each in {node.upper(), "".join(letter for letter in node if not letter.islower())}
        for node, each in zip(nodes, given, strict=True)
    )


def _chosen(value: str, choices: tuple[str, ...]) -> str:
    """Return, in capitals, which of ``choices`` is meant; raise _Refused if none."""
    for choice in choices:
        if _means(choice, value):
            return choice.upper()
    raise _Refused("-102" if value else "-109")


def _on_off(value: bool) -> str:
    return "ON" if value else "OFF"


def create(now_ns: int) -> EmulatedObis:
    """Return a sound head, powered on at ``now_ns``."""
    return EmulatedObis(now_ns)
