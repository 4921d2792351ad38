"""A session's folder: made before anything else, so that whatever happens, it says what was meant to happen.

::

    sessions/2026-11-22_091500_A-B_day1/
        rig.toml        the rig file, as it was
        session.json    plan, seeds, subjects, versions, clock: the log's first records
        neural.bin      everything of two brains, if the rig has them, written before it is published
        journal.bin     every event, in loop order, written before its consequences
        session.mcap    the log
        notes.jsonl     texts of notes
        ending.json     latency certificate and how it ended
"""

import json
import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from controller import plan as plans
from controller import rigfile
from controller.calibration import Calibration, from_text
from controller.neural.pipeline import PipelineSettings
from controller.neural.sources import check_sources
from controller.proof import prove
from controller.recorder import METADATA_NAME
from realtime.clock import now_ns
from realtime.errors import DuettoError

RIG_TOML: Final = "rig.toml"
LIVE_NAME: Final = "live.json"
SHORTEST_MIN: Final = 0.02
LONGEST_MIN: Final = 720.0
MOST_TRIALS: Final = 100_000
LAST_DAY: Final = 1000
"""What can be ordered, on the command line and in the window."""
LIBRARIES: Final = ("duetto", "numpy", "numba", "llvmlite", "pyzmq", "mcap", "msgspec", "pyserial")

Metadata = dict[str, dict[str, str]]


class SessionError(DuettoError):
    """A session's folder cannot be made or is not one."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: the rig and the command line's choices."""

    rig: rigfile.Rig
    rig_text: str
    rig_path: str
    subjects: tuple[str, str]
    day: int
    minutes: float
    trials: int | None
    seed: int
    fast: bool
    output: Path
    calibration: Calibration = field(default_factory=Calibration)
    """The rig's; empty where it was never calibrated."""


