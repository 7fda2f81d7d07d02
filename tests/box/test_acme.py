"""Automatic certificates: a real authority (pebble) looks for proofs, issues and refuses; what users and admins see."""

from __future__ import annotations

import json
import ssl
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostd.ledger.certificates import content_of
from tests.box.test_certificates import add, anybody, ask, dial, generated, shown
from tests.support import pebble
from tests.support.journal_search import journal_lines, key_lines
from tests.support.pebble import Pebble
from tests.support.platform import PYTHON, Platform
from tests.support.settings import settings
from tests.support.waiting import wait_until

APP = "own-certs"
NAME, LATER, BLOCKED = "www.acme.test", "later.acme.test", "blocked.acme.test"
LOOKED_BACK = 900
"""Seconds of the journals that are searched for keys: all that the tests here have taken."""
SHAKEN = "shaken.acme.test"
WILD, BROKEN = "*.wild.acme.test", "*.broken.acme.test"
HOOK, FILES = "/usr/local/bin/acme-test-hook", "/run/acme-test"
DROP_IN = "/run/systemd/system/hostd.service.d/acme-test.conf"

HOOK_TEXT = """\
#!/bin/bash
# Makes records in the DNS of the test, but none for what is to fail.
set -euo pipefail
echo "$(id -un) $1 $2"
[[ $2 != *unwilling* ]] || { echo 'no such zone' >&2; exit 3; }
[[ $2 != *broken* ]] || exit 0
[[ $1 == add ]] && call=set-txt || call=clear-txt
curl --silent --fail --data "{\\"host\\": \\"$2.\\", \\"value\\": \\"$3\\"}" MANAGEMENT/$call
"""

KEYS = """\
import json, sys
from pathlib import Path
from hostd.ledger.ledger import Ledger
ledger = Ledger.open(Path("/var/lib/hostd/master"))
account = ledger.acme_accounts.get(sys.argv[1])
certificates = [ledger.certificates.key(each) for each in ledger.certificates.every()]
print(json.dumps([ledger.acme_accounts.key(account), *certificates]))
"""
"""The private keys of our account with an authority, and of all certificates."""


@pytest.fixture(scope="module")
def authority(platform: Platform, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """An authority that hostd is set to: what it serves is trusted, and names are asked of its DNS."""
    with pebble.running(platform.http_port, port, tmp_path_factory.mktemp("pebble")) as running:
        put(platform, f"{FILES}/resolv.conf", f"nameserver {running.dns}\n")
        put(platform, f"{FILES}/roots.crt", running.roots)
        put(platform, HOOK, HOOK_TEXT.replace("MANAGEMENT", running.dns_management), "755")
        binds = f"{FILES}/resolv.conf:/etc/resolv.conf {FILES}/roots.crt:/etc/ssl/certs/ca-certificates.crt"
        put(platform, DROP_IN, f"[Service]\nBindReadOnlyPaths={binds}\n")
        platform.run(["systemctl", "daemon-reload"])
        try:
            with settings(
                platform, acme_directory=running.directory, acme_terms_accepted=True,
                acme_contact="admin@example.com", acme_dns_hook=HOOK,
            ):  # fmt: skip
                yield running
        finally:
            platform.run(["rm", "-rf", DROP_IN, HOOK, FILES])
            platform.run(["systemctl", "daemon-reload"])
            platform.run(["systemctl", "restart", "hostd.service"])


@pytest.fixture(scope="module", autouse=True)
def app(platform: Platform) -> Iterator[None]:
    """An app that never answers anything itself: down for maintenance, and sent to https."""
    platform.hostctl("apps:create", APP)
    try:
        platform.hostctl("maintenance:on", "-a", APP)
        platform.hostctl("https:redirect", "on", "-a", APP)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP, check=False)


@pytest.fixture(scope="module")
def port(platform: Platform) -> int:
    """Where https is served."""
    return int(tomllib.loads(platform.run(["cat", "/etc/hostd/hostd.toml"]).stdout)["https_port"])


