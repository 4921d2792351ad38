"""The list of what matters: what people did, what broke, what crossed a threshold, how trials ended, newest below.

Each line has the time on the wall, the time of the session, and a short sentence; a line that does not fit is whole in
its tooltip. Troubles have a mark (▲) besides their colour, trials that of their outcome (✓ success, ✗ miss, ○ omission,
– aborted). The buttons choose: *all*; *people* (what was pressed, and notes); *trouble* (faults, and what devices and
processes say); *brains* (crossings of the threshold); *trials*. Of each sort the last 500 are kept.

The list follows its newest line. Scroll up, and it stands still; "newest" brings it back.
"""

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from gui.panel import Panel
from gui.parts.entries import TROUBLE_MARK, Entries, Sort
from gui.parts.entry_table import MOST_ONE_BY_ONE, EntryTable
from gui.parts.figures import count
from gui.parts.labels import say
from gui.scene import Scene
from gui.theme import Theme


class EventList(Panel):
    """What has happened, in sentences."""

    name = "log"
    title = "Events"
    area = "bottom"
    order = 20
    stretch = 1
    rate_hz = 4.0
    key = "Ctrl+7"

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self.chosen: Sort | None = None
        self.table = EntryTable(scene, theme)
        self.table.followed.connect(self._show_following)
        self.empty = QLabel()
        self.empty.setStyleSheet(f"color: {theme.dim}")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.newest = QPushButton("↓ newest")
        self.newest.setToolTip("Go to the newest line and follow it.")
        self.newest.setStyleSheet("padding: 1px 6px")
        self.newest.clicked.connect(self.table.to_newest)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        column.addLayout(self._bar())
        column.addWidget(self.table, 1)
        column.addWidget(self.empty, 1)
        self.anew()

    def _bar(self) -> QHBoxLayout:
        """Make the buttons."""
        bar = QHBoxLayout()
        bar.setSpacing(3)
        self.buttons: dict[Sort | None, QPushButton] = {}
        group = QButtonGroup(self)
        for sort in (None, *Sort):
            button = QPushButton("all" if sort is None else sort.value)
            button.setCheckable(True)
            button.setStyleSheet(f"QPushButton {{ padding: 1px 6px }} QPushButton:checked {{ {self._checked()} }}")
            button.setToolTip(_TIPS[sort])
            button.clicked.connect(lambda _checked, which=sort: self._choose(which))
            group.addButton(button)
            bar.addWidget(button)
            self.buttons[sort] = button
        self.buttons[None].setChecked(True)
        bar.addStretch(1)
        bar.addWidget(self.newest)
        return bar

    def _checked(self) -> str:
        """Return how a chosen button looks: another ground and heavier letters."""
        return f"background: {self.theme.edge}; font-weight: 600"

    def anew(self) -> None:
        """Begin with an empty list."""
        self._entries = Entries(self.scene)
        self._seen: tuple[int, ...] = ()
        self.table.show_entries([])
        self.refresh()
        self._show_following(self.table.following)

    def refresh(self) -> None:
        """Add what is new."""
        seen = tuple(self.scene.changes.get(name, 0) for name in _READ)
        if seen == self._seen:
            return
        self._seen = seen
        new = self._entries.read()
        if len(new) > MOST_ONE_BY_ONE:
            self._show_all()
        else:
            mine = [entry for entry in new if self.chosen in (None, entry.sort)]
            if mine:
                self.table.add(mine)
        self._show_empty()
        self._show_faults()

    def _choose(self, sort: Sort | None) -> None:
        """Show one sort, or all."""
        self.chosen = sort
        self._show_all()
        self._show_empty()

    def _show_all(self) -> None:
        self.table.show_entries(self._entries.chosen(self.chosen))

    def _show_empty(self) -> None:
        """Say that there is nothing, where there is nothing."""
        n = self.table.entries.rowCount()
        words = "not yet: nothing has happened" if self.chosen is None else f"none so far: {_NOTHING[self.chosen]}"
        if n == 0:
            say(self.empty, words)
        self.empty.setVisible(n == 0)
        self.table.setVisible(n > 0)

    def _show_faults(self) -> None:
        """Say on its button how much trouble there has been, whichever sort is shown."""
        n = self.scene.n_faults + len(self.scene.troubles)
        say(self.buttons[Sort.TROUBLE], f"trouble {TROUBLE_MARK} {count(n)}" if n else "trouble")

    def _show_following(self, following: bool) -> None:
        """Offer the way back while a person reads older lines."""
        self.newest.setVisible(not following)


_READ: Final = ("opening", "records", "trials", "note", "remark", "counts")
_TIPS: Final = {
    None: "Everything.",
    Sort.PEOPLE: "What people did, and their notes.",
    Sort.TROUBLE: "Faults, and what devices and processes have to say.",
    Sort.BRAINS: "When an estimate crossed the threshold that makes it an event.",
    Sort.TRIALS: "How each trial ended.",
}
_NOTHING: Final = {
    Sort.PEOPLE: "nobody has done anything",
    Sort.TROUBLE: "no fault, no remark",
    Sort.BRAINS: "no estimate has crossed a threshold",
    Sort.TRIALS: "no trial has ended",
}
