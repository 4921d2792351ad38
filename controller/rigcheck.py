"""Finding every mistake of a rig file at once.

A converter stops at the first mistake; an experimenter wants the whole list. So the tables are walked here: keys are
compared with the fields of the schema's Structs, each value is converted on its own, and what is sound is kept in
:class:`Findings`. The rules between keys then judge whatever sound values they need, so that one bad value never
hides a mistake elsewhere, and never makes up a second one.
"""

import difflib
import json
import math
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple, get_args

import msgspec
from msgspec import inspect, structs

KeyPath = tuple[str, ...]

UNITS: Final[Mapping[str, tuple[float, str]]] = {
    "ns": (1e-9, "nanoseconds"),
    "us": (1e-6, "microseconds"),
    "µs": (1e-6, "microseconds"),
    "ms": (1e-3, "milliseconds"),
    "s": (1.0, "seconds"),
    "sec": (1.0, "seconds"),
    "seconds": (1.0, "seconds"),
    "min": (60.0, "minutes"),
    "minutes": (60.0, "minutes"),
    "h": (3600.0, "hours"),
    "hours": (3600.0, "hours"),
}
"""Suffix of a key, or unit in a text: how many seconds it is, and its word."""

QUANTITY: Final = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*([^\s0-9]*)\s*")
NO_TABLE: Final = ""
"""The table of a key that stands before the first table's header."""
SHOWN_CHARS: Final = 60
ROUNDING: Final = 1e-9
"""A fraction such as 1/3 is no exact number: a limit met but for this much is met."""


class Mistake(NamedTuple):
    """One mistake: where it is and what is allowed there."""

    path: KeyPath
    says: str

    def __str__(self) -> str:
        """Return the sentence, without the file's name."""
        return f"{label(self.path)}: {self.says}" + ("" if self.says.endswith("?") else ".")


@dataclass(slots=True)
class Findings:
    """What the walk has found so far."""

    homes: Mapping[str, tuple[str, ...]]
    """Of every key of the plain tables, the tables that have it."""
    values: dict[KeyPath, object] = field(default_factory=dict)
    """Every sound value, defaults included."""
    keys: dict[KeyPath, tuple[str, ...]] = field(default_factory=dict)
    """The keys of every table that the file has."""
    mistakes: list[Mistake] = field(default_factory=list)

    def numbers(self, *paths: KeyPath) -> Iterator[tuple[float, ...]]:
        """Yield the numbers at ``paths``, once, if all of them are sound."""
        values = [self.values.get(path) for path in paths]
        numbers = tuple(value for value in values if isinstance(value, int | float))
        if len(numbers) == len(paths):
            yield numbers

    def text(self, *path: str) -> str | None:
        """Return the text at ``path``, if it is sound."""
        value = self.values.get(path)
        return value if isinstance(value, str) else None

    def items(self, *path: str) -> tuple[object, ...]:
        """Return the values of the list at ``path``; empty if it is not sound."""
        value = self.values.get(path)
        return value if isinstance(value, tuple) else ()


def mistakes_of(
    table: Mapping[str, object],
    schema: type[msgspec.Struct],
    *,
    drivers: Sequence[str],
    tasks: Sequence[str],
) -> list[Mistake]:
    """Return every mistake of a rig file, ordered by the schema's tables.

    Parameters
    ----------
    table : mapping
        The file as parsed TOML.
    schema : type of Struct
        The Struct of a whole file.
    drivers, tasks : sequence of str
        The names that ``driver`` and ``task.name`` can have.
    """
    findings = Findings(_homes(schema))
    _walk_table(table, schema, (), findings)
    findings.mistakes.extend(_rules(findings, drivers, tasks))
    places = [spec.encode_name for spec in structs.fields(schema)]
    return sorted(findings.mistakes, key=lambda mistake: _place(mistake.path[0], places))


def _place(name: str, places: Sequence[str]) -> int:
    return places.index(name) if name in places else len(places)


