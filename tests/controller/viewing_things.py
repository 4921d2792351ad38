"""Messages for viewers, as tests need them."""

import msgspec

from controller.messages.view import Device, Opening, TrialRow
from realtime.records import NS_PER_S, Outcome

_OPENING = Opening(
    mode="LIVE",
    session="2026-11-22_100000_m1-m2_day3",
    folder="sessions/2026-11-22_100000_m1-m2_day3",
    rig="box",
    task="cooperation",
    subjects=("m1", "m2"),
    day=3,
    minutes=30.0,
    trials=None,
    start_ns=0,
    epoch_ns=1_795_000_000 * NS_PER_S,
    states=["IDLE", "ITI", "READY", "A_FIRST", "B_FIRST", "SUCCESS", "MISS", "OMISSION", "PAUSED", "FINISHED"],
    machines=[-1],
    stages_ns=[3 * NS_PER_S, 1_500_000_000, 750_000_000],
    schedule="days",
    devices=[Device("board", "reference_board", "/dev/ttyACM0")],
    lines={"poke_a": "board pin 0"},
    lasers=(True, True),
    lit_share=0.2,
    calibrated=(False, False),
    free_ms=(30.0, 30.0),
    test_ms=200.0,
    brains=False,
)


def opening(**changed: object) -> Opening:
    """A session's first page."""
    return msgspec.structs.replace(_OPENING, **changed)


def row(trial: int, outcome: Outcome = Outcome.SUCCESS) -> TrialRow:
    """A trial of ten seconds that began ten seconds times its number after the session."""
    opened_ns = trial * 10 * NS_PER_S
    return TrialRow(
        0, trial, opened_ns, opened_ns + NS_PER_S, 0, 1000, opened_ns + 2 * NS_PER_S, int(outcome), 3, "none"
    )
