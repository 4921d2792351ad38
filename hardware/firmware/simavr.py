"""Runs the reference board's firmware as machine code, as an :class:`hardware.device.EmulatedDevice`.

Manual
------
``SimavrBoard(build(), now_ns)`` is a board that has just been powered. Use it as any emulated device, and close it (it
is a context manager): it is a child process (``harness/avr_board.c``), spoken to through pipes, in lockstep.

*Time* is virtual: nothing moves but by :meth:`SimavrBoard.advance`, and the same calls always give the same bytes and
edges, however finely time is cut. A cycle is 62.5 ns of the board's clock, which runs ``knobs.clock_ppm`` fast. Bytes
take 10 µs each, on their way in and out; :meth:`SimavrBoard.outgoing` returns those whose stop bit has ended. A pin
that is changed, or a reset, has its effect in the time that passes afterwards: look at ``outputs`` then.

*Pins* as in register 32: 0 to 3 beams, 4 and 5 licks. Outputs 0 and 1 valves, 2 and 3 lasers.

*Faults.* ``board.knobs`` (:class:`Knobs`) breaks the wire, bends the clock, and stops it. :meth:`SimavrBoard.hang`
sends the program into an endless loop, which only the chip's own watchdog ends.
"""

from dataclasses import dataclass
from typing import Final, Self

from hardware.board.registers import N_INPUTS, BootCause
from hardware.device import NoSuchPin, WireFaults
from hardware.firmware.build import CLOCK_HZ, Programs
from hardware.firmware.lockstep import BoardProgram, Happened, Order, Record
from realtime.errors import DuettoError
from realtime.records import NEVER_NS, NS_PER_S

QUANTUM_NS: Final = 200_000
"""How far :meth:`SimavrBoard.due_ns` looks ahead: what the board sends by itself is seen at most this late."""
CYCLES_PER_MS: Final = CLOCK_HZ // 1000

_INPUT_PINS: Final = (("C", 0), ("C", 1), ("C", 2), ("C", 3), ("D", 2), ("D", 3))
_INTERLOCK_PIN: Final = ("C", 4)
_OUTPUT_PINS: Final = (("B", 0), ("B", 1), ("B", 2), ("B", 3))
_BILLION: Final = 1_000_000_000


class FirmwareCrashed(DuettoError):
    """The firmware did what no program may: an unknown instruction, or sleep with interrupts off."""


@dataclass(slots=True)
class Knobs(WireFaults):
    """What is broken. A change holds from the next ``advance`` on.

    Attributes
    ----------
    clock_ppm
        How much too fast the chip's clock runs.
    freeze
        The chip's clock stands still: no instruction, no timer, no watchdog; outputs stay, bytes that come are lost.
    """

    clock_ppm: float = 0.0
    freeze: bool = False


class CycleClock:
    """Which cycle of the chip falls at which session time, from one anchor on. ``rate_ppb`` 0: none passes."""

    __slots__ = ("_cycle_ref", "_host_ref_ns", "_scale")

    def __init__(self, host_ns: int, cycle: int, rate_ppb: int) -> None:
        self._host_ref_ns = host_ns
        self._cycle_ref = cycle
        self._scale = CLOCK_HZ * rate_ppb

    def cycle_at(self, host_ns: int) -> int:
        """Return how many cycles are over at a session time."""
        return self._cycle_ref + (host_ns - self._host_ref_ns) * self._scale // (_BILLION * NS_PER_S)

    def host_ns(self, cycle: int) -> int:
        """Return the first ns at which ``cycle`` cycles are over."""
        if not self._scale:
            return self._host_ref_ns
        return self._host_ref_ns - (self._cycle_ref - cycle) * _BILLION * NS_PER_S // self._scale


class FrameRepeater:
    """Sends whole frames twice, as often as the knobs ask; the firmware's bytes are always whole Harp frames."""

    __slots__ = ("_frame",)

    def __init__(self) -> None:
        self._frame = bytearray()

    def pass_on(self, data: bytes, knobs: WireFaults) -> bytes:
        """Return ``data`` with frames repeated after themselves."""
        out = bytearray()
        for byte in data:
            self._frame.append(byte)
            out.append(byte)
            if len(self._frame) > 1 and len(self._frame) == self._frame[1] + 2:
                if knobs.duplicate:
                    knobs.duplicate -= 1
                    out += self._frame
                self._frame.clear()
        return bytes(out)

    def forget(self) -> None:
        """Forget an unfinished frame: the board was reset within it."""
        self._frame.clear()


