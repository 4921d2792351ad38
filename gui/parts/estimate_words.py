"""What the estimates say in words: never a number before there is enough for it, and each null with what it guards."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.messages import Restart, Subspace, Synchrony
from gui.parts.figures import clock_time
from gui.parts.words import NO_SESSION, clock_at
from gui.scene import Scene
from gui.scene.columns import Series
from realtime.records import NS_PER_S

STALE_NS: Final = 3 * NS_PER_S
"""An estimate comes with every pair of frames: one that is older than this is the last there was."""
LEAST_TRIALS: Final = 10
"""Earlier trials without which the trial-shift null says nothing, as the estimator has it."""
SYNCHRONY_SHIFTS: Final = 20
"""Of the synchrony's null, as the estimator has it."""
HIGH_Z: Final = 2.0
LOOKED_BACK_NS: Final = 300 * NS_PER_S
LEAST_LOOKED_S: Final = 60.0
"""A share of less time than this is not told."""
LONGEST_STAND_NS: Final = 15 * NS_PER_S
"""For how long one row of a thinned series may stand; more is a time without estimates."""

NO_BRAINS: Final = "This rig records no brains, so there is nothing that they could share."
NO_FRAMES: Final = "not yet: no frames of both animals"
LAGGED_GUARDS: Final = "guards against slowness (autocorrelation); a common input that both animals see fools it"
TRIAL_GUARDS: Final = "guards against input that is locked to the trial"
NOW_AND_THEN: Final = (
    "Independent animals reach p ≤ 0.05 at some moment in a third (5 min) to over half (10 min) of sessions."
)
NOT_BY_ITSELF: Final = (
    "Independent animals share a fifth to two fifths of their variance, too: only the difference to the null says "
    "anything."
)
NO_DIRECTION: Final = "A common input fools it; no direction is claimed."


@dataclass(frozen=True, slots=True)
class Settings:
    """What the estimators are set to, as far as it is shown; None where it is not known.

    Attributes
    ----------
    null_lags
        Lags of the lagged null.
    estimate, high
        What the trigger follows, and where it rises.
    """

    null_lags: int | None = None
    estimate: str = ""
    high: float | None = None


class _Subspace(msgspec.Struct):
    null_lags: int | None = None


class _Trigger(msgspec.Struct):
    estimate: str = ""
    high: float | None = None


class _Told(msgspec.Struct):
    subspace: _Subspace = msgspec.field(default_factory=_Subspace)
    trigger: _Trigger | None = None


def settings_of(restart: Restart | None) -> Settings:
    """Return what the estimators' last start says that they are set to; what cannot be read is not known."""
    try:
        told = msgspec.json.decode(restart.settings if restart else "{}", type=_Told)
    except msgspec.MsgspecError:
        return Settings()
    trigger = told.trigger or _Trigger()
    return Settings(told.subspace.null_lags, trigger.estimate, trigger.high)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an estimate stands now.

    Attributes
    ----------
    usable
        Whether its numbers may be read as those of now.
    sentence
        Why not; empty where they may.
    since_ns
        Rows before this are of the past: of estimators that began anew since, or of an estimate that is valid no more.
    """

    usable: bool
    sentence: str
    since_ns: int


def clock_of(scene: Scene, t_ns: int) -> str:
    """Return the time of day at a moment of the session; without one, of the moment itself."""
    return clock_time(t_ns) if scene.opening is None else clock_at(scene.opening, t_ns)


def restarted_ns(scene: Scene, series: Series) -> int | None:
    """Return when the estimators began anew after they had said something; None where they did not [ns]."""
    restart = scene.restart
    if restart is None or not len(series) or int(series.t_ns[0]) >= restart.t_ns:
        return None
    return restart.t_ns


def why_nothing(scene: Scene) -> str:
    """Return why there is no estimate at all."""
    if scene.opening is None:
        return NO_SESSION
    return NO_FRAMES if scene.opening.brains else NO_BRAINS


def standing_of(scene: Scene, latest: Subspace | Synchrony | None, series: Series) -> Standing:
    """Return how an estimate stands, from its newest one and its history."""
    opening = scene.opening
    if opening is None or not opening.brains or latest is None:
        return Standing(False, why_nothing(scene), 0)
    anew_ns = restarted_ns(scene, series) or 0
    missing = _why_stale(scene, latest.t_ns)
    if latest.valid and missing is None and latest.t_ns >= anew_ns:
        return Standing(True, "", anew_ns)
    until_ns = _valid_until(series)
    if latest.valid or until_ns is None:
        sentence = _too_little(latest, opening.min_independent) if missing is None else missing
        if latest.valid and missing is None:
            sentence = "not yet: nothing has come since the estimators began anew"
    else:
        sentence = _too_little(latest, opening.min_independent).replace("not yet", "not valid any more", 1)
        sentence += f"; it was valid until {clock_of(scene, until_ns)}"
    return Standing(False, sentence, latest.t_ns + 1)


def _why_stale(scene: Scene, t_ns: int) -> str | None:
    """Return why nothing newer than an estimate of ``t_ns`` has come; None where it is of now."""
    if scene.now_ns - t_ns <= STALE_NS:
        return None
    silent = [animal for animal, report in sorted(scene.reports.items()) if report.silent]
    why = f": the stream of {' and of '.join(silent)} is silent" if silent else ""
    return f"no new estimate since {clock_of(scene, t_ns)}{why}"


def _valid_until(series: Series) -> int | None:
    """Return when the estimate was valid last [ns]; None where it never was."""
    valid = np.flatnonzero(series["valid"] > 0.0)
    return int(series.t_ns[valid[-1]]) if valid.size else None


def _too_little(latest: Subspace | Synchrony, needed: float) -> str:
    """Return what is missing until an estimate is valid."""
    counted = f"{latest.n_independent:.0f} of {needed:.0f} independent samples"
    if latest.n_independent < needed:
        return f"not yet: {counted}"
    return f"not yet: {counted}, but the longest lag is not filled, or frames do not come at the rate declared"


def null_words(name: str, z: float | None, p: float | None, values: int | None) -> str:
    """Return a null's numbers: z, p, and the least p that a rank among so many values can be."""
    if z is None or p is None:
        return f"{name}: says nothing"
    least = "" if values is None else f" (least 1/{values + 1})"
    return f"{name}: z {z:+.1f}, p {p:.3f}{least}"


