"""Keys and locks: who may watch, where they are kept, and every way in which they are refused."""

import json
import os
import socket
import stat

import pytest
from click.testing import CliRunner

from controller.bus import is_key, new_keys, public_of
from controller.cli import duetto
from controller.viewing import keyring
from controller.viewing.keyring import (
    AllowedNow,
    KeysDamaged,
    KeysExposed,
    KeysUnwritable,
    NotAllowed,
    allow,
    allowed,
    forbid,
    keys_path,
    own_keys,
)
from controller.viewing.locks import (
    AddressTaken,
    BadAddress,
    NobodyAllowed,
    check_free,
    invitation,
    lock_from,
)
from tests.controller.serving import free_port

ANNA = "Qx8sUO3DVBQhFMMnAdG6/T9LyGzQTKWD5BFCZnS1"
BEN = "J@CX0vs74DFd6cO15.xHs/:lg5Oa.PwNPGjKnBrM"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where this user's keys would be."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "duetto"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# The own pair.


def test_a_pair_is_made_when_it_is_first_needed_and_stays_the_same():
    first = own_keys()
    assert own_keys() == first
    assert public_of(first.secret) == first.public
    assert json.loads(keys_path().read_text()) == {"public": first.public, "secret": first.secret}


def test_the_pair_and_its_folder_are_for_their_owner_only_whatever_the_umask_is(folder):
    before = os.umask(0)
    try:
        own_keys()
    finally:
        os.umask(before)
    assert (mode(folder), mode(folder / "keys.json")) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == ["keys.json"], "nothing half-written is left"


def test_a_public_key_can_stand_on_a_command_line_without_quotation_marks(folder):
    for _ in range(10):
        public = own_keys().public
        assert not set(public) & set("!*?&<>()[]{}$#^;|'\"\\`~ \t"), public
        assert public[0].isalnum(), "or it would be taken for an option"
        (folder / "keys.json").unlink()


def test_two_users_have_two_pairs(monkeypatch, tmp_path):
    first = own_keys()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert own_keys().public != first.public


def test_without_a_folder_of_settings_keys_are_below_the_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keys_path() == tmp_path / ".config" / "duetto" / "keys.json"


@pytest.mark.parametrize("open_to", [0o640, 0o604, 0o620, 0o666])
def test_a_pair_that_others_can_read_is_refused_with_the_way_out(open_to):
    own_keys()
    keys_path().chmod(open_to)
    with pytest.raises(KeysExposed, match=r"can be read by other users.*chmod 600 .*keys\.json.*remove it instead"):
        own_keys()


def test_a_folder_that_others_could_enter_is_closed_to_them(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    own_keys()
    assert mode(folder) == 0o700


@pytest.mark.parametrize(
    "text", ["", "{", '{"public": "a"}', '{"public": "a", "secret": "b", "more": 1}', "[]", '"\xff"']
)
def test_a_damaged_file_of_keys_is_named(folder, text):
    own_keys()
    keys_path().write_text(text, encoding="latin-1")
    with pytest.raises(KeysDamaged, match=r"keys\.json cannot be understood"):
        own_keys()


def test_a_public_key_that_does_not_belong_to_the_secret_one_is_no_pair():
    keys = own_keys()
    for public, secret in ((ANNA, keys.secret), (keys.public, ANNA), (keys.public, "short")):
        keys_path().write_text(json.dumps({"public": public, "secret": secret}))
        with pytest.raises(KeysDamaged, match="holds no pair of keys; remove it"):
            own_keys()


def test_a_folder_that_cannot_be_made_is_named(folder):
    folder.parent.mkdir()
    folder.write_text("a file")
    with pytest.raises(KeysUnwritable, match="duetto cannot be opened or written"):
        own_keys()


# Those who may watch.


def test_whoever_is_allowed_stands_in_the_list_until_forbidden(folder):
    assert allowed() == {}
    allow("anna", ANNA)
    allow("ben", BEN)
    assert allowed() == {"anna": ANNA, "ben": BEN}
    forbid("anna")
    assert allowed() == {"ben": BEN}
    assert mode(folder / "viewers.json") == 0o600


def test_allowing_the_same_twice_changes_nothing():
    allow("anna", ANNA)
    allow("anna", ANNA)
    assert allowed() == {"anna": ANNA}


def test_a_name_cannot_silently_get_another_key():
    allow("anna", ANNA)
    with pytest.raises(NotAllowed, match=r"anna is allowed with another key; .* duetto keys forbid anna"):
        allow("anna", BEN)
    assert allowed() == {"anna": ANNA}


def test_a_key_has_one_name_or_forbidding_it_would_not_forbid_it():
    allow("anna", ANNA)
    with pytest.raises(NotAllowed, match="this key is allowed already, as anna"):
        allow("annas laptop", ANNA)


@pytest.mark.parametrize("key", ["", "short", ANNA + "x", ANNA[:-1] + "~", "#" * 40, "ä" * 40])
def test_what_is_no_key_is_not_allowed(key):
    with pytest.raises(NotAllowed, match="is no public key"):
        allow("anna", key)
    assert allowed() == {}


def test_the_secret_key_is_never_taken_for_a_viewers():
    with pytest.raises(NotAllowed, match="this is your secret key"):
        allow("anna", own_keys().secret)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 65])
