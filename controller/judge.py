"""Judging real animals: any two-animal record through the same kernels.

Rows are ``t_s,animal[,trial]``. With ``trial``, each trial is judged by itself: its first poke opens the window, and
there is one decision. Without it, the task's own trial logic applies: an ITI, a trial that opens, a first poke, a
window.
"""

import csv
import math
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from controller import plan as plans
from controller.task import compile_task, task_named
from realtime.clock import from_seconds, to_seconds
from realtime.errors import DuettoError
from realtime.machine import MEMORY, TRIAL, Param
from realtime.records import (
    FIRST_DEVICE,
    N_LINES,
    NEVER_NS,
    NO_ANIMAL,
    NO_ROUTE,
    NS_PER_MS,
    NS_PER_S,
    SOURCE_OPERATOR,
    Events,
    Kind,
    Operator,
    Outcome,
    host_event,
    no_events,
)
from realtime.sequencer import drain, take
from realtime.window import SCHEDULE, WINDOW, Schedule

HEADER: Final = ("trial", "start_s", "outcome", "lag_s")
RECORDS_PER_TRIAL: Final = 16
"""A trial's states, deadlines and commands are fewer than this."""
SPARE_RECORDS: Final = 8192


class RecordError(DuettoError):
    """A record of pokes cannot be judged; the sentence names the row."""


@dataclass(frozen=True, slots=True)
class Pokes:
    """Two animals' pokes in time order."""

    t_ns: NDArray[np.int64]
    animal: NDArray[np.int64]
    """0 for the first animal in the order of the alphabet, 1 for the other."""
    trial: tuple[str, ...] | None
    names: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One trial's decision."""

    trial: str
    start_ns: int
    """When its first poke opened the window; when the trial opened, if nobody poked."""
    outcome: Outcome
    lag_ns: int | None
    """From the first poke to the partner's, if the partner poked in the trial."""


def _rows(path: Path) -> list[dict[str, str | None]]:
    """Return the rows of the file, or say what is wrong with it as a whole."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            if missing := [name for name in ("t_s", "animal") if name not in columns]:
                raise RecordError(
                    f"{path}: row 1 names no column {' or '.join(missing)}; the columns are t_s,animal and, if there "
                    "are trials, trial"
                )
            return list(reader)
    except FileNotFoundError:
        raise RecordError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read as a CSV table ({error})") from error


def _time_of(path: Path, number: int, text: str | None, before_ns: int) -> int:
    """Return a row's time, or say why it is none."""
    try:
        seconds = float(text or "")
    except ValueError:
        raise RecordError(f"{path}: row {number}: t_s is {text!r}, which is no number of seconds") from None
    if not math.isfinite(seconds):
        raise RecordError(f"{path}: row {number}: t_s is {text}; remove the row or give its time")
    if abs(seconds) > 1e9:
        raise RecordError(f"{path}: row {number}: t_s is {text} s, longer than any session; is it in another unit?")
    t_ns = from_seconds(seconds)
    if t_ns < before_ns:
        raise RecordError(f"{path}: row {number}: t_s {text} is earlier than the row before; sort the rows by t_s")
    return t_ns


def read(path: Path) -> Pokes:
    """Read ``t_s,animal[,trial]`` rows; row numbers in errors count the header as row 1.

    Raises
    ------
    RecordError
        If times are unsorted, missing or not finite, or if there are not exactly two animals.
    """
    rows = _rows(path)
    if not rows:
        raise RecordError(f"{path}: row 2 is missing: the table has no pokes")
    t_ns = np.zeros(len(rows), np.int64)
    seen: dict[str, int] = {}
    before_ns = -NEVER_NS
    for i, row in enumerate(rows):
        before_ns = t_ns[i] = _time_of(path, i + 2, row["t_s"], int(before_ns))
        name = (row["animal"] or "").strip()
        if not name:
            raise RecordError(f"{path}: row {i + 2}: the animal is missing")
        if name not in seen and len(seen) == 2:
            raise RecordError(f"{path}: row {i + 2}: {name!r} is a third animal, after {' and '.join(map(repr, seen))}")
        seen.setdefault(name, i + 2)
    if len(seen) < 2:
        raise RecordError(f"{path}: row {len(rows) + 1}: the table ends and {next(iter(seen))!r} is its only animal")
    first, second = sorted(seen)
    animal = np.array([(row["animal"] or "").strip() == second for row in rows], np.int64)
    return Pokes(t_ns, animal, _trials_of(path, rows), (first, second))


def _trials_of(path: Path, rows: list[dict[str, str | None]]) -> tuple[str, ...] | None:
    """Return each row's trial, or None where the table has no such column."""
    if "trial" not in rows[0]:
        return None
    trials = tuple((row["trial"] or "").strip() for row in rows)
    ended: set[str] = set()
    for i, trial in enumerate(trials):
        if not trial:
            raise RecordError(f"{path}: row {i + 2}: the trial is missing")
        if trial in ended:
            raise RecordError(f"{path}: row {i + 2}: trial {trial} goes on after another one began; sort the rows")
        if i and trials[i - 1] != trial:
            ended.add(trials[i - 1])
    return trials


