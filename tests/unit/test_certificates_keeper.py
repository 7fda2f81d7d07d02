"""The keeper: what the router finds on its shelf, and when people hear that a certificate ends."""

import datetime

import pytest
from ledger_kit import open_ledger
from tls_kit import DAY, NOW, make, nothing_fetched

from hostd.certificates.authorities import Authorities
from hostd.certificates.checking import Checked, check
from hostd.certificates.keeper import CertificateKeeper, stage_of
from hostd.certificates.shelf import Shelf
from hostd.events import Events
from hostd.install.certificate import self_signed


class Scene:
    """A ledger with an app, a shelf, and a clock that the test moves."""

    def __init__(self, folder) -> None:
        self.ledger = open_ledger(folder / "master")
        self.app = self.ledger.apps.create("hello", self.ledger.users.add("kate@example.com", admin=True).id)
        self.shelf = folder / "tls"
        self.shelf.mkdir()
        self.lines: list[str] = []
        self.nudged: list[str] = []
        self.now = NOW
        self.authorities = Authorities(folder / "none")
        self.keeper = CertificateKeeper(
            ledger=self.ledger,
            shelf=Shelf(self.shelf, None),
            events=Events(self),
            authorities=self.authorities,
            hosts=lambda app: (f"{app.name}.localhost", "www.example.com"),
            nudge=self.nudged.append,
            default=lambda: self_signed("localhost", NOW)[0].decode(),
            fetch=nothing_fetched,
            clock=lambda: self.now,
        )

    def send(self, message: str, **fields: str) -> None:
        assert fields["HOSTD_APP"] == self.app.id
        self.lines.append(f"{fields['HOSTD_SOURCE']}[{fields['HOSTD_PROCESS']}]: {message}")

    def judged(self, *names: str, ends: datetime.datetime = NOW + 90 * DAY) -> Checked:
        made = make(*names, ends=ends)
        return check(made.pem, made.key_pem, now=NOW, authorities=self.authorities)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.shelf.iterdir())


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


def test_a_lost_shelf_is_stocked_anew(scene):
    one = scene.judged("www.example.com")
    made = scene.ledger.certificates.add(scene.app.id, one)
    scene.keeper.stock()
    (path,) = scene.shelf.iterdir()
    assert path.name == f"{made.content}.pem"
    assert path.read_text() == one.key + one.chain
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    scene.keeper.stock()
    assert path.stat().st_ino == before


def test_what_could_not_be_given_at_first_is_given_later_and_the_router_told(scene):
    made = scene.ledger.certificates.add(scene.app.id, scene.judged("www.example.com"))
    scene.keeper.look()
    assert scene.files == [f"{made.content}.pem"]
    assert scene.nudged == [scene.app.id]
    scene.keeper.look()
    assert scene.nudged == [scene.app.id]


def test_a_file_that_a_power_cut_left_empty_is_written_anew(scene):
    one = scene.judged("www.example.com")
    made = scene.ledger.certificates.add(scene.app.id, one)
    path = scene.shelf / f"{made.content}.pem"
    path.write_bytes(b"\xff")
    scene.keeper.stock()
    assert path.read_text() == one.key + one.chain


def test_one_that_does_not_open_keeps_no_other_from_the_shelf(scene, caplog, tmp_path):
    import sqlite3

    bad, good = (scene.ledger.certificates.add(scene.app.id, scene.judged(name)) for name in ("a.test", "b.test"))
    with sqlite3.connect(tmp_path / "master" / "ledger.db") as file:
        file.execute("UPDATE certificates SET private_key = x'00' WHERE id = ?", (bad.id,))
    scene.keeper.stock()
    assert scene.files == [f"{good.content}.pem"]
    assert bad.name in caplog.text


def test_what_is_not_needed_goes_at_the_second_look(scene):
    made = scene.ledger.certificates.add(scene.app.id, scene.judged("www.example.com"))
    (scene.shelf / "cert.pem").write_text("the default one")
    (scene.shelf / "key.pem").write_text("its key")
    scene.keeper.stock()
    (scene.shelf / f".{made.content}.abcdef12").write_text("what a crash left")
    scene.ledger.certificates.remove(scene.app.id, made.id)
    scene.keeper.look()
    assert scene.files == sorted([f"{made.content}.pem", "cert.pem", "key.pem"])
    scene.keeper.look()
    assert scene.files == ["cert.pem", "key.pem"]


def test_one_that_comes_back_between_two_looks_stays(scene):
    one = scene.judged("www.example.com")
    made = scene.ledger.certificates.add(scene.app.id, one)
    scene.ledger.certificates.remove(scene.app.id, made.id)
    scene.keeper.put(scene.ledger.certificates.add(scene.app.id, one))
    scene.keeper.look()
    scene.keeper.look()
    assert scene.files == [f"{made.content}.pem"]


@pytest.mark.parametrize(("left", "stage"), [
    (31 * DAY, None), (30 * DAY, 30), (14 * DAY + DAY / 24, 30), (14 * DAY, 14), (6 * DAY, 7), (DAY, 1), (DAY / 2, 1),
    (0 * DAY, 0), (-DAY, 0),
])  # fmt: skip
def test_stages_of_the_end(left, stage):
    assert stage_of(NOW + left, NOW) == stage


def test_each_stage_is_told_once(scene):
    made = scene.ledger.certificates.add(scene.app.id, scene.judged("www.example.com", "a.test", ends=NOW + 40 * DAY))
    scene.keeper.stock()
    told = []
    for _ in range(90):
        before = len(scene.lines)
        scene.keeper.look()
        scene.keeper.look()
        told += [((NOW + 40 * DAY - scene.now) / DAY, line) for line in scene.lines[before:]]
        scene.now += DAY / 2
    assert [days for days, _ in told] == [30, 14, 7, 3, 1, 0]
    assert told[0][1] == (
        f"heroku[certs]: The certificate {made.name} (www.example.com, a.test) expires in 30 days, on 2026-04-10 12:00 "
        f"UTC. Put a new one in its place: hostctl certs:update CRT KEY --name {made.name}"
    )
    assert "expires in 1 day, on" in told[4][1]
    assert "has expired on 2026-04-10 12:00 UTC: browsers refuse it" in told[5][1]
    assert scene.nudged == [scene.app.id]


def test_what_hostd_missed_while_it_was_away_is_told_as_one(scene):
    scene.ledger.certificates.add(scene.app.id, scene.judged("www.example.com", ends=NOW + 2 * DAY))
    scene.keeper.look()
    assert len(scene.lines) == 1
    assert "in 2 days" in scene.lines[0]


def test_who_browsers_warn_of(scene):
    assert scene.keeper.untrusted(scene.app) == ["hello.localhost", "www.example.com"]
    assert scene.keeper.served(scene.app) == {}
    made = scene.ledger.certificates.add(scene.app.id, scene.judged("www.example.com"))
    assert scene.keeper.served(scene.app) == {"www.example.com": made}
