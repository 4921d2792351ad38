"""The rules between a rig file's keys: what no key can tell alone.

Each rule judges whatever sound values it needs: one bad value never hides a mistake elsewhere, and never makes up a
second one.
"""

import difflib
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from controller.rigbrains import brain_mistakes
from controller.rigdevices import device_mistakes
from controller.rigfindings import Findings, Mistake, bare, shown
from controller.rigschema import EMULATOR

ROUNDING: Final = 1e-9
"""A fraction such as 1/3 is no exact number: a limit met but for this much is met."""


def broken_rules(found: Findings, drivers: Sequence[str], tasks: Sequence[str]) -> Iterator[Mistake]:
    """Yield the mistakes that sound values make together.

    Parameters
    ----------
    found : Findings
        What the walk over the whole file has found.
    drivers, tasks : sequence of str
        The names that ``driver`` and ``task.name`` can have.
    """
    yield from _kind_rules(found)
    yield from _device_rules(found, drivers)
    yield from _wiring_rules(found)
    yield from device_mistakes(found, drivers)
    yield from _needed_laser_rules(found)
    yield from _task_rules(found, tasks)
    yield from _window_rules(found)
    yield from _valve_rules(found)
    yield from _volume_rules(found)
    yield from _inhibition_rules(found)
    yield from _subject_rules(found)
    yield from brain_mistakes(found, tasks)


def _kind_rules(found: Findings) -> Iterator[Mistake]:
    """Judge a real rig: no simulated device, no simulated mouse, and lasers armed by a person only."""
    if found.text("rig", "kind") != "real":
        return
    for name in found.keys.get(("devices",), ()):
        if found.text("devices", name, "port") == EMULATOR:
            says = '"emulator" is for virtual rigs; write a port such as "/dev/ttyACM0"'
            yield Mistake(("devices", name, "port"), says)
    if found.values.get(("inhibition", "arm_at_start")) is True:
        says = "only virtual rigs may write true; a person arms the lasers of a real one"
        yield Mistake(("inhibition", "arm_at_start"), says)
    if "mice" in found.keys[()]:
        yield Mistake(("mice",), "simulated mice are for virtual rigs only; remove the table")


def _device_rules(found: Findings, drivers: Sequence[str]) -> Iterator[Mistake]:
    owners: dict[str, str] = {}
    for name in found.keys.get(("devices",), ()):
        path = ("devices", name)
        driver, port = found.text(*path, "driver"), found.text(*path, "port")
        if driver is not None and driver not in drivers:
            says = f"{shown(driver)} is no driver in hardware/drivers; {_choice(driver, drivers)}"
            yield Mistake((*path, "driver"), says)
        if port is not None and port != EMULATOR and owners.setdefault(port, name) != name:
            says = f"{shown(port)} is the port of {bare(owners[port])} already; give each device its own"
            yield Mistake((*path, "port"), says)
        for alive, timeout in found.numbers((*path, "keep_alive_ms"), (*path, "host_timeout_ms")):
            if alive >= timeout / 2:
                says = f"{shown(alive)} must be under half of host_timeout_ms, {shown(timeout / 2)} milliseconds"
                yield Mistake((*path, "keep_alive_ms"), says)


def _wiring_rules(found: Findings) -> Iterator[Mistake]:
    """Judge the lines: on a device that exists, and alone on its pin. Inputs and outputs have pins of their own."""
    devices = found.keys.get(("devices",))
    owners: dict[tuple[str, bool, float], str] = {}
    for line in found.keys.get(("lines",), ()):
        device = found.text("lines", line, "device")
        if device is None:
            continue
        if devices is not None and device not in devices:
            says = f"{shown(device)} is no device of this file; {_choice(device, devices)}"
            yield Mistake(("lines", line, "device"), says)
        for (pin,) in found.numbers(("lines", line, "pin")):
            is_output = line.startswith(("valve", "laser"))
            owner = owners.setdefault((device, is_output, pin), line)
            if owner != line:
                where = f"{'output' if is_output else 'input'} pin {shown(pin)} of {bare(device)}"
                says = f"{where} is {bare(owner)} already; give {bare(line)} and {bare(owner)} a pin each"
                yield Mistake(("lines", line, "pin"), says)


def _needed_laser_rules(found: Findings) -> Iterator[Mistake]:
    lines = found.keys.get(("lines",))
    for (fraction,) in found.numbers(("inhibition", "fraction")):
        for animal in _lit_animals(found) if fraction > 0 else ():
            line = f"laser_{animal}"
            if lines is not None and line not in lines:
                says = (
                    f"the line is missing: inhibition.fraction is {shown(fraction)}, so it must be a table with "
                    "device and pin; or write fraction = 0 or other animals in [inhibition]"
                )
                yield Mistake(("lines", line), says)


