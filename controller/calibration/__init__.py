"""A rig's calibration: how long each valve opens for a volume, and what each laser head is set to for a power.

It stands beside the rig file, as ``<stem>.calibration.json``, and keeps every calibration ever made; of each valve and
each head the newest counts. ``duetto calibrate`` writes it, a session reads it. Curves are
:mod:`controller.calibration.curve`'s; that module, and scipy with it, is loaded only when a curve is asked for.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self, TypeVar

import msgspec

from controller import rigfile
from controller.calibration.points import (
    POWER,
    VOLUME,
    CalibrationError,
    CalibrationNotWritten,
    CalibrationRefused,
    DamagedCalibration,
    Entry,
    HeadEntry,
    NotCalibrated,
    OutsideCalibration,
    Quantity,
    ValveEntry,
)
from realtime.records import ANIMALS, Line, Role, line_of

if TYPE_CHECKING:
    from controller.calibration.curve import Curve, Residuals

SUFFIX: Final = ".calibration.json"
CLOCKS_DIFFER_DAYS: Final = 0.1
"""A calibration that is so much younger than now was dated by a wrong clock."""
VALVES: Final = tuple(line_of(Role.VALVE, animal) for animal in range(len(ANIMALS)))

_E = TypeVar("_E", ValveEntry, HeadEntry)


def curve_of(entry: Entry) -> "Curve":
    """Return the curve through a calibration's points; raises NotIncreasing."""
    from controller.calibration.curve import fit  # noqa: PLC0415  (scipy: only who needs a curve waits for it)

    return fit(entry.settings, entry.outputs, entry.weights, entry.quantity)


def residuals_of(entry: Entry) -> "Residuals":
    """Return how well the points of a calibration fit their curve; raises NotIncreasing."""
    from controller.calibration.curve import residuals  # noqa: PLC0415  (see curve_of)

    return residuals(entry.settings, entry.outputs, entry.weights, entry.quantity)


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every calibration of one rig, in the order in which they were made. Changing nothing, it returns a new one."""

    format: Literal[1] = 1
    valves: tuple[ValveEntry, ...] = ()
    heads: tuple[HeadEntry, ...] = ()

    def valve(self, line: Line) -> ValveEntry | None:
        """Return the calibration of a valve that counts, or None."""
        return _newest([entry for entry in self.valves if entry.line == line.name.lower()])

    def head(self, device: str) -> HeadEntry | None:
        """Return the calibration of a laser head that counts, or None."""
        return _newest([entry for entry in self.heads if entry.device == device])

    def valve_ms(self, line: Line, ul: float) -> float:
        """Return how long the valve on ``line`` must open for ``ul`` microlitres [ms].

        Raises
        ------
        NotCalibrated, OutsideCalibration, NotIncreasing
            As their names say.
        """
        return _setting_for(self.valve(line), line.name.lower(), ul, VOLUME)

    def head_mw(self, device: str, tip_mw: float) -> float:
        """Return what a laser head must be set to for ``tip_mw`` milliwatts at the fibre's tip [mW].

        Raises
        ------
        NotCalibrated, OutsideCalibration, NotIncreasing
            As their names say.
        """
        return _setting_for(self.head(device), device, tip_mw, POWER)

    def check(self, rig: rigfile.Rig) -> None:
        """Check that all volumes and powers of a rig can be had; openings and powers at the head need no calibration.

        Raises
        ------
        CalibrationRefused
            With every problem there is.
        """
        problems = (*self._valve_problems(rig), *self._head_problems(rig))
        if problems:
            raise CalibrationRefused(problems)

    def warnings(self, rig: rigfile.Rig, now: datetime) -> list[str]:
        """Return a sentence for each calibration that the rig uses and that is older than its limit at ``now``."""
        valves = [self.valve(line) for line in VALVES] if _volumes(rig) else []
        heads = [self.head(name) for name, device in rig.devices.items() if device.tip_mw is not None]
        used = [entry for entry in (*valves, *heads) if entry is not None]
        return [sentence for entry in used if (sentence := _says_age(entry, rig, now))]

    def current(self) -> Self:
        """Return only those that count: what a session's log keeps."""
        valves = [self.valve(line) for line in VALVES]
        heads = [self.head(name) for name in dict.fromkeys(entry.device for entry in self.heads)]
        return type(self)(
            valves=tuple(entry for entry in valves if entry is not None),
            heads=tuple(entry for entry in heads if entry is not None),
        )

    def with_entry(self, entry: Entry) -> Self:
        """Return this calibration with one more entry."""
        if isinstance(entry, ValveEntry):
            return msgspec.structs.replace(self, valves=(*self.valves, entry))
        return msgspec.structs.replace(self, heads=(*self.heads, entry))

    def to_text(self) -> str:
        """Return it as JSON, as the file has it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"

    def _valve_problems(self, rig: rigfile.Rig) -> Iterator[str]:
        limits_ms = (rig.lines.valve_a.max_on_ms, rig.lines.valve_b.max_on_ms)
        for key, ul in _volumes(rig).items():
            for line, limit_ms in zip(VALVES, limits_ms, strict=True):
                try:
                    opening_ms = self.valve_ms(line, ul)
                except CalibrationError as error:
                    yield f"[reward] {key}: {error}"
                    continue
                if opening_ms > limit_ms:
                    yield (
                        f"[reward] {key}: {line.name.lower()} must open for {opening_ms:.4g} ms for {ul:g} µl, longer "
                        f"than its max_on_ms, {limit_ms}. Ask for less, or raise max_on_ms."
                    )

    def _head_problems(self, rig: rigfile.Rig) -> Iterator[str]:
        for name, device in rig.devices.items():
            if device.tip_mw is None:
                continue
            entry = self.head(name)
            try:
                self.head_mw(name, device.tip_mw)
            except CalibrationError as error:
                yield f"[devices.{name}] tip_mw: {error}"
                continue
            if entry is not None and entry.feeds != device.feeds:
                yield (
                    f"[devices.{name}] feeds: {name} was calibrated at the fibre of {entry.feeds} and now feeds "
                    f"{device.feeds}, which has another. Calibrate it again: duetto calibrate RIG --device {name}"
                )


def path_of(rig_path: Path) -> Path:
    """Return where the calibration of the rig in ``rig_path`` stands: beside it."""
    return rig_path.with_name(rig_path.stem + SUFFIX)


def load(rig_path: Path) -> Calibration:
    """Return the calibration of the rig in the file ``rig_path``; an empty one if it was never calibrated.

    Raises
    ------
    DamagedCalibration
        If there is a file that cannot be read.
    """
    path = path_of(rig_path)
    try:
        return from_text(path.read_bytes().decode("utf-8"), str(path))
    except FileNotFoundError:
        return Calibration()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedCalibration(_says_damaged(str(path), error)) from error


def from_text(text: str, origin: str) -> Calibration:
    """Return the calibration that :meth:`Calibration.to_text` wrote; ``origin`` is what sentences call the text.

    Raises
    ------
    DamagedCalibration
        If the text is none.
    """
    try:
        return msgspec.json.decode(text, type=Calibration)
    except msgspec.DecodeError as error:
        raise DamagedCalibration(_says_damaged(origin, error)) from error


def store(rig_path: Path, entry: Entry) -> Path:
    """Add one calibration to the rig's file, whole or not at all, and onto the disk; return the file's path.

    Raises
    ------
    DamagedCalibration
        If the file that is there cannot be read; it is left as it is.
    CalibrationNotWritten
        If the folder or the disk does not take it.
    """
    path = path_of(rig_path)
    text = load(rig_path).with_entry(entry).to_text()
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise CalibrationNotWritten(
            f"{path} cannot be written: {error.strerror}. Make room or give yourself the right to write there."
        ) from error
    return path


def _sync_folder(folder: Path) -> None:
    """Bring a renamed file's new name onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _newest(entries: Sequence[_E]) -> _E | None:
    """Return the entry with the latest date; of two with the same, the one that was added later."""
    return max(reversed(entries), key=lambda entry: entry.date, default=None)