def put(platform: Platform, path: str, text: str, mode: str = "644") -> None:
    """Write a file in the box."""
    platform.run(["mkdir", "-p", str(Path(path).parent)])
    platform.run(["tee", path], input=text)
    platform.run(["chmod", mode, path])


def state(platform: Platform, name: str) -> dict[str, Any]:
    """How it stands with a name."""
    found = json.loads(platform.ssh("certs:auto", "--json", "-a", APP).stdout)
    return next(each for each in found["domains"] if each["hostname"] == name)


def reaches(platform: Platform, name: str, status: str, seconds: float = 60) -> dict[str, Any]:
    """How it stands with a name, as soon as it stands so."""

    def there() -> dict[str, Any] | None:
        found = state(platform, name)
        return found if found["status"] == status else None

    return wait_until(there, seconds, every=0.3, what=f"{name} to be {status}")  # type: ignore[return-value]


def files_of_app(platform: Platform) -> set[str]:
    """What the router calls the app's certificates."""
    listed = json.loads(platform.ssh("certs", "--json", "-a", APP).stdout)
    return {f"{content_of(each['certificate_chain'])}.pem" for each in listed}


def shelf(platform: Platform) -> set[str]:
    """What the router has."""
    return set(platform.run(["ls", "/var/lib/hostd/tls"]).stdout.split())


def test_without_the_admins_consent_nothing_is_got(platform: Platform) -> None:
    refused = platform.ssh("certs:auto:enable", "-a", APP, check=False)
    assert refused.returncode == 1
    assert "acme_terms_accepted = true" in refused.stderr


def test_a_certificate_is_got_served_and_renewed(platform: Platform, authority: Pebble, port: int) -> None:
    default = shown(port, NAME)
    platform.ssh("domains:add", NAME, "-a", APP)
    got = platform.ssh("certs:auto:enable", "--wait", "-a", APP)
    assert f"{NAME}: OK" in got.stderr
    trusting = ssl.create_default_context(cadata=authority.root())
    trusting.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    with dial(port, NAME, trusting) as connection:
        first = connection.getpeercert(True)
        assert first != default
        (listed,) = json.loads(platform.ssh("certs", "--json", "-a", APP).stdout)
        assert (listed["ssl_cert"]["acm"], listed["ssl_cert"]["cert_domains"]) == (True, [NAME])
        # It lives for less than a minute, so that it is renewed while the connection is open.
        wait_until(lambda: shown(port, NAME) != first, 60, every=0.5)
        assert ask(connection, NAME).startswith("HTTP/1.1 503")
    (renewed,) = json.loads(platform.ssh("certs", "--json", "-a", APP).stdout)
    assert (renewed["id"], renewed["name"]) == (listed["id"], listed["name"])
    assert platform.http_get("", "/.well-known/acme-challenge/x", host=NAME).status == 301
    logs = platform.ssh("logs", "-a", APP, "--num", "100").stdout
    assert f"heroku[certs]: Got a certificate for {NAME}" in logs
    assert f"heroku[certs]: Renewed the certificate for {NAME}" in logs


def test_a_name_is_proven_in_a_handshake_that_nobody_else_sees(
    platform: Platform, authority: Pebble, port: int
) -> None:
    default, visitor = shown(port, SHAKEN), anybody()
    visitor.set_alpn_protocols(["http/1.1"])
    platform.ssh("certs:auto:enable", "--challenge", "tls-alpn-01", "-a", APP)
    platform.ssh("domains:add", SHAKEN, "-a", APP)

    def proven() -> bool:
        with dial(port, SHAKEN, visitor) as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"
            assert ask(connection, SHAKEN).startswith("HTTP/1.1 503")
            return connection.getpeercert(True) != default

    wait_until(proven, 60, every=0.05, what=f"{SHAKEN} to have a certificate")
    trusting = ssl.create_default_context(cadata=authority.root())
    trusting.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    dial(port, SHAKEN, trusting).close()
    platform.ssh("domains:remove", SHAKEN, "-a", APP)
    platform.ssh("certs:auto:enable", "-a", APP)