def lagged_words(latest: Subspace, settings: Settings) -> str:
    """Return the lagged null's numbers."""
    return null_words("lagged", latest.lagged_z, latest.lagged_p, settings.null_lags)


def trial_words(latest: Subspace) -> str:
    """Return the trial-shift null's numbers."""
    return null_words("trial-shift", latest.trial_z, latest.trial_p, latest.trials)


def trials_missing(latest: Subspace) -> str:
    """Return what is missing until the trial-shift null says something."""
    if latest.trials < LEAST_TRIALS:
        return f"not yet, {latest.trials} of {LEAST_TRIALS} earlier trials"
    return f"not yet, {latest.trials} earlier trials, but too few independent samples in them"


def share_above(
    t_ns: NDArray[np.int64], z: NDArray[np.float64], valid: NDArray[np.float64], since_ns: int, now_ns: int
) -> tuple[float, float] | None:
    """Return in what share of the time z was above 2, and of how much time [s], both of the last five minutes.

    Rows of a thinned series stand for different times: each counts until the next one. None where none is valid.
    """
    first = int(np.searchsorted(t_ns, max(since_ns, now_ns - LOOKED_BACK_NS)))
    if first == t_ns.size:
        return None
    stood = np.diff(t_ns[first:], append=max(now_ns, int(t_ns[-1])))
    stood = np.minimum(stood, LONGEST_STAND_NS) * ((valid[first:] > 0.0) & np.isfinite(z[first:]))
    whole = float(stood.sum())
    if whole <= 0.0:
        return None
    return float(stood[z[first:] > HIGH_Z].sum()) / whole, whole / NS_PER_S


def share_words(shares: dict[str, tuple[float, float] | None]) -> str:
    """Return in what share of the last minutes each null's z was above 2, in words, by the null's name."""
    told = {
        name: (f"{name} {100 * it[0]:.0f} %", f"{it[1] / 60:.2g} min")
        for name, it in shares.items()
        if it is not None and it[1] >= LEAST_LOOKED_S
    }
    spans = {span for _, span in told.values()}
    if len(spans) == 1:
        return f"z > 2 in the last {spans.pop()}: {', '.join(share for share, _ in told.values())}"
    return "z > 2 lately: " + (", ".join(f"{share} of {span}" for share, span in told.values()) or "not yet")


def trigger_words(scene: Scene) -> str:
    """Return the trigger and how often it was crossed; empty where there is none."""
    opening = scene.opening
    if opening is None or not opening.trigger:
        return ""
    says = f"trigger: {opening.trigger}"
    if not scene.crossings:
        return f"{says}; not crossed yet"
    last = scene.crossings[-1]
    way = "rose" if last.above else "fell"
    return f"{says}; crossed {last.number} times, the last at {clock_of(scene, last.t_ns)} ({way})"
