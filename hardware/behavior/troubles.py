"""The sentences with which the Harp Behavior board's driver gives up: what happened, to what, and the way out.

None of them promises that the board switches off: it has no watchdog. What ends a pulse is its own length.
"""

from typing import Final

from hardware.behavior.registers import OLDEST_FIRMWARE, WHO_AM_I
from hardware.device import (
    SILENCE_NS,
    ConfigurationRefused,
    DeviceReset,
    Request,
    SilentDevice,
    WrongDevice,
)
from realtime.records import NS_PER_S

_KNOWN_DEVICES: Final = {3335: "the reference board", 1298: "Harp LaserDriverController"}
_NO_WATCHDOG: Final = (
    "The board has no watchdog: a pulse that is on ends by its own length. Look whether its outputs are off"
)


def silent_at_start(name: str, garbage_bytes: int) -> SilentDevice:
    """Nobody said who is there."""
    heard = f"It sent {garbage_bytes} bytes that are no Harp frame." if garbage_bytes else "It sent nothing."
    return SilentDevice(
        f"{name} did not say who it is within {SILENCE_NS / NS_PER_S:g} s. {heard} "
        "Is it powered, and is the port right?"
    )


def wrong_device(name: str, number: int) -> WrongDevice:
    """Somebody else is there."""
    known = _KNOWN_DEVICES.get(number, "an unknown Harp device")
    return WrongDevice(
        f"{name} should be a Harp Behavior board (WhoAmI {WHO_AM_I}), but the device on its port says it is {known} "
        f"(WhoAmI {number}). Correct the rig file's port or driver."
    )


def old_firmware(name: str, major: int) -> ConfigurationRefused:
    """The board is one of another generation."""
    return ConfigurationRefused(
        f"{name} runs firmware {major}.x, which reports its DIO lines otherwise or not at all. "
        f"Update it to {OLDEST_FIRMWARE}.0 or later."
    )


def setting_refused(name: str, request: Request) -> ConfigurationRefused:
    """A setting was answered with an error."""
    return ConfigurationRefused(
        f"{name} did not allow {request.what}. Its firmware is another than this driver was written for: update it."
    )


def function_in_use(name: str, address: int, value: int) -> ConfigurationRefused:
    """Something else than a command could drive a pin."""
    return ConfigurationRefused(
        f"{name} has its register {address} at {value} instead of 0: a pin is driven by a camera trigger, PWM, servo, "
        "encoder or mimic. Restart the board with its default settings (write 1 to ResetDevice), then try again."
    )


def output_stays_on(name: str, state: int) -> ConfigurationRefused:
    """Cleared, and on all the same."""
    return ConfigurationRefused(
        f"{name} shows outputs 0x{state:04x} on after all were cleared. Take the power from what they switch, then "
        "restart the board."
    )


def unanswered(name: str, request: Request) -> SilentDevice:
    """A request that the session needs was never answered."""
    return SilentDevice(
        f"{name} never answered {request.what} in {request.tries} tries. {_NO_WATCHDOG}, check the cable, then start a "
        "new session."
    )


def pings_missed(name: str, count: int) -> SilentDevice:
    """The board stopped answering."""
    return SilentDevice(
        f"{name} left {count} pings unanswered. {_NO_WATCHDOG}, check its cable and power, then start a new session."
    )


def clock_lost(name: str) -> DeviceReset:
    """The board's clock ran backwards or jumped."""
    return DeviceReset(
        f"{name} restarted, or its clock stepped: times before and after cannot be compared, and its settings may be "
        "gone. Everything is switched off and disarmed. Check its power and its clock cable, then start a new session."
    )


def pulses_disabled(name: str, enabled: int) -> ConfigurationRefused:
    """Outputs could stay on for ever."""
    return ConfigurationRefused(
        f"{name} has lost pulse bits (OutputPulseEnable is 0x{enabled:04x}): an output could stay on for ever. "
        "Everything is switched off and disarmed. Let no other program talk to the board, then start a new session."
    )


def not_active(name: str) -> ConfigurationRefused:
    """It answers, and reports nothing."""
    return ConfigurationRefused(
        f"{name} is in standby and reports no edges any more: its serial line was down for 3 s, or another program "
        "wrote to it. Check the cable, then start a new session."
    )
