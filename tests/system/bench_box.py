"""Devices that a test holds in its hand: emulators as the command line starts them, obeying lines on standard input."""

import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "controller.cli")

RIG = """
[rig]
name = "in-hand"
kind = "virtual"

[devices.board]
driver = "reference_board"
port = "{board}"
host_timeout_ms = 500
keep_alive_ms = 50
reconnect_s = {reconnect_s}
{more_devices}
[lines]
poke_a = {{ device = "board", pin = 0 }}
poke_b = {{ device = "board", pin = 1 }}
valve_a = {{ device = "board", pin = 0 }}
valve_b = {{ device = "board", pin = 1 }}
laser_a = {{ device = "board", pin = 2, on_per_minute_s = 60.0 }}
laser_b = {{ device = "board", pin = 3, on_per_minute_s = 60.0 }}

[task]
iti_min_s = 0.1
iti_max_s = 0.1
drink_s = 0.1
trial_limit_s = 0

[window]
schedule = "fixed"
fixed_s = 5.0

[limits]
light_per_trial_s = 10.0
light_per_minute_s = 60.0
stuck_beam_s = 1.0
chatter_hz = 20

[inhibition]
fraction = 0.5
min_plain_between = 0
until = "fixed"
max_s = 8.0
arm_at_start = true

[loop]
journal_events = 65536
"""


def rig_text(board: Path, *, reconnect_s: float = 30.0, more_devices: str = "") -> str:
    """Return a rig without mice, whose beams only the test breaks."""
    return RIG.format(board=board, reconnect_s=reconnect_s, more_devices=more_devices)


@dataclass
class InHand:
    """One emulated device in a process of its own."""

    process: "subprocess.Popen[str]"
    port: Path
    lines: list[str] = field(default_factory=list)

    def do(self, deed: str) -> str:
        """Do something to the device and return what it answers; edges said meanwhile are kept."""
        self.process.stdin.write(deed + "\n")
        self.process.stdin.flush()
        while (line := self._read(5.0)).startswith("edge "):
            self.lines.append(line)
        assert not line.startswith("error"), line
        return line

    def poke(self, pin: int) -> None:
        """Let a nose in and out."""
        self.do(f"input {pin} 1")
        self.do(f"input {pin} 0")

    def levels(self) -> dict[int, int]:
        """Return the level of every output pin that has ever changed, by the device's own edges."""
        while self.process.stdout in select.select([self.process.stdout], [], [], 0)[0]:
            self.lines.append(self._read(1.0))
        return {int(pin): int(level) for _, _, pin, level in (line.split() for line in self.lines)}

    def lit(self) -> bool:
        """Return whether a laser pin is high."""
        levels = self.levels()
        return bool(levels.get(2) or levels.get(3))

    def _read(self, timeout_s: float) -> str:
        stream = self.process.stdout
        deadline = time.monotonic() + timeout_s
        line = b""
        while not line.endswith(b"\n"):
            left_s = deadline - time.monotonic()
            assert left_s > 0, "the emulator does not answer"
            assert select.select([stream], [], [], left_s)[0], "the emulator does not answer"
            byte = os.read(stream.fileno(), 1)
            assert byte, f"the emulator has ended: {self.process.stderr.read()}"
            line += byte
        return line.decode().strip()


def start(name: str, link: Path, *words: str) -> InHand:
    """Start ``duetto emulate`` and wait for its port."""
    process = subprocess.Popen(
        [*COMMAND, "emulate", name, "--link", str(link), "--edges", *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    device = InHand(process, link)
    assert device._read(60.0) == str(link)
    return device


def end(device: InHand) -> None:
    """End an emulator as a person does, and see that it ends well."""
    device.process.terminate()
    _, err = device.process.communicate(timeout=20)
    assert device.process.returncode == 0, err
    assert not device.port.exists()
