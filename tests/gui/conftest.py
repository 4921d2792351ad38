"""The window without a display: a recorded session with brains, and scenes made from it."""

import os
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from controller import rigfile
from controller.fast import run
from controller.messages.view import decode_view
from controller.session import Order
from controller.viewing.still import still
from gui.scene import Scene
from gui.theme import DARK, Theme, apply
from tests.realtime.kernels import COMPILED_HERE

HOUSE = Path(__file__).resolve().parents[2]
MINUTES = 10


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
