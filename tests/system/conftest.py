"""Real sessions with real processes: a rig whose mice are quick, and the command line as a person uses it."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.control import ask
from realtime.errors import DuettoError

ROOT = Path(__file__).resolve().parents[2]

QUICK = """
[rig]
name = "quick"
kind = "virtual"

[devices.board]
driver = "reference_board"
port = "emulator"
host_timeout_ms = 500
keep_alive_ms = 50

[lines]
poke_a = { device = "board", pin = 0 }
poke_b = { device = "board", pin = 1 }
lick_a = { device = "board", pin = 4 }
lick_b = { device = "board", pin = 5 }
valve_a = { device = "board", pin = 0, max_on_ms = 1000 }
valve_b = { device = "board", pin = 1, max_on_ms = 1000 }
laser_a = { device = "board", pin = 2, on_per_minute_s = 60.0 }
laser_b = { device = "board", pin = 3, on_per_minute_s = 60.0 }

[task]
name = "cooperation"
iti_min_s = 0.05
iti_max_s = 0.1
drink_s = 0.2
trial_limit_s = 5.0

[window]
schedule = "fixed"
fixed_s = 0.5

[reward]
valve_ms = 40.0

[limits]
light_per_minute_s = 60.0

[inhibition]
fraction = 0.5
min_plain_between = 0
max_s = 4.0
arm_at_start = true

[loop]
journal_events = 65536

[mice.a]
poke_interval_s = 0.4
poke_hold_s = 0.05
follow_initial = 0.8
follow_latency_s = 0.1
drink_s = 0.2

[mice.b]
poke_interval_s = 0.4
poke_hold_s = 0.05
follow_initial = 0.8
follow_latency_s = 0.1
drink_s = 0.2
"""


def duetto(*words: object, timeout_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass
class Session:
    """A session running in a process of its own."""

    process: "subprocess.Popen[str]"
    output: Path
    lines: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The session's folder."""
        return next(self.output.iterdir())

    def read_line(self, timeout_s: float) -> str:
        """Return the next line of standard error, or fail."""
        stream = self.process.stderr
        readable, _, _ = select.select([stream], [], [], timeout_s)
        assert readable, f"the session said nothing for {timeout_s} s; before that: {self.lines}"
        line = stream.readline()
        self.lines.append(line)
        return line

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        """Wait until ``condition`` holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, f"the session ended before {what}: {self.process.stderr.read()}"
            assert time.monotonic() < deadline, f"no {what} within {timeout_s} s"
            select.select([], [], [], 0.02)

    def status(self) -> dict[str, object]:
        """Ask the session how it stands."""
        try:
            return dict(ask(self.folder, "status").status)
        except DuettoError:
            return {}

    def wait_for_trials(self, n: int) -> None:
        """Wait until ``n`` trials have ended."""
        self.wait_for(lambda: self.output.exists() and any(self.output.iterdir()), "a folder")
        self.wait_for((self.folder / "live.json").exists, "live session")
        self.wait_for(lambda: int(self.status().get("trials", 0)) >= n, f"{n} trials")

    def pids(self) -> dict[str, int]:
        """Return the session's processes by name."""
        import psutil

        found = {}
        for child in psutil.Process(self.process.pid).children():
            if match := re.search(r'"process":"([^"]+)"', " ".join(child.cmdline())):
                found[match.group(1)] = child.pid
        return found

    def end(self) -> "tuple[int, str, str]":
        """Wait for its end; return exit status and output."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, "".join(self.lines) + err


@pytest.fixture
def quick_rig(tmp_path: Path) -> Path:
    """A rig file whose virtual mice do a trial a second."""
    path = tmp_path / "quick.toml"
    path.write_text(QUICK, encoding="utf-8")
    return path


@pytest.fixture
def run_session(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Start sessions in the background; whatever still runs at the end is ended."""
    sessions: list[Session] = []

    def start(rig: Path, *words: object) -> Session:
        output = tmp_path / f"sessions{len(sessions)}"
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", "run", str(rig), "--out", str(output), *map(str, words)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
        )
        sessions.append(Session(process, output))
        return sessions[-1]

    yield start
    for session in sessions:
        if session.process.poll() is None:
            session.process.send_signal(signal.SIGTERM)
        session.process.communicate(timeout=30)


@pytest.fixture
def command() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """The command line, run to its end."""
    return duetto
