import base64
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ledger_kit import fingerprint_of, keygen

from hostd.errors import Conflict, Forbidden, Invalid, NotFound
from hostd.ledger import KeyTaken, ssh_keys
from hostd.ledger.access import ALL, Right, rights_named, sorted_names
from hostd.rsa_keys import rsa_bits


@pytest.fixture
def kate(ledger):
    return ledger.users.add("kate@example.com", admin=True)


@pytest.fixture
def joe(ledger):
    return ledger.users.add("joe@example.com")


@pytest.fixture
def app(ledger, kate):
    return ledger.apps.create("hello", kate.id)


def public_line(key, comment="kate@laptop") -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + f" {comment}"


ED25519 = public_line(ed25519.Ed25519PrivateKey.from_private_bytes(b"1" * 32).public_key())
OTHER = public_line(ed25519.Ed25519PrivateKey.from_private_bytes(b"2" * 32).public_key())


def security_key() -> str:
    blob = b"".join(
        struct.pack(">I", len(part)) + part
        for part in (b"sk-ssh-ed25519@openssh.com", base64.b64decode(ED25519.split()[1])[-32:], b"ssh:")
    )
    return f"sk-ssh-ed25519@openssh.com {base64.b64encode(blob).decode()} yubi"


# Users


def test_a_user_is_found_by_address_in_any_case_or_id(ledger, kate):
    assert ledger.users.get("Kate@Example.COM") == ledger.users.get(kate.id) == kate
    assert (kate.email, kate.name, kate.admin) == ("kate@example.com", "kate", True)
    with pytest.raises(NotFound, match=r"no user 'nobody@example\.com'"):
        ledger.users.get("nobody@example.com")


def test_users_are_listed_by_address(ledger, kate, joe):
    assert ledger.users.list() == [joe, kate]


def test_an_address_is_used_once(ledger, kate):
    with pytest.raises(Conflict, match="is a user already"):
        ledger.users.add("KATE@example.com")
    with pytest.raises(Invalid):
        ledger.users.add("kate")


def test_a_removed_user_is_gone_but_named_in_the_history(ledger, kate, joe, app):
    ledger.access.add(app.id, joe.id)
    key = ledger.keys.add(joe.id, ED25519)
    release = ledger.releases.append(app.id, slug_id=None, config={}, description="Set A", user=joe)
    ledger.users.remove(joe.id)
    assert ledger.users.list() == [kate]
    with pytest.raises(NotFound):
        ledger.users.get(joe.email)
    assert ledger.keys.by_fingerprint(key.fingerprint) is None
    assert ledger.access.list(app.id) == []
    assert ledger.releases.get(app.id, release.version).user_email == joe.email
    assert ledger.releases.verify() == []


def test_an_address_may_come_back_as_another_user_without_the_rights(ledger, joe, app):
    ledger.access.add(app.id, joe.id)
    ledger.users.remove(joe.id)
    again = ledger.users.add(joe.email)
    assert again.id != joe.id
    assert ledger.access.rights(app, again) == frozenset()


def test_owners_and_the_last_admin_cannot_be_removed(ledger, kate, joe, app):
    with pytest.raises(Conflict, match="owns hello"):
        ledger.users.remove(kate.id)
    ledger.apps.transfer(app.id, joe.id)
    with pytest.raises(Conflict, match="only admin"):
        ledger.users.remove(kate.id)
    ledger.users.add("root@example.com", admin=True)
    ledger.users.remove(kate.email)


def test_the_first_admin_is_the_one_added_first(ledger, joe):
    assert ledger.users.first_admin() is None
    zoe = ledger.users.add("zoe@example.com", admin=True)
    ledger.users.add("adam@example.com", admin=True)
    assert ledger.users.first_admin() == zoe


# Keys


@pytest.mark.parametrize(
    "options",
    [["-t", "ed25519"], ["-t", "rsa", "-b", "3072"], ["-t", "ecdsa", "-b", "256"], ["-t", "ecdsa", "-b", "521"]],
)
@pytest.mark.thorough
def test_keys_as_ssh_keygen_makes_them(ledger, kate, tmp_path, options):
    line = keygen(tmp_path, *options)
    key = ledger.keys.add(kate.id, line)
    type, blob, comment = line.split()
    assert (key.public_key, key.comment) == (f"{type} {blob}", comment)
    assert key.fingerprint == fingerprint_of(tmp_path, line)
    assert ledger.keys.by_blob(type, blob) == (key, kate)
    assert ledger.keys.by_fingerprint(key.fingerprint) == (key, kate)
    assert ledger.keys.list(kate.id) == [key]


