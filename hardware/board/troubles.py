"""The sentences of the reference board's driver, where it gives up or a person must act: what happened, the way out."""

from typing import Final

from hardware.board.registers import WHO_AM_I
from hardware.board.requests import Wire
from hardware.board.watch import LISTEN_NS
from hardware.device import (
    SILENCE_NS,
    ConfigurationRefused,
    DeviceReset,
    DeviceSettings,
    Request,
    SilentDevice,
    WatchdogExpired,
    WrongDevice,
)
from realtime.records import NS_PER_S

_KNOWN_DEVICES: Final = {1216: "Harp Behavior", 1298: "Harp LaserDriverController"}


def silent_at_start(name: str, garbage_bytes: int) -> SilentDevice:
    """Nobody said who is there."""
    heard = f"It sent {garbage_bytes} bytes that are no Harp frame." if garbage_bytes else "It sent nothing."
    return SilentDevice(
        f"{name} did not say who it is within {SILENCE_NS / NS_PER_S:g} s. {heard} "
        "Is it powered, is the port right, does it run the reference firmware?"
    )


def wrong_device(name: str, number: int) -> WrongDevice:
    """Somebody else is there."""
    known = _KNOWN_DEVICES.get(number, "an unknown Harp device")
    return WrongDevice(
        f"{name} should be the reference board (WhoAmI {WHO_AM_I}), but the device on its port says it is {known} "
        f"(WhoAmI {number}). Correct the rig file's port or driver."
    )


def configuration_refused(name: str, request: Request) -> ConfigurationRefused:
    """A setting was answered with an error, with another value, or never."""
    return ConfigurationRefused(
        f"{name} did not allow {request.what}. Its firmware is another than the rig file needs: "
        "flash the reference firmware."
    )


def unacknowledged(name: str, request: Request) -> SilentDevice:
    """A request that safety needs was never answered."""
    return SilentDevice(
        f"{name} never acknowledged {request.what} in {request.tries} tries. Its own watchdog switches it off. "
        "Check the cable, then start a new session."
    )


def keep_alives_missed(name: str, count: int) -> SilentDevice:
    """The board stopped answering."""
    return SilentDevice(
        f"{name} left {count} keep-alives unanswered. Its own watchdog switches it off. "
        "Check its cable and power, then start a new session."
    )


def clock_lost(name: str) -> DeviceReset:
    """The board's clock ran backwards or jumped."""
    return DeviceReset(
        f"{name} restarted, or its clock stepped: times before and after cannot be compared, and its settings may be "
        "gone. It stays off and disarmed. Check its power, then start a new session."
    )


def watchdog_expired(settings: DeviceSettings) -> WatchdogExpired:
    """The board did not hear from us in time."""
    return WatchdogExpired(
        f"{settings.name} heard nothing from this computer for {settings.host_timeout_ms} ms and switched everything "
        "off. The computer was too busy: start a new session, then arm again."
    )


def muted(settings: DeviceSettings, wire: Wire) -> str:
    """An input chattered."""
    return (
        f"{settings.name} reports {wire.label} (pin {wire.pin}) no more: it changed more than {settings.chatter_hz} "
        f"times in a second. Clean the sensor and look at its cable; it is tried again in {LISTEN_NS // NS_PER_S} s. "
        "If it truly changes so often, raise chatter_hz."
    )


def stuck(settings: DeviceSettings, wire: Wire) -> str:
    """A beam is broken for ever."""
    return (
        f"{settings.name} has seen {wire.label} (pin {wire.pin}) broken for {settings.stuck_ns / NS_PER_S:g} s. "
        "Look for dirt or an animal in the port, and whether its light is on."
    )
