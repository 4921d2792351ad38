"""How the window kept up, written for benchmarks and for people who wonder."""

import json
import resource
from pathlib import Path
from typing import Final

from PyQt6.QtCore import QTimer

from gui.link import Contact
from gui.window import MainWindow
from realtime.clock import now_ns
from realtime.errors import DuettoError

EVERY_MS: Final = 1000


class NoReport(DuettoError):
    """The report cannot be written."""


def write_report(window: MainWindow, path: Path) -> None:
    """Append a line of JSON to ``path`` every second: frames drawn, ticks, their times, memory and processor time.

    Raises
    ------
    NoReport
        If the file cannot be written now. One that cannot be written any more, because the disk is full say, gets no
        more lines, and the window says so.
    """

    def write() -> None:
        contact = Contact() if window.link is None else window.link.contact
        usage = resource.getrusage(resource.RUSAGE_SELF)
        took, gaps = window.lag.took_ms() or [0.0], window.lag.gaps_ms() or [0.0]
        line = {
            "t_ns": now_ns(),
            "frames": window.lag.frames,
            "ticks": window.lag.ticks,
            "took_p50_ms": took[len(took) // 2],
            "took_max_ms": took[-1],
            "gap_p50_ms": gaps[len(gaps) // 2],
            "gap_max_ms": gaps[-1],
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "resident_kb": _resident_kb(),
            "complete_ns": window.complete_ns,
            "anew": contact.anew,
            "dropped": contact.dropped,
        }
        try:
            _append(path, json.dumps(line) + "\n")
        except NoReport as error:
            timer.stop()
            window.tell(str(error), warn=True)

    _append(path, "")
    timer = QTimer(window)
    timer.timeout.connect(write)
    timer.start(EVERY_MS)


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise NoReport(f"the report {path} cannot be written ({error.strerror}); name another file") from error


def _resident_kb() -> int:
    """Return this process's resident memory [kB], 0 where the system does not tell."""
    try:
        words = Path("/proc/self/statm").read_text(encoding="ascii").split()
        return int(words[1]) * resource.getpagesize() // 1024
    except OSError:
        return 0