def _volumes(rig: rigfile.Rig) -> dict[str, float]:
    """Return the volumes that a rig asks for [µl], by key."""
    asked = {"volume_ul": rig.reward.volume_ul, "free_volume_ul": rig.reward.free_volume_ul}
    return {key: ul for key, ul in asked.items() if ul is not None}


def _setting_for(entry: Entry | None, name: str, wanted: float, quantity: Quantity) -> float:
    """Return the setting of ``name`` that gives ``wanted``."""
    unit, (option, settings) = quantity.output, quantity.options
    if entry is None:
        raise NotCalibrated(
            f"{name} is not calibrated, so no {quantity.wanted} can be asked of it. "
            f"Calibrate it: duetto calibrate RIG {option} {name}"
        )
    curve = curve_of(entry)
    try:
        return curve.setting(wanted)
    except OutsideCalibration:
        low, high = shown_range(curve)
        raise OutsideCalibration(
            f"{name} is calibrated for {low} to {high} {unit} ({entry.date:%Y-%m-%d}); {wanted:g} is outside. "
            f"Ask for a {quantity.wanted} within it, or calibrate further: "
            f"duetto calibrate RIG {option} {name} {settings} ..."
        ) from None


def shown_range(curve: "Curve") -> tuple[str, str]:
    """Return the bounds of what a curve gives, with four figures, rounded inwards: whoever types them is within."""
    low, high = float(curve.outputs[0]), float(curve.outputs[-1])
    return _rounded(low, ROUND_CEILING), _rounded(high, ROUND_FLOOR)


def _rounded(value: float, rounding: str) -> str:
    exact = Decimal(repr(value))
    figures = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 3), rounding)
    return f"{figures.normalize():f}"


def _says_age(entry: Entry, rig: rigfile.Rig, now: datetime) -> str:
    """Return what is to be said about a calibration's age; nothing if it is young enough."""
    days, limit_days = entry.age_days(now), rig.limits.calibration_days
    again = f"duetto calibrate RIG {entry.quantity.options[0]} {entry.name}"
    if days > limit_days:
        return (
            f"{entry.name} was calibrated {days:.0f} days ago ({entry.date:%Y-%m-%d}), "
            f"longer than the rig's calibration_days, {limit_days:g}. Calibrate it again: {again}"
        )
    if days < -CLOCKS_DIFFER_DAYS:
        return (
            f"{entry.name} is said to have been calibrated on {entry.date:%Y-%m-%d}, which is yet to come: "
            f"this computer's clock is wrong, or was wrong then. Set it, or calibrate again: {again}"
        )
    return ""


def _says_damaged(origin: str, error: Exception) -> str:
    return (
        f"{origin} cannot be read as a calibration: {error}. Restore it from a copy, or move it away and calibrate "
        "the rig anew."
    )
