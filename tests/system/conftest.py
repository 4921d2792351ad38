"""Real sessions with real processes: a rig whose mice are quick, and the command line as a person uses it."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

BRAINS = """
[estimators]
shared_dims = 2
tau_s = 30.0
embargo_s = 1.0
null_lag_s = 5.0
null_lags = 20
null_trials = 5
min_independent = 10.0

[brains]
cells_a = 20
cells_b = 16
coupling = 0.9
shared_gain = 1.0
noise = 4.0
task_gain = 0.0
"""
"""The soonest estimates there are, of cells so noisy that they cross thresholds often. Before the first is
valid, the longest lag of a null and ten independent samples pass: three quarters of a minute."""
TRIGGER = """
[trigger]
estimate = "coactivity"
high = 1.0
low = 0.9
min_z = 0.0
refractory_s = 0.5
"""
VIRTUAL = """
[neural.a]
source = "virtual"
rate_hz = 20.0

[neural.b]
source = "virtual"
rate_hz = 20.0
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

    def wait_for_trials(self, n: int, timeout_s: float = 60.0) -> None:
        """Wait until ``n`` trials have ended."""
        self.wait_for(lambda: self.output.exists() and any(self.output.iterdir()), "a folder")
        self.wait_for((self.folder / "live.json").exists, "live session")
        self.wait_for(lambda: int(self.status().get("trials", 0)) >= n, f"{n} trials", timeout_s)

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


def rig_text(neural: str, *, triggered: bool, **keys: object) -> str:
    """Return a rig file of the quick mice with brains, some keys set otherwise."""
    text = QUICK + BRAINS + neural
    if triggered:
        text = text.replace('"cooperation"', '"shared_state_inhibition"') + TRIGGER
        text = text.replace("[inhibition]", '[inhibition]\nsham_fraction = 0.0\nfrom = "shared_state"')
    for key, value in keys.items():
        line = re.compile(rf"^{key} = .*$", re.MULTILINE)
        assert line.search(text), f"the rig has no {key}"
        text = line.sub(f"{key} = {value}", text)
    return text


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have the estimators compiled: no session of a test is to wait for the compiler."""
    folder = tmp_path_factory.mktemp("compiled")
    rig = folder / "brains.toml"
    rig.write_text(rig_text(VIRTUAL, triggered=True), encoding="utf-8")
    answer = duetto("run", rig, "--fast", "--minutes", 0.02, "--seed", 1, "--out", folder / "out", timeout_s=600.0)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def rig_with_brains(compiled: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write rig files of the quick mice, whose brains are streamed as ``neural`` says; some keys set otherwise."""

    def write(neural: str = VIRTUAL, *, triggered: bool = False, **keys: object) -> Path:
        path = tmp_path_factory.mktemp("rig") / "brains.toml"
        path.write_text(rig_text(neural, triggered=triggered, **keys), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run_session(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Start sessions in the background; whatever still runs at the end is ended."""
    with sessions_in(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def run_shared_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Session]]:
    """The same for sessions that several tests of a file look at."""
    with sessions_in(tmp_path_factory.mktemp("shared")) as start:
        yield start


@contextmanager
def sessions_in(folder: Path) -> Iterator[Callable[..., Session]]:
    """Give a function that starts sessions in ``folder``, and end what still runs."""
    sessions: list[Session] = []

    def start(rig: Path, *words: object, **environment: str) -> Session:
        output = folder / f"sessions{len(sessions)}"
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", "run", str(rig), "--out", str(output), *map(str, words)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"COLUMNS": "200"} | environment,
        )
        sessions.append(Session(process, output))
        return sessions[-1]

    yield start
    for session in sessions:
        if session.process.poll() is None:
            session.process.send_signal(signal.SIGTERM)
        session.process.communicate(timeout=30)


@pytest.fixture(scope="session")
def command() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """The command line, run to its end."""
    return duetto
