"""When a person may test a laser: between trials only, and no trial may begin in its light.

A test is asked of the supervisor and given by the loop. The supervisor hears the loop's decisions a moment late, so
what it has itself passed on counts as well: after a resume the machines go on, whatever was heard last.
"""

from typing import Final

from controller.edges import EDGE_NS
from controller.plan import Plan
from controller.tally import Tally
from controller.task import PAUSED
from realtime.records import ANIMALS, NEVER_NS, NO_ROUTE, NS_PER_S, Role, line_of

HEARD_NS: Final = NS_PER_S
"""What came of a resume has been heard from the loop after this time."""


class LaserTests:
    """Says whether a laser may be tested now, and whether a test is over.

    Parameters
    ----------
    plan
        The session's plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._resumed_ns = -NEVER_NS
        self._dark_ns = -NEVER_NS

    def why_not(self, tally: Tally, animal: int, now_ns: int) -> str:
        """Return why the laser of ``animal`` (0 or 1) may not be tested now, and the way out; empty if it may.

        Parameters
        ----------
        tally
            What was heard of the loop so far.
        animal
            Whose laser: 0 or 1.
        now_ns
            The session clock.
        """
        line = line_of(Role.LASER, animal)
        if self._plan.arrays["routes"][line] == NO_ROUTE:
            return f"{ANIMALS[animal]} has no laser; wire one in the rig file, as [lines] {line.name.lower()}"
        if not tally.armed:
            return "the lasers are not armed; arm them first"
        if not self._is_paused(tally) or now_ns < self._resumed_ns + HEARD_NS:
            return "a laser test would be light in a trial; pause first"
        return ""

    def why_no_resume(self, now_ns: int) -> str:
        """Return why no trial may begin yet: a laser test is not over; empty if none is."""
        return "" if now_ns >= self._dark_ns else "a laser test is not over; resume when it is dark"

    def passed_on(self, verb: str, now_ns: int) -> None:
        """Take note of what the loop was just asked to do."""
        if verb == "laser":
            self._dark_ns = now_ns + self._plan.test_ns + EDGE_NS
        elif verb == "resume":
            self._resumed_ns = now_ns
        elif verb == "pause":
            self._resumed_ns = -NEVER_NS  # the loop pauses after it resumed, in this order

    def _is_paused(self, tally: Tally) -> bool:
        """Return whether every machine was last heard to be paused, so that no trial is open."""
        names = [self._plan.state_names[state] for state in tally.states.values()]
        return len(names) == len(self._plan.animals) and set(names) == {PAUSED.name}
