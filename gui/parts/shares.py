"""Shares of trials, and how uncertain they are: intervals that hold for few trials and for shares near 0 and 1."""

import math
from typing import Final, NamedTuple

Z_95: Final = 1.959963984540054
"""Of a normal distribution, the value that 2.5 % exceed."""


class Share(NamedTuple):
    """A share between 0 and 1, or a difference of two, and its 95 % confidence interval."""

    value: float
    low: float
    high: float


def wilson(k: int, n: int) -> Share:
    """Return the share of ``k`` of ``n`` trials with Wilson's score interval.

    Parameters
    ----------
    k
        Trials that are counted, 0 to ``n``.
    n
        All trials, at least 1.

    Returns
    -------
    Share
        ``k / n`` and its 95 % confidence interval.

    Notes
    -----
    With p = k/n and z = 1.96 the ends are (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), without a correction
    for continuity: Wilson, J. Am. Stat. Assoc. 22:209, 1927; method 3 of Newcombe, Stat. Med. 17:857, 1998. It takes
    trials as independent of each other, which those of a session that learns are only roughly.
    """
    p, square = k / n, Z_95 * Z_95
    centre = (p + square / (2 * n)) / (1 + square / n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + square / (4 * n * n)) / (1 + square / n)
    low = 0.0 if k == 0 else centre - half  # exactly, whatever rounding says
    return Share(p, low, 1.0 if k == n else centre + half)


def difference(one: Share, other: Share) -> Share:
    """Return by how much a share exceeds another, with Newcombe's hybrid score interval.

    Parameters
    ----------
    one, other
        Shares of different trials, each with its Wilson interval.

    Returns
    -------
    Share
        The difference, −1 to 1, and its 95 % confidence interval.

    Notes
    -----
    With d = p₁ − p₂ and the Wilson intervals l₁…u₁ and l₂…u₂ the ends are d − √((p₁ − l₁)² + (u₂ − p₂)²) and
    d + √((u₁ − p₁)² + (p₂ − l₂)²): method 10 of Newcombe, Stat. Med. 17:873, 1998.
    """
    d = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Share(d, d - below, d + above)


def percent(share: float) -> str:
    """Return a share as whole per cent, without the sign."""
    return f"{100 * share:.0f}"


def share_text(name: str, k: int, n: int) -> str:
    """Return a share in words: ``inhibited 6 of 10 (60 %, 31–83 %)``; "not yet" without a trial."""
    if n == 0:
        return f"{name}: not yet"
    share = wilson(k, n)
    return f"{name} {k} of {n} ({percent(share.value)} %, {percent(share.low)}–{percent(share.high)} %)"


def points(value: float, decimals: int = 0) -> str:
    """Return a difference of shares in percentage points with its sign, a true minus."""
    rounded = round(100 * value, decimals)
    return f"{'−' if rounded < 0 else '+' if rounded > 0 else ''}{abs(rounded):.{decimals}f}"
