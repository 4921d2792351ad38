"""Maps a device's stamps onto the session clock.

The host pings: it notes when it sent (``sent_ns``) and when the answer came (``received_ns``); the answer carries the
device's stamp. The stamp was taken somewhere between; the middle is the best guess, wrong by at most half the round
trip. Of the last 20 s the fifth with the shortest round trips is kept, and a robust line (Theil-Sen over half-pairs,
medians) is laid through it; before it spans 2 s there is only an offset, taken from the shortest round trip so far.

*Serialisation.* An answer longer than its request pulls the middle late by (bytes in - bytes out) / 2 x 10 bits / baud,
which is subtracted. *Quantum.* Stamps are cut to whole 32 µs, so they are 16 µs early on average. The pings' stamps and
the events' stamps are cut alike: the two halves of a quantum cancel in every mapped event, so neither is subtracted,
and the half stays in the uncertainty.

*Steps.* A stamp that runs backwards, or that no round trip can explain (off by more than the larger of 1 ms and half
its round trip, plus the mapping's own uncertainty), begins a new *epoch*: everything learnt is thrown away and the
epoch is counted. A step is never smoothed over.

Arithmetic is in integers; the slope is an integer in parts per 10^9 that multiplies differences only.
"""

from collections import deque
from statistics import median
from typing import Final

from hardware.harp import TICK_NS
from realtime.errors import DuettoError
from realtime.records import NS_PER_MS, NS_PER_S

WINDOW_NS: Final = 20 * NS_PER_S
LINE_SPAN_NS: Final = 2 * NS_PER_S
REFIT_NS: Final = NS_PER_S
STEP_NS: Final = NS_PER_MS
MAX_DRIFT_PPB: Final = 10_000_000
"""A ceramic resonator may be off by 0.5 %; a line twice as steep as that is no drift."""
_BILLION: Final = 1_000_000_000
_KEPT_FRACTION: Final = 5
_MIN_KEPT: Final = 5
_EAGER_PINGS: Final = 8
_BITS_PER_BYTE: Final = 10
_LONG_AGO_NS: Final = -(2**62)


class ClockUnset(DuettoError):
    """A device's stamp cannot be mapped yet."""


