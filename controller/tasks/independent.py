"""Independent: the partner is there, but each poke pays by itself.

The study's "cooperation not needed" control (Jiang et al., Science 2025): the same box, the same partner behind the
same divider, the same light on the same share of trials, and no reason to coordinate. Each animal has a machine, and
its own trials::

    IDLE ─start─▶ ITI ─iti─▶ READY ─own poke─▶ REWARD (own valve, SUCCESS) ─drink─▶ ITI
                              └─no poke for the trial's limit─▶ OMISSION ─▶ ITI

How often the two pokes fall within a window by themselves is what this task is for; it is counted from the log, with
the same kernel that judges cooperation.
"""

from controller.task import ENDED, IDLE, PAUSED, PEOPLE, Do, State, Task, To
from realtime.machine import Action, Guard, Input, Param
from realtime.records import Outcome

TASK = Task(
    name="independent",
    summary="both animals present, each poke pays by itself: cooperation is not needed",
    scope="each",
    states=(
        IDLE,
        State(
            "ITI",
            enter=(Action.NEXT_TRIAL,),
            lasts=Param.ITI,
            on={Input.TIMER: "READY", **PEOPLE},
        ),
        State(
            "READY",
            enter=(Action.OPEN_TRIAL, Action.LIGHT_AT_START),
            lasts=Param.TRIAL_LIMIT,
            on={Input.POKE_OWN: To("REWARD", Guard.IN_TRIAL), Input.TIMER: "OMISSION", **PEOPLE},
        ),
        State(
            "REWARD",
            enter=(
                Action.MARK_FIRST,
                Action.REWARD_OWN,
                Action.LIGHT_AT_FIRST_POKE,
                Action.LIGHT_OFF_AT_OUTCOME,
                Do(Action.OUTCOME, Outcome.SUCCESS),
            ),
            lasts=Param.DRINK,
            on={Input.TIMER: "ITI", **PEOPLE},
        ),
        State(
            "OMISSION",
            enter=(Action.LIGHT_OFF_AT_OUTCOME, Do(Action.OUTCOME, Outcome.OMISSION)),
            lasts=Param.TIMEOUT,
            on={Input.TIMER: "ITI", **PEOPLE},
        ),
        PAUSED,
        ENDED,
    ),
)