def plan_of(window_ns: int, iti_ns: int, n_trials: int, *, limit_ns: int = NEVER_NS, rest_ns: int = 0) -> plans.Plan:
    """Return the cooperation task with one window and one ITI, for records that have no rig."""
    tables = compile_task(task_named("cooperation"))
    params = np.zeros((1, len(Param)), np.int64)
    params[0, Param.TRIAL_LIMIT] = limit_ns
    params[0, Param.DRINK] = rest_ns
    memory = np.zeros(1, MEMORY)
    memory["animal"], memory["deadline_ns"] = NO_ANIMAL, NEVER_NS
    schedule = np.zeros(1, SCHEDULE)
    schedule["kind"], schedule["n_stages"] = Schedule.FIXED, 1
    trials = np.zeros((1, n_trials), TRIAL)
    trials["iti_ns"] = iti_ns
    return plans.Plan(
        task="cooperation",
        state_names=tables.names,
        finished=tables.finished,
        arrays={
            "states": tables.states,
            "arcs": tables.arcs,
            "actions": tables.actions,
            "schedule": schedule,
            "trials": trials,
            "windows": np.zeros(1, WINDOW),
            "memory": memory,
            "stages_ns": np.array([window_ns], np.int64),
            "params": params,
            "routes": np.full(N_LINES, NO_ROUTE, np.uint16),
        },
        judged=(FIRST_DEVICE,),
        lasers=(),
        grace_ns=0,
        free_ns=(0, 0),
        test_ns=0,
    )


def decide(plan: plans.Plan, t_ns: NDArray[np.int64], animal: NDArray[np.int64], start_ns: int, end_ns: int) -> Events:
    """Put two animals' pokes through the sequencer and the machine; return the log.

    Parameters
    ----------
    plan
        What to decide by.
    t_ns, animal
        Pokes in time order, each taken to arrive when it happens.
    start_ns, end_ns
        When the session starts, and until when its deadlines fire.
    """
    log = no_events(t_ns.size + RECORDS_PER_TRIAL * plan.arrays["trials"].shape[1] + SPARE_RECORDS)
    core, machine = plan.core(log, log.view(np.uint64).reshape(-1, 8)), plan.machine()
    event = host_event(Kind.OPERATOR, start_ns, SOURCE_OPERATOR, Operator.START)
    take(core, machine, event, start_ns)
    drain(core, machine, start_ns)
    for i in range(t_ns.size):
        event[:] = no_events(1)
        event["kind"], event["t_ns"], event["source"] = Kind.POKE_IN, t_ns[i], FIRST_DEVICE
        event["animal"], event["line"], event["source_seq"] = animal[i], animal[i], i + 1
        take(core, machine, event, int(t_ns[i]))
    drain(core, machine, end_ns)
    return log[: int(core.memory["seq"][0])]


def _verdicts(log: Events, plan: plans.Plan) -> list[Verdict]:
    """Return the trials that a log decided."""
    verdicts: list[Verdict] = []
    first_states = {plan.state_names.index("A_FIRST"): 0, plan.state_names.index("B_FIRST"): 1}
    ready = plan.state_names.index("READY")
    start_ns, first, lag_ns = 0, -1, None
    for event in log:
        kind, state, t_ns = event["kind"], int(event["state"]), int(event["t_ns"])
        if kind == Kind.STATE and state == ready:
            start_ns, first, lag_ns = t_ns, -1, None
        elif kind == Kind.STATE and state in first_states:
            start_ns, first = t_ns, first_states[state]
        elif kind == Kind.POKE_IN and first >= 0 and lag_ns is None and event["animal"] != first:
            lag_ns = t_ns - start_ns
        elif kind == Kind.TRIAL:
            verdicts.append(Verdict(str(event["trial"]), start_ns, Outcome(int(event["value"])), lag_ns))
            first = -1
    return verdicts


def judge(pokes: Pokes, window_ns: int, *, iti_ns: int, limit_ns: int = NEVER_NS, rest_ns: int = 0) -> list[Verdict]:
    """Judge a record.

    Parameters
    ----------
    pokes
        The record. With trials, ``iti_ns``, ``limit_ns`` and ``rest_ns`` are not used.
    window_ns
        The cooperation window.
    iti_ns, limit_ns, rest_ns
        Interval before each trial, longest wait for a first poke, and time after a success, where there are no trials.
    """
    after_ns = window_ns + 2 * NS_PER_MS
    if pokes.trial is None:
        n_trials = 2 * pokes.t_ns.size + 2
        if limit_ns < NEVER_NS:
            n_trials += int((pokes.t_ns[-1] - pokes.t_ns[0]) // max(1, limit_ns + iti_ns))
        plan = plan_of(window_ns, iti_ns, n_trials, limit_ns=limit_ns, rest_ns=rest_ns)
        start_ns = int(pokes.t_ns[0]) - iti_ns - 1
        log = decide(plan, pokes.t_ns, pokes.animal, start_ns, int(pokes.t_ns[-1]) + after_ns)
        return _verdicts(log, plan)
    verdicts: list[Verdict] = []
    plan = plan_of(window_ns, 0, 1)
    for trial, group in groupby(range(pokes.t_ns.size), key=lambda i: (pokes.trial or ())[i]):
        rows = list(group)
        t_ns, animal = pokes.t_ns[rows], pokes.animal[rows]
        log = decide(plan, t_ns, animal, int(t_ns[0]) - 1, int(t_ns[-1]) + after_ns)
        verdict = _verdicts(log, plan)[0]
        partner = t_ns[animal != animal[0]]
        lag_ns = int(partner[0] - t_ns[0]) if partner.size else None
        verdicts.append(Verdict(trial, verdict.start_ns, verdict.outcome, lag_ns))
    return verdicts


def write(verdicts: list[Verdict], stream: TextIO) -> None:
    """Write the decisions as CSV: ``trial,start_s,outcome,lag_s``; no lag where the partner did not poke."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    for verdict in verdicts:
        lag = "" if verdict.lag_ns is None else f"{to_seconds(verdict.lag_ns):.9g}"
        writer.writerow((verdict.trial, f"{verdict.start_ns / NS_PER_S:.9f}", verdict.outcome.name, lag))
