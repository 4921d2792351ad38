"""The rig: what runs, how fast it answers, what was lost, how much room is left, and how this window keeps up.

*Devices and processes.* One row each: a lamp (a disc is good, a ring waits, a triangle needs a look, a square with a
cross needs a hand) with its word. Below a device: its driver and port, and how its clock stands (how far stamps may be
off, and by how many parts per million it is faster or slower than this computer's). Below all: what has gone wrong in
it so far. What is not said did not happen; the tooltip lists everything that is counted.

*From poke to water.* How long it took from the beam's stamp to the decision, from there to the valve's own edge, and
both together, of every earned reward so far. Where boards are simulated so is their wire, and it says so: such delays
say nothing about real boards. In a low panel the table stands alone; a higher one has the curves, too.

*Lost or broken.* What was lost, late, clamped, twice, unsent or refused, and every fault by name.

*Room.* The journal has a fixed number of places, the disk a fixed number of bytes: used, and left at the present rate.

*This window.* How often it draws and how late. It cannot slow the session down.

In a replay nothing is connected; delays and losses are the log's.
"""

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from gui.panel import Panel
from gui.parts.facts import Fact, FactList
from gui.parts.figures import counted
from gui.parts.headed import heading
from gui.parts.histogram import LatencyHistogram
from gui.parts.keeping_up import own_facts
from gui.parts.labels import say
from gui.parts.losses import losses_of
from gui.parts.process_list import ProcessList
from gui.parts.processes import rows_of
from gui.parts.storage import JournalRate, storage_facts
from gui.scene import Scene
from gui.scene.own import Own
from gui.theme import Theme

WIDE_PX: Final = 1120
MIDDLE_PX: Final = 640
_PLACES: Final = {
    WIDE_PX: ((0, 0, 1, 9), (0, 9, 1, 15), (0, 24, 1, 5), (0, 29, 1, 9), (0, 38, 1, 8)),
    MIDDLE_PX: ((0, 0, 1, 3), (0, 3, 1, 3), (1, 0, 1, 2), (1, 2, 1, 2), (1, 4, 1, 2)),
    0: ((0, 0, 1, 1), (1, 0, 1, 1), (2, 0, 1, 1), (3, 0, 1, 1), (4, 0, 1, 1)),
}
"""Row, column and their spans of the five parts, from which width on."""
_COLUMNS: Final = 46
_BESIDE_PX: Final = 10
_BELOW_PX: Final = 3
REPLAY: Final = "a replay: nothing is connected"
WAITING: Final = "not yet: no session has told how it stands"


class LatencyPart(QWidget):
    """From poke to water: a line of words, the curves and their table, or why there are none."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setStyleSheet(f"color: {theme.dim}")
        self.histogram = LatencyHistogram(theme)
        self._heading = heading("From poke to water", theme)
        for label in (self._heading, self.words):
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._room_px: int | None = None
        top = QHBoxLayout()
        top.setSpacing(_BESIDE_PX)
        top.addWidget(self._heading)
        top.addWidget(self.words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(_BELOW_PX)
        column.addLayout(top)
        column.addWidget(self.histogram, 1)
        column.addStretch(0)

    def fit_height(self, room_px: int | None) -> None:
        """Fill a height [px]; None where it may be more, below which a person scrolls."""
        self._room_px = room_px
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Fit what is below the words, which may need a second line now."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        beside = self.width() - self._heading.sizeHint().width() - _BESIDE_PX
        above = max(self._heading.sizeHint().height(), self.words.heightForWidth(max(1, beside))) + _BELOW_PX
        self.histogram.fit_height(None if self._room_px is None else self._room_px - above)

    def show_scene(self, scene: Scene) -> None:
        """Show the scene's delays."""
        latency = scene.latency
        some = latency is not None and any(spread.n for spread in latency.spreads)
        self.histogram.setVisible(some)
        if latency is None or not some:
            words = "not yet: no reward was earned"
        else:
            self.histogram.show_latency(latency)
            wire = "simulated wire" if _is_simulated(scene) else "by the devices' own stamps"
            words = f"{wire} · {counted(latency.spreads[0].n, 'reward')}"
        if latency is not None and latency.missing:
            words += f" · ▲ {latency.missing} without an edge"
        say(self.words, words)
        self._fit()


