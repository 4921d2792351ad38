"""Pictures of a session through the commands that people type: ``duetto replay`` and ``duetto monitor``."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtGui import QImage

from tests.gui.windows import replayed

pytestmark = pytest.mark.slow
HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture
def duetto(tmp_path):
    """The command, as a person without a display types it."""

    def command(*words: object) -> "subprocess.CompletedProcess[str]":
        known = {key: text for key, text in os.environ.items() if not key.endswith("DISPLAY")}
        return subprocess.run(
            [sys.executable, "-m", "controller.cli", *map(str, words)],
            cwd=HOUSE,
            env=known | {"XDG_CONFIG_HOME": str(tmp_path / "config")},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return command


@pytest.fixture(scope="module")
def address(recorded: Path) -> Iterator[str]:
    """Where the recorded session is served, standing at its third minute."""
    with replayed(recorded, 180.0) as where:
        yield where


def drawn(picture: Path) -> QImage:
    """The picture, which shows something."""
    image = QImage(str(picture))
    assert not image.isNull()
    assert len({image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}) > 200
    return image


def sentence(answer: "subprocess.CompletedProcess[str]") -> str:
    """What a command that failed says: one sentence."""
    assert answer.returncode != 0
    assert "Traceback" not in answer.stderr
    return answer.stderr.strip()


@pytest.mark.parametrize(("words", "size"), [((), (1600, 1000)), (("--size", "1366x768"), (1366, 768))])
def test_a_moment_of_a_replay_is_drawn_in_the_size_that_was_asked_for(words, size, duetto, recorded, tmp_path):
    picture = tmp_path / "moment.png"
    answer = duetto("replay", recorded, "--screenshot", picture, "--at", 300, *words)
    assert answer.returncode == 0, answer.stderr
    image = drawn(picture)
    assert (image.width(), image.height()) == size
    assert image.pixelColor(12, 8).name() == "#663399"  # the band of REPLAY
    assert answer.stderr == ""


def test_two_moments_give_two_pictures(duetto, recorded, tmp_path):
    pictures = [tmp_path / name for name in ("early.png", "late.png")]
    for picture, at_s in zip(pictures, (100, 500), strict=True):
        assert duetto("replay", recorded, "--screenshot", picture, "--at", at_s).returncode == 0
    early, late = (drawn(picture) for picture in pictures)
    assert early != late


def test_what_runs_is_drawn_without_a_display(duetto, address, tmp_path):
    picture = tmp_path / "now.png"
    answer = duetto("monitor", address, "--screenshot", picture, "--size", "1280x800", "--theme", "light")
    assert answer.returncode == 0, answer.stderr
    image = drawn(picture)
    assert (image.width(), image.height()) == (1280, 800)
    assert image.pixelColor(3, 797).lightness() > 200


@pytest.mark.parametrize("name", ["missing/folder/x.png", "x.nothing", "x"])
def test_a_picture_that_cannot_be_written_is_a_sentence(name, duetto, address, recorded, tmp_path):
    picture = tmp_path / name
    expected = f"duetto: {picture} cannot be written; name a .png file in a folder that exists"
    assert sentence(duetto("monitor", address, "--screenshot", picture)) == expected
    assert sentence(duetto("replay", recorded, "--screenshot", picture, "--at", 10)) == expected
    assert not picture.exists()


def test_a_folder_is_no_picture(duetto, address, tmp_path):
    assert "is a directory" in sentence(duetto("monitor", address, "--screenshot", tmp_path))


def test_a_moment_beyond_the_end_is_a_sentence(duetto, recorded, tmp_path):
    picture = tmp_path / "x.png"
    said = sentence(duetto("replay", recorded, "--screenshot", picture, "--at", 99_999))
    assert "99999 s is not within it" in said
    assert len(said.splitlines()) == 1
    assert not picture.exists()


@pytest.mark.parametrize("size", ["big", "1600x", "1600x1000x3", "9x9", "99999x99999", "²x³"])
@pytest.mark.parametrize("verb", ["monitor", "replay"])
def test_a_size_that_is_none_is_a_sentence(verb, size, duetto, address, recorded, tmp_path):
    picture = tmp_path / "x.png"
    what = address if verb == "monitor" else recorded
    said = sentence(duetto(verb, what, "--screenshot", picture, f"--size={size}"))
    assert f"{size!r} is no size; write it as 1600x1000" in said
    assert len(said.splitlines()) == 1
    assert not picture.exists()
