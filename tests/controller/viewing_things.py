"""Messages for viewers, one literal message of each kind; each test changes of it what it is about."""

from typing import TypeVar

import msgspec

from controller.messages.view import Counts, Opening, Setup, Standing, TrialRow
from realtime.records import NS_PER_MS, NS_PER_S, Outcome

Message = TypeVar("Message", bound=msgspec.Struct)

STATES = ["IDLE", "ITI", "READY", "A_FIRST", "B_FIRST", "SUCCESS", "MISS", "OMISSION", "PAUSED", "FINISHED"]
_OPENING = Opening(
    mode="LIVE",
    session="s",
    folder="sessions/s",
    rig="bench",
    task="cooperation",
    subjects=("m1", "m2"),
    day=1,
    minutes=30.0,
    trials=None,
    start_ns=0,
    epoch_ns=0,
    states=STATES,
    machines=[-1],
    stages_ns=[3 * NS_PER_S, 1500 * NS_PER_MS, 750 * NS_PER_MS],
    schedule="days",
    devices=[],
    lines={},
    lasers=(True, True),
    lit_share=0.2,
    calibrated=(False, False),
    free_ms=(30.0, 30.0),
    test_ms=200.0,
    brains=False,
)
_COUNTS = Counts(
    t_ns=0,
    started_ns=0,
    pokes=(0, 0),
    licks=(0, 0),
    rewards=(0, 0),
    free=(0, 0),
    open_s=(0.0, 0.0),
    water_ul=(None, None),
    free_ul=(None, None),
    lit_s=(0.0, 0.0),
    outcomes={"SUCCESS": 0, "MISS": 0, "OMISSION": 0, "ABORTED": 0},
    lit=(0, 0),
    control=(0, 0),
    trial=0,
    states=[0],
    window_ns=3 * NS_PER_S,
    armed=False,
    finished=False,
    uncertain_ns=0,
    late=0,
    gaps=0,
    faults={},
    earned=(0, 0),
)
_STANDING = Standing(t_ns=NS_PER_S, phase="running", elapsed_s=60.0, processes=[], said=[], n_said=0, away=[])
_SETUP = Setup(
    rig="bench",
    rig_path="rigs/bench.toml",
    mode="LIVE",
    task="cooperation",
    subjects=("m1", "m2"),
    day=1,
    minutes=30.0,
    trials=None,
    output="sessions",
    window="3 s, stage 1 of 3",
    problems=[],
    remarks=[],
)


def changed(message: Message, **fields: object) -> Message:
    """The same message but for some of its fields."""
    return msgspec.structs.replace(message, **fields)


def opening(**fields: object) -> Opening:
    """A session's first page."""
    return changed(_OPENING, **fields)


def counts(**fields: object) -> Counts:
    """What has been counted before anything happened."""
    return changed(_COUNTS, **fields)


def standing(**fields: object) -> Standing:
    """How a session stands that has run for a minute."""
    return changed(_STANDING, **fields)


def setup(**fields: object) -> Setup:
    """A session that is being set up."""
    return changed(_SETUP, **fields)


def row(trial: int, outcome: Outcome = Outcome.SUCCESS, **fields: object) -> TrialRow:
    """A trial that opened at 10 s times its number; A poked a second later, and in a success B half a second after."""
    opened_ns = trial * 10 * NS_PER_S
    plain = TrialRow(
        machine=0,
        trial=trial,
        opened_ns=opened_ns,
        first_ns=None if outcome == Outcome.OMISSION else opened_ns + NS_PER_S,
        first=0,
        lag_ns=NS_PER_S // 2 if outcome == Outcome.SUCCESS else None,
        end_ns=opened_ns + 4 * NS_PER_S,
        outcome=int(outcome),
        window_ns=3 * NS_PER_S,
        light="none",
    )
    return changed(plain, **fields)
