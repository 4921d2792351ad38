"""What has been lost, late, refused or broken so far, as facts; one quiet line where nothing has."""

from collections.abc import Sequence
from typing import Final

from controller.messages.view import Counts, Process, Remark, Standing
from gui.parts import figures
from gui.parts.facts import Fact
from gui.parts.lamp import State
from realtime.records import Fault

LOOP: Final = {
    "n_lost": ("events lost", "Events that a device numbered and the loop never got."),
    "n_late": ("events late", "Events read after the loop had decided something stamped later."),
    "n_clamped": ("stamps set back", "Stamps that lay after their arrival and were set back to it."),
    "n_duplicate": ("events twice", "Events that came twice; each was judged once."),
    "n_unsent": ("commands unsent", "Commands that a device's queue did not take."),
    "n_refused": ("light refused", "Laser commands while the lasers were disarmed: logged, never sent."),
    "n_forced": ("events before their time", "Events handed over before every device had reported up to them."),
    "n_malformed": ("messages not understood", "Messages to the loop that were no events."),
    "n_unknown": ("events of strangers", "Events of a device that the rig does not have."),
    "n_unpublished": ("events not shown", "Events that viewers did not get; the log has them."),
}
"""What the loop counts: its name for a person, and what it means."""
FAULTS: Final = {
    Fault.PORT_LOST: "port lost",
    Fault.DEVICE_SILENT: "device silent",
    Fault.DEVICE_RESET: "device restarted",
    Fault.DEVICE_WATCHDOG: "watchdog fired",
    Fault.DEVICE_MAX_ON: "output cut at its longest",
    Fault.DEVICE_INTERLOCK: "interlock open",
    Fault.DEVICE_OVERFLOW: "events lost in the device",
    Fault.DEVICE_CHECKSUM: "checksum wrong at the device",
    Fault.DEVICE_REFUSED: "command refused",
    Fault.EDGE_MISSING: "edge missing",
    Fault.COMMAND_UNSENT: "command unsent",
    Fault.LOOP_SILENT: "loop silent",
    Fault.PROCESS_DIED: "process died",
    Fault.GARBAGE: "garbage on the wire",
    Fault.DEVICE_GAP: "pulses too close",
    Fault.DEVICE_DUTY: "time of this minute used up",
    Fault.BEAM_CHATTER: "beam chatters",
    Fault.BEAM_STUCK: "beam stuck",
    Fault.LASER_HEAD: "laser head at fault",
    Fault.LIGHT_LATE: "light waits",
    Fault.NEURAL_SILENT: "brain's stream silent",
    Fault.ESTIMATOR_LOST: "estimators lost",
}
"""Every fault, in two or three words."""
NOTHING: Final = Fact("", "none: nothing lost, late, refused or broken", State.QUIET)


def losses_of(
    counts: Counts | None, standing: Standing | None, missing: int, troubles: Sequence[Remark] = ()
) -> list[Fact]:
    """Return what is not as it should be.

    Parameters
    ----------
    counts
        The session's, by its events.
    standing
        The processes; None in a replay, where nobody counts but the log itself.
    missing
        Rewards whose valve edge was not reported.
    troubles
        What else is wrong, such as a log that was cut.
    """
    told = [Fact("", trouble.text, State.WARN) for trouble in troubles]
    if counts is None:
        return told or [Fact("", "not yet: nothing has been counted", State.QUIET)]
    loop = next((process for process in standing.processes if process.name == "loop"), None) if standing else None
    facts = told + _of_the_loop(counts, loop)
    if counts.gaps:
        facts.append(_warn("gaps", counts.gaps, "Events before which others of their device are missing."))
    if missing:
        facts.append(_warn("edges missing", missing, "Rewards whose valve edge the device has not reported (yet)."))
    facts += (_warn(_name(name), number, f"{name}, as the log has it.") for name, number in counts.faults.items())
    return facts or [NOTHING]


def _of_the_loop(counts: Counts, loop: Process | None) -> list[Fact]:
    """Return what the loop counts; without a loop, what its events still tell of it."""
    counted = {"n_late": counts.late} if loop is None else loop.counters
    return [_warn(name, counted[key], tip) for key, (name, tip) in LOOP.items() if counted.get(key)]


def _warn(name: str, number: int, tip: str) -> Fact:
    return Fact(name, figures.count(number), State.WARN, tip)


def _name(fault: str) -> str:
    """Return a fault's words; a fault of a newer session keeps its own name."""
    return FAULTS[Fault[fault]] if fault in Fault.__members__ else fault.replace("_", " ").lower()