class SimavrBoard:
    """The board; the module's docstring is its manual.

    Parameters
    ----------
    programs
        From :func:`hardware.firmware.build.build`.
    now_ns
        Session time at power-on.
    quantum_ns
        See :data:`QUANTUM_NS`.

    Attributes
    ----------
    knobs
        What is broken.
    edges_cycles, inputs_cycles
        Every edge of the output pins, and every change of an input pin (of the interlock: pin -1), since power-on, as
        ``(cycle, pin, level)``.
    boots_cycles
        Every boot since power-on, as ``(cycle, cause)``.
    lost_bytes
        Bytes that came while the chip's receiver still held three unread ones.

    Raises
    ------
    hardware.firmware.lockstep.BoardProgramDied
        From any call, if the child process has ended.
    FirmwareCrashed
        From the call during which it happened, and all later ones.
    """

    def __init__(self, programs: Programs, now_ns: int = 0, quantum_ns: int = QUANTUM_NS) -> None:
        self.knobs = Knobs()
        self.edges_cycles: list[tuple[int, int, int]] = []
        self.inputs_cycles: list[tuple[int, int, int]] = []
        self.boots_cycles: list[tuple[int, BootCause]] = []
        self.lost_bytes = 0
        self._quantum_ns = quantum_ns
        self._now_ns = now_ns
        self._cycle = -1
        self._speed = (0.0, False)
        self._clock = CycleClock(now_ns, 0, _BILLION)
        self._outputs = 0
        self._edges: list[tuple[int, int, int]] = []
        self._sent: list[tuple[int, int]] = []
        self._repeater = FrameRepeater()
        self._crash: FirmwareCrashed | None = None
        self._program = BoardProgram(programs)
        try:
            self._power_on()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child process. Doing so twice is harmless."""
        self._program.close()

    # --- EmulatedDevice

    @property
    def outputs(self) -> int:
        """Outputs that are truly on now, as a bit mask by pin."""
        return self._outputs

    @property
    def cycle(self) -> int:
        """Cycles that are over."""
        return self._cycle

    def feed(self, data: bytes, now_ns: int) -> None:
        """Put bytes on the wire to the board, behind those that are still on it."""
        self.advance(now_ns)
        if not self.knobs.freeze:
            for byte in data:
                self._program.order(Order.BYTE, self._cycle, byte)

    def advance(self, now_ns: int) -> None:
        """Let the board live until ``now_ns``."""
        self._now_ns = max(now_ns, self._now_ns)
        cycle = self._clock.cycle_at(self._now_ns)
        if cycle > self._cycle:
            self._live_until(cycle)
        speed = (self.knobs.clock_ppm, self.knobs.freeze)
        if speed != self._speed:
            self._speed = speed
            rate_ppb = 0 if self.knobs.freeze else _BILLION + round(self.knobs.clock_ppm * 1000)
            self._clock = CycleClock(self._now_ns, self._cycle, rate_ppb)

    def due_ns(self) -> int:
        """Return one quantum from now: a running processor may do something at any time."""
        return NEVER_NS if self.knobs.freeze else self._now_ns + self._quantum_ns

    def outgoing(self, now_ns: int) -> bytes:
        """Return the bytes that have left the wire by ``now_ns``, after the knobs have had their way with them."""
        self.advance(now_ns)
        n_left = sum(cycle <= self._cycle for cycle, _ in self._sent)
        data = bytes(byte for _, byte in self._sent[:n_left])
        del self._sent[:n_left]
        return self.knobs.spoil(self._repeater.pass_on(data, self.knobs))

    def reset(self, now_ns: int, cause: BootCause = BootCause.EXTERNAL) -> None:
        """Reset the chip; its memory stays, everything else is as after power-on."""
        self.advance(now_ns)
        self._program.order(Order.RESET, self._cycle, cause)

    def set_input(self, pin: int, high: bool, now_ns: int) -> None:
        """Put an input pin high (beam broken, lick sensor touched) or low.

        Raises
        ------
        NoSuchPin
            If ``pin`` is none of 0 to 5.
        """
        if not 0 <= pin < N_INPUTS:
            raise NoSuchPin(f"The reference board has no input {pin}. Use 0 to 3 (beams), 4 or 5 (licks).")
        self._drive(_INPUT_PINS[pin], high, now_ns)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """Open or close the interlock loop."""
        self._drive(_INTERLOCK_PIN, closed, now_ns)

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the output pins' true edges since the last call, as ``(t_host_ns, pin, level)``, in order."""
        edges, self._edges = self._edges, []
        return edges

    # --- what no other emulated device has

    def hang(self, now_ns: int, interrupts: bool = True) -> None:
        """Send the program into an endless loop: its main part alone, or with its interrupts switched off too."""
        self.advance(now_ns)
        self._program.order(Order.HANG, self._cycle, interrupts)

    # --- the child process

    def _power_on(self) -> None:
        """Drive all inputs low and the interlock closed, and let the first instruction be executed."""
        for letter, bit in _INPUT_PINS:
            self._program.order(Order.PIN, 0, ord(letter), bit, 0)
        self._program.order(Order.PIN, 0, ord(_INTERLOCK_PIN[0]), _INTERLOCK_PIN[1], 1)
        self._program.order(Order.RESET, 0, BootCause.POWER)
        self.advance(self._now_ns)

    def _drive(self, pin: tuple[str, int], high: bool, now_ns: int) -> None:
        self.advance(now_ns)
        self._program.order(Order.PIN, self._cycle, ord(pin[0]), pin[1], high)

    def _live_until(self, cycle: int) -> None:
        if self._crash is None:
            self._cycle = cycle
            for record in self._program.advance(cycle):
                self._take(record)
        if self._crash is not None:
            raise self._crash

    def _take(self, record: Record) -> None:
        cycle, kind, a, b, c = record
        pin = (chr(a), b)
        match kind:
            case Happened.SENT:
                self._sent.append((cycle, a))
            case Happened.OUTPUT if pin in _OUTPUT_PINS:
                self._note_edge(cycle, _OUTPUT_PINS.index(pin), c)
            case Happened.INPUT:
                self.inputs_cycles.append((cycle, _INPUT_PINS.index(pin) if pin in _INPUT_PINS else -1, c))
            case Happened.BOOTED:
                self.boots_cycles.append((cycle, BootCause(a)))
                self._repeater.forget()
            case Happened.LOST:
                self.lost_bytes += 1
            case Happened.CRASHED:
                self._crash = FirmwareCrashed(
                    f"The firmware crashed at cycle {cycle} (simavr's state {a}). Find out what it executed there."
                )

    def _note_edge(self, cycle: int, pin: int, level: int) -> None:
        self._outputs = self._outputs & ~(1 << pin) | level << pin
        self.edges_cycles.append((cycle, pin, level))
        self._edges.append((self._clock.host_ns(cycle), pin, level))
