"""Cooperation: both animals poke within the window, in either order, and both get water.

After Jiang et al., Science 2025. One poke alone, or a partner who comes too late, pays nobody::

    IDLE ─start─▶ ITI ─iti─▶ READY ─A pokes─▶ A_FIRST ─B within the window─▶ SUCCESS (both valves) ─drink─▶ ITI
                              │                  └────────window over───────▶ MISS ─time-out─▶ ITI
                              ├─B pokes─▶ B_FIRST (the same with A and B exchanged)
                              └─nobody for the trial's limit─▶ OMISSION ─▶ ITI

- A poke is the moment a beam is broken. A beam that is already broken when the trial opens does not count until the
  animal has left and come again.
- The window is judged on the device's stamps, both bounds included. A second poke by the same animal changes nothing.
- Pokes during the ITI, while drinking or in the time-out are logged and change nothing.
- Light, on the trials chosen for it, runs from the trial's start or its first poke to the outcome at the latest.
- A pause or stop ends an open trial as ABORTED, with every output off.
"""

from controller.task import ENDED, IDLE, PAUSED, PEOPLE, Do, State, Task, To
from realtime.machine import Action, Guard, Input, Param
from realtime.records import Outcome

TASK = Task(
    name="cooperation",
    summary="both poke within the window: both get water; one alone, or too late: nobody does",
    scope="pair",
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
            on={
                Input.POKE_A: To("A_FIRST", Guard.IN_TRIAL),
                Input.POKE_B: To("B_FIRST", Guard.IN_TRIAL),
                Input.TIMER: "OMISSION",
                **PEOPLE,
            },
        ),
        State(
            "A_FIRST",
            enter=(Action.MARK_FIRST, Action.LIGHT_AT_FIRST_POKE),
            lasts=Param.WINDOW,
            on={Input.POKE_B: To("SUCCESS", Guard.IN_WINDOW), Input.TIMER: "MISS", **PEOPLE},
        ),
        State(
            "B_FIRST",
            enter=(Action.MARK_FIRST, Action.LIGHT_AT_FIRST_POKE),
            lasts=Param.WINDOW,
            on={Input.POKE_A: To("SUCCESS", Guard.IN_WINDOW), Input.TIMER: "MISS", **PEOPLE},
        ),
        State(
            "SUCCESS",
            enter=(
                Action.REWARD_A,
                Action.REWARD_B,
                Action.LIGHT_OFF_AT_OUTCOME,
                Do(Action.OUTCOME, Outcome.SUCCESS),
            ),
            lasts=Param.DRINK,
            on={Input.TIMER: "ITI", **PEOPLE},
        ),
        State(
            "MISS",
            enter=(Action.LIGHT_OFF_AT_OUTCOME, Do(Action.OUTCOME, Outcome.MISS)),
            lasts=Param.TIMEOUT,
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
