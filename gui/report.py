"""How the window kept up, written for benchmarks and for people who wonder."""

import json
import resource
from pathlib import Path
from typing import Final

from PyQt6.QtCore import QTimer

from gui.link import Contact
from gui.window import MainWindow
from realtime.clock import now_ns

EVERY_MS: Final = 1000


def write_report(window: MainWindow, path: Path) -> None:
    """Append a line of JSON to ``path`` every second: frames drawn, ticks, their times, memory and processor time."""

    def write() -> None:
        contact = Contact() if window.link is None else window.link.contact
        usage = resource.getrusage(resource.RUSAGE_SELF)
        took, gaps = window.lag.took_ms(), window.lag.gaps_ms()
        line = {
            "t_ns": now_ns(),
            "frames": window.lag.frames,
            "ticks": window.lag.ticks,
            "took_p50_ms": took[len(took) // 2] if took else 0.0,
            "took_max_ms": took[-1] if took else 0.0,
            "gap_p50_ms": gaps[len(gaps) // 2] if gaps else 0.0,
            "gap_max_ms": gaps[-1] if gaps else 0.0,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "resident_kb": _resident_kb(),
            "complete_ns": window.complete_ns,
            "anew": contact.anew,
            "dropped": contact.dropped,
        }
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    timer = QTimer(window)
    timer.timeout.connect(write)
    timer.start(EVERY_MS)


def _resident_kb() -> int:
    """Return this process's resident memory [kB], 0 where the system does not tell."""
    try:
        words = Path("/proc/self/statm").read_text(encoding="ascii").split()
        return int(words[1]) * resource.getpagesize() // 1024
    except OSError:
        return 0
