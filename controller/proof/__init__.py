"""The preflight proof: before an animal is in the box, every path through the compiled task is walked.

It stands on the tables that the loop decides by, so it proves a plan just made as well as one read back from a log.
Inputs are adversarial: any poke, lick, pause, resume or stop may come at any instant, in any order; only a deadline
comes when it is due. What is proven, each with the worst case found and a path to it:

- every state can be left, and leads to the end without force;
- a stop ends the session from everywhere with every output off; so does a pause wherever one may be on;
- every command that switches an output on carries a length that its line allows: it ends by itself;
- light per trial, and light in any minute, stay within the rig's limits.

Times are those of the session clock. :mod:`controller.proof.walk` has the paths, :mod:`controller.proof.minute` the
bounds over the trial table, :mod:`controller.proof.path` the paths with times.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller import rigfile
from controller.plan import Plan
from controller.proof.findings import Finding
from controller.proof.light import light_findings, valve_findings
from controller.proof.states import state_findings
from controller.proof.walk import walk
from realtime.errors import DuettoError


class NotSafe(DuettoError):
    """A session would not be safe.

    Attributes
    ----------
    findings
        Everything that does not hold.
    """

    def __init__(self, task: str, findings: Sequence[Finding]) -> None:
        super().__init__(task, findings)
        self.task = task
        self.findings = tuple(findings)

    def __str__(self) -> str:
        """Return a sentence for each finding, one a line."""
        return "\n".join(f"task {self.task} is not safe: {finding.sentence}." for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven of a plan on a rig."""

    task: str
    trials: int
    """Rows of the trial table."""
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether everything does."""
        return not self.violations

    @property
    def violations(self) -> tuple[Finding, ...]:
        """Return what does not hold."""
        return tuple(finding for finding in self.findings if not finding.holds)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what a person should know although it holds."""
        return tuple(finding.caution for finding in self.findings if finding.warning)

    def insist(self) -> None:
        """Return only if everything holds.

        Raises
        ------
        NotSafe
            With everything that does not hold, and the way out of each.
        """
        if not self.holds:
            raise NotSafe(self.task, self.violations)


def prove(plan: Plan, rig: rigfile.Rig) -> Proof:
    """Walk every path of a plan and hold it against the limits of a rig.

    Parameters
    ----------
    plan
        A session's plan, made now or read back from a log.
    rig
        Says what every line and animal may bear.

    Returns
    -------
    Proof
        What was found; :meth:`Proof.insist` refuses a plan that is not safe.

    Raises
    ------
    UnknownWord
        If the task uses an action that this version does not know.
    """
    walks = [walk(plan, who) for who in range(len(plan.animals))]
    findings = (*state_findings(walks, rig), *light_findings(walks, rig), *valve_findings(walks, rig))
    return Proof(plan.task, int(plan.arrays["trials"].shape[1]), findings)
