"""The person at a terminal: questions and answers, line by line, and the draft's table and plot."""

import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from controller.calibration.plot import draw
from controller.calibration.points import CalibrationError, Entry
from controller.calibration.table import summary_of, table_of
from controller.progress import console

PLOT_SUFFIX: Final = ".svg"
DRAFT_SUFFIX: Final = ".draft.svg"


class InputEnded(CalibrationError):
    """Nobody answers any more."""


class Terminal:
    """Asks on standard error, so that standard output stays for scripts; reads answers from standard input.

    Parameters
    ----------
    rig_path
        The rig file; plots stand beside it.
    screen
        Where people read; the console for people, if None.
    """

    def __init__(self, rig_path: Path, screen: Console | None = None) -> None:
        self._rig_path = rig_path
        self._screen = screen or console()
        self._draft: Path | None = None

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        self._screen.print(sentence, soft_wrap=True, markup=False)

    def ask(self, question: str) -> str:
        """Print a question and return the line that is typed; raises InputEnded if none is."""
        self._screen.print(question, end=" ", soft_wrap=True, markup=False)
        line = sys.stdin.readline()
        if not line:
            raise InputEnded("the input ended before every question was answered; what was asked about is not stored")
        return line.strip()

    def waits(self, seconds: float, why: str) -> None:
        """Print why nothing happens."""
        self.say(f"Waits {seconds:.0f} s: {why.rstrip('.')}.")

    def opened(self, done: int, of: int) -> None:
        """Count on the terminal, if it is one."""
        if self._screen.is_terminal:
            self._screen.print(f"{done} of {of}", end="\r")

    def review(self, draft: Entry) -> None:
        """Print the table and draw the plot of a draft."""
        self._draft = self._plot(draft, DRAFT_SUFFIX)
        draw(draft, self._draft)
        self._screen.print(table_of(draft))
        self.say(summary_of(draft))
        self.say(f"Plot: {self._draft}")

    def keep_plot(self, entry: Entry) -> Path:
        """Make the last draft's plot that of the stored calibration ``entry``; return its path."""
        path = self._plot(entry, PLOT_SUFFIX)
        draw(entry, path)
        return path

    def drop_draft(self) -> None:
        """Remove the draft's plot, if there is one."""
        if self._draft is not None:
            self._draft.unlink(missing_ok=True)
            self._draft = None

    def _plot(self, entry: Entry, suffix: str) -> Path:
        return self._rig_path.with_name(f"{self._rig_path.stem}.{entry.name}{suffix}")