def test_what_is_no_name_is_not_allowed(name):
    with pytest.raises(NotAllowed, match="is no name"):
        allow(name, ANNA)


def test_forbidding_someone_unknown_says_who_is_known():
    with pytest.raises(NotAllowed, match="'anna'; allowed are: nobody"):
        forbid("anna")
    allow("ben", BEN)
    with pytest.raises(NotAllowed, match="'anna'; allowed are: ben"):
        forbid("anna")


@pytest.mark.parametrize("text", ["{", "[]", '{"anna": 1}'])
def test_a_damaged_list_of_viewers_is_named(folder, text):
    allow("anna", ANNA)
    (folder / "viewers.json").write_text(text)
    with pytest.raises(KeysDamaged, match=r"viewers\.json cannot be understood"):
        allowed()


def test_a_viewer_whose_key_is_none_is_named_and_can_be_forbidden(folder):
    allow("anna", ANNA)
    (folder / "viewers.json").write_text('{"anna": "short"}')
    with pytest.raises(KeysDamaged, match="the key of 'anna' is none"):
        allowed()
    forbid("anna")
    assert allowed() == {}


def test_a_list_of_viewers_that_others_could_extend_is_refused(folder):
    allow("anna", ANNA)
    (folder / "viewers.json").chmod(0o644)
    assert allowed() == {"anna": ANNA}, "who reads it learns public keys only"
    (folder / "viewers.json").chmod(0o622)
    with pytest.raises(KeysExposed, match="can be changed by other users"):
        allowed()


# The lock.


def test_who_is_allowed_or_forbidden_while_a_session_runs_is_so_at_once(folder):
    now = AllowedNow()
    assert now() == frozenset()
    allow("anna", ANNA)
    assert now() == {ANNA}
    allow("ben", BEN)
    assert now() == {ANNA, BEN}
    forbid("anna")
    assert now() == {BEN}
    (folder / "viewers.json").write_text("{")
    assert now() == frozenset(), "where it is not known who is allowed, nobody is"
    (folder / "viewers.json").unlink()
    assert now() == frozenset()
    allow("anna", ANNA)
    assert now() == {ANNA}


def test_without_an_address_there_is_no_lock():
    assert lock_from("") is None
    assert not keys_path().exists()


def test_a_lock_has_the_users_own_keys_and_those_who_are_allowed():
    allow("anna", ANNA)
    address, lock = lock_from("tcp://127.0.0.1:5757")
    assert address == "tcp://127.0.0.1:5757"
    assert (lock.public, lock.secret) == (own_keys().public, own_keys().secret)
    assert lock.allowed() == {ANNA}


def test_a_hosts_name_becomes_an_address_and_a_star_stays():
    allow("anna", ANNA)
    assert lock_from("tcp://localhost:5757")[0] == "tcp://127.0.0.1:5757"
    assert lock_from("tcp://*:5757")[0] == "tcp://*:5757"


