"""The rules between a rig's devices and its lines: what each driver can have, and who confirms what it does.

A driver's file says which lines it can have and for which of them its device reports edges itself. The edges of all
other outputs must come from a copy: the same wire, led to an input of a board that stamps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from controller.rigfindings import Findings, Mistake, bare, shown
from hardware.device import driver_named
from realtime.records import Role

_HEAD_KEYS: Final = ("feeds", "power_mw", "tip_mw")
_TRAIN_KEYS: Final = ("train_hz", "train_pulse_ms", "train_volts")
_OUTPUTS: Final = ("valve", "laser")


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What a driver's file says of its device."""

    roles: frozenset[Role]
    confirms: frozenset[Role]

    @property
    def is_head(self) -> bool:
        """Whether it is a laser head: it has no lines, light comes by another device's TTL."""
        return not self.roles

    @property
    def is_generator(self) -> bool:
        """Whether it makes trains of pulses and can do nothing else."""
        return self.roles == {Role.LASER}


def facts_of(driver: str) -> DriverFacts:
    """Return what the file ``hardware/drivers/<driver>.py`` says."""
    module = driver_named(driver)
    return DriverFacts(frozenset(module.ROLES), frozenset(module.CONFIRMS))


def device_mistakes(found: Findings, drivers: Sequence[str]) -> Iterator[Mistake]:
    """Yield the mistakes between devices, their drivers and the lines."""
    facts = {
        name: facts_of(driver)
        for name in found.keys.get(("devices",), ())
        if (driver := found.text("devices", name, "driver")) is not None and driver in drivers
    }
    for name, fact in facts.items():
        yield from _head_rules(found, name, fact)
        yield from _generator_rules(found, name, fact)
    for line in found.keys.get(("lines",), ()):
        yield from _line_rules(found, line, facts)
    yield from _feed_rules(found, facts)
    yield from _input_rules(found)


def _written(found: Findings, name: str, keys: Sequence[str]) -> list[str]:
    return [key for key in keys if ("devices", name, key) in found.values]


def _head_rules(found: Findings, name: str, fact: DriverFacts) -> Iterator[Mistake]:
    written = _written(found, name, _HEAD_KEYS)
    driver = shown(found.text("devices", name, "driver"))
    if not fact.is_head:
        for key in written:
            yield Mistake(("devices", name, key), f"only a laser head has this key, and {driver} is none; remove it")
        return
    if "feeds" not in written:
        says = f'{driver} is a laser head: write feeds = "laser_a" or "laser_b", the line whose TTL modulates it'
        yield Mistake(("devices", name, "feeds"), says)
    powers = [key for key in written if key != "feeds"]
    if len(powers) != 1:
        says = "write either power_mw (at the head) or tip_mw (at the fibre's tip), and only one of them"
        yield Mistake(("devices", name, "power_mw"), says)


def _generator_rules(found: Findings, name: str, fact: DriverFacts) -> Iterator[Mistake]:
    written = _written(found, name, _TRAIN_KEYS)
    if written and not fact.is_generator:
        driver = shown(found.text("devices", name, "driver"))
        says = f"only a pulse generator has this key, and {driver} is none; remove it"
        yield Mistake(("devices", name, written[0]), says)
    elif written and "train_hz" not in written:
        says = f"the key is missing: {written[0]} says nothing without it"
        yield Mistake(("devices", name, "train_hz"), says)
    elif "train_hz" in written and "train_pulse_ms" not in written:
        says = "the key is missing: write how long each pulse of the train is"
        yield Mistake(("devices", name, "train_pulse_ms"), says)
    for rate_hz, pulse_ms in found.numbers(("devices", name, "train_hz"), ("devices", name, "train_pulse_ms")):
        if rate_hz * pulse_ms >= 1000:
            says = (
                f"{shown(pulse_ms)} is as long as the pause from pulse to pulse, {shown(1000 / rate_hz)} milliseconds"
            )
            yield Mistake(("devices", name, "train_pulse_ms"), says)

    for rate_hz, chatter_hz in found.numbers(("devices", name, "train_hz"), ("limits", "chatter_hz")):
        if 2 * rate_hz > chatter_hz:
            says = (
                f"{shown(rate_hz)} makes {shown(2 * rate_hz)} edges a second, and a board takes the copy for a broken "
                f"sensor above limits.chatter_hz, {shown(chatter_hz)}: raise that"
            )
            yield Mistake(("devices", name, "train_hz"), says)


def _line_rules(found: Findings, line: str, facts: dict[str, DriverFacts]) -> Iterator[Mistake]:
    role = Role[line.partition("_")[0].upper()] if line.partition("_")[0].upper() in Role.__members__ else None
    device = found.text("lines", line, "device")
    fact = facts.get(device) if device is not None else None
    if role is None or fact is None or device is None:
        return
    if role not in fact.roles:
        can = ", ".join(sorted(one.name.lower() for one in fact.roles)) or "no lines at all"
        yield Mistake(("lines", line, "device"), f"{bare(device)} cannot be a {role.name.lower()}; it has {can}")
    elif line.startswith(_OUTPUTS):
        yield from _copy_rules(found, line, device, role, facts)


def _copy_rules(
    found: Findings, line: str, device: str, role: Role, facts: dict[str, DriverFacts]
) -> Iterator[Mistake]:
    """Judge who says what the output really did."""
    confirmed = role in facts[device].confirms
    copied = found.text("lines", line, "copy", "device")
    where = ("lines", line, "copy")
    if confirmed and copied is not None:
        yield Mistake(where, f"{bare(device)} reports the edges of its own outputs; remove the copy")
    elif not confirmed and where not in found.keys:
        says = (
            f"{bare(device)} does not report what its outputs do: lead the same wire to an input of a board and write "
            "copy = { device = …, pin = … }"
        )
        yield Mistake(where, says)
    elif copied is not None and copied not in found.keys.get(("devices",), ()):
        yield Mistake((*where, "device"), f"{shown(copied)} is no device of this file")
    elif copied in facts and Role.POKE not in facts[copied].roles:
        yield Mistake((*where, "device"), f"{bare(copied)} has no inputs; name a board that has")


def _feed_rules(found: Findings, facts: dict[str, DriverFacts]) -> Iterator[Mistake]:
    """Judge the heads' lines: each is wired, and fed by one head."""
    heads: dict[str, str] = {}
    for name, fact in facts.items():
        line = found.text("devices", name, "feeds")
        if not fact.is_head or line is None:
            continue
        if line not in found.keys.get(("lines",), ()):
            yield Mistake(("devices", name, "feeds"), f"[lines] has no {line}: its TTL is what lights this head")
        if heads.setdefault(line, name) != name:
            yield Mistake(("devices", name, "feeds"), f"{bare(heads[line])} feeds {line} already")


def _input_rules(found: Findings) -> Iterator[Mistake]:
    """Judge the copies' pins: alone on their input."""
    owners: dict[tuple[str, float], str] = {}
    for line in found.keys.get(("lines",), ()):
        copy = line.startswith(_OUTPUTS)
        path = ("lines", line, "copy") if copy else ("lines", line)
        device = found.text(*path, "device")
        for (pin,) in found.numbers((*path, "pin")):
            if device is None:
                continue
            owner = owners.setdefault((device, pin), line)
            if owner != line and (copy or owner.startswith(_OUTPUTS)):
                says = f"input pin {shown(pin)} of {bare(device)} is {bare(owner)} already"
                yield Mistake((*path, "pin"), says)
