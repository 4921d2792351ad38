"""A recorded session, read as far as its log can be read: what a replay shows, and what has to be said of the log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from controller import plan as plans
from controller import rigfile
from controller.calibration import Calibration
from controller.log import LOG_NAME, LogBusyError, LogReader, MetadataMap, check_idle
from controller.logreader import missing_ranges
from controller.messages.view import Note, Opening
from controller.recorder import NOTES_TOPIC, note_of
from controller.session import calibration_in
from controller.viewing.opening import opening_of
from realtime.errors import DuettoError
from realtime.records import Events

NEEDED: Final = ("session", "clock", "subjects", "plan", "rig")
"""What a log must begin with to be shown."""


class NotReplayableError(DuettoError):
    """A log lacks what a replay needs to make sense of it."""


class StillRunningError(DuettoError):
    """The session is being recorded right now."""


@dataclass(slots=True)
class Recording:
    """What a session's log says.

    Attributes
    ----------
    log
        Open until :meth:`close`.
    events
        In the loop's order; of those with the same number only the first.
    notes
        By rising time.
    begin_ns, end_ns
        When the session began and when the loop took its last event [ns].
    """

    folder: Path
    log: LogReader
    plan: plans.Plan
    calibration: Calibration
    opening: Opening
    events: Events
    notes: list[Note]
    _missing: int

    @classmethod
    def open(cls, session: Path) -> Self:
        """Read the log of a session's folder, or the log itself.

        Raises
        ------
        StillRunningError
            If it is being written.
        NotReplayableError
            If it lacks what a replay needs.
        LogError, PlanError, RigFileError
            If it cannot be read.
        """
        path = session if session.is_file() else session / LOG_NAME
        try:
            check_idle(path)
        except LogBusyError:
            raise StillRunningError(
                f"{path.parent} runs right now: watch it with 'duetto monitor {path.parent}', and replay it afterwards"
            ) from None
        log = LogReader(path)
        try:
            return cls._read(log, path.parent)
        except DuettoError:
            log.close()
            raise

    @classmethod
    def _read(cls, log: LogReader, folder: Path) -> Self:
        metadata = log.metadata
        lacking = [name for name in NEEDED if name not in metadata]
        if lacking:
            raise NotReplayableError(
                f"{log.path} does not say what was recorded (its {', '.join(lacking)} cannot be read); "
                f"'duetto recover {folder}' writes it anew from what lies beside it"
            )
        plan = plans.from_text(metadata["plan"].get("json", ""))
        calibration = calibration_in(metadata, log.path)
        events = log.events(strict=False)
        events = events[np.unique(events["seq"], return_index=True)[1]]
        return cls(
            folder,
            log,
            plan,
            calibration,
            _opening(metadata, plan, calibration, folder),
            events,
            _notes(log),
            sum(last - first + 1 for first, last in missing_ranges(events["seq"])),
        )

    @property
    def begin_ns(self) -> int:
        """The session's start on its clock [ns]."""
        return self.opening.start_ns

    @property
    def end_ns(self) -> int:
        """When the loop took its last event [ns]."""
        return int(self.events["arrival_ns"].max()) if self.events.size else self.begin_ns

    @property
    def has_brains(self) -> bool:
        """Whether the log speaks of brains."""
        return "neural" in self.log.metadata

    def faults(self) -> list[str]:
        """Return what is wrong with the log as far as it has been read: a sentence each, with the way out."""
        way_out = f"'duetto recover {self.folder}' writes a whole log from what the journal beside it holds"
        found = [] if self.log.truncated is None else [f"{self.log.truncated} What can be read is shown; {way_out}."]
        if self._missing:
            found.append(f"{self._missing} events are missing before the last one; {way_out}.")
        return found

    def close(self) -> None:
        """Let go of the log."""
        self.log.close()


def _opening(metadata: MetadataMap, plan: plans.Plan, calibration: Calibration, folder: Path) -> Opening:
    rig = rigfile.parse(metadata["rig"].get("toml", ""), str(folder))
    try:
        return opening_of(metadata, rig, plan, calibration, mode="REPLAY", folder=str(folder))
    except (KeyError, ValueError) as error:
        raise NotReplayableError(f"the log in {folder} was begun by another version of duetto: {error!r}") from error


def _notes(log: LogReader) -> list[Note]:
    lines = [note_of(message) for message in log.messages(NOTES_TOPIC)]
    return [Note(line.number, line.t_ns, line.text) for line in sorted(lines, key=lambda line: line.t_ns)]