# The walk: keys and values of every table.


def _walk_table(table: Mapping[str, object], schema: type[msgspec.Struct], path: KeyPath, findings: Findings) -> None:
    known = {spec.encode_name: spec for spec in structs.fields(schema)}
    missing = {key for key, spec in known.items() if spec.required and key not in table}
    meant = set()
    findings.keys[path] = tuple(table)
    for key in table:
        if key not in known:
            where = (*path, key) if path or isinstance(table[key], dict) else (NO_TABLE, key)
            says, guess = _unknown(where, tuple(known), missing, findings.homes)
            meant.add(guess)
            findings.mistakes.append(Mistake(where, says))
            if guess in known and guess not in table and isinstance(table[key], dict):
                _walk_value(table[key], known[guess].type, where, findings)  # a misspelt table has mistakes inside too
    for key, spec in known.items():
        if key in table:
            _walk_value(table[key], spec.type, (*path, key), findings)
        elif not spec.required:
            _remember(spec.default, (*path, key), findings)
        elif key not in meant:  # a misspelt key is one mistake, not a missing one as well
            findings.mistakes.append(Mistake((*path, key), _missing(spec.type, key)))


def _walk_value(value: object, annotation: object, path: KeyPath, findings: Findings) -> None:
    shape = shape_of(annotation)
    if isinstance(shape, inspect.StructType | inspect.DictType) and not isinstance(value, dict):
        says = f"{shown(value)} stands where a table must be: {_needs(annotation, path[-1])}"
        findings.mistakes.append(Mistake(path, says))
    elif isinstance(shape, inspect.StructType) and isinstance(value, dict):
        _walk_table(value, shape.cls, path, findings)
    elif isinstance(shape, inspect.DictType) and isinstance(value, dict):
        _walk_named_tables(value, annotation, path, findings)
    else:
        try:
            findings.values[path] = msgspec.convert(value, annotation, strict=True)
        except msgspec.ValidationError:
            findings.mistakes.append(Mistake(path, _not_allowed(value, annotation, path[-1])))


def _walk_named_tables(tables: Mapping[str, object], annotation: object, path: KeyPath, findings: Findings) -> None:
    name_type, table_type = get_args(get_args(annotation)[0])
    shape = shape_of(annotation)
    most = shape.max_length if isinstance(shape, inspect.DictType) else None
    findings.keys[path] = tuple(tables)
    if not tables:
        findings.mistakes.append(Mistake(path, _missing(annotation, path[-1])))
    if most is not None and len(tables) > most:
        findings.mistakes.append(Mistake(path, f"there are {len(tables)} tables; at most {most} are allowed"))
    for name, value in tables.items():
        try:
            msgspec.convert(name, name_type, strict=True)
        except msgspec.ValidationError:
            says = f"the name is not allowed: write {allowed(name_type, '')}"
            findings.mistakes.append(Mistake((*path, name), says))
        _walk_value(value, table_type, (*path, name), findings)


def _remember(default: object, path: KeyPath, findings: Findings) -> None:
    """Keep the defaults of what the file leaves out: rules judge them like written values."""
    if isinstance(default, msgspec.Struct):
        for spec in structs.fields(default):
            _remember(getattr(default, spec.name), (*path, spec.encode_name), findings)
    elif default is not None:
        findings.values[path] = default


def shape_of(annotation: object) -> inspect.Type:
    """Return what a value must look like, without descriptions and without the None of an optional table."""
    shape = inspect.type_info(annotation)
    while isinstance(shape, inspect.Metadata | inspect.UnionType):
        if isinstance(shape, inspect.Metadata):
            shape = shape.type
        else:
            shape = next(one for one in shape.types if not isinstance(one, inspect.NoneType))
    return shape


# The wording.