def make_folder(order: Order, at: float) -> Path:
    """Make a new folder for a session that begins at unix time ``at`` [s]; never one that exists.

    Raises
    ------
    SessionError
        If the folder cannot be made.
    """
    stamp = datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d_%H%M%S")
    pair = "-".join(re.sub(r"[^A-Za-z0-9._]", "_", name) for name in order.subjects)
    for attempt in range(100):
        path = order.output / (f"{stamp}_{pair}_day{order.day}" + (f"_{attempt + 1}" if attempt else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if order.output.is_dir():
                continue
            raise SessionError(f"{order.output} is a file; name a folder with --out") from None
        except OSError as error:
            raise SessionError(f"{path} cannot be made: {error.strerror}; name another folder with --out") from error
        return path
    raise SessionError(f"{order.output} has a hundred sessions of this second already; name another folder with --out")


def _git_hash() -> str:
    """Return the commit of the code that runs, with "+" where files were changed; empty outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=5, check=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "unknown"


def metadata_of(order: Order, plan: plans.Plan, session_id: str, epoch_ns: int, start_ns: int) -> Metadata:
    """Return what the log begins with: everything needed to understand and to prove the session."""
    devices = {str(number): name for name, number in rigfile.device_numbers(order.rig).items()}
    brains = {}
    if order.rig.neural is not None:
        brains["neural"] = {"settings": PipelineSettings.of(order.rig).to_text()}
    return brains | {
        "session": {
            "id": session_id,
            "task": plan.task,
            "day": str(order.day),
            "minutes": repr(order.minutes),
            "trials": "" if order.trials is None else str(order.trials),
            "fast": str(order.fast).lower(),
            "started": datetime.fromtimestamp(epoch_ns / 1e9, UTC).isoformat(),
        },
        "rig": {"name": order.rig.rig.name, "path": order.rig_path, "toml": order.rig_text},
        "task": {"name": plan.task, "states": json.dumps(plan.state_names)},
        "plan": {"json": plan.to_text()},
        "seeds": {"session": str(order.seed)},
        "subjects": {"A": order.subjects[0], "B": order.subjects[1]},
        "calibration": {"json": order.calibration.current().to_text()},
        "devices": devices,
        "versions": {name: _version_of(name) for name in LIBRARIES}
        | {"python": platform.python_version(), "system": platform.platform(), "git": _git_hash()},
        "clock": {
            "session_clock": "CLOCK_MONOTONIC" if not order.fast else "simulated",
            "epoch_ns": str(epoch_ns),
            "start_ns": str(start_ns),
        },
    }


def plan_of(order: Order) -> plans.Plan:
    """Plan a session and prove it safe, writing nothing.

    Raises
    ------
    CalibrationRefused, SourceError, NotSafe, PlanError, TrainingDayError, UnknownTask, TaskError
        As :func:`prepare`, and as :func:`controller.plan.make`.
    """
    order.calibration.check(order.rig)
    check_sources(order.rig)
    plan = plans.make(
        order.rig,
        seed=order.seed,
        day=order.day,
        minutes=order.minutes,
        trials=order.trials,
        volumes=order.calibration,
    )
    prove(plan, order.rig).insist()
    return plan


def prepare(order: Order, *, start_ns: int | None = None) -> tuple[Path, plans.Plan]:
    """Plan a session, prove it safe, and write its folder's first files.

    Parameters
    ----------
    order
        What was asked for.
    start_ns
        The session clock's reading at the start; the host's clock by default.

    Returns
    -------
    Path, Plan
        The folder and the plan.

    Raises
    ------
    CalibrationRefused
        If volumes or powers are asked for that the rig's calibration does not reach.
    SourceError
        If a recording of a brain cannot be read, or does not fit the other animal's.
    NotSafe
        If a path through the task leaves an output on, or exceeds the rig's limits.
    SessionError, PlanError
        As their names say.
    """
    plan = plan_of(order)
    epoch_ns = time.time_ns()
    folder = make_folder(order, epoch_ns / 1e9)
    start = now_ns() if start_ns is None else start_ns
    write_json(folder / METADATA_NAME, {"metadata": metadata_of(order, plan, folder.name, epoch_ns, start)})
    (folder / RIG_TOML).write_text(order.rig_text, encoding="utf-8")
    return folder, plan


def write_json(path: Path, content: object) -> None:
    """Write a file whole or not at all, and onto the disk."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def read_metadata_of(folder: Path) -> Metadata:
    """Return what ``session.json`` says.

    Raises
    ------
    SessionError
        If the folder is no session.
    """
    path = folder / METADATA_NAME
    try:
        metadata: Metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    except FileNotFoundError:
        raise SessionError(f"{folder} is no session: it has no {METADATA_NAME}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SessionError(f"{path} cannot be read ({error}); the log has a copy: 'duetto recover {folder}'") from error
    return metadata


def read_plan(folder: Path) -> plans.Plan:
    """Return the plan of the session in ``folder``; fails as :func:`read_metadata_of` and ``plan.from_text`` do."""
    return plans.from_text(read_metadata_of(folder).get("plan", {}).get("json", ""))


def read_calibration(folder: Path) -> Calibration:
    """Return the calibration that the session in ``folder`` was planned with; an empty one for older sessions."""
    return calibration_in(read_metadata_of(folder), folder / METADATA_NAME)


def calibration_in(metadata: Metadata, origin: Path) -> Calibration:
    """Return the calibration that a session's metadata carry; an empty one for older sessions.

    Parameters
    ----------
    metadata
        As they stand in the session's folder and log.
    origin
        Where they were read, for errors.
    """
    text = metadata.get("calibration", {}).get("json")
    return Calibration() if text is None else from_text(text, str(origin))


def read_rig(folder: Path) -> rigfile.Rig:
    """Return the rig of the session in ``folder``."""
    return rigfile.parse(read_metadata_of(folder)["rig"]["toml"], str(folder / RIG_TOML))
