"""The start script sets itself up once, says what it lacks in one line, and then gets out of the way.

Each case runs the real script in a copy of the repository's root, with a search path that holds a few
standard tools and a stand-in interpreter: it answers ``-c`` as the real one, makes a ``.venv`` that holds
itself, and writes down what pip, pytest or the command line were asked. So nothing is fetched, and nothing
of this machine but its shell takes part.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("cat", "cksum", "cp", "env", "grep", "id", "mkdir", "readlink", "rm", "tail")
INTERPRETER = f"""#!/bin/sh
case "$1 $2" in
*ensurepip*) [ ! -e "$STAGE/no-ensurepip" ] ;;
-c*) exec '{sys.executable}' "$@" ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip")
    printf '%s\\n' "$*" >>"$STAGE/pip"
    [ ! -p "$STAGE/gate" ] || read -r _ <"$STAGE/gate"
    [ ! -e "$STAGE/pip-fails" ] || {{ printf 'ERROR: no such mirror\\n' >&2 && exit 1; }}
    ;;
*)
    printf '%s\\n' "pid $$" "in $PWD" "path ${{PYTHONPATH-unset}}" "safe ${{PYTHONSAFEPATH-unset}}" "$@"
    [ ! -e "$STAGE/tests-end" ] || exit "$(cat "$STAGE/tests-end")"
    exit 7
    ;;
esac
"""
TOO_OLD = "#!/bin/sh\nexit 1\n"
APT_GET = '#!/bin/sh\nprintf \'%s\\n\' "$*" >>"$STAGE/apt"\nrm -f "$STAGE/no-ensurepip"\n'


LIBRARIES = tuple(re.findall(r"(lib[\w.+-]+\.so[.\d]*)=", (ROOT / "duetto").read_text(encoding="utf-8")))
"""Those that the window needs."""
SIDE_BY_SIDE = ["-m", "pytest", "--numprocesses", "auto", "--dist", "loadfile", "-m", "not alone"]
ALONE = ["-m", "pytest", "-m", "alone"]
UNPINNED = ("PyQt6",)
"""Which version there is follows the system's C library."""


