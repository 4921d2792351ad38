"""One animal's brain: a line of words, the picture of its cells, and the traces of a few of them."""

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from controller.messages import Cells
from gui.parts import stream_words
from gui.parts.brain_marks import marks_of
from gui.parts.cell_order import order_of, spread_over
from gui.parts.elided import Elided
from gui.parts.heatmap import Heatmap
from gui.parts.labels import say
from gui.parts.minute import AXIS_PX, SPAN_NS, Minute, SecondsAxis
from gui.parts.side_labels import Label, SideLabels
from gui.parts.traces import LANE_PX, MOST_TRACES, Traces, number
from gui.scene import Scene
from gui.scene.frames import FrameRing
from gui.theme import Theme
from realtime.records import ANIMALS, NS_PER_S

FIRST_CHOSEN: Final = 5
"""Traces that are shown before anybody has chosen."""
LEAST_SIDE_PX: Final = 62
MOST_SIDE_PX: Final = 150
SIDE_SHARE: Final = 0.2
TRACES_FROM_PX: Final = 120
"""Lower views show the picture only."""
TRACES_SHARE: Final = 0.45
TALL_LANE_PX: Final = 26
_WORDS_NS: Final = NS_PER_S // 2
"""Words change at most this often."""


class BrainView(QWidget):
    """A's (0) or B's (1) brain.

    Attributes
    ----------
    heat, traces, facts, trouble, groups, names
        Its parts: the picture, the curves, the words at the left and at the right, and the names beside them.
    chosen
        Cells whose traces are wanted, by the stream's number, in the order in which they were chosen.
    """

    def __init__(self, scene: Scene, theme: Theme, animal: int) -> None:
        super().__init__()
        self._scene, self._theme, self._animal = scene, theme, animal
        self._name = ANIMALS[animal]
        self._ring: FrameRing | None = None
        self._cells: Cells | None = None
        self._kept_ids: list[str] = []
        self._said: tuple[int, bool] = (-1, False)
        self.chosen: list[int] = []
        self.facts, self.trouble = Elided(), Elided()
        self.facts.setStyleSheet(f"color: {theme.animals[animal]};")
        self.trouble.setStyleSheet(f"color: {theme.warn};")
        self.trouble.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.heat, self.traces = Heatmap(theme), Traces(theme, theme.animals[animal])
        self.groups, self.names = SideLabels(theme), SideLabels(theme)
        self.axis = SecondsAxis(theme)
        self._lay_out()
        self.heat.picked.connect(self.pick)
        self.heat.moved.connect(self.move_current)
        self.heat.removed.connect(self.remove_current)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 10, 0)  # or the line of the other brain seems to go on in this one
        line.addWidget(self.facts, 3)
        line.addWidget(self.trouble, 2)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(0)
        grid.setVerticalSpacing(2)
        grid.addLayout(line, 0, 0, 1, 2)
        grid.addWidget(self.groups, 1, 0)
        grid.addWidget(self.heat, 1, 1)
        grid.addWidget(self.names, 2, 0)
        grid.addWidget(self.traces, 2, 1)
        grid.addWidget(self.axis, 3, 1)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(1, 1)

    def clear(self, *, forget_chosen: bool) -> None:
        """Show nothing; the cells that were chosen come back with their stream unless they shall be forgotten."""
        self._kept_ids = [] if forget_chosen else self._ids()
        self._ring, self._cells, self._said = None, None, (-1, False)
        self.chosen = []
        self.heat.clear()
        self.traces.clear()
        self.groups.show_labels(())
        self.names.show_labels(())

    def _ids(self) -> list[str]:
        return [self.heat.order.ids[cell] for cell in self.chosen] or self._kept_ids

    # --- drawing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw what is new."""
        ring, cells = self._scene.frames.get(self._name), self._scene.cells.get(self._name)
        if ring is not self._ring or cells is not self._cells:
            self._meet(ring, cells)
        now_ns = self._scene.now_ns
        marks = marks_of(self._scene, self._animal, now_ns - SPAN_NS, now_ns)
        minute = Minute(now_ns, max(1, self.heat.width()))
        if self.heat.draw(minute, marks, tuple(self.chosen)) and ring is not None and ring.newest_ns is not None:
            self._label_groups()
            self._draw_traces(ring, minute)
        self._say(ring, now_ns)

    def _meet(self, ring: FrameRing | None, cells: Cells | None) -> None:
        """Show another stream, or other cells: those that were chosen stay so if they are there."""
        self.clear(forget_chosen=False)
        self._ring, self._cells = ring, cells
        if ring is None:
            return
        order = order_of(() if cells is None else cells.cells, ring.n_cells)
        self.heat.show_ring(ring, order)
        places = {one: number for number, one in enumerate(order.ids)}
        self.chosen = [places[one] for one in self._kept_ids if one in places] or spread_over(order, FIRST_CHOSEN)
        self._share_height()

    def _draw_traces(self, ring: FrameRing, minute: Minute) -> None:
        shown = self.shown()
        if not self.traces.isVisibleTo(self):
            return
        if not shown:
            self.traces.clear()
        else:
            self.traces.draw(ring, shown, minute)
        order, labels = self.heat.order, []
        for lane, (cell, ends) in enumerate(zip(shown, self.traces.ranges, strict=True)):
            top, bottom = self.traces.lane(lane, len(shown))
            more = "no value" if ends is None else f"{number(ends[0])} … {number(ends[1])}"
            own = order.ids[cell]
            labels.append(Label(top, bottom, own, order.types[cell], more, cell == self.chosen[-1]))
        self.names.show_labels(tuple(labels))

    def shown(self) -> list[int]:
        """Return the chosen cells that there is room for, the newest choices, in the order of the picture's rows."""
        latest = self.chosen[-self.traces.room :]
        return sorted(latest, key=lambda cell: int(self.heat.order.rows[cell]))

    def _say(self, ring: FrameRing | None, now_ns: int) -> None:
        """Say how the stream stands, now and then; that it is silent, at once."""
        report = self._scene.reports.get(self._name)
        said = (now_ns // _WORDS_NS, report is not None and report.silent)
        if said == self._said:
            return
        self._said = said
        say(self.facts, stream_words.facts(self._animal, ring, now_ns))
        told = stream_words.troubles(report, ring)
        silence = stream_words.silence(report, ring, now_ns)
        if silence:
            told.insert(0, silence)
        if len(self.chosen) > self.traces.room and self.traces.isVisibleTo(self):
            told.append(f"{self.traces.room} of {len(self.chosen)} traces fit")
        say(self.trouble, " · ".join(told))
        self.trouble.setVisible(bool(told))

    # --- room ---------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Share the room anew."""
        super().resizeEvent(event)
        side = round(min(MOST_SIDE_PX, max(LEAST_SIDE_PX, SIDE_SHARE * self.width())))
        self.groups.setFixedWidth(side)
        self.names.setFixedWidth(side)
        self._share_height()

    def _share_height(self) -> None:
        """Give the traces what they need, as far as the picture keeps the greater part."""
        room = self.height() - self.facts.sizeHint().height() - AXIS_PX
        has_traces = room >= TRACES_FROM_PX and bool(self.chosen)
        high = min(round(TRACES_SHARE * room), len(self.chosen) * TALL_LANE_PX)
        for part in (self.traces, self.names):
            part.setVisible(has_traces)
            part.setFixedHeight(max(LANE_PX, high))
        self._said = (-1, False)

    def _label_groups(self) -> None:
        """Write the types beside the picture."""
        heat = self.heat
        self.groups.show_labels(
            tuple(
                Label(heat.top_of(group.start), heat.top_of(group.stop), group.name, more=f"{group.size}")
                for group in heat.order.groups
            )
        )

    # --- a person -----------------------------------------------------------------------------------------------

    def pick(self, cells: list[int]) -> None:
        """Choose the first of some cells that share a row; where one of them is chosen, remove that instead."""
        there = [cell for cell in self.chosen if cell in cells]
        if there:
            self.chosen.remove(there[-1])
        else:
            self.chosen = [*self.chosen, cells[0]][-MOST_TRACES:]
        self._changed()

    def move_current(self, step: int) -> None:
        """Let the newest trace be that of the next cell above (-1) or below (1) that has none."""
        order = self.heat.order
        if not order.n_cells:
            return
        row = int(order.rows[self.chosen[-1]]) + step if self.chosen else 0
        while 0 <= row < order.n_cells and int(order.order[row]) in self.chosen:
            row += step
        if 0 <= row < order.n_cells:
            self.chosen = [*self.chosen[:-1], int(order.order[row])]
            self._changed()

    def remove_current(self) -> None:
        """Remove the newest trace."""
        if self.chosen:
            self.chosen.pop()
            self._changed()

    def _changed(self) -> None:
        self._kept_ids = self._ids() if self.chosen else []
        self._share_height()
        self.refresh()