def label(path: KeyPath) -> str:
    """Return ``path`` as the file writes it: ``[task] iti_min_s``, ``[devices.board] port``."""
    if path[0] == NO_TABLE:
        return _bare(path[-1])
    header = 2 if path[0] in {"devices", "mice"} else 1
    table = ".".join(_bare(part) for part in path[:header])
    key = ".".join(_bare(part) for part in path[header:])
    return f"[{table}] {key}".rstrip()


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else shown(key)


def shown(value: object) -> str:
    """Return a value as TOML writes it, on one line, shortened."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        text = "[" + ", ".join("[...]" if isinstance(one, list) else shown(one) for one in value) + "]"
    elif isinstance(value, str | bool):
        plain = isinstance(value, str) and value.isprintable()
        text = json.dumps(value, ensure_ascii=not plain)
    elif isinstance(value, float) and math.isfinite(value):
        text = f"{value:.10g}"
        text += ".0" if text.lstrip("-").isdigit() else ""  # a float is told from a whole number, as in TOML
    else:
        text = str(value) if not isinstance(value, int) or abs(value) < 10**SHOWN_CHARS else "a huge number"
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."


def allowed(annotation: object, key: str) -> str:
    """Return what a value of this type may be, with its unit as ``key`` tells it."""
    unit = split_unit(key)[1]
    return _range(inspect.type_info(annotation)) + (f", in {UNITS[unit][1]}" if unit else "")


def _range(shape: inspect.Type) -> str:
    match shape:
        case inspect.Metadata(extra={"allowed": str(words)}):
            text = words
        case inspect.Metadata(type=inner):
            text = _range(inner)
        case inspect.FloatType(ge=low, le=high):
            text = f"a number from {shown(low)} to {shown(high)}"
        case inspect.IntType(ge=low, le=high):
            text = f"a whole number from {shown(low)} to {shown(high)}"
        case inspect.LiteralType(values=values):
            text = " or ".join([", ".join(shown(one) for one in values[:-1]), shown(values[-1])])
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            text = f"a list of {low} to {high} values, each {_range(item)}"
        case inspect.TupleType(item_types=items):
            text = f"a list of {len(items)} values, each {_range(items[0])}"
        case inspect.BoolType():
            text = "true or false"
        case _:
            text = "a text in quotes"
    return text


def split_unit(key: str) -> tuple[str, str]:
    """Return a key's stem and its unit: ``("iti_min", "s")`` of ``iti_min_s``, ``("name", "")`` of ``name``."""
    stem, _, unit = key.rpartition("_")
    return (stem, unit) if unit in UNITS else (key, "")


def _not_allowed(value: object, annotation: object, key: str) -> str:
    shape = shape_of(annotation)
    may_be = allowed(annotation, key)
    if isinstance(shape, inspect.FloatType | inspect.IntType):
        if isinstance(value, str) and (quantity := QUANTITY.fullmatch(value)):
            return _quoted(value, quantity, annotation, key)
        if isinstance(value, int | float) and not isinstance(value, bool) and _fits(value, shape):
            return f"{shown(value)} is out of range: write {may_be}"
    return f"{shown(value)} is not allowed: write {may_be}"


def _fits(value: float, shape: inspect.Type) -> bool:
    return isinstance(shape, inspect.FloatType) or isinstance(value, int)


def _quoted(text: str, quantity: re.Match[str], annotation: object, key: str) -> str:
    """Say that a number must stand alone, and which number it is if the text tells its unit."""
    unit, wanted = quantity[2], split_unit(key)[1]
    number = float(quantity[1])
    if unit in UNITS and wanted:
        number *= UNITS[unit][0] / UNITS[wanted][0]
    is_count = isinstance(shape_of(annotation), inspect.IntType) and number.is_integer()
    candidate = int(number) if is_count else number
    try:
        msgspec.convert(candidate, annotation, strict=True)
    except msgspec.ValidationError:
        hint = ""
    else:
        hint = f", {key} = {shown(candidate)}" if unit in UNITS or not unit else ""
    what = "text with a unit" if unit else "text"
    return f"{shown(text)} is {what}: write the number alone{hint}; allowed is {allowed(annotation, key)}"