class Checkout:
    """A copy of the repository's root with its own search path, and the notes its stand-ins leave."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "a checkout"
        self.bin = folder / "bin"
        self.stage = folder / "stage"
        for new in (self.top, self.bin, self.stage):
            new.mkdir()
        for name in ("duetto", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.top / name)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        self.program("python3", INTERPRETER)
        self.program("gcc", "#!/bin/sh\n")
        self.program("avr-gcc", "#!/bin/sh\n")
        self.program("Xvfb", "#!/bin/sh\n")
        self.libraries(*LIBRARIES)
        self.program("id", "#!/bin/sh\necho 1000\n")

    def program(self, name: str, text: str) -> None:
        """Put a program on the search path, in place of one of the same name."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def libraries(self, *names: str) -> None:
        """Let the system have these shared libraries, and no others."""
        self.program(
            "ldconfig", "#!/bin/sh\ncat <<'END'\n" + "".join(f"\t{name} => /{name}\n" for name in names) + "END\n"
        )

    def popen(self, *args: str, script: Path | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Begin a start of the script."""
        return subprocess.Popen(
            [script or self.top / "duetto", *args],
            cwd=cwd or self.top,
            env={"PATH": str(self.bin), "STAGE": str(self.stage), "PYTHONPATH": "/of/another/program"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def start(self, *args: str, script: Path | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
        """Start the script and wait: its exit status, output and messages."""
        with self.popen(*args, script=script, cwd=cwd) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def noted(self, who: str) -> list[str]:
        """Return what ``who`` (pip or apt) was asked, a line each."""
        path = self.stage / who
        return path.read_text().splitlines() if path.exists() else []

    @property
    def venv(self) -> Path:
        return self.top / ".venv"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    checkout.start()
    return checkout


def test_the_script_is_plain_shell() -> None:
    assert subprocess.run(["/bin/sh", "-n", ROOT / "duetto"], check=False).returncode == 0
    assert os.access(ROOT / "duetto", os.X_OK)


def test_every_package_that_the_project_names_is_pinned_to_a_version_that_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    wanted = [Requirement(text) for texts in (project["dependencies"], *extras.values()) for text in texts]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.lower().split("==") for line in lines)
    pinned = [need for need in wanted if need.name not in UNPINNED]
    assert [str(need) for need in pinned if not need.specifier.contains(pins.get(need.name.lower(), "0"))] == []
    assert not {name.lower() for name in UNPINNED} & pins.keys()


def test_the_first_start_makes_a_venv_installs_the_pinned_packages_and_runs_the_command(
    checkout: Checkout,
) -> None:
    status, out, err = checkout.start("run", "a rig.toml", "")
    assert out.splitlines()[4:] == ["-m", "controller.cli", "run", "a rig.toml", ""]
    assert status == 7
    assert checkout.noted("pip") == ["-m pip install --quiet --constraint constraints.txt --editable ."]
    assert err.splitlines() == [
        "duetto: making .venv …",
        "duetto: installing the Python packages of pyproject.toml into .venv …",
    ]


def test_the_second_start_installs_nothing_says_nothing_and_leaves_the_stamp_alone(ready: Checkout) -> None:
    stamp = ready.venv / "duetto.run"
    before = (stamp.stat().st_mtime_ns, stamp.read_text())
    ready.program("python3", TOO_OLD)
    (ready.stage / "pip-fails").touch()
    status, out, err = ready.start("check")
    assert (status, out.splitlines()[-1], err) == (7, "check", "")
    assert (stamp.stat().st_mtime_ns, stamp.read_text()) == before
    assert len(ready.noted("pip")) == 1


def test_a_start_through_a_link_from_another_folder_keeps_that_folder_and_ignores_packages_in_it(
    ready: Checkout, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "some where"
    elsewhere.mkdir()
    link = elsewhere / "duetto"
    link.symlink_to(ready.top / "duetto")
    status, out, err = ready.start("x", script=link, cwd=elsewhere)
    assert out.splitlines()[1:4] == [f"in {elsewhere}", "path unset", "safe 1"]
    assert (status, err) == (7, "")


def test_the_command_takes_the_place_of_the_script_so_that_signals_reach_it(ready: Checkout) -> None:
    with ready.popen() as process:
        out, _ = process.communicate(timeout=60)
    assert out.splitlines()[0] == f"pid {process.pid}"


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "duetto"])
def test_a_changed_project_file_is_followed_by_a_new_install_in_the_same_venv(ready: Checkout, name: str) -> None:
    with (ready.top / name).open("a") as file:
        file.write("# changed\n")
    _, _, err = ready.start()
    assert len(ready.noted("pip")) == 2
    assert "making .venv" not in err


def test_a_moved_checkout_is_installed_again_because_the_old_install_names_the_old_folder(
    ready: Checkout,
) -> None:
    ready.top = ready.top.rename(ready.top.with_name("moved"))
    ready.start()
    assert len(ready.noted("pip")) == 2


def test_without_a_python_that_fits_one_sentence_says_which_are_needed(checkout: Checkout) -> None:
    checkout.program("python3", TOO_OLD)
    status, out, err = checkout.start()
    assert (status, out) == (1, "")
    assert err == (
        "duetto: needs Python 3.11, 3.12 or 3.13 and found none; "
        "Debian 12 and Ubuntu 24.04 have it: sudo apt-get install python3\n"
    )
    assert not checkout.venv.exists()


def test_a_newer_python_beside_one_that_is_too_old_is_found(checkout: Checkout) -> None:
    checkout.program("python3", TOO_OLD)
    checkout.program("python3.12", INTERPRETER)
    assert checkout.start()[0] == 7


def test_a_user_whose_python_cannot_make_a_venv_is_told_the_one_line_to_run(checkout: Checkout) -> None:
    (checkout.stage / "no-ensurepip").touch()
    checkout.program("apt-get", APT_GET)
    status, _, err = checkout.start()
    assert status == 1
    assert err == "duetto: missing on this system, please run: sudo apt-get install python3-venv\n"
    assert checkout.noted("apt") == []
    assert not checkout.venv.exists()


def test_root_gets_the_missing_venv_module_from_apt_and_goes_on(checkout: Checkout) -> None:
    (checkout.stage / "no-ensurepip").touch()
    checkout.program("id", "#!/bin/sh\necho 0\n")
    checkout.program("apt-get", APT_GET)
    status, _, err = checkout.start()
    assert status == 7
    assert err.startswith("duetto: installing with apt: python3-venv …\n")
    assert checkout.noted("apt") == ["-qq update", "-qq install -y --no-install-recommends python3-venv"]


def test_libraries_that_the_window_lacks_are_named_in_one_line_and_the_start_goes_on(checkout: Checkout) -> None:
    assert len(LIBRARIES) > 10
    checkout.libraries(*(set(LIBRARIES) - {"libEGL.so.1", "libxcb-cursor.so.0"}))
    status, _, err = checkout.start("run")
    assert status == 7
    assert "duetto: missing on this system, please run: sudo apt-get install libegl1 libxcb-cursor0\n" in err
    assert "duetto: going on without\n" in err
    assert checkout.start("run")[2] == ""


def test_a_missing_compiler_is_named_once_and_the_tests_run_all_the_same(checkout: Checkout) -> None:
    (checkout.bin / "gcc").unlink()
    status, out, err = checkout.start("test")
    assert (status, out.splitlines()[4:]) == (7, SIDE_BY_SIDE)
    assert "duetto: missing on this system, please run: sudo apt-get install gcc" in err
    assert "duetto: going on without\n" in err
    assert checkout.start("test")[2] == ""


def test_the_tests_run_in_the_checkout_with_their_extra_packages_and_serve_later_runs_too(
    checkout: Checkout, tmp_path: Path
) -> None:
    status, out, _ = checkout.start("test", "-k", "a and b", cwd=tmp_path)
    assert out.splitlines()[1] == f"in {checkout.top}"
    assert out.splitlines()[4:] == ["-m", "pytest", "-k", "a and b"]
    assert status == 7
    checkout.start("run")
    assert checkout.noted("pip") == ["-m pip install --quiet --constraint constraints.txt --editable .[test]"]


@pytest.mark.parametrize("end", [0, 1])
def test_all_tests_are_those_side_by_side_and_then_those_alone_even_where_one_has_failed(
    checkout: Checkout, end: int
) -> None:
    (checkout.stage / "tests-end").write_text(str(end))
    status, out, _ = checkout.start("test")
    words = [line for line in out.splitlines() if line.split()[0] not in ("pid", "in", "path", "safe")]
    assert (status, words) == (end, SIDE_BY_SIDE + ALONE)


def test_tests_that_are_broken_off_are_not_followed_by_others(checkout: Checkout) -> None:
    (checkout.stage / "tests-end").write_text("2")
    status, out, _ = checkout.start("test")
    assert (status, out.splitlines()[4:]) == (2, SIDE_BY_SIDE)


def test_a_failed_install_shows_pips_last_lines_and_the_next_start_tries_again(checkout: Checkout) -> None:
    (checkout.stage / "pip-fails").touch()
    status, out, err = checkout.start()
    assert (status, out) == (1, "")
    assert err.splitlines()[-2:] == [
        "ERROR: no such mirror",
        "duetto: pip could not install the packages, its last lines are above; start again once that is mended",
    ]
    (checkout.stage / "pip-fails").unlink()
    status, _, err = checkout.start()
    assert (status, "making .venv" in err) == (7, False)


def test_a_set_up_that_was_cut_short_is_made_again_from_nothing(ready: Checkout) -> None:
    (ready.venv / "duetto.run").unlink()
    (ready.venv / "duetto.busy").touch()
    (ready.venv / "half-written").touch()
    status, _, err = ready.start()
    assert (status, "making .venv" in err) == (7, True)
    assert sorted(path.name for path in ready.venv.iterdir()) == ["bin", "duetto.run"]


def test_a_venv_whose_interpreter_is_gone_is_made_again(ready: Checkout) -> None:
    (ready.venv / "bin" / "python").unlink()
    status, _, err = ready.start()
    assert (status, "making .venv" in err) == (7, True)


@pytest.fixture
def gate(checkout: Checkout) -> Iterator[int]:
    """Return where to write the line for which pip waits."""
    path = checkout.stage / "gate"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def test_of_two_starts_at_once_one_sets_up_and_the_other_waits_for_it(checkout: Checkout, gate: int) -> None:
    with checkout.popen("one") as first:
        assert first.stderr is not None
        said = [first.stderr.readline(), first.stderr.readline()]  # making .venv, installing: pip waits now
        with checkout.popen("two") as second:
            assert second.stderr is not None
            heard = second.stderr.readline()
            os.write(gate, b"\n\n")  # a second line, so that a second pip would not hang the test
            ends = [process.communicate(timeout=60)[0].splitlines()[-1] for process in (first, second)]
    assert "installing" in said[-1]
    assert heard == "duetto: another start is setting up, waiting for it …\n"
    assert ends == ["one", "two"]
    assert len(checkout.noted("pip")) == 1