def test_a_domain_that_leads_elsewhere_waits_and_one_that_is_refused_is_told(
    platform: Platform, authority: Pebble
) -> None:
    authority.lead(LATER, "192.0.2.9")
    for name in (LATER, BLOCKED):
        platform.ssh("domains:add", name, "-a", APP)
    assert "leads to 192.0.2.9" in reaches(platform, LATER, "failing")["reason"]
    refused = reaches(platform, BLOCKED, "failing")
    assert "(rejectedIdentifier)" in refused["reason"]
    assert refused["retry_at"]
    authority.lead(LATER)
    waited = platform.ssh("certs:auto:refresh", LATER, "--wait", "-a", APP, check=False)
    assert f"{LATER}: OK" in waited.stderr
    assert waited.returncode == 1 and f"No certificate for {BLOCKED}" in waited.stderr
    platform.ssh("domains:remove", BLOCKED, "-a", APP)


def test_wildcards_are_proven_by_records_that_the_admins_program_makes(
    platform: Platform, authority: Pebble, port: int
) -> None:
    names = (WILD, BROKEN, "*.unwilling.acme.test")
    for name in names:
        platform.ssh("domains:add", name, "-a", APP)
    reaches(platform, WILD, "ok")
    with dial(port, "any.wild.acme.test", ssl.create_default_context(cadata=authority.root())) as connection:
        assert connection.getpeercert()["subjectAltName"] == (("DNS", WILD),)  # type: ignore[index]
    assert "(unauthorized)" in reaches(platform, BROKEN, "failing")["reason"]
    assert "ended with status 3: no such zone" in reaches(platform, names[2], "failing")["reason"]
    logs = platform.ssh("logs", "-a", APP, "--num", "100").stdout
    assert "heroku[certs]: nobody add _acme-challenge.unwilling" in logs
    for name in names:
        platform.ssh("domains:remove", name, "-a", APP)


def test_no_key_of_the_account_or_of_a_certificate_is_in_a_journal(platform: Platform, authority: Pebble) -> None:
    reaches(platform, NAME, "ok")
    keys = json.loads(platform.run([PYTHON, "-c", KEYS, authority.directory]).stdout)
    assert len(keys) >= 2 and all(len(key_lines(key)) > 1 for key in keys)
    lines = [line for key in keys for line in key_lines(key)]
    assert journal_lines(platform, int(time.time()) - LOOKED_BACK, lines) == []


def test_an_added_certificate_comes_first_and_what_is_not_wanted_is_dropped(
    platform: Platform, authority: Pebble, port: int
) -> None:
    reaches(platform, NAME, "ok")
    pair = generated(NAME)
    added = add(platform, APP, pair)
    assert shown(port, NAME) == pair.der
    wait_until(lambda: [each["name"] for each in json.loads(platform.ssh("certs", "--json", "-a", APP).stdout)
                        if NAME in each["ssl_cert"]["cert_domains"]] == [added], 20)  # fmt: skip
    platform.ssh("certs:remove", added, "--confirm", APP, "-a", APP)
    reaches(platform, NAME, "ok")
    assert shown(port, NAME) != pair.der
    files = wait_until(lambda: (found := files_of_app(platform)) & shelf(platform) and found, 20)
    platform.ssh("certs:auto:disable", "--confirm", APP, "-a", APP)
    assert json.loads(platform.ssh("certs", "--json", "-a", APP).stdout) == []
    assert not files & shelf(platform)


def test_an_authority_that_is_gone_is_told_and_left_alone(platform: Platform, authority: Pebble) -> None:
    authority.end()
    platform.ssh("certs:auto:enable", "-a", APP)
    found = reaches(platform, NAME, "failing")
    assert "cannot be reached" in found["reason"]
    assert found["retry_at"]
