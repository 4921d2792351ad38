"""Two scripted virtual mice that poke, follow each other, drink and learn.

They break the beams of an emulated board in a live session, or run in virtual time: the same pure,
event-driven logic, deterministic for a seed, with time as an argument. They are no model of cognition. What
they owe a session is believable poke times, one body per mouse, and a success rate that rises with training.

Each mouse is always in one of three places, and its next movement is always planned::

            own visit, or following the partner                  hold is over
      AWAY ------------------------------------> POKING ----------------------------> AWAY
       |  water                                   |  hold is over, water has come
       +---------------> DRINKING <---------------+
                            |  last lick
                            +-------------------------> AWAY

So a mouse never breaks two beams at once, and every beam it breaks is released.
"""

import math
from collections import deque
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np

from realtime.clock import from_seconds
from realtime.errors import DuettoError
from realtime.records import ANIMALS, NS_PER_MS, NS_PER_S, Kind

SHORTEST_NS: Final = 10 * NS_PER_MS
"""No movement of a mouse is quicker than this: twice the usual 5 ms debounce of a beam."""
LONGEST_NS: Final = 24 * 3600 * NS_PER_S
"""No drawn duration is longer than this: a wild parameter cannot run a planned time out of 64 bits."""
REACH_NS: Final = 250 * NS_PER_MS
"""From leaving for the water to the first lick."""
LICK_NS: Final = 50 * NS_PER_MS
"""How long the tongue breaks the beam."""
LICK_GAP_S: Final = 0.093
"""Median from one lick's end to the next one's start: with :data:`LICK_NS` 7 licks per second."""
LICK_GAP_SIGMA: Final = 0.15
MAX_SIGMA: Final = 2.0
_PERCEIVED: Final = (Kind.VALVE_ON, Kind.LASER_ON, Kind.LASER_OFF)


class MouseParametersError(DuettoError):
    """A parameter of a virtual mouse lies outside its range."""


class NoSuchMouseError(DuettoError):
    """Something was shown to an animal that is neither 0 (A) nor 1 (B)."""


class SeedError(DuettoError):
    """A negative seed: it derives no random stream."""


@dataclass(frozen=True, slots=True)
class MouseParameters:
    """How one mouse behaves. ``_s`` is a log-normal time's median, ``_sigma`` the deviation of its logarithm.

    Parameters
    ----------
    poke_interval_s, poke_interval_sigma
        From the end of the last poke or drink to the next visit of its own, 0.01 s to a day.
    poke_hold_s, poke_hold_sigma
        How long a poke lasts.
    follow_initial, follow_final
        Probability of following the partner's poke, before any reward and after very many, 0 to 1.
    learn_trials
        Rewards until half of the way from initial to final is gone, above 0.
    follow_latency_s, follow_latency_sigma
        From the partner's poke to the poke that follows it.
    drink_s
        Licks begin for this long after the first one; 0 means that water is not drunk.
    inhibited_follow_factor
        Multiplies the probability of following while the mouse's own laser is on, 0 to 1.

    Raises
    ------
    MouseParametersError
        If a value is outside its range, or not a number.
    """

    poke_interval_s: float = 6.0
    poke_interval_sigma: float = 0.6
    poke_hold_s: float = 0.35
    poke_hold_sigma: float = 0.4
    follow_initial: float = 0.15
    follow_final: float = 0.85
    learn_trials: float = 60.0
    follow_latency_s: float = 0.45
    follow_latency_sigma: float = 0.35
    drink_s: float = 2.0
    inhibited_follow_factor: float = 0.4

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _range_of(field.name)
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise MouseParametersError(
                    f"A virtual mouse's {field.name} is {value}, but must lie from {low} to {high}; "
                    "correct it, or leave it out for the default."
                )


def _range_of(name: str) -> tuple[float, float]:
    """Return the inclusive range of the parameter called ``name``."""
    if name.endswith("_sigma"):
        return 0.0, MAX_SIGMA
    if name == "drink_s":
        return 0.0, 3600.0
    if name.endswith("_s"):
        return SHORTEST_NS / NS_PER_S, LONGEST_NS / NS_PER_S
    if name == "learn_trials":
        return 1e-3, 1e9
    return 0.0, 1.0