def test_a_key_on_a_security_token(ledger, kate, tmp_path):
    key = ledger.keys.add(kate.id, security_key())
    assert key.fingerprint == fingerprint_of(tmp_path, security_key())
    assert ledger.keys.by_blob(*security_key().split()[:2]) == (key, kate)


@pytest.mark.parametrize("text", [f"  {ED25519}\r\n", ED25519.replace(" ", "\t"), f"\n\n{ED25519}\n"])
def test_white_space_around_a_key_does_not_matter(text):
    assert ssh_keys.parse(text) == ssh_keys.parse(ED25519)


def test_a_comment_may_hold_spaces_or_be_missing():
    type, blob, _ = ED25519.split()
    assert ssh_keys.parse(f"{type} {blob} my old laptop").comment == "my old laptop"
    assert ssh_keys.parse(f"{type} {blob}").comment == ""


def flipped_type() -> str:
    _, blob, comment = ED25519.split()
    return f"ssh-rsa {blob} {comment}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("  \n ", "is empty"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", r"That is the private key; give the \.pub file"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n", "private key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "private key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nabc\n", "ssh-keygen -i"),
        (f"{ED25519}\n{OTHER}\n", "2 lines"),
        (f'command="sh" {ED25519}', "options before the key"),
        (f"no-pty,restrict {ED25519}", "options before the key"),
        ("hello world", "not a public ssh key"),
        ("ssh-ed25519", "damaged"),
        ("ssh-ed25519 AAAA", "damaged"),
        ("ssh-ed25519 !!!! kate", "damaged"),
        (ED25519[:50], "damaged"),
        (flipped_type(), "damaged"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA x", "certificate"),
        (f"{ED25519}\x1b[31m", "printable"),
        (f"{ED25519}{'x' * 300}", "255"),
        ("x" * 20000, "too long"),
        ("ssh-ed25519 \u00e4\u00e4 x", "damaged"),
    ],
)
def test_what_is_no_usable_key_is_refused_with_the_reason(ledger, kate, text, reason):
    with pytest.raises(Invalid, match=reason):
        ledger.keys.add(kate.id, text)
    assert ledger.keys.list(kate.id) == []


def test_dsa_and_short_rsa_keys_are_refused():
    for bits in (1024, 2048):
        weak = public_line(rsa.generate_private_key(65537, bits).public_key())
        assert rsa_bits(weak) == bits
        with pytest.raises(Invalid, match=rf"RSA key has {bits} bits; the least is 3072"):
            ssh_keys.parse(weak)
    assert rsa_bits(ED25519) is None
    with pytest.raises(Invalid, match="DSA keys are not secure"):
        ssh_keys.parse("ssh-dss AAAAB3NzaC1kc3M= kate@laptop")


def test_a_curve_that_sshd_does_not_know_is_refused():
    line = public_line(ec.generate_private_key(ec.SECP256R1()).public_key()).replace("nistp256", "nistp224", 1)
    with pytest.raises(Invalid):
        ssh_keys.parse(line)


def test_one_key_is_one_person(ledger, kate, joe):
    ledger.keys.add(kate.id, ED25519)
    with pytest.raises(KeyTaken, match="You have this key already"):
        ledger.keys.add(kate.id, f"{ED25519} again")
    with pytest.raises(KeyTaken, match="another user") as caught:
        ledger.keys.add(joe.id, ED25519)
    assert kate.email not in caught.value.message


def test_a_removed_key_may_be_added_by_somebody_else(ledger, kate, joe):
    ledger.keys.add(kate.id, ED25519)
    ledger.keys.remove(kate.id, "kate@laptop")
    key = ledger.keys.add(joe.id, ED25519)
    assert ledger.keys.by_fingerprint(key.fingerprint) == (key, joe)


def test_a_key_is_removed_by_fingerprint_id_or_comment_and_only_ones_own(ledger, kate, joe):
    for name in ("fingerprint", "id", "comment"):
        key = ledger.keys.add(kate.id, ED25519)
        with pytest.raises(NotFound):
            ledger.keys.remove(joe.id, getattr(key, name))
        assert ledger.keys.remove(kate.id, getattr(key, name)) == key
    key = ledger.keys.add(kate.id, ED25519)
    ledger.keys.remove(kate.id, key.fingerprint.removeprefix("SHA256:"))
    with pytest.raises(NotFound, match="no ssh key"):
        ledger.keys.remove(kate.id, "")


def test_a_comment_that_several_keys_have_names_none(ledger, kate):
    first, second = ledger.keys.add(kate.id, ED25519), ledger.keys.add(kate.id, OTHER)
    with pytest.raises(Conflict) as caught:
        ledger.keys.remove(kate.id, "kate@laptop")
    assert first.fingerprint in caught.value.message
    assert second.fingerprint in caught.value.message
    assert ledger.keys.list(kate.id) == [first, second]


