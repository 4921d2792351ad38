"""The list of events as a table that follows its newest line until a person scrolls away from it."""

import bisect
from collections.abc import Sequence
from typing import Final

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QResizeEvent
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from gui.parts.entries import MOST, Entry
from gui.parts.figures import session_time
from gui.parts.lamp import State
from gui.parts.words import clock_at
from gui.scene import Scene
from gui.theme import Theme

CLOCK, SESSION, MARK, SENTENCE = range(4)
WHOLE_PX: Final = 430
"""Below this width the time of the session gives its place to the sentence; the tooltip has it."""
MOST_ONE_BY_ONE: Final = 50
"""More new lines than this are shown at once."""


class EntryModel(QAbstractTableModel):
    """At most 500 entries, by time; columns: clock, time of the session, mark, sentence.

    Parameters
    ----------
    scene
        Whose times it tells.
    theme
        Whose colours it uses.
    parent
        Its owner.
    """

    def __init__(self, scene: Scene, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._scene, self._theme = scene, theme
        self._entries: list[Entry] = []
        self.removed = 0
        """Lines that have left at the top."""

    @property
    def entries(self) -> list[Entry]:
        """What it holds."""
        return list(self._entries)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Hold these and nothing else."""
        self.beginResetModel()
        self._entries = list(entries)
        self.endResetModel()

    def add(self, entries: Sequence[Entry]) -> None:
        """Add a few new ones, each where its time belongs; the oldest leave."""
        for entry in entries:
            place = bisect.bisect_right(self._entries, entry.t_ns, key=lambda one: one.t_ns)
            self.beginInsertRows(QModelIndex(), place, place)
            self._entries.insert(place, entry)
            self.endInsertRows()
        if (over := len(self._entries) - MOST) > 0:
            self.beginRemoveRows(QModelIndex(), 0, over - 1)
            del self._entries[:over]
            self.endRemoveRows()
            self.removed += over

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 (Qt's name and default)
        """Return how many there are."""
        return 0 if parent.isValid() else len(self._entries)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 (Qt's name and default)
        """Return four."""
        return 0 if parent.isValid() else 4

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> str | QColor | None:
        """Return what stands in a cell, its colour, or its tooltip."""
        entry = self._entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(entry, index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{self.text(entry, CLOCK)} · {self.text(entry, SESSION)} · {entry.sentence}"
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._colour(entry, index.column())
        return None

    def text(self, entry: Entry, column: int) -> str:
        """Return what a column says of an entry."""
        opening = self._scene.opening
        if column == CLOCK:
            return clock_at(opening, entry.t_ns) if opening else ""
        if column == SESSION:
            return session_time(self._scene.task_seconds(entry.t_ns)) if opening else ""
        return entry.mark if column == MARK else entry.sentence

    def _colour(self, entry: Entry, column: int) -> QColor:
        if column in (CLOCK, SESSION):
            return self._theme.colour("dim")
        if entry.state in {State.WARN, State.BAD}:
            return self._theme.colour(entry.state.value)
        if column == MARK and entry.outcome is not None:
            return self._theme.colour(self._theme.outcomes[entry.outcome])
        return self._theme.colour("text")


class EntryTable(QTableView):
    """The table; it follows its newest line until a person scrolls away, and again from where they come back.

    Attributes
    ----------
    followed
        Emitted with whether it follows, whenever that changes.
    """

    followed = pyqtSignal(bool)

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__()
        self.entries = EntryModel(scene, theme, self)
        self.setModel(self.entries)
        self.following = True
        self._adding = False
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lay_out()
        if (bar := self.verticalScrollBar()) is not None:
            bar.valueChanged.connect(self._watch)

    def _lay_out(self) -> None:
        """Set the columns' and lines' sizes once: nothing is measured again when something is added."""
        across, down = self.horizontalHeader(), self.verticalHeader()
        metrics = self.fontMetrics()
        if across is None or down is None:
            return
        across.hide()
        down.hide()
        down.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        down.setDefaultSectionSize(metrics.height() + 5)
        down.setMinimumSectionSize(metrics.height())
        across.setMinimumSectionSize(1)
        across.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        across.setSectionResizeMode(SENTENCE, QHeaderView.ResizeMode.Stretch)
        for column, widest in ((CLOCK, "00:00:00"), (SESSION, "0:00:00 min"), (MARK, "▲")):
            self.setColumnWidth(column, metrics.horizontalAdvance(widest) + 12)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Leave the time of the session out where there is no room."""
        self.setColumnHidden(SESSION, self.width() < WHOLE_PX)
        super().resizeEvent(event)
        if self.following:
            self.to_newest()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these and nothing else, the newest in sight."""
        self._adding = True
        self.entries.show_entries(entries)
        self._adding = False
        self.to_newest()

    def add(self, entries: Sequence[Entry]) -> None:
        """Add new lines; where a person reads older ones, those stay where they are."""
        bar, removed = self.verticalScrollBar(), self.entries.removed
        before = 0 if bar is None else bar.value()
        self._adding = True
        self.entries.add(entries)
        self._adding = False
        if self.following:
            self.to_newest()
        elif bar is not None:
            bar.setValue(max(0, before - (self.entries.removed - removed)))

    def to_newest(self) -> None:
        """Show the newest line, and follow it from now on."""
        self.scrollToBottom()
        self._follow(True)

    def _watch(self, value: int) -> None:
        """A person, or this table, has scrolled."""
        bar = self.verticalScrollBar()
        if bar is not None and not self._adding:
            self._follow(value >= bar.maximum())

    def _follow(self, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.followed.emit(following)
