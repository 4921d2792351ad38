"""Words that are set only where they are others than before: nothing is laid out or painted anew for the same ones."""

from PyQt6.QtWidgets import QAbstractButton, QLabel, QWidget


def say(label: QLabel | QAbstractButton, text: str) -> None:
    """Set the words of a label or a button."""
    if label.text() != text:
        label.setText(text)


def explain(widget: QWidget, tip: str) -> None:
    """Set a tooltip."""
    if widget.toolTip() != tip:
        widget.setToolTip(tip)
