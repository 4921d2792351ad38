"""What happened, in words: what people did, what broke, what crossed a threshold, and how trials ended."""

from typing import Final

import numpy as np

from controller.messages.view import Opening, TrialRow
from gui.parts import figures
from gui.scene import Scene
from realtime.records import (
    ANIMALS,
    FIRST_DEVICE,
    NO_ANIMAL,
    NS_PER_S,
    Fault,
    Kind,
    Level,
    Line,
    Operator,
    Outcome,
    Role,
)

_ACTS: Final = {
    Operator.START: "the task was started",
    Operator.PAUSE: "paused",
    Operator.RESUME: "resumed",
    Operator.STOP: "the session was stopped",
    Operator.FREE_REWARD: "{animal} was given a reward by hand",
    Operator.ARM: "the lasers were armed",
    Operator.DISARM: "the lasers were disarmed",
    Operator.NOTE: "note",
    Operator.LASER_TEST: "{animal}'s laser was tested",
}
_FAULTS: Final = {
    Fault.PORT_LOST: "the port of {device} is gone: unplugged, or its driver ended",
    Fault.DEVICE_SILENT: "{device} does not answer any more",
    Fault.DEVICE_RESET: "{device} restarted, or its clock stepped",
    Fault.DEVICE_WATCHDOG: "{device} had not heard from this computer in time and switched everything off",
    Fault.DEVICE_MAX_ON: "{line} was on for its longest time and was cut by {device}",
    Fault.DEVICE_INTERLOCK: "the interlock of {device} is open: the lasers are off and disarmed",
    Fault.DEVICE_OVERFLOW: "{device} lost events",
    Fault.DEVICE_CHECKSUM: "{device} received a message with a wrong checksum",
    Fault.DEVICE_REFUSED: "{device} refused a command, or never answered it",
    Fault.EDGE_MISSING: "{line} was commanded, but its edge never came",
    Fault.COMMAND_UNSENT: "a command to {device} was not sent: its queue was full",
    Fault.LOOP_SILENT: "the driver of {device} has not heard from the loop for 0.5 s and switched everything off",
    Fault.PROCESS_DIED: "a process of the session died or fell silent",
    Fault.GARBAGE: "bytes from {device} are no message: look at its cable",
    Fault.DEVICE_GAP: "{device} refused a pulse on {line}: the last one had ended too shortly before",
    Fault.DEVICE_DUTY: "{line} has used up its time for this minute",
    Fault.BEAM_CHATTER: "{line} changes too often and is not listened to: look at it, then resume",
    Fault.BEAM_STUCK: "{line} has been broken for so long that no animal does it: look for dirt, a paw, its light",
    Fault.LASER_HEAD: "the laser head {device} reports a fault of its own",
    Fault.LIGHT_LATE: "the laser head {device} is armed, but waits before it gives light",
    Fault.NEURAL_SILENT: "the stream of {animal}'s brain stopped: estimates that need it are not valid",
    Fault.ESTIMATOR_LOST: "the estimators' process died: no estimate crosses a threshold any more",
}
_ROLES: Final = {Role.POKE: "the beam", Role.LICK: "the spout", Role.VALVE: "the valve", Role.LASER: "the laser"}
_OF_HOST: Final = (Fault.PORT_LOST, Fault.LOOP_SILENT, Fault.COMMAND_UNSENT)
"""Faults whose ``line`` is the number of the device that they are about."""
_OUTCOMES: Final = {
    Outcome.SUCCESS: "success",
    Outcome.MISS: "miss",
    Outcome.OMISSION: "omission, nobody poked",
    Outcome.ABORTED: "aborted",
}
_LIGHTS: Final = {
    "none": "",
    "lit": "with light",
    "sham": "sham light",
    "dark": "chosen for light, none came",
}


def act_sentence(event: np.void) -> str:
    """Return what a person did."""
    code = int(event["value"])
    if code not in set(Operator):
        return f"an act that this window does not know ({code})"
    sentence = _ACTS[Operator(code)].format(animal=_animal(int(event["animal"])))
    return f"note {int(event['source_seq'])}" if code == Operator.NOTE else sentence


def fault_sentence(event: np.void, opening: Opening | None) -> str:
    """Return what broke."""
    code = int(event["value"])
    if code not in set(Fault):
        return f"fault: one that this window does not know ({code})"
    device = int(event["line"]) if code in _OF_HOST else int(event["source"])
    known = event["animal"] in (0, 1)  # a device that cannot tell which of its lines it was says no animal
    words = {
        "device": _device(device, opening),
        "line": line_name(int(event["line"])) if known else "an output",
        "animal": _animal(int(event["animal"])),
    }
    return "fault: " + _FAULTS[Fault(code)].format(**words)


def newest_trouble(scene: Scene, troubles: int) -> str:
    """Return what went wrong last, and how often something has."""
    faults = ((int(event["t_ns"]), event) for event in reversed(scene.listed) if event["kind"] == Kind.FAULT)
    t_ns, fault = next(faults, (0, None))
    remark = next((one for one in reversed(scene.remarks) if one.trouble), None)
    if remark is not None and (fault is None or remark.t_ns > t_ns):
        sentence = remark.text
    else:
        sentence = "fault: its own line is gone" if fault is None else fault_sentence(fault, scene.opening)
    return sentence if troubles == 1 else f"{sentence} ({troubles} in all: see Events)"


def crossing_sentence(event: np.void, opening: Opening | None) -> str:
    """Return which way an estimate crossed its threshold, and what it was."""
    trigger = opening.trigger if opening is not None else ""
    estimate, _, high = trigger.partition(" ≥ ")
    name, value = estimate or "the estimate", float(event["value"])
    if int(event["line"]) == Level.ABOVE:
        return f"{name} rose above {high or 'its threshold'}: {value:.2f}"
    return f"{name} fell back: {value:.2f}" if np.isfinite(value) else f"{name} cannot be told any more"


def trial_sentence(row: TrialRow, opening: Opening | None) -> str:
    """Return how a trial ended."""
    whose = opening.machines[row.machine] if opening is not None and row.machine < len(opening.machines) else NO_ANIMAL
    name = f"trial {row.trial}" if whose == NO_ANIMAL else f"{_animal(whose)}'s trial {row.trial}"
    parts = [_OUTCOMES.get(Outcome(row.outcome), "") if row.outcome in set(Outcome) else f"outcome {row.outcome}"]
    if row.first in (0, 1) and whose == NO_ANIMAL:
        partner = ANIMALS[1 - row.first]
        came = (
            f"{partner} {figures.duration(row.lag_ns)} later" if row.lag_ns is not None else f"{partner} did not come"
        )
        parts.append(f"{ANIMALS[row.first]} first, {came} (window {row.window_ns / NS_PER_S:g} s)")
    parts.append(_LIGHTS[row.light])
    return f"{name}: " + ", ".join(part for part in parts if part)


def line_name(line: int) -> str:
    """Return what a line is called in a sentence: "the beam of A"."""
    if line == Line.ARM or line not in set(Line):
        return "an output"
    return f"{_ROLES[Role(line // 2)]} of {ANIMALS[line % 2]}"


def _animal(animal: int) -> str:
    return ANIMALS[animal] if animal in (0, 1) else "an animal"


def _device(number: int, opening: Opening | None) -> str:
    """Return a device's name by its number."""
    place = number - FIRST_DEVICE
    if opening is None or not 0 <= place < len(opening.devices):
        return "a device"
    return opening.devices[place].name
