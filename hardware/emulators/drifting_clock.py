"""The clock of an emulated device: it runs straight, but not at the host's rate."""

from typing import Final

_BILLION: Final = 1_000_000_000


class DriftingClock:
    """A clock that runs straight, but not at the host's rate."""

    __slots__ = ("_device_ref_ns", "_host_ref_ns", "_ppb", "ppm")

    def __init__(self, host_ns: int, device_ns: int, ppm: float) -> None:
        self._host_ref_ns = host_ns
        self._device_ref_ns = device_ns
        self.ppm = ppm
        self._ppb = round(ppm * 1000)

    def device_ns(self, host_ns: int) -> int:
        """Return the device's time at a host time."""
        elapsed_ns = host_ns - self._host_ref_ns
        return self._device_ref_ns + elapsed_ns + elapsed_ns * self._ppb // _BILLION

    def host_ns(self, device_ns: int) -> int:
        """Return the first host ns at which the device's clock shows ``device_ns``."""
        elapsed_ns = device_ns - self._device_ref_ns
        host_ns = self._host_ref_ns + elapsed_ns * _BILLION // (_BILLION + self._ppb)
        while self.device_ns(host_ns) < device_ns:
            host_ns += 1
        return host_ns