class ClockMap:
    """The mapping of one device's clock. Feed it pings; ask it for times.

    Parameters
    ----------
    baud
        Bits per second of the link, or 0 where bytes take no time (pseudo-terminals, virtual time).
    request_bytes, reply_bytes
        Lengths of a ping and of its answer.

    Attributes
    ----------
    epoch
        0, and one more for every step of the device's clock.
    pings
        Pings taken in this epoch.
    clamped
        Stamps whose mapped time would have run backwards within an epoch and was held at the latest one given out.
    uncertainty_ns
        Half the shortest round trip in use, plus twice the median residual, plus half a quantum.
    drift_ppb
        How much faster than the device's clock the host's runs, parts per 10^9; 0 while there is only an offset.
    """

    __slots__ = (
        "_asymmetry_ns",
        "_device_ref_ns",
        "_fitted_ns",
        "_host_ref_ns",
        "_last_device_ns",
        "_latest_ns",
        "_lined",
        "_samples",
        "clamped",
        "drift_ppb",
        "epoch",
        "pings",
        "uncertainty_ns",
    )

    def __init__(self, baud: int = 0, request_bytes: int = 7, reply_bytes: int = 13) -> None:
        surplus_bits = (reply_bytes - request_bytes) * _BITS_PER_BYTE
        self._asymmetry_ns = surplus_bits * NS_PER_S // (2 * baud) if baud else 0
        self._samples: deque[tuple[int, int, int]] = deque()  # device, host middle, round trip
        self._fitted_ns = self._latest_ns = _LONG_AGO_NS
        self.epoch = 0
        self.clamped = 0
        self._forget()

    @property
    def ready(self) -> bool:
        """Whether stamps can be mapped: from the first ping on."""
        return self.pings > 0

    @property
    def offset_ns(self) -> int:
        """How much later than the device's clock the session clock reads, at the newest fit; 0 before the first."""
        return self._host_ref_ns - self._device_ref_ns

    def add_ping(self, sent_ns: int, received_ns: int, device_ns: int) -> bool:
        """Take one ping's times.

        Returns
        -------
        bool
            True if the device's clock stepped, so that a new epoch began with this ping.
        """
        round_trip_ns = max(0, received_ns - sent_ns)
        host_ns = (sent_ns + received_ns) // 2 - self._asymmetry_ns
        stepped = self.pings > 0 and self._is_step(host_ns, round_trip_ns, device_ns)
        if stepped:
            self.epoch += 1
            self._forget()
        samples = self._samples
        samples.append((device_ns, host_ns, round_trip_ns))
        while host_ns - samples[0][1] > WINDOW_NS:
            samples.popleft()
        self.pings += 1
        self._last_device_ns = device_ns
        if self.pings <= _EAGER_PINGS or host_ns - self._fitted_ns >= REFIT_NS:
            self._fitted_ns = host_ns
            self._fit()
        return stepped

    def to_host_ns(self, device_ns: int) -> int:
        """Return when a stamp was, on the session clock; never earlier than any time given out in this epoch.

        Raises
        ------
        ClockUnset
            Before the first ping.
        """
        if not self.pings:
            raise ClockUnset("A device's stamp came before its first ping was answered. Ping the device first.")
        host_ns = self._raw_ns(device_ns)
        if host_ns < self._latest_ns:
            self.clamped += 1
            return self._latest_ns
        self._latest_ns = host_ns
        return host_ns

    def _raw_ns(self, device_ns: int) -> int:
        elapsed_ns = device_ns - self._device_ref_ns
        return self._host_ref_ns + elapsed_ns + elapsed_ns * self.drift_ppb // _BILLION

    def _forget(self) -> None:
        self._samples.clear()
        self.pings = 0
        self.drift_ppb = 0
        self.uncertainty_ns = 0
        self._lined = False
        self._device_ref_ns = self._host_ref_ns = self._last_device_ns = 0
        self._fitted_ns = self._latest_ns = _LONG_AGO_NS

    def _is_step(self, host_ns: int, round_trip_ns: int, device_ns: int) -> bool:
        if device_ns < self._last_device_ns:
            return True
        limit_ns = max(STEP_NS, round_trip_ns // 2) + self.uncertainty_ns
        if not self._lined:  # the drift is still unknown: allow for the largest one
            limit_ns += abs(device_ns - self._device_ref_ns) * MAX_DRIFT_PPB // _BILLION
        return abs(host_ns - self._raw_ns(device_ns)) > limit_ns

    def _fit(self) -> None:
        """Lay the line anew through the samples with the shortest round trips."""
        samples = self._samples
        trips = sorted(sample[2] for sample in samples)
        cut_ns = trips[min(len(trips), max(_MIN_KEPT, len(trips) // _KEPT_FRACTION)) - 1]
        kept = [sample for sample in samples if sample[2] <= cut_ns]
        device_ref, host_ref, _ = kept[-1]
        xs = [sample[0] - device_ref for sample in kept]
        ys = [sample[1] - host_ref - x for sample, x in zip(kept, xs, strict=True)]
        slope_ppb = self._slope_ppb(xs, ys)
        rests = [y - x * slope_ppb // _BILLION for x, y in zip(xs, ys, strict=True)]
        if self._lined:
            offset_ns = round(median(rests))
        else:
            offset_ns = rests[min(range(len(kept)), key=lambda index: (kept[index][2], -index))]
        spread_ns = round(median([abs(rest - offset_ns) for rest in rests]))
        self.drift_ppb = slope_ppb
        self._device_ref_ns = device_ref
        self._host_ref_ns = host_ref + offset_ns
        self.uncertainty_ns = trips[0] // 2 + 2 * spread_ns + TICK_NS // 2

    def _slope_ppb(self, xs: list[int], ys: list[int]) -> int:
        """Return the median slope over pairs half the samples apart, or the one before if they span too little."""
        if len(xs) < _MIN_KEPT or xs[-1] - xs[0] < LINE_SPAN_NS:
            return self.drift_ppb
        half = len(xs) // 2
        slopes = [
            (ys[index + half] - ys[index]) / (xs[index + half] - xs[index])
            for index in range(len(xs) - half)
            if xs[index + half] > xs[index]
        ]
        slope_ppb = round(median(slopes) * _BILLION) if slopes else 0
        self._lined = abs(slope_ppb) <= MAX_DRIFT_PPB
        return slope_ppb if self._lined else 0
