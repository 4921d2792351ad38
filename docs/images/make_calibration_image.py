"""Make ``calibration.svg`` and ``calibration_plot.svg``: a valve of the virtual rig is calibrated.

Run it from anywhere with the environment's Python: ``.venv/bin/python docs/images/make_calibration_image.py``. The
questions, the openings, the table and the plot are those of ``duetto calibrate``, in virtual time. Only the weights are
made up, as they are for whoever practises: an emulated valve gives no liquid.
"""

import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from controller.calibration.bench import Bench
from controller.calibration.terminal import Terminal
from controller.calibration.walk import Recipe, walk
from controller.calibration.walk_valve import ValveSubject
from controller.rigfile import load
from realtime.records import Line

HERE: Final = Path(__file__).resolve().parent
RIG: Final = HERE.parents[1] / "rigs" / "virtual.toml"
WIDTH: Final = 128
DURATIONS_MS: Final = (10, 20, 40, 60, 80, 40)
GRAMS: Final = ("0.0874", "0.2031", "0.4335", "0.6610", "0.8802", "0.4381")
DATE: Final = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
FONTS: Final = "DejaVu Sans Mono, Menlo, Consolas, monospace"
FONT_ASPECT: Final = 0.602
"""Width of a character over the size of the type, in the first two of these."""
PAPER, INK, GREY, RED = (252, 252, 250), (40, 44, 52), (90, 90, 90), (178, 24, 43)
THEME: Final = TerminalTheme(PAPER, INK, [INK, RED, INK, INK, INK, INK, INK, GREY])


class Typist(Terminal):
    """A terminal at which somebody types; what is typed is shown too."""

    def __init__(self, rig_path: Path, screen: Console, typed: list[str]) -> None:
        super().__init__(rig_path, screen)
        self._paper = screen
        self._typed = typed

    def ask(self, question: str) -> str:
        """Show a question and its answer."""
        answer = self._typed.pop(0)
        self._paper.print(question, end=" ", markup=False)
        self._paper.print(answer or "⏎", style="bold", markup=False)
        return answer

    def say(self, sentence: str) -> None:
        """Show a sentence within the picture's width."""
        self._paper.print(sentence, markup=False)

    def opened(self, done: int, of: int) -> None:
        """Show no counting: it would be one line over another."""


def picture(screen: Console) -> str:
    """Return what the screen shows, with fonts that are there: a picture must not fetch any."""
    svg = screen.export_svg(title="duetto", theme=THEME, unique_id="duetto", font_aspect_ratio=FONT_ASPECT)
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", FONTS)
    return svg.replace("<svg ", '<svg xml:space="preserve" ', 1)


def main() -> None:
    """Calibrate and write the pictures."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.chdir(folder)
        rig_path = Path(shutil.copy(RIG, "our_box.toml"))
        screen = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, highlight=False)
        durations = ",".join(map(str, DURATIONS_MS))
        screen.print(f"$ ./duetto calibrate our_box.toml --line valve_a --durations {durations}", style="bold")
        terminal = Typist(rig_path, screen, [word for grams in GRAMS for word in ("", grams)] + ["yes"])
        rig = load(rig_path)
        recipe = Recipe(date=DATE, durations_ms=DURATIONS_MS)
        entry = walk(ValveSubject(rig, Line.VALVE_A, Bench(rig, terminal), terminal, recipe), terminal, unasked=False)
        if entry is not None:
            shutil.copy(terminal.keep_plot(entry), HERE / "calibration_plot.svg")
        (HERE / "calibration.svg").write_text(picture(screen), encoding="utf-8")
        os.chdir(HERE)


if __name__ == "__main__":
    main()