class Movement(NamedTuple):
    """One beam broken or released by one mouse, at its planned time."""

    t_ns: int
    animal: int
    kind: Kind
    """POKE_IN, POKE_OUT, LICK_IN or LICK_OUT."""


def follow_probability(parameters: MouseParameters, rewards: int, *, inhibited: bool = False) -> float:
    """Return the probability that a mouse follows its partner's poke.

    Parameters
    ----------
    parameters
        The mouse.
    rewards
        How many times it has had water; half of what is left to learn is learned every ``learn_trials``.
    inhibited
        Whether its own laser is on.
    """
    to_learn = parameters.follow_final - parameters.follow_initial
    learned = parameters.follow_final - to_learn * math.pow(2.0, -rewards / parameters.learn_trials)
    return learned * parameters.inhibited_follow_factor if inhibited else learned


class _Mouse:
    """One mouse: where it is follows from the movement that it has planned next."""

    __slots__ = (
        "_attention", "_body", "_drink_end_ns", "_inhibited", "_parameters", "_rewards", "_water_waits",
        "due_kind", "due_ns", "follows",
    )  # fmt: skip

    def __init__(self, parameters: MouseParameters, seeds: np.random.SeedSequence, start_ns: int) -> None:
        self._parameters = parameters
        # Two streams: what the partner does must not reach this mouse's own times, unless it follows.
        self._body, self._attention = (np.random.default_rng(child) for child in seeds.spawn(2))
        self._rewards = 0
        self._inhibited = False
        self._water_waits = False
        self._drink_end_ns = start_ns
        self._visit_after(start_ns)

    def move(self) -> None:
        """Make the planned movement, and plan the next."""
        t_ns, p = self.due_ns, self._parameters
        match self.due_kind:
            case Kind.POKE_IN:
                self._plan(t_ns + self._body_ns(p.poke_hold_s, p.poke_hold_sigma), Kind.POKE_OUT)
            case Kind.POKE_OUT if self._water_waits:
                self._drink_after(t_ns)
            case Kind.LICK_IN:
                self._plan(t_ns + LICK_NS, Kind.LICK_OUT)
            case Kind.LICK_OUT:
                self._lick_again_or_leave(t_ns)
            case _:
                self._visit_after(t_ns)

    def see_partner_poke(self, t_ns: int) -> None:
        """Perhaps follow: come and poke, if that is earlier than the visit already planned."""
        if self.due_kind != Kind.POKE_IN:
            return
        p = self._parameters
        if self._attention.random() >= follow_probability(p, self._rewards, inhibited=self._inhibited):
            return
        follow_ns = t_ns + _log_normal_ns(self._attention, p.follow_latency_s, p.follow_latency_sigma)
        if follow_ns < self.due_ns:
            self._plan(follow_ns, Kind.POKE_IN, follows=True)

    def perceive(self, kind: Kind, t_ns: int) -> None:
        """Take in what the box did to this mouse: water, or light on or off."""
        if kind == Kind.VALVE_ON:
            self._taste_water(t_ns)
        else:
            self._inhibited = kind == Kind.LASER_ON

    def _taste_water(self, t_ns: int) -> None:
        self._rewards += 1
        if self._parameters.drink_s == 0:
            return
        if self.due_kind == Kind.POKE_IN:
            self._drink_after(t_ns)
        elif self.due_kind == Kind.POKE_OUT:
            self._water_waits = True
        else:  # more water while drinking: the bout goes on, it does not start again
            self._drink_end_ns = t_ns + REACH_NS + from_seconds(self._parameters.drink_s)

    def _drink_after(self, t_ns: int) -> None:
        self._water_waits = False
        self._drink_end_ns = t_ns + REACH_NS + from_seconds(self._parameters.drink_s)
        self._plan(t_ns + REACH_NS, Kind.LICK_IN)

    def _lick_again_or_leave(self, t_ns: int) -> None:
        lick_ns = t_ns + self._body_ns(LICK_GAP_S, LICK_GAP_SIGMA)
        if lick_ns < self._drink_end_ns:
            self._plan(lick_ns, Kind.LICK_IN)
        else:
            self._visit_after(t_ns)

    def _visit_after(self, t_ns: int) -> None:
        p = self._parameters
        self._plan(t_ns + self._body_ns(p.poke_interval_s, p.poke_interval_sigma), Kind.POKE_IN)

    def _plan(self, t_ns: int, kind: Kind, *, follows: bool = False) -> None:
        self.due_ns = t_ns
        self.due_kind = kind
        self.follows = follows

    def _body_ns(self, median_s: float, sigma: float) -> int:
        return _log_normal_ns(self._body, median_s, sigma)


