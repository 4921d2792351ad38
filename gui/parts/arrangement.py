"""Widgets side by side, above each other, or behind tabs, as there is room: most important first.

What stands where is data: a word is a widget by that name, a :class:`Split` shares its room, :class:`Tabs` show one of
theirs. Only when the room asks for another arrangement are widgets moved.
"""

from collections.abc import Mapping
from typing import NamedTuple, Union

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from gui.theme import Theme, tab_style


class Split(NamedTuple):
    """Shares room among what is in it."""

    across: bool
    """Side by side; otherwise above each other."""
    parts: tuple[tuple["Node", int], ...]
    """Each with its share of the room."""


class Tabs(NamedTuple):
    """Shows one of its widgets."""

    names: tuple[str, ...]


Node = Union[str, Split, Tabs]  # noqa: UP007  (a name in quotes cannot stand beside |)


class Arrangement(QWidget):
    """Shows widgets in one arrangement of several.

    Parameters
    ----------
    widgets
        By name.
    titles
        What their tabs are called.
    theme
        How it looks.

    Attributes
    ----------
    now
        The arrangement there is.
    """

    def __init__(self, widgets: Mapping[str, QWidget], titles: Mapping[str, str], theme: Theme) -> None:
        super().__init__()
        self._tab_style = tab_style(theme)
        self._widgets, self._titles = dict(widgets), dict(titles)
        self.now: Node | None = None
        self._root: QWidget | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in widgets.values():
            widget.setParent(self)

    def arrange(self, node: Node) -> None:
        """Show the widgets in this arrangement."""
        if node == self.now:
            return
        self.now = node
        old, self._root = self._root, None
        for widget in self._widgets.values():
            widget.setParent(self)
        root = self._root = self._build(node)
        layout = self.layout()
        if layout is not None:
            layout.addWidget(root)
        if old is not None and old not in self._widgets.values():
            old.setParent(None)
            old.deleteLater()

    def _build(self, node: Node) -> QWidget:
        if isinstance(node, str):
            widget = self._widgets[node]
            widget.show()
            return widget
        if isinstance(node, Tabs):
            tabs = QTabWidget()
            tabs.setDocumentMode(True)
            tabs.setStyleSheet(self._tab_style)
            for name in node.names:
                tabs.addTab(self._widgets[name], self._titles[name])
            return tabs
        splitter = QSplitter(Qt.Orientation.Horizontal if node.across else Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(3)
        for place, (part, share) in enumerate(node.parts):
            splitter.addWidget(self._build(part))
            splitter.setStretchFactor(place, share)
        splitter.setSizes([100 * share for _, share in node.parts])
        return splitter