def _lit_animals(found: Findings) -> tuple[str, ...]:
    animals = found.text("inhibition", "animals")
    return ("a", "b") if animals == "both" else () if animals is None else (animals,)


def _task_rules(found: Findings, tasks: Sequence[str]) -> Iterator[Mistake]:
    name, animals = found.text("task", "name"), found.text("task", "animals")
    if name is not None and name not in tasks:
        says = f"{shown(name)} is no task in controller/tasks; {_choice(name, tasks)}"
        yield Mistake(("task", "name"), says)
    elif name is not None and name != "solo" and animals in {"a", "b"}:
        says = f'only the solo task takes one animal; write "both", or name = "solo" instead of {shown(name)}'
        yield Mistake(("task", "animals"), says)
    for low, high in found.numbers(("task", "iti_min_s"), ("task", "iti_max_s")):
        if high < low:
            says = f"{shown(high)} must be at least iti_min_s, {shown(low)} seconds"
            yield Mistake(("task", "iti_max_s"), says)


def _window_rules(found: Findings) -> Iterator[Mistake]:
    stages, days = found.items("window", "stages_s"), found.items("window", "stage_days")
    widths = [stage for stage in stages if isinstance(stage, float)]
    if any(later >= earlier for earlier, later in pairwise(widths)):
        says = f"{shown(stages)} must narrow: write each window shorter than the one before, in seconds"
        yield Mistake(("window", "stages_s"), says)
    if stages and days and len(stages) != len(days):
        says = f"{shown(days)} must have one number of days per window of stages_s, {len(stages)} in all"
        yield Mistake(("window", "stage_days"), says)
    for advance, retreat in found.numbers(("window", "advance_above"), ("window", "retreat_below")):
        if retreat >= advance:
            says = f"{shown(retreat)} must be below advance_above, {shown(advance)}"
            yield Mistake(("window", "retreat_below"), says)


def _volume_rules(found: Findings) -> Iterator[Mistake]:
    """Judge rewards that are said twice: in ms and in µl."""
    for opening, volume in (("valve_ms", "volume_ul"), ("free_valve_ms", "free_volume_ul")):
        written = found.keys.get(("reward",), ())
        if opening in written and volume in written:
            yield Mistake(("reward", volume), f"{opening} says the same reward; remove one of the two")


def _valve_rules(found: Findings) -> Iterator[Mistake]:
    most = _shortest_limit(found, ("valve_a", "valve_b"))
    for key in ("valve_ms", "free_valve_ms"):
        for (opening,) in found.numbers(("reward", key)):
            if opening > most:
                says = f"{shown(opening)} must be at most max_on_ms of the valves, {shown(most)} milliseconds"
                yield Mistake(("reward", key), says)


def _inhibition_rules(found: Findings) -> Iterator[Mistake]:
    for fraction, plain in found.numbers(("inhibition", "fraction"), ("inhibition", "min_plain_between")):
        if fraction * (plain + 1) > 1 + ROUNDING:
            # Rounded down, so that the number told is itself allowed.
            highest = math.floor(1e4 / (plain + 1)) / 1e4
            between = f"with min_plain_between = {shown(plain)}"
            says = f"{shown(fraction)} cannot be reached {between}; write at most {shown(highest)}"
            yield Mistake(("inhibition", "fraction"), says)
    most = _shortest_limit(found, [f"laser_{animal}" for animal in _lit_animals(found)])
    for (light_s,) in found.numbers(("inhibition", "max_s")):
        if light_s * 1000 > most + ROUNDING:
            says = f"{shown(light_s)} must be at most max_on_ms of the lit lasers, {shown(most / 1000)} seconds"
            yield Mistake(("inhibition", "max_s"), says)
    most = _shortest_limit(found, ("laser_a", "laser_b"))  # a person may test one that no trial lights
    for (test_ms,) in found.numbers(("inhibition", "test_ms")):
        if test_ms > most:
            says = f"{shown(test_ms)} must be at most max_on_ms of the lasers, {shown(most)} milliseconds"
            yield Mistake(("inhibition", "test_ms"), says)


def _shortest_limit(found: Findings, lines: Sequence[str]) -> float:
    """Return the least ``max_on_ms`` of those of ``lines`` that have a sound one."""
    limits = [most for line in lines for (most,) in found.numbers(("lines", line, "max_on_ms"))]
    return min(limits, default=math.inf)


def _subject_rules(found: Findings) -> Iterator[Mistake]:
    names = found.items("session", "subjects")
    if len(set(names)) < len(names):
        yield Mistake(("session", "subjects"), f"{shown(names)} must be two different names")


def _choice(name: str, names: Sequence[str]) -> str:
    """Return the way out of a name that does not exist."""
    for guess in difflib.get_close_matches(name, names, 1):
        return f"did you mean {shown(guess)}?"
    return "there are " + (", ".join(bare(one) for one in names) or "none")
