"""The window without a display: a recorded session with brains, and scenes made from it."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QCoreApplication, QEvent
from PyQt6.QtWidgets import QApplication
from pyqtgraph import PlotDataItem
from pytestqt.qtbot import QtBot

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from controller import rigfile
from controller.fast import run
from controller.messages.view import decode_view
from controller.session import Order
from gui.panel import Panel
from gui.scene import Scene
from gui.theme import DARK, Theme, apply
from tests.controller.still import still
from tests.realtime.kernels import COMPILED_HERE

HOUSE = Path(__file__).resolve().parents[2]
MINUTES = 10
Panels = Callable[[type[Panel], int, int], Callable[..., Panel]]


def order_of(rig: str, output: Path, minutes: float, seed: int = 5) -> Order:
    """An order for a session in virtual time, of a rig that is shipped."""
    path = HOUSE / "rigs" / rig
    loaded = rigfile.read(path)
    return Order(
        rig=loaded.rig,
        rig_text=loaded.text,
        rig_path=str(path),
        subjects=("A", "B"),
        day=1,
        minutes=minutes,
        trials=None,
        seed=seed,
        fast=True,
        output=output,
    )


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a session of ten minutes with two brains, light, and estimates that are valid at its end."""
    if not COMPILED_HERE:
        pytest.skip("compilation is switched off: ten minutes of brains take too long")
    return run(order_of("two_brains.toml", tmp_path_factory.mktemp("gui"), MINUTES)).folder


@pytest.fixture(scope="session")
def without_brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a session of ten minutes without brains."""
    if not COMPILED_HERE:
        pytest.skip("compilation is switched off")
    order = order_of("virtual.toml", tmp_path_factory.mktemp("gui"), MINUTES)
    tables = re.split(r"(?m)^(?=\[)", order.rig_text)
    text = "".join(table for table in tables if not re.match(r"\[(neural|estimators|trigger|brains)\b", table))
    return run(replace(order, rig=rigfile.parse(text, "without brains"), rig_text=text)).folder


_still = lru_cache(maxsize=16)(still)


def scene_of(session: Path, at_s: float) -> Scene:
    """What a window would hold that came ``at_s`` after the session's start."""
    now_ns, parts = _still(session, at_s)
    scene = Scene()
    for part in parts:
        scene.take(decode_view(part))
    scene.at(now_ns, 0, 0.0)
    return scene


@pytest.fixture
def scene(recorded: Path) -> Scene:
    """The recorded session eight minutes after its start."""
    return scene_of(recorded, 480.0)


@pytest.fixture
def theme(qapp: object) -> Theme:
    """The dark palette, applied."""
    apply(qapp, DARK)  # type: ignore[arg-type]
    return DARK


def let_go() -> None:
    """Have Qt delete now what is to be deleted later.

    Else Python's collector may take a window apart at any moment, piece by piece: Qt then asks a table's model for its
    rows whose entries are gone, and whichever test runs by then fails.
    """
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture(autouse=True)
def _nothing_waits_to_be_deleted() -> Iterator[None]:
    """End each test with its widgets gone."""
    yield
    let_go()


@pytest.fixture
def panels(qtbot: QtBot, theme: Theme) -> Panels:
    """Makes what shows scenes in panels of a kind, as large as is said or else as large as most tests need them."""
    kept: list[Panel] = []  # qtbot keeps no panel alive

    def of(kind: type[Panel], usual_width: int, usual_height: int) -> Callable[..., Panel]:
        def show(scene: Scene, width: int = usual_width, height: int = usual_height) -> Panel:
            panel = kind(scene, theme)
            qtbot.addWidget(panel)
            kept.append(panel)
            panel.resize(width, height)
            panel.show()
            return panel

        return show

    return of


@pytest.fixture
def drawn(panels: Panels, qapp: QApplication) -> Panels:
    """The same with panels that know their room and have drawn everything."""

    def of(kind: type[Panel], usual_width: int, usual_height: int) -> Callable[..., Panel]:
        made = panels(kind, usual_width, usual_height)

        def show(scene: Scene, *size: int) -> Panel:
            panel = made(scene, *size)
            qapp.processEvents()
            panel.refresh()
            return panel

        return show

    return of


def marks(item: PlotDataItem) -> list[tuple[float, int]]:
    """Where a plot's item stands: x and y of each of its marks, in order."""
    x, y = item.getData()
    return sorted(zip(np.round(x, 6).tolist(), y.tolist(), strict=True))
