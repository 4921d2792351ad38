"""The window on real screens: an X server of its own for each size, and a process that opens the window on it.

``DUETTO_SCREENS=FOLDER`` keeps the pictures, for whoever changes a panel and wants to look.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtGui import QImage

from tests.gui.windows import replayed

XVFB = shutil.which("Xvfb")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(XVFB is None, reason="there is no Xvfb here: sudo apt-get install xvfb"),
]
HOUSE = Path(__file__).resolve().parents[2]
SIZES = {"small": (1366, 768), "usual": (1600, 1000), "large": (3840, 2160)}
LEAST_PT = 8.25
"""The smallest letters of labels and buttons, in points of a screen of 96 dots per inch: eight are drawn as 11 px."""


@contextmanager
def x_server(width: int, height: int) -> Iterator[str]:
    """An X server with one screen, on a display number that it finds itself."""
    seen, told = os.pipe()
    process = subprocess.Popen(
        [str(XVFB), "-displayfd", str(told), "-screen", "0", f"{width}x{height}x24", "-dpi", "96", "-nolisten", "tcp"],
        pass_fds=(told,),
        stderr=subprocess.DEVNULL,
    )
    os.close(told)
    try:
        with os.fdopen(seen) as stream:
            number = stream.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        process.terminate()
        process.wait(10)


def shown(
    address: str,
    size: tuple[int, int],
    folder: Path,
    theme: str,
    scale: str = "",
    settings: Path | None = None,
    place: tuple[int, int, int, int] | None = None,
) -> dict[str, Any]:
    """What a window on a screen of its own measured of itself, and where its picture is."""
    picture = folder / f"{size[0]}x{size[1]}-{theme}{f'-scaled-{scale}' if scale else ''}.png"
    words = [sys.executable, "-m", "tests.gui.on_screen", address, str(picture), theme, str(settings or "")]
    if place is not None or settings is None:
        words += map(str, place or (0, 0, *(length // int(scale or 1) for length in size)))
    with x_server(*size) as display:
        environment = os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
        if scale:
            environment["QT_SCALE_FACTOR"] = scale
        answer = subprocess.run(
            words, cwd=HOUSE, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert answer.returncode == 0, answer.stderr
    return {**json.loads(answer.stdout.splitlines()[-1]), "picture": picture}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are put."""
    wanted = os.environ.get("DUETTO_SCREENS")
    if not wanted:
        return tmp_path_factory.mktemp("screens")
    Path(wanted).mkdir(parents=True, exist_ok=True)
    return Path(wanted)


@pytest.fixture(scope="module")
def address(recorded: Path) -> Iterator[str]:
    """Where the recorded session is served, standing at eight minutes."""
    with replayed(recorded, 480.0) as where:
        yield where


@pytest.fixture(scope="module", params=[(name, theme) for name in SIZES for theme in ("dark", "light")], ids="-".join)
def screen(request, address: str, folder: Path) -> dict[str, Any]:
    """A window that fills a screen of some size, in one of the themes."""
    name, theme = request.param
    return {**shown(address, SIZES[name], folder, theme), "size": SIZES[name], "theme": theme}


def test_it_opens_on_the_screen_and_fills_it(screen):
    assert screen["platform"] == "xcb"
    assert tuple(screen["window"]) == screen["size"]


def test_the_picture_is_not_blank(screen):
    image = QImage(str(screen["picture"]))
    assert (image.width(), image.height()) == screen["size"]
    colours = {image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    assert len(colours) > 300
    base = image.pixelColor(2, image.height() - 2)
    assert (base.lightness() < 100) == (screen["theme"] == "dark")


def test_the_banners_words_and_the_stop_are_within_the_window(screen):
    width, height = screen["size"]
    assert set(screen["banner"]) == {"word", "session", "subjects", "state", "time", "sentence", "stop"}
    for name, (x, y, w, h, needed_w, needed_h) in screen["banner"].items():
        assert x >= 0, name
        assert x + w <= width, name
        assert y >= 0, name
        assert y + h <= height, name
        assert w >= needed_w, f"{name} is cut off"
        assert h >= needed_h, f"{name} is cut off"


def test_no_dock_is_smaller_than_it_must_be_and_all_are_within_the_window(screen):
    width, height = screen["size"]
    assert len(screen["docks"]) >= 3
    for name, (x, y, w, h, least_w, least_h) in screen["docks"].items():
        assert w >= least_w, f"{name} is {w} px wide and needs {least_w}"
        assert h >= least_h, f"{name} is {h} px high and needs {least_h}"
        assert x >= 0, name
        assert y >= 0, name
        assert x + w <= width, name
        assert y + h <= height, name


def test_every_panel_is_seen_or_one_click_away(screen):
    assert set(screen["docks"]) | set(screen["behind"]) == set(screen["panels"])


def test_no_letters_are_smaller_than_can_be_read(screen):
    assert screen["letters"], "no words were found"
    small = {text: points for text, points in screen["letters"].items() if points < LEAST_PT - 0.05}
    assert not small, f"smaller than {LEAST_PT} points: {small}"


def test_twice_the_scale_draws_everything_twice_as_large(address, folder):
    plain = shown(address, SIZES["large"], folder, "dark")
    twice = shown(address, SIZES["large"], folder, "dark", scale="2")
    assert twice["ratio"] == 2.0
    assert [2 * length for length in twice["window"]] == list(SIZES["large"])
    image = QImage(str(twice["picture"]))
    assert (image.width(), image.height()) == SIZES["large"]
    stop, stop_twice = plain["banner"]["stop"], twice["banner"]["stop"]
    assert stop[2:4] == stop_twice[2:4]  # in units of which each is two dots now
    for name, (_, _, w, h, least_w, least_h) in twice["docks"].items():
        assert w >= least_w, name
        assert h >= least_h, name


def test_the_windows_place_on_the_screen_comes_back(address, tmp_path):
    settings = tmp_path / "window.ini"
    first = shown(address, SIZES["usual"], tmp_path, "dark", settings=settings, place=(60, 70, 1200, 800))
    assert first["place"] == [60, 70, 1200, 800]
    again = shown(address, SIZES["usual"], tmp_path, "dark", settings=settings)
    assert again["place"] == first["place"]
    assert again["docks"] == first["docks"]
