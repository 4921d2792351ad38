"""Where no window can be opened: one sentence, its way out, status 1, no traceback. Real children of this process."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gui.display import ALL, PACKAGES, LibraryMissing, NoDisplay, check

HOUSE = Path(__file__).resolve().parents[2]
NOWHERE = "ipc:///nowhere/view"


def asked(*words: str, path: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The window's process, in an environment of its own."""
    known = {key: text for key, text in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    known |= {"QT_QPA_PLATFORM": "", **environment}
    if path is not None:
        known["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, "-m", "gui", NOWHERE, *words],
        cwd=HOUSE, env=known, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def said(answer: "subprocess.CompletedProcess[str]") -> str:
    """What a window that could not be opened says: one sentence."""
    assert answer.returncode == 1, answer.stderr
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1, answer.stderr
    return answer.stderr.removeprefix("duetto: ").rstrip("\n")


def broken(folder: Path, error: str) -> Path:
    """A folder for PYTHONPATH whose PyQt6 cannot be imported."""
    package = folder / "PyQt6"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "QtWidgets.py").write_text(f"raise {error}\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(("library", "package"), PACKAGES.items(), ids=PACKAGES)
def test_each_missing_library_is_named_with_the_line_that_installs_it(library, package, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(broken(tmp_path, f"ImportError('{library}: cannot open shared object file')"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "PyQt6"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(LibraryMissing) as caught:
        check(offscreen=True)
    assert str(caught.value) == (
        f"the window needs {library}, which this system lacks; install it: sudo apt-get install {package}"
    )


@pytest.mark.parametrize("words", [(), ("--screenshot", "x.png")], ids=["window", "picture"])
def test_a_missing_library_ends_the_window_with_a_sentence(words, tmp_path):
    trouble = "libEGL.so.1: cannot open shared object file: No such file or directory"
    answer = asked(*words, path=broken(tmp_path, f"ImportError('{trouble}')"), DISPLAY=":0")
    assert said(answer) == (
        "the window needs libEGL.so.1, which this system lacks; install it: sudo apt-get install libegl1"
    )


def test_a_library_that_nobody_has_heard_of_gets_all_packages(tmp_path):
    trouble = "libnew.so.7: cannot open shared object file: No such file or directory"
    answer = asked(path=broken(tmp_path, f"ImportError('{trouble}')"))
    assert said(answer) == (
        f"the window needs libnew.so.7, which this system lacks; install it: sudo apt-get install {ALL}"
    )


def test_a_library_that_is_there_but_too_old_is_not_called_missing(tmp_path):
    trouble = "/lib/libc.so.6: version GLIBC_2.99 not found (required by libQt6Core.so.6)"
    sentence = said(asked(path=broken(tmp_path, f"ImportError('{trouble}')")))
    assert sentence.startswith(f"Qt's libraries cannot be loaded here ({trouble})")
    assert "lacks" not in sentence


def test_python_without_pyqt_is_told_how_to_get_it(tmp_path):
    error = 'ModuleNotFoundError("No module named PyQt6", name="PyQt6")'
    assert said(asked(path=broken(tmp_path, error))) == (
        "the window needs the Python package PyQt6, which is not installed here; "
        "install it: python -m pip install 'PyQt6>=6.7,<7'"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Qt brings everything along")
def test_a_library_of_the_x_plugin_that_is_no_library_is_a_sentence(tmp_path):
    (tmp_path / "libxcb-cursor.so.0").write_bytes(b"no library at all")
    sentence = said(asked(DISPLAY=":0", LD_LIBRARY_PATH=str(tmp_path)))
    assert sentence.startswith("Qt's libraries cannot be loaded here (")
    assert "libxcb-cursor.so.0" in sentence
    assert sentence.endswith(f"sudo apt-get install {ALL}")


def test_without_a_display_all_ways_out_are_said():
    sentence = said(asked())
    assert sentence.startswith("there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    for way_out in ("ssh -X", "--screenshot", "duetto monitor"):
        assert way_out in sentence


@pytest.mark.parametrize("platform", ["", "xcb"])
def test_a_dead_x_display_is_a_sentence(platform):
    assert said(asked(DISPLAY=":4711", QT_QPA_PLATFORM=platform)) == (
        "the display :4711 cannot be opened; is its server running, and may this user use it?"
    )


@pytest.mark.parametrize("name", ["wayland-7", "/nowhere/wayland-7"])
def test_a_dead_wayland_display_is_a_sentence(name, tmp_path):
    sentence = said(asked(WAYLAND_DISPLAY=name, XDG_RUNTIME_DIR=str(tmp_path)))
    assert sentence == f"the display {name} cannot be opened; is its server running, and may this user use it?"


def test_where_wayland_is_dead_the_x_display_is_tried(tmp_path):
    sentence = said(asked(WAYLAND_DISPLAY="wayland-7", DISPLAY=":4711", XDG_RUNTIME_DIR=str(tmp_path)))
    assert sentence.startswith("the display :4711 cannot be opened")


@pytest.fixture
def wayland(tmp_path, monkeypatch) -> Iterator[None]:
    """Somebody who listens where a Wayland display would, as far as connecting goes."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-7")
    monkeypatch.setenv("QT_QPA_PLATFORM", "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "wayland-7"))
        listening.listen()
        yield


def test_a_wayland_display_that_answers_is_enough(wayland, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":4711")
    check(offscreen=False)


def test_x_that_was_asked_for_is_looked_at_even_where_wayland_answers(wayland, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    with pytest.raises(NoDisplay, match=":4711"):
        check(offscreen=False)


@pytest.mark.parametrize("platform", ["offscreen", "minimal", "vnc"])
def test_what_draws_into_memory_needs_no_display(platform, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("QT_QPA_PLATFORM", platform)
    check(offscreen=False)


def test_the_packages_for_everything_are_those_of_single_libraries():
    assert set(PACKAGES.values()) & set(ALL.split()) > {"libegl1", "libxcb-cursor0", "libxkbcommon0"}
    for package in {*PACKAGES.values(), *ALL.split()}:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", package)
