"""What the list of events holds: one sentence each with its time, newest last, and what of it is shown."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from heapq import merge
from typing import Final, TypeVar

import numpy as np

from gui.parts.lamp import State
from gui.parts.wording import act_sentence, crossing_sentence, fault_sentence, trial_sentence
from gui.scene import Scene
from gui.theme import OUTCOME_MARKS
from realtime.records import Kind, Operator, Outcome

TROUBLE_MARK: Final = "▲"
MOST: Final = 500
"""Entries that are kept of each sort, and shown."""


class Sort(Enum):
    """Which of the buttons an entry belongs to."""

    PEOPLE = "people"
    TROUBLE = "trouble"
    BRAINS = "brains"
    TRIALS = "trials"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list.

    Attributes
    ----------
    t_ns
        When it happened, session clock [ns].
    sort
        What it is about.
    mark
        A sign beside its colour; empty where none is needed.
    sentence
        What happened.
    state
        WARN and BAD stand out.
    outcome
        Of a trial; None for everything else.
    """

    t_ns: int
    sort: Sort
    mark: str
    sentence: str
    state: State = State.QUIET
    outcome: Outcome | None = None


class Entries:
    """Reads a scene as it grows, and says each new thing once.

    Parameters
    ----------
    scene
        Where everything comes from; it is only read.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._kept = {sort: deque[Entry](maxlen=MOST) for sort in Sort}
        self._last_event: object = None
        self._last_remark: object = None
        self._rows = self._notes = 0

    def read(self) -> list[Entry]:
        """Take what is new in the scene and return it, by time."""
        new = sorted(self._new(), key=lambda entry: entry.t_ns)
        for entry in new:
            self._kept[entry.sort].append(entry)
        return new

    def chosen(self, sort: Sort | None) -> list[Entry]:
        """Return the newest of one sort, or of all, by time, at most :data:`MOST`."""
        kept = self._kept.values() if sort is None else (self._kept[sort],)
        ordered = (sorted(each, key=lambda entry: entry.t_ns) for each in kept)
        return list(merge(*ordered, key=lambda entry: entry.t_ns))[-MOST:]

    def _new(self) -> Iterator[Entry]:
        scene = self._scene
        yield from (entry for event in self._fresh_events() if (entry := _of_event(event, scene)) is not None)
        for remark in _after(scene.remarks, self._last_remark):
            self._last_remark = remark
            mark, state = (TROUBLE_MARK, State.WARN) if remark.trouble else ("", State.QUIET)
            yield Entry(remark.t_ns, Sort.TROUBLE, mark, remark.text, state)
        for note in scene.notes[self._notes :]:
            yield Entry(note.t_ns, Sort.PEOPLE, "", f"note {note.number}: {note.text}")
        for row in scene.rows[self._rows :][-MOST:]:
            outcome = Outcome(row.outcome)
            sentence = trial_sentence(row, scene.opening)
            yield Entry(row.end_ns, Sort.TRIALS, OUTCOME_MARKS[outcome], sentence, outcome=outcome)
        self._notes, self._rows = len(scene.notes), len(scene.rows)

    def _fresh_events(self) -> list[np.void]:
        fresh = _after(self._scene.listed, self._last_event)
        if fresh:
            self._last_event = fresh[-1]
        return fresh


def _of_event(event: np.void, scene: Scene) -> Entry | None:
    """Return what the list says of an event; nothing of a note, whose own message has its text."""
    t_ns, kind = int(event["t_ns"]), int(event["kind"])
    if kind == Kind.FAULT:
        return Entry(t_ns, Sort.TROUBLE, TROUBLE_MARK, fault_sentence(event, scene.opening), State.WARN)
    if kind == Kind.NEURAL:
        return Entry(t_ns, Sort.BRAINS, "", crossing_sentence(event, scene.opening))
    if kind == Kind.OPERATOR and event["value"] != Operator.NOTE:
        return Entry(t_ns, Sort.PEOPLE, "", act_sentence(event))
    return None


_Thing = TypeVar("_Thing")


def _after(things: Iterable[_Thing], last: object) -> list[_Thing]:
    """Return what follows ``last`` in a queue that only grows at its end; everything where ``last`` has left it."""
    found: list[_Thing] = []
    for thing in reversed(list(things)):
        if thing is last:
            break
        found.append(thing)
    return found[::-1]
