"""What a person or a test can do to an emulated device while it runs, one line a deed.

::

    input 0 1          put input pin 0 high (a beam breaks, a tongue touches); 0 puts it low
    interlock open     or closed
    reset              restart it, as a brown-out would
    set silence on     turn one of its knobs; numbers, on or off, and for bytes pairs of hex digits
    show               tell every knob, and which outputs are on

The knobs are the fields of the device's ``knobs``; its manual explains them.
"""

import dataclasses
from typing import Final

from hardware.device import EmulatedDevice
from realtime.errors import DuettoError

_SWITCH: Final = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
_LOOP: Final = {"closed": True, "close": True, "open": False}
DEEDS: Final = ("input PIN 0|1", "interlock open|closed", "reset", "set KNOB VALUE", "show")


class BadDeed(DuettoError):
    """A line asks for something that cannot be done to this device."""


class Workbench:
    """Carries out lines on one emulated device.

    Parameters
    ----------
    device
        The device.
    """

    def __init__(self, device: EmulatedDevice) -> None:
        self.device = device

    def obey(self, line: str, now_ns: int) -> str:
        """Carry out ``line`` at ``now_ns`` and return what was done.

        Raises
        ------
        BadDeed, NoSuchPin
            If the line asks for what this device does not have.
        """
        match line.split():
            case ["input", pin, level]:
                self.device.set_input(_number(pin), _choice(level, _SWITCH), now_ns)
            case ["interlock", position]:
                self.device.set_interlock(_choice(position, _LOOP), now_ns)
            case ["reset"]:
                self.device.reset(now_ns)
            case ["set", knob, value]:
                self._turn(knob, value)
            case ["show"]:
                return self._show()
            case _:
                raise BadDeed(f"{line!r} is nothing that can be done here; there are: {', '.join(DEEDS)}.")
        return " ".join(line.split())

    def _turn(self, name: str, text: str) -> None:
        names = [field.name for field in dataclasses.fields(self.device.knobs)]
        if name not in names:
            raise BadDeed(f"There is no knob {name!r}; there are: {', '.join(names)}.")
        setattr(self.device.knobs, name, _value(text, getattr(self.device.knobs, name)))

    def _show(self) -> str:
        knobs = dataclasses.asdict(self.device.knobs)
        told = " ".join(f"{name}={value.hex() if isinstance(value, bytes) else value}" for name, value in knobs.items())
        return f"outputs={self.device.outputs:#06b} {told}"


def _value(text: str, before: object) -> object:
    """Return ``text`` as what the knob was before: a switch, bytes, a number or a text."""
    try:
        if isinstance(before, bool):
            return _choice(text, _SWITCH)
        if isinstance(before, bytes):
            return bytes.fromhex(text)
        if isinstance(before, (int, float)):
            return type(before)(text)
    except ValueError as error:
        raise BadDeed(f"{text!r} is not what this knob takes; it was {before!r}.") from error
    return text


def _number(text: str) -> int:
    if not text.isdecimal():
        raise BadDeed(f"{text!r} is not the number of a pin.")
    return int(text)


def _choice(text: str, choices: dict[str, bool]) -> bool:
    if text not in choices:
        raise BadDeed(f"{text!r} is none of {', '.join(choices)}.")
    return choices[text]