def _missing(annotation: object, key: str) -> str:
    is_table = isinstance(shape_of(annotation), inspect.StructType | inspect.DictType)
    return f"the {'table' if is_table else 'key'} is missing: {_needs(annotation, key)}"


def _needs(annotation: object, key: str) -> str:
    match shape_of(annotation):
        case inspect.StructType(cls=schema):
            needed = [spec.encode_name for spec in structs.fields(schema) if spec.required]
            return f"it must have {' and '.join(needed)}" if needed else "it may be empty, but must stand there"
        case inspect.DictType():
            return f"write at least one [{key}.NAME]"
        case _:
            return f"write {allowed(annotation, key)}"


def _unknown(
    path: KeyPath, known: Sequence[str], missing: Container[str], homes: Mapping[str, tuple[str, ...]]
) -> tuple[str, str | None]:
    """Return what to say of an unknown key, and the key of this table that was probably meant."""
    key = path[-1]
    stem, unit = split_unit(key)
    for name in known:
        name_stem, name_unit = split_unit(name)
        if name_unit and name_stem in {key, stem if unit else key}:
            lack = "missing" if name_stem == key else "wrong"
            return f"the unit is {lack}: write {name}, in {UNITS[name_unit][1]}", name
    if key in homes and len(path) > 1:
        return f"there is no such key here; it belongs in {' or '.join(homes[key])}", None
    if path[0] == NO_TABLE:
        return "the key stands before every table; write it under its [table]", None
    what = "table" if len(path) == 1 else "key"
    for guess in difflib.get_close_matches(key.lower(), known, 1):
        meant = f"[{guess}]" if len(path) == 1 else guess
        lack = ", which is missing" if guess in missing else ""
        return f"there is no such {what}; did you mean {meant}{lack}?", guess
    return f"there is no such {what}; the {what}s here are {', '.join(known)}", None


def _homes(schema: type[msgspec.Struct]) -> Mapping[str, tuple[str, ...]]:
    """Return which tables have each key, so that a key under the wrong header can be sent home."""
    homes: dict[str, tuple[str, ...]] = {}
    for spec in structs.fields(schema):
        shape, header = shape_of(spec.type), f"[{spec.encode_name}]"
        if isinstance(shape, inspect.DictType):
            shape, header = shape.value_type, f"[{spec.encode_name}.NAME]"
        fields = structs.fields(shape.cls) if isinstance(shape, inspect.StructType) else ()
        for one in fields:
            if not isinstance(shape_of(one.type), inspect.StructType):
                homes[one.encode_name] = (*homes.get(one.encode_name, ()), header)
    return homes


# The rules between keys.


def _rules(found: Findings, drivers: Sequence[str], tasks: Sequence[str]) -> Iterator[Mistake]:
    yield from _kind_rules(found)
    yield from _device_rules(found, drivers)
    yield from _wiring_rules(found)
    yield from _needed_laser_rules(found)
    yield from _task_rules(found, tasks)
    yield from _window_rules(found)
    yield from _valve_rules(found)
    yield from _inhibition_rules(found)
    yield from _subject_rules(found)


def _kind_rules(found: Findings) -> Iterator[Mistake]:
    """Judge a real rig: no simulated device, no simulated mouse, and lasers armed by a person only."""
    if found.text("rig", "kind") != "real":
        return
    for name in found.keys.get(("devices",), ()):
        if found.text("devices", name, "port") == "emulator":
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
        if port is not None and port != "emulator" and owners.setdefault(port, name) != name:
            says = f"{shown(port)} is the port of {_bare(owners[port])} already; give each device its own"
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
                where = f"{'output' if is_output else 'input'} pin {shown(pin)} of {_bare(device)}"
                says = f"{where} is {_bare(owner)} already; give {_bare(line)} and {_bare(owner)} a pin each"
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
    return "there are " + (", ".join(_bare(one) for one in names) or "none")
