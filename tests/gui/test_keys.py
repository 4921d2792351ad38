"""The window's keys: read from the user's file, or refused with the way out."""

import json

import pytest

from gui.keys import DamagedKeys, ExposedKeys, NoKeys, NotAKey, keys_from
from gui.link import Keys

PUBLIC = "Qx8sUO3DVBQhFMMnAdG6/T9LyGzQTKWD5BFCZnS1"
SECRET = "J@CX0vs74DFd6cO15.xHs/:lg5Oa.PwNPGjKnBrM"
SERVER = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"public": PUBLIC, "secret": SECRET}))
    path.chmod(0o600)
    return path


def test_on_this_computer_no_keys_are_needed_nor_read(tmp_path):
    assert keys_from(tmp_path / "none.json", "") is None


def test_a_file_of_keys_and_the_sessions_key_make_the_links_keys(file):
    assert keys_from(file, SERVER) == Keys(PUBLIC, SECRET, SERVER)


def test_without_a_file_named_it_is_the_users_own(file, monkeypatch):
    home = file.parent / "config"
    (home / "duetto").mkdir(parents=True)
    file.rename(home / "duetto" / "keys.json")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    assert keys_from(None, SERVER) == Keys(PUBLIC, SECRET, SERVER)


def test_it_is_the_same_file_that_the_command_makes(monkeypatch, tmp_path):
    from controller.viewing.keyring import own_keys

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = own_keys()
    assert keys_from(None, SERVER) == Keys(made.public, made.secret, SERVER)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(NoKeys, match=r"there are no keys in .*none\.json; make a pair: duetto keys"):
        keys_from(tmp_path / "none.json", SERVER)


def test_a_folder_is_no_file_of_keys(tmp_path):
    with pytest.raises(NoKeys, match="cannot be read"):
        keys_from(tmp_path, SERVER)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_keys_that_others_can_read_are_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(ExposedKeys, match="chmod 600"):
        keys_from(file, SERVER)


@pytest.mark.parametrize("text", ["", "{}", '{"public": 1, "secret": 2}', "[]", '"\xff"'])
def test_a_damaged_file_is_named(file, text):
    file.write_text(text, encoding="latin-1")
    with pytest.raises(DamagedKeys, match=r"keys\.json cannot be understood"):
        keys_from(file, SERVER)


@pytest.mark.parametrize("pair", [("", SECRET), (PUBLIC, "short"), (PUBLIC + "x", SECRET), (PUBLIC, "~" * 40)])
def test_what_is_no_pair_is_named(file, pair):
    file.write_text(json.dumps(dict(zip(("public", "secret"), pair, strict=True))))
    with pytest.raises(DamagedKeys, match="holds no pair of keys"):
        keys_from(file, SERVER)


@pytest.mark.parametrize("server", ["short", SERVER[:-1], SERVER + "x", "~" * 40])
def test_a_sessions_key_that_is_none_is_named(file, server):
    with pytest.raises(NotAKey, match="is no public key; it is the line of 40 characters"):
        keys_from(file, server)
