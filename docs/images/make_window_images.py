"""Make ``window_live.png`` and ``window_dark.png``: the window on a session that runs, and on a log.

Run it from anywhere with the environment's Python: ``.venv/bin/python docs/images/make_window_images.py``. It takes
about eight minutes, most of them the running session's own. Nothing in the pictures is put there for them: they are
what ``duetto monitor --screenshot`` and ``duetto replay --screenshot`` draw.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
RIG: Final = ROOT / "rigs" / "two_brains.toml"
DUETTO: Final = (sys.executable, "-m", "controller.cli")
LIVE_S: Final = 390.0
"""When the running session is drawn: its estimates have been valid for a while."""
MOMENT_S: Final = 480
"""Which moment of the log is drawn."""


def duetto(*words: object) -> None:
    """Run the command line to its end."""
    subprocess.run([*DUETTO, *map(str, words)], cwd=ROOT, check=True)


def draw_log(folder: Path) -> None:
    """Draw a log."""
    duetto("run", RIG, "--fast", "--minutes", 12, "--seed", 5, "--out", folder)
    (session,) = folder.iterdir()
    duetto("replay", session, "--at", MOMENT_S, "--screenshot", HERE / "window_dark.png")


def draw_live(folder: Path) -> None:
    """Draw a session that runs."""
    words = ["run", RIG, "--headless", "--minutes", 30, "--seed", 5, "--pair", "m341,m342", "--day", 6, "--out", folder]
    with subprocess.Popen([*DUETTO, *map(str, words)], cwd=ROOT) as running:
        try:
            while not list(folder.glob("*/session.mcap")):  # written from the moment on at which it begins
                time.sleep(0.5)
            time.sleep(LIVE_S)
            (session,) = folder.iterdir()
            duetto("monitor", session, "--theme", "dark", "--screenshot", HERE / "window_live.png")
        finally:
            running.send_signal(signal.SIGINT)
            running.wait()


if __name__ == "__main__":
    for draw in (draw_log, draw_live):
        with tempfile.TemporaryDirectory() as name:
            draw(Path(name) / "sessions")