def test_a_session_that_nobody_may_watch_does_not_listen():
    with pytest.raises(NobodyAllowed, match=r"nobody is allowed to watch at tcp://\*:5757.*duetto keys allow NAME KEY"):
        lock_from("tcp://*:5757")


@pytest.mark.parametrize(
    "listen",
    [
        *("tcp://host", "tcp://:5757", "tcp://host:0", "tcp://host:65536", "tcp://a b:1", "host:5757", "5757"),
        *("tcp://host:5757/x", "tcp://[::1]:5757", "tcp://host:-1", "tcp://host:+5", "tcp://-x:5", "tcp://h:5\n"),
        *("udp://host:1", "TCP://host:5757", "tcp://host:５７５７"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(listen):
    allow("anna", ANNA)
    with pytest.raises(BadAddress, match=r"is no address to listen at; write tcp://HOST:PORT, such as"):
        lock_from(listen)


def test_an_address_of_this_computer_needs_no_lock_and_gets_none():
    with pytest.raises(BadAddress, match="is on this computer, where sessions can be watched anyway"):
        lock_from("ipc:///tmp/view")


def test_a_computer_that_nobody_knows_is_named():
    allow("anna", ANNA)
    with pytest.raises(BadAddress, match=r"'no-such-computer\.invalid' in .* is not known"):
        lock_from("tcp://no-such-computer.invalid:5757")


def test_a_port_where_something_listens_already_is_found_out_before_a_session_begins():
    port = free_port()
    check_free(f"tcp://127.0.0.1:{port}")
    check_free(f"tcp://*:{port}")
    with socket.create_server(("127.0.0.1", port)):
        for listen in (f"tcp://127.0.0.1:{port}", f"tcp://*:{port}", f"tcp://localhost:{port}"):
            with pytest.raises(AddressTaken, match="where another session listens, give another port"):
                check_free(listen)


def test_an_address_of_another_computer_is_found_out_before_a_session_begins():
    with pytest.raises(BadAddress, match="is not an address of this computer"):
        check_free("tcp://192.0.2.1:5757")


def test_the_invitation_names_a_computer_and_the_key():
    allow("anna", ANNA)
    key = own_keys().public
    _, lock = lock_from("tcp://127.0.0.1:5757")
    said = "watch it from another computer: duetto monitor tcp://{}:5757 --server-key {}"
    assert invitation("tcp://127.0.0.1:5757", lock) == said.format("127.0.0.1", key)
    for everywhere in ("*", "0.0.0.0"):
        assert invitation(f"tcp://{everywhere}:5757", lock) == said.format(socket.gethostname(), key)


# The commands.


def keys(*words):
    return CliRunner().invoke(duetto, ["keys", *words])


def test_the_command_prints_the_public_key_alone_on_standard_output():
    shown = keys()
    assert shown.exit_code == 0
    assert shown.stdout == f"{own_keys().public}\n"
    assert str(keys_path()) in shown.stderr
    assert own_keys().secret not in shown.output


def test_the_commands_allow_list_and_forbid():
    assert keys("list").stdout == ""
    assert keys("allow", "ben", BEN).exit_code == keys("allow", "anna", ANNA).exit_code == 0
    assert keys("list").stdout == f"{ANNA} anna\n{BEN} ben\n"
    assert keys("forbid", "anna").exit_code == 0
    assert keys("list").stdout == f"{BEN} ben\n"


def test_every_key_that_is_made_can_be_given_to_the_command():
    for _ in range(20):
        public, _ = new_keys()
        while public[0] == "-":
            public, _ = new_keys()
        assert keys("allow", "anna", public).exit_code == 0
        keys("forbid", "anna")
    made = keyring.own_keys().public
    assert is_key(made)
    assert keys("allow", "me", made).exit_code == 0


def test_each_command_explains_itself_with_an_example():
    for words in ((), ("allow",), ("forbid",), ("list",)):
        shown = keys(*words, "--help")
        assert shown.exit_code == 0
        assert "Example: duetto keys" in shown.output
