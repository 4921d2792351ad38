"""Finding every mistake of a rig file at once.

A converter stops at the first mistake; an experimenter wants the whole list. So the tables are walked here: keys are
compared with the fields of the schema's Structs, each value is converted on its own, and what is sound is kept in
:class:`Findings`. The rules between keys, in :mod:`controller.rigrules`, then judge those.
"""

import difflib
import re
from collections.abc import Container, Mapping, Sequence
from typing import Final, get_args

import msgspec
from msgspec import inspect, structs

from controller.rigfindings import NO_TABLE, SHOWN_CHARS, Findings, KeyPath, Mistake, label, shown
from controller.rigrules import ROUNDING, broken_rules

__all__ = [
    "NO_TABLE",
    "QUANTITY",
    "ROUNDING",
    "SHOWN_CHARS",
    "UNITS",
    "Findings",
    "KeyPath",
    "Mistake",
    "allowed",
    "label",
    "mistakes_of",
    "shape_of",
    "shown",
    "split_unit",
]

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
    findings.mistakes.extend(broken_rules(findings, drivers, tasks))
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
        case inspect.UnionType(types=types):
            text = _range(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.FloatType(gt=float(low), le=high):
            text = f"a number above {shown(low)}, up to {shown(high)}"
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