def _log_normal_ns(stream: np.random.Generator, median_s: float, sigma: float) -> int:
    """Draw one duration from ``stream``."""
    drawn_ns = from_seconds(median_s * math.exp(sigma * stream.standard_normal()))
    return min(max(drawn_ns, SHORTEST_NS), LONGEST_NS)


class MousePair:
    """Two mice either side of a perforated divider.

    What the pair is shown (:meth:`observe`) it perceives in the order of time, between its own movements:
    what it does depends on *when* things happened, never on how often it is asked. A poke that was itself a
    follow is not followed: two keen mice would otherwise chase each other for ever.

    Parameters
    ----------
    a, b
        The behaviour of animal 0 and of animal 1.
    seed
        From 0. Each mouse draws from streams of its own, derived from the seed and its number.
    start_ns
        Session clock. No movement is made before it.

    Raises
    ------
    SeedError
        If ``seed`` is negative.
    """

    def __init__(self, a: MouseParameters, b: MouseParameters, seed: int, start_ns: int) -> None:
        if seed < 0:
            raise SeedError(f"The virtual mice's seed is {seed}, but a seed is 0 or more; choose another.")
        self._mice = tuple(
            _Mouse(parameters, np.random.SeedSequence(seed, spawn_key=(animal,)), start_ns)
            for animal, parameters in enumerate((a, b))
        )
        self._sights: deque[tuple[int, int, Kind]] = deque()
        self._acted_ns = start_ns

    def due_ns(self) -> int:
        """Return when :meth:`act` has something to do next; a mouse always has a plan."""
        a, b = self._mice
        planned_ns = min(a.due_ns, b.due_ns)
        return min(planned_ns, self._sights[0][0]) if self._sights else planned_ns

    def act(self, now_ns: int) -> list[Movement]:
        """Make every movement that is due.

        Parameters
        ----------
        now_ns
            Session clock.

        Returns
        -------
        list of Movement
            In the order of time, each at its planned time, at or before ``now_ns``.
        """
        movements: list[Movement] = []
        a, b = self._mice
        while (t_ns := self.due_ns()) <= now_ns:
            if t_ns < min(a.due_ns, b.due_ns):
                seen_ns, animal, kind = self._sights.popleft()
                self._mice[animal].perceive(kind, seen_ns)
            else:  # at the same instant a mouse moves before it perceives: both orders of calls agree
                movements.append(self._move(0 if a.due_ns <= b.due_ns else 1))
        self._acted_ns = max(self._acted_ns, now_ns)
        return movements

    def observe(self, kind: Kind, animal: int, now_ns: int) -> None:
        """Show a mouse what the box does: water at its own port, light in its own implant.

        Parameters
        ----------
        kind
            VALVE_ON, LASER_ON or LASER_OFF. A mouse perceives no other kind; showing it one changes nothing.
        animal
            Whose port or implant, 0 or 1.
        now_ns
            Session clock. What is shown late, after :meth:`act` has passed this time or after a later sight,
            is perceived as soon as it can be: the past is not made again.

        Raises
        ------
        NoSuchMouseError
            If water or light is shown to an animal that is not in the box.
        """
        if kind not in _PERCEIVED:
            return
        if animal not in (0, 1):
            raise NoSuchMouseError(
                f"{Kind(kind).name} was shown to animal {animal}, but the virtual mice are 0 ({ANIMALS[0]}) "
                f"and 1 ({ANIMALS[1]}); name the animal of the line."
            )
        latest_ns = self._sights[-1][0] if self._sights else self._acted_ns
        self._sights.append((max(int(now_ns), latest_ns), int(animal), Kind(kind)))

    def _move(self, animal: int) -> Movement:
        mouse = self._mice[animal]
        movement = Movement(mouse.due_ns, animal, mouse.due_kind)
        leads = movement.kind == Kind.POKE_IN and not mouse.follows
        mouse.move()
        if leads:
            self._mice[1 - animal].see_partner_poke(movement.t_ns)
        return movement
