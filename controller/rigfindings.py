"""What is found in a rig file: sound values, mistakes, and the words of both as the file writes them.

:mod:`controller.rigcheck` fills :class:`Findings`, :mod:`controller.rigrules` judges them.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

KeyPath = tuple[str, ...]

NO_TABLE: Final = ""
"""The table of a key that stands before the first table's header."""
SHOWN_CHARS: Final = 60


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


def label(path: KeyPath) -> str:
    """Return ``path`` as the file writes it: ``[task] iti_min_s``, ``[devices.board] port``."""
    if path[0] == NO_TABLE:
        return bare(path[-1])
    header = 2 if path[0] in {"devices", "mice"} else 1
    table = ".".join(bare(part) for part in path[:header])
    key = ".".join(bare(part) for part in path[header:])
    return f"[{table}] {key}".rstrip()


def bare(key: str) -> str:
    """Return a key as the file writes it: in quotes where it must have them."""
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
