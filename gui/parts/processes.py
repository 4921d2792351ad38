"""How each process of a session stands, in words: a lamp, what it is, its clock, and what has gone wrong in it."""

from dataclasses import dataclass
from typing import Final

from controller.messages.view import Device, Opening, Process, Standing
from gui.parts import figures
from gui.parts.lamp import State

DRIVER: Final = "driver-"
SILENT_S: Final = 1.0
"""A process speaks ten times a second: one that has not for this long needs a look."""
DEAD_S: Final = 3.0
"""The supervisor takes it for dead then (controller.children.SILENT_NS)."""

NAMES: Final = {
    "loop": "loop",
    "estimators": "estimators",
    "recorder": "recorder",
    "virtual-rig": "simulated box",
    "frames-A": "frames of A",
    "frames-B": "frames of B",
    "viewers": "viewers",
}
ROLES: Final = {
    "loop": "decides about trials",
    "estimators": "estimates what the brains share",
    "recorder": "writes the log from the journal",
    "virtual-rig": "animals and boards that are only simulated",
    "frames-A": "fetches or plays A's frames",
    "frames-B": "fetches or plays B's frames",
    "viewers": "shows the session to windows such as this one",
}

TROUBLES: Final = {
    "bad_checksums": "wrong checksums",
    "chatters": "beams that chattered",
    "clock_clamped": "stamps held back",
    "clock_epochs": "steps of its clock",
    "early_edges": "edges before their command",
    "early_events": "events before it was ready",
    "edges_missing": "edges missing",
    "epochs_without_room": "trials without room",
    "error_answers": "errors answered",
    "frames_dropped": "frames dropped",
    "garbage_bytes": "bytes of garbage",
    "ignored_lines": "lines not understood",
    "ignored_messages": "messages not understood",
    "late_answers": "answers late",
    "late_pings": "pings late",
    "lost_events": "events lost",
    "misfits": "frames that fitted no model",
    "missed_pings": "pings unanswered",
    "missing": "periods without a pair",
    "neural_damaged": "stretches of the tape skipped",
    "notes_missing": "notes missing",
    "notes_unreadable": "notes unreadable",
    "off_rate": "pairs at a wrong rate",
    "out_of_order": "frames out of order",
    "refused": "commands refused",
    "repeated_pulses": "pulses repeated",
    "restarts": "times away and back",
    "retries": "retries",
    "stray_bytes": "bytes that answered nothing",
    "stuck_beams": "beams stuck",
    "too_few_cells": "frames with too few cells",
    "unanswered": "questions unanswered",
    "unexpected_answers": "answers to nothing asked",
    "unheard_commands": "commands unheard while away",
    "unknown_questions": "questions it did not know",
    "unpublished": "estimates that viewers did not get",
}
"""What may go wrong in a process, in words; every other number that it counts stands only in the tooltip."""
TROUBLES_OF_FRAMES: Final = {
    "backwards": "frames backwards in time",
    "clock_steps": "steps of the clock",
    "duplicated": "frames twice",
    "foreign": "frames of another stream",
    "garbage": "frames unreadable",
    "infinite": "values infinite",
    "late": "frames late",
    "lost": "frames lost",
    "restarted": "restarts at the source",
    "stamps_off": "stamps far off",
    "too_many_cells": "frames of too many cells",
    "unpaired": "frames without a partner",
    "wrong_length": "frames of a wrong length",
}
"""The same for one animal's stream; their counters end in ``_a`` or ``_b``."""
_ONE: Final = {
    "retries": "retry",
    "wrong checksums": "wrong checksum",
    "stretches of the tape skipped": "stretch skipped",
}
"""What one of them is called, where that is more than its first word without its s."""


@dataclass(frozen=True, slots=True)
class Row:
    """One process.

    Attributes
    ----------
    name, word, state
        What it is called, and how it stands.
    what
        Driver and port of a device; empty for other processes, whose tooltip says what they are for.
    clock
        How its clock stands; empty where it has none.
    trouble
        What has gone wrong so far; empty where nothing has.
    tip
        Everything it counts and says.
    """

    name: str
    word: str
    state: State
    what: str
    clock: str
    trouble: str
    tip: str