def _is_simulated(scene: Scene) -> bool:
    """Return whether any of the wires is."""
    opening = scene.opening
    return opening is not None and (
        opening.mode == "VIRTUAL" or any(device.port == "emulator" for device in opening.devices)
    )


class Rig(Panel):
    """Devices, delays, losses, room, and the window's own lag."""

    name = "rig"
    title = "Rig"
    area = "bottom"
    order = 10
    stretch = 3
    rate_hz = 2.0
    key = "Ctrl+6"

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self.processes = ProcessList("Devices and processes", theme)
        self.latency = LatencyPart(theme)
        self.losses = FactList("Lost or broken", theme)
        self.storage = FactList("Room", theme)
        self.own = FactList("This window", theme)
        self._parts = (self.processes, self.latency, self.losses, self.storage, self.own)
        self._places: int | None = None
        self._inner = QWidget()
        self._grid = QGridLayout(self._inner)
        self._grid.setContentsMargins(8, 6, 8, 6)
        self._grid.setHorizontalSpacing(18)
        self._grid.setVerticalSpacing(10)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setWidget(self._inner)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(area)
        self._place()
        self.anew()

    def anew(self) -> None:
        """Begin with an empty sheet."""
        self._seen: dict[str, tuple[int, ...]] = {}
        self._own_seen: Own | None = None
        self._stored = -1
        self._rate = JournalRate()
        self.refresh()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Put the parts side by side, in two rows, or below each other."""
        super().resizeEvent(event)
        self._place()
        margins = self._grid.contentsMargins()
        in_one_row = self._places == WIDE_PX
        self.latency.fit_height(self.height() - margins.top() - margins.bottom() if in_one_row else None)

    def _place(self) -> None:
        """Place the parts as the width allows."""
        fitting = next(width for width in _PLACES if self.width() >= width)
        if fitting == self._places:
            return
        self._places = fitting
        places = _PLACES[fitting]
        columns = max(column + span for _, column, _, span in places)
        for column in range(_COLUMNS):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
            self._grid.setColumnMinimumWidth(column, 0)
        last = places[-1][0]
        for row in range(len(places) + 1):
            self._grid.setRowStretch(row, 1 if row == last + 1 else 0)
        for part, place in zip(self._parts, places, strict=True):
            self._grid.addWidget(part, *place)

    def refresh(self) -> None:
        """Show what has changed."""
        if self.scene.own is not self._own_seen or not self._seen:
            self._own_seen = self.scene.own
            self.own.show_facts(own_facts(self.scene.own))
        if self._has_changed("processes", "opening", "standing"):
            self._show_processes()
        if self._has_changed("latency", "opening", "latency"):
            self.latency.show_scene(self.scene)
        if self._has_changed("losses", "counts", "latency", "standing", "remark"):
            missing = self.scene.latency.missing if self.scene.latency else 0
            self.losses.show_facts(losses_of(self.scene.counts, self.scene.standing, missing, self.scene.troubles))
        if self._has_changed("storage", "opening", "standing", "storage"):
            self._show_storage()

    def _has_changed(self, part: str, *messages: str) -> bool:
        """Return whether any of these kinds of message has come since a part was last drawn."""
        seen = tuple(self.scene.changes.get(name, 0) for name in messages)
        before, self._seen[part] = self._seen.get(part), seen
        return seen != before

    def _show_processes(self) -> None:
        """Show how each process stands."""
        standing = self.scene.standing
        if standing is None:
            self.processes.show_rows([], self._nobody())
        else:
            self.processes.show_rows(rows_of(self.scene.opening, standing), "")

    def _show_storage(self) -> None:
        """Show how much room is left."""
        storage = self.scene.storage
        if storage is None:
            self.storage.show_facts([Fact("", self._nobody())])
            return
        if (told := self.scene.changes["storage"]) != self._stored:
            self._stored = told
            self._rate.add(self.scene.now_ns, storage.journal_events)
        self.storage.show_facts(storage_facts(storage, self.scene.standing, self._rate.per_s))

    def _nobody(self) -> str:
        """Return why nobody says how things stand."""
        opening = self.scene.opening
        return REPLAY if opening is not None and opening.mode == "REPLAY" else WAITING
