"""Solo pre-training: an animal alone learns that a poke brings water.

Before cooperation each animal learns poke -> water by itself (Jiang et al., Science 2025). Each animal has a machine of
its own; a partner's pokes do not exist for it. No light: there is nothing yet to inhibit::

    IDLE ─start─▶ ITI ─iti─▶ READY ─own poke─▶ REWARD (own valve, SUCCESS) ─drink─▶ ITI
                              └─no poke for the trial's limit─▶ OMISSION ─▶ ITI

A rig file says with ``task.animals`` whether one animal is trained, or both at once behind an opaque divider.
"""

from controller.task import ENDED, IDLE, PAUSED, PEOPLE, Do, State, Task, To
from realtime.machine import Action, Guard, Input, Param
from realtime.records import Outcome

TASK = Task(
    name="solo",
    summary="an animal alone: each poke pays",
    scope="each",
    lit=False,
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
            enter=(Action.OPEN_TRIAL,),
            lasts=Param.TRIAL_LIMIT,
            on={Input.POKE_OWN: To("REWARD", Guard.IN_TRIAL), Input.TIMER: "OMISSION", **PEOPLE},
        ),
        State(
            "REWARD",
            enter=(Action.REWARD_OWN, Do(Action.OUTCOME, Outcome.SUCCESS)),
            lasts=Param.DRINK,
            on={Input.TIMER: "ITI", **PEOPLE},
        ),
        State(
            "OMISSION",
            enter=(Do(Action.OUTCOME, Outcome.OMISSION),),
            lasts=Param.TIMEOUT,
            on={Input.TIMER: "ITI", **PEOPLE},
        ),
        PAUSED,
        ENDED,
    ),
)
