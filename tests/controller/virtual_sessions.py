"""Sessions of the virtual rig in virtual time, for tests of what is made of a session afterwards."""

from pathlib import Path

from controller import rigfile
from controller.fast import run
from controller.session import Order

HOUSE = Path(__file__).resolve().parents[2]
VIRTUAL = HOUSE / "rigs" / "virtual.toml"


def changed(text: str, changes: dict[str, str]) -> str:
    """A rig's text with some of its words exchanged, each of which must stand in it once."""
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the rig"
        text = text.replace(old, new)
    return text


def record(output: Path, minutes: float, changes: dict[str, str], subjects: tuple[str, str] = ("A", "B")) -> Path:
    """The folder of a session of a rig that is the virtual one but for some words of its file."""
    text = changed(VIRTUAL.read_text(encoding="utf-8"), changes)
    order = Order(
        rig=rigfile.parse(text, "changed.toml"),
        rig_text=text,
        rig_path="changed.toml",
        subjects=subjects,
        day=1,
        minutes=minutes,
        trials=None,
        seed=3,
        fast=True,
        output=output,
    )
    return run(order).folder


def with_small_brains(output: Path, minutes: float) -> Path:
    """The folder of a session whose brains have six and five cells."""
    return record(output, minutes, {"cells_a = 120": "cells_a = 6", "cells_b = 100": "cells_b = 5"})
