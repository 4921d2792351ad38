"""How one animal's stream stands, in words: what comes, how old it is, and what went wrong."""

from typing import Final

from controller.messages import StreamReport
from gui.scene.frames import FrameRing
from gui.theme import ANIMAL_GLYPHS
from realtime.records import ANIMALS, NS_PER_S

TROUBLES: Final = {
    "lost": "{} lost",
    "late": "{} late",
    "duplicated": "{} sent twice",
    "backwards": "{} whose clock did not rise",
    "wrong_length": "{} of a wrong length",
    "garbage": "{} unreadable",
    "foreign": "{} of another stream",
    "too_many_cells": "{} with too many cells",
    "restarted": "source restarted {} ×",
    "cells_changed": "cells changed {} ×",
    "clock_steps": "clock stepped {} ×",
    "stamps_off": "{} stamped far from their arrival",
    "held": "{} times held back",
    "nan_values": "{} values missing",
    "infinite": "{} values infinite",
}
"""What a stream counts, as it is read; the first ones are frames or messages."""


def facts(animal: int, ring: FrameRing | None, now_ns: int) -> str:
    """Return whose stream it is, how many cells it has, how often frames come and how old the newest is."""
    name = f"{ANIMAL_GLYPHS[animal]} {ANIMALS[animal]}"
    if ring is None or ring.newest_ns is None:
        return f"{name}   no frame yet"
    rate = ring.received_hz
    parts = [
        f"{ring.n_cells} cells",
        "rate not yet known" if rate is None else f"{rate:.1f} frames/s",
        f"newest {age(now_ns - ring.newest_ns)} ago",
    ]
    return f"{name}   " + " · ".join(parts)


def age(span_ns: int) -> str:
    """Return an age: hundredths of a second while it is short, then tenths, then whole seconds."""
    seconds = max(0.0, span_ns / NS_PER_S)
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def troubles(report: StreamReport | None, ring: FrameRing | None) -> list[str]:
    """Return everything that went wrong since the beginning, each with its number; nothing that did not happen."""
    counters = {} if report is None else report.counters
    told = [words.format(counters[name]) for name, words in TROUBLES.items() if counters.get(name)]
    if ring is not None:
        other = {
            "{} put in late": ring.late,
            "{} of a time that has its frame": ring.repeated,
            "{} of another number of cells": ring.wrong_length,
        }
        told += [words.format(count) for words, count in other.items() if count]
    return told


def silence(report: StreamReport | None, ring: FrameRing | None, now_ns: int) -> str:
    """Return that a stream is silent, and since when; empty while it is not."""
    if report is None or not report.silent:
        return ""
    if ring is None or ring.newest_ns is None:
        return "silent"
    return f"silent: no frame for {age(now_ns - ring.newest_ns)}"


def clipped(rings: dict[str, FrameRing]) -> str:
    """Return which share of the last minute's values lies beyond the shades; empty before there is one."""
    shares = [f"{name} {100 * ring.clipped / ring.shown:.1f} %" for name, ring in rings.items() if ring.shown]
    return "beyond the scale: " + ", ".join(shares) if shares else ""
