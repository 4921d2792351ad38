"""What the kernels must agree with, written as a person would do it by hand: lists, sorted and walked once."""

from typing import NamedTuple


class Poke(NamedTuple):
    """One broken beam."""

    t_ns: int
    animal: int


class Decided(NamedTuple):
    """One trial's end."""

    trial: int
    outcome: str
    t_ns: int


def cooperation(
    pokes: list[Poke],
    *,
    start_ns: int,
    itis_ns: list[int],
    window_ns: int,
    limit_ns: int | None,
    drink_ns: int,
    timeout_ns: int,
) -> list[Decided]:
    """Judge a whole session of the cooperation task, knowing all pokes at once.

    A trial opens when its ITI is over; only pokes after that instant count. A trial that nobody ever pokes in and that
    has no limit never ends, nor does any after it.
    """
    decided: list[Decided] = []
    before_ns = start_ns
    for trial, iti_ns in enumerate(itis_ns, 1):
        opened_ns = before_ns + iti_ns
        inside = [poke for poke in sorted(pokes) if poke.t_ns > opened_ns]
        if limit_ns is not None and (not inside or inside[0].t_ns > opened_ns + limit_ns):
            decided.append(Decided(trial, "OMISSION", opened_ns + limit_ns))
            before_ns = decided[-1].t_ns + timeout_ns
            continue
        if not inside:
            break
        first = inside[0]
        partners = [p for p in inside if p.animal != first.animal and p.t_ns - first.t_ns <= window_ns]
        if partners:
            decided.append(Decided(trial, "SUCCESS", partners[0].t_ns))
            before_ns = decided[-1].t_ns + drink_ns
        else:
            decided.append(Decided(trial, "MISS", first.t_ns + window_ns))
            before_ns = decided[-1].t_ns + timeout_ns
    return decided


class StageWalk:
    """The criterion schedule, remembering the outcomes since the last change as a list."""

    def __init__(self, n_stages: int, n: int, advance_above: float, retreat_below: float) -> None:
        self.stage = 0
        self._n_stages, self._n = n_stages, n
        self._above, self._below = advance_above, retreat_below
        self._since: list[bool] = []

    def judged(self, outcome: str) -> int:
        """Take a trial into account and return the stage from now on."""
        if outcome not in ("SUCCESS", "MISS"):
            return self.stage
        self._since.append(outcome == "SUCCESS")
        if len(self._since) < self._n:
            return self.stage
        successes = sum(self._since[-self._n :])
        if successes > self._above * self._n and self.stage < self._n_stages - 1:
            self.stage, self._since = self.stage + 1, []
        elif successes < self._below * self._n and self.stage > 0:
            self.stage, self._since = self.stage - 1, []
        return self.stage
