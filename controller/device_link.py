"""Keeps one device connected: the port, the driver that serves it, and the next driver when that one has failed.

::

    FIRST ──ready──▶ SERVING ──unplugged, silent, restarted, watchdog──▶ AWAY ──ready again──▶ SERVING
      └─any error─▶ raised       └─any other error─▶ raised                └─too long, or another device─▶ raised

A driver never recovers: its device may have lost its settings and its clock. So a new one is made, which asks who is
there, configures it anew, and starts disarmed. Its records are kept back until it is ready, so that vain attempts leave
no trace in the log; what made the device go away does. Nothing arms but a person.
"""

from collections.abc import Callable
from typing import Final

from hardware.device import (
    DeviceReset,
    DeviceState,
    Driver,
    SilentDevice,
    WatchdogExpired,
)
from hardware.transport import PortError, PortLost, Transport
from realtime.errors import DuettoError
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Events, Fault, no_events

RETRY_NS: Final = 500 * NS_PER_MS
CURABLE: Final = (DeviceReset, SilentDevice, WatchdogExpired)
"""Errors after which the same device may come back."""


class DeviceGone(DuettoError):
    """A device went away and did not come back in time."""


class DeviceLink:
    """One device of a running session.

    Parameters
    ----------
    name
        The rig's name for it.
    make
        Makes a driver whose records go on counting after the given number.
    open_port
        Opens its port; may raise any PortError.
    reconnect_ns
        How long it may be away before that ends the session; 0 ends it at once.

    Attributes
    ----------
    driver
        The one that serves it now.
    port
        Its open port; None while it is unplugged.
    restarts
        How often a new driver brought it back.
    unheard
        Commands that came while it was away: none of them was carried out.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[int], Driver],
        open_port: Callable[[], Transport],
        reconnect_ns: int,
    ) -> None:
        self.name = name
        self._make = make
        self._open_port = open_port
        self._reconnect_ns = reconnect_ns
        self.driver = make(0)
        self.port: Transport | None = open_port()
        self.restarts = 0
        self.unheard = 0
        self._served = False  # whether a driver has ever been ready
        self._away_since_ns: int | None = None
        self._reason: DuettoError | None = None
        self._retry_ns = NEVER_NS
        self._left = no_events(0)  # what a driver had still to report when it failed
        self._last_seq = 0
        self._told: list[str] = []
        self._host_faults: list[Fault] = []

    @property
    def ready(self) -> bool:
        """Whether the device is there and configured."""
        return self._away_since_ns is None and self.driver.state is DeviceState.READY

    def start(self, now_ns: int) -> None:
        """Begin identification."""
        self.driver.start(now_ns)

    def due_ns(self) -> int:
        """Return when :meth:`turn` wants to be called next, or NEVER_NS."""
        return min(self.driver.due_ns(), self._retry_ns)

    def turn(self, now_ns: int) -> None:
        """Move bytes both ways and do what is due.

        Raises
        ------
        DeviceError, PortError, DeviceGone
            If the device failed for good.
        """
        try:
            self._pump(now_ns)
        except PortLost as error:
            self._drop_port()
            self._leave(error, now_ns)
        if self.driver.error is not None and self._retry_ns == NEVER_NS:
            self._leave(self.driver.error, now_ns)
        if self._away_since_ns is not None:
            self._come_back(now_ns)
        self._served = self._served or self.driver.state is DeviceState.READY

    def command(self, records: Events, now_ns: int) -> None:
        """Give the driver COMMAND records; while the device is away nothing is carried out."""
        if self._away_since_ns is None:
            self.driver.command(records, now_ns)
            return
        self.unheard += records.size
        if (records["value"] > 0).any():
            self._host_faults.append(Fault.DEVICE_REFUSED)
            self._told.append(f"{self.name} is away: nothing was switched.")

    def records(self) -> Events:
        """Return what the device has reported since the last call; nothing of a driver that is not ready again."""
        if self._away_since_ns is None and not self._left.size:
            return self.driver.records()
        left, self._left = self._left, no_events(0)
        return left

    def remarks(self) -> list[str]:
        """Return one sentence for everything that a person should hear of since the last call."""
        told, self._told = self._told, []
        return [*(self.driver.remarks() if self._away_since_ns is None else ()), *told]

    def host_faults(self) -> list[Fault]:
        """Return the faults since the last call that no device can report."""
        faults, self._host_faults = self._host_faults, []
        return faults

    def counters(self) -> dict[str, int]:
        """Return what the driver has counted, and how often it was replaced."""
        return self.driver.counters() | {"restarts": self.restarts, "unheard_commands": self.unheard}

    def close(self, now_ns: int) -> None:
        """Make the device safe, if it is there, and let go of its port."""
        try:
            self.driver.close(now_ns)
            if self.port is not None and (out := self.driver.outgoing()):
                self.port.write(out)
        except PortLost:
            self._host_faults.append(Fault.PORT_LOST)
        finally:
            self._drop_port()

    # --- within

    def _pump(self, now_ns: int) -> None:
        if self.port is None:
            return
        if data := self.port.read():
            self.driver.feed(data, now_ns)
        self.driver.poll(now_ns)
        self.flush()

    def flush(self) -> None:
        """Write what the driver has to say now.

        Raises
        ------
        PortLost
            If the port is gone.
        """
        while self.port is not None and (out := self.driver.outgoing()):
            self.port.write(out)

    def _drop_port(self) -> None:
        if self.port is not None:
            self.port.close()
            self.port = None

    def _leave(self, error: DuettoError, now_ns: int) -> None:
        """The driver or the port has failed: try anew, or raise ``error``."""
        curable = isinstance(error, (PortLost, *CURABLE))
        if not self._served or not curable or self._reconnect_ns == 0:
            self._announce(error)
            raise error
        self._retry_ns = now_ns + RETRY_NS
        if self._away_since_ns is None:
            self._announce(error)
            self._away_since_ns = now_ns
            self._reason = error
            self._left, self._last_seq = self.driver.records(), self.driver.last_seq

    def _announce(self, error: DuettoError) -> None:
        self._told += self.driver.remarks()
        if isinstance(error, PortLost):
            self._host_faults.append(Fault.PORT_LOST)
            self._told.append(str(error))

    def _come_back(self, now_ns: int) -> None:
        """Try once more, see whether the last try has succeeded, or give up."""
        away_ns = now_ns - (self._away_since_ns or 0)
        if self._retry_ns == NEVER_NS and self.driver.state is DeviceState.READY:
            self._away_since_ns = None
            self.restarts += 1
            self._told.append(
                f"{self.name} is back after {away_ns / NS_PER_S:.1f} s, configured anew and disarmed. "
                "The session is paused: look at the box, then resume (and arm) it."
            )
        elif away_ns > self._reconnect_ns:
            raise DeviceGone(
                f"{self.name} was away for more than {self._reconnect_ns / NS_PER_S:g} s (reconnect_s). {self._reason}"
            ) from self._reason
        elif now_ns >= self._retry_ns:
            self._try_again(now_ns)

    def _try_again(self, now_ns: int) -> None:
        """Open the port if it is gone, and let a new driver ask who is there."""
        self._retry_ns = now_ns + RETRY_NS
        if self.port is None:
            try:
                self.port = self._open_port()
            except PortError:
                return
        self.driver = self._make(self._last_seq)
        self._retry_ns = NEVER_NS
        self.driver.start(now_ns)
        try:
            self.flush()
        except PortLost:
            self._drop_port()
            self._retry_ns = now_ns + RETRY_NS