def rows_of(opening: Opening | None, standing: Standing) -> list[Row]:
    """Return a row for each process, devices first."""
    devices = {device.name: device for device in opening.devices} if opening else {}
    ordered = sorted(standing.processes, key=lambda process: not process.name.startswith(DRIVER))
    return [_row(process, devices, standing) for process in ordered]


def _row(process: Process, devices: dict[str, Device], standing: Standing) -> Row:
    word, state = how(process, standing)
    device = devices.get(process.name.removeprefix(DRIVER)) if process.name.startswith(DRIVER) else None
    name = process.name.removeprefix(DRIVER) if process.name.startswith(DRIVER) else NAMES.get(process.name)
    what = "" if device is None else f"{device.driver} on {_port(device.port)}"
    return Row(
        name or process.name, word, state, what, clock_of(process.counters), troubles(process.counters), _tip(process)
    )


def _port(port: str) -> str:
    return "a simulated wire" if port == "emulator" else port


def how(process: Process, standing: Standing) -> tuple[str, State]:
    """Return how a process stands: a word, and the lamp's state."""
    if not process.alive:
        return ("ended", State.QUIET) if process.stage == "ended" else ("failed", State.BAD)
    if process.stage == "failed":
        return "failed", State.BAD
    if process.stage == "compiling":
        return "compiling", State.WAIT
    if process.silent_s > SILENT_S:
        return f"silent {process.silent_s:.1f} s", State.BAD if process.silent_s > DEAD_S else State.WARN
    if process.stage == "ready":
        return "ready", State.GOOD
    if process.stage == "ended":
        return "ended", State.QUIET
    away = standing.phase == "running" and process.name.removeprefix(DRIVER) in standing.away
    return ("away", State.BAD) if away and process.name.startswith(DRIVER) else ("starting", State.WAIT)


def clock_of(counters: dict[str, int]) -> str:
    """Return how a device's clock stands: how far its stamps may be off, its rate, and how far it is from ours."""
    uncertain_ns = counters.get("clock_uncertainty_ns")
    if not uncertain_ns:
        return ""
    parts = [f"±{figures.duration(uncertain_ns)}"]
    if "clock_drift_ppb" in counters:
        parts.append(figures.drift(counters["clock_drift_ppb"]))
    if counters.get("clock_offset_ns"):
        parts.append(f"{figures.offset(counters['clock_offset_ns'])} the session's")
    return "clock " + ", ".join(parts)


def troubles(counters: dict[str, int]) -> str:
    """Return what has gone wrong, by number; empty where nothing has."""
    return ", ".join(
        figures.counted(number, _one(words), words)
        for name, number in counters.items()
        if number and (words := words_for(name))
    )


def words_for(counter: str) -> str:
    """Return what a counter's number is a number of, if it counts troubles; else nothing."""
    if counter in TROUBLES:
        return TROUBLES[counter]
    stem, _, animal = counter.rpartition("_")
    if animal not in {"a", "b"} or stem not in TROUBLES_OF_FRAMES:
        return ""
    what, _, how_so = TROUBLES_OF_FRAMES[stem].partition(" ")
    return f"{what} of {animal.upper()} {how_so}"


def _one(words: str) -> str:
    first, space, rest = words.partition(" ")
    return _ONE.get(words, first.removesuffix("s") + space + rest)


def _tip(process: Process) -> str:
    """Return everything a process says and counts, a line each."""
    said = [f"{name.replace('_', ' ')}: {text}" for name, text in sorted(process.texts.items()) if text]
    counted = [f"{name.replace('_', ' ')}: {figures.count(n)}" for name, n in sorted(process.counters.items())]
    role = ROLES.get(process.name, "")
    first = f"{process.name}{': ' if role else ''}{role}; heard {process.silent_s:.1f} s ago"
    return "\n".join([first, *said, *counted])