def test_an_unknown_key_is_nobodys(ledger):
    assert ledger.keys.by_blob("ssh-ed25519", "AAAA' OR 1=1 --") is None
    assert ledger.keys.by_fingerprint("SHA256:x") is None


# Access


def test_owner_collaborators_and_admins_may_use_an_app(ledger, kate, joe):
    app = ledger.apps.create("joes", joe.id)
    eve = ledger.users.add("eve@example.com")
    assert [ledger.access.rights(app, user) for user in (joe, kate, eve)] == [ALL, ALL, frozenset()]
    entry = ledger.access.add(app.id, eve.id)
    assert (entry.app_id, entry.user_id) == (app.id, eve.id)
    assert entry.rights == ledger.access.rights(app, eve) == {Right.VIEW, Right.DEPLOY, Right.OPERATE}
    assert ledger.access.list(app.id) == [entry]
    ledger.access.remove(app.id, eve.id)
    assert ledger.access.rights(app, eve) == frozenset()


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({Right.VIEW}, "view"),
        ({Right.DEPLOY}, "deploy view"),
        ({Right.OPERATE, Right.DEPLOY}, "deploy operate view"),
        ({Right.MANAGE}, "deploy manage operate view"),
    ],
)
def test_rights_bring_others_along(ledger, joe, app, given, held):
    assert sorted_names(ledger.access.add(app.id, joe.id, given).rights) == held.split()
    assert sorted_names(ledger.access.update(app.id, joe.email, {Right.VIEW}).rights) == ["view"]
    assert sorted_names(ledger.access.add(app.id, joe.id, given).rights) == held.split()
    assert sorted_names(ledger.access.add(app.id, joe.id).rights) == held.split()


def test_what_lacks_is_named_with_who_can_give_it(ledger, kate, joe, app):
    ledger.access.add(app.id, joe.id, {Right.DEPLOY})
    ledger.access.check(app, joe, Right.DEPLOY)
    ledger.access.check(app, joe, Right.OPERATE, Right.DEPLOY)
    with pytest.raises(Forbidden) as caught:
        ledger.access.check(app, joe, Right.OPERATE)
    assert caught.value.message == (
        "You may deploy and view hello, and this needs the right to operate it. Its owner kate@example.com, or who may "
        "manage it, can give it: hostctl access:update joe@example.com -p deploy,operate,view -a hello"
    )
    ledger.access.update(app.id, joe.id, {Right.VIEW})
    with pytest.raises(Forbidden, match=r"^You may view hello, and this needs the right to deploy or operate it"):
        ledger.access.check(app, joe, Right.OPERATE, Right.DEPLOY)


def test_the_rights_of_an_owner_are_not_a_collaborators(ledger, kate, joe, app):
    for change in (ledger.access.remove, lambda app_id, user: ledger.access.update(app_id, user, {Right.VIEW})):
        with pytest.raises(Conflict, match="owns hello"):
            change(app.id, kate.id)
        with pytest.raises(NotFound, match="not a collaborator"):
            change(app.id, joe.id)


def test_rights_by_their_names():
    assert rights_named(["operate"]) == {Right.OPERATE, Right.VIEW}
    for names, words in ((["own"], r"no right 'own'. There are: deploy, manage, operate, view"), ([], "at least one")):
        with pytest.raises(Invalid, match=words):
            rights_named(names)


def test_access_given_twice_is_given_once(ledger, joe, app):
    first = ledger.access.add(app.id, joe.id)
    assert ledger.access.add(app.id, joe.id) == first
    assert len(ledger.access.list(app.id)) == 1


def test_access_that_makes_no_sense_is_refused(ledger, kate, joe, app):
    with pytest.raises(Conflict, match="owns hello"):
        ledger.access.add(app.id, kate.id)
    with pytest.raises(Conflict, match="owns hello"):
        ledger.access.remove(app.id, kate.id)
    with pytest.raises(NotFound, match="not a collaborator"):
        ledger.access.remove(app.id, joe.id)
    with pytest.raises(NotFound):
        ledger.access.add("never", joe.id)


def test_apps_of_a_user(ledger, kate, joe):
    own, shared = ledger.apps.create("own", joe.id), ledger.apps.create("shared", kate.id)
    other = ledger.apps.create("other", kate.id)
    ledger.access.add(shared.id, joe.id)
    assert [app.id for app in ledger.apps.list_for(joe)] == [own.id, shared.id]
    assert [app.id for app in ledger.apps.list_for(kate)] == [other.id, own.id, shared.id]
