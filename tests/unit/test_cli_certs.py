"""hostctl certs, certs:generate and https, as their users see them."""

import json
import ssl
import subprocess

import pytest
from cli_fakes import hostctl

ENDPOINTS = "/apps/hello/sni-endpoints"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"


def endpoint(name="gentle-mesa-5445", *, expires="2016-11-17T17:37:41Z", serves=("www.example.com",), **more):
    return {
        "id": f"id-of-{name}", "name": name, "display_name": None, "certificate_chain": CERTIFICATE,
        "extended": {"serves": list(serves), "chain_length": 2, "fingerprint": "ab" * 32, "key": "RSA 2048"},
        "ssl_cert": {
            "ca_signed?": True, "self_signed?": False, "cert_domains": ["www.example.com", "example.com"],
            "expires_at": expires, "starts_at": "2015-11-10T17:37:41Z", "issuer": "C=US; CN=Authority",
            "subject": "CN=www.example.com",
        },
    } | more  # fmt: skip


@pytest.fixture
def files(tmp_path, monkeypatch):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "server.crt").write_text(CERTIFICATE)
    (folder / "server.key").write_text(KEY)
    monkeypatch.chdir(folder)
    return folder


def test_certificates_are_listed_and_those_that_end_soon_are_named(tmp_path, hostd):
    soon = endpoint("soon-one-1234", expires="2015-11-29T19:37:41Z", serves=())
    gone = endpoint("old-one-1234", expires="2015-11-17T17:37:41Z")
    hostd.on(f"GET {ENDPOINTS}", (200, [endpoint(), soon, gone]))
    shown = hostctl(tmp_path, "certs", "-a", "hello")
    assert shown.out.splitlines() == [
        "=== hello Certificates",
        "",
        "Name              Common Name(s)                Expires     Trusted  Serves",
        "gentle-mesa-5445  www.example.com, example.com  2016-11-17  True     www.example.com",
        "soon-one-1234     www.example.com, example.com  2015-11-29  True     -",
        "old-one-1234      www.example.com, example.com  2015-11-17  True     www.example.com",
    ]
    assert shown.err.splitlines() == [
        " !    soon-one-1234 expires in 12 days: hostctl certs:update CRT KEY --name soon-one-1234 -a hello",
        " !    old-one-1234 has expired: hostctl certs:update CRT KEY --name old-one-1234 -a hello",
    ]
    as_json = hostctl(tmp_path, "certs", "--json", "-a", "hello")
    assert [each["name"] for each in json.loads(as_json.out)] == ["gentle-mesa-5445", "soon-one-1234", "old-one-1234"]
    assert as_json.err == ""


def test_an_app_without_certificates_is_told_how_to_get_one(tmp_path, hostd):
    hostd.on(f"GET {ENDPOINTS}", (200, []))
    assert "hello has no certificates. Add one: hostctl certs:add" in hostctl(tmp_path, "certs", "-a", "hello").err
    for command in ("certs:info", "certs:remove"):
        refused = hostctl(tmp_path, command, "-a", "hello")
        assert (refused.status, "has no certificates" in refused.err) == (1, True)


def test_details(tmp_path, hostd):
    hostd.on(f"GET {ENDPOINTS}", (200, [endpoint()]))
    shown = hostctl(tmp_path, "certs:info", "-a", "hello").out
    assert "=== Certificate gentle-mesa-5445" in shown
    assert "Issuer:" in shown and "C=US; CN=Authority" in shown
    assert "Serves:" in shown
    assert "2016-11-17 17:37:41 UTC\n" in shown


@pytest.mark.parametrize("words", [
    ("server.crt", "server.key"), ("server.key", "server.crt"), ("server.crt", "server.crt", "server.key"),
])  # fmt: skip
def test_a_certificate_is_added_from_files_in_any_order(tmp_path, hostd, files, words):
    hostd.on(f"POST {ENDPOINTS}", (201, endpoint(), {"Warning-Message": "The chain is not complete."}))
    done = hostctl(tmp_path, "certs:add", *words, "-a", "hello")
    assert done.err == (
        "Adding SSL certificate to hello... done, gentle-mesa-5445\n !    Warning: The chain is not complete.\n"
    )
    (request,) = hostd.requests
    assert request.json["private_key"] == KEY.strip()
    assert request.json["certificate_chain"].count("BEGIN CERTIFICATE") == words.count("server.crt")
    assert "PRIVATE KEY" not in request.json["certificate_chain"]
    assert "Certificate details:" in done.out


def test_over_ssh_certificate_and_key_come_on_standard_input(tmp_path, hostd, files):
    hostd.on(f"POST {ENDPOINTS}", (201, endpoint()))
    refused = hostctl(tmp_path, "certs:add", "server.crt", "server.key", "-a", "hello", user="kate@example.com")
    assert refused.status == 2 and "on standard input" in refused.err
    assert hostd.requests == []
    for words in ((), ("-",)):
        done = hostctl(
            tmp_path, "certs:add", *words, "-a", "hello", user="kate@example.com", stdin=(CERTIFICATE + KEY).encode()
        )
        assert done.status == 0
        assert hostd.requests[-1].json["private_key"] == KEY.strip()


@pytest.mark.parametrize(("words", "message"), [
    (("missing.crt",), "missing.crt cannot be read: No such file"), (("/tmp",), "/tmp is not a file"),
])  # fmt: skip
def test_files_that_are_none(tmp_path, hostd, files, words, message):
    refused = hostctl(tmp_path, "certs:add", *words, "-a", "hello")
    assert (refused.status, message in refused.err) == (1, True)


def test_a_huge_file_is_not_read(tmp_path, hostd, files):
    (files / "huge").write_bytes(b"x" * 300_000)
    assert "too large" in hostctl(tmp_path, "certs:add", "huge", "-a", "hello").err


def test_binary_files_reach_hostd_which_says_what_they_are(tmp_path, hostd, files):
    (files / "server.p12").write_bytes(b"0\x82\x01\xff")
    hostd.on(f"POST {ENDPOINTS}", (422, {"id": "invalid_params", "message": "no PEM text"}))
    assert "no PEM text" in hostctl(tmp_path, "certs:add", "server.p12", "-a", "hello").err
    assert hostd.requests[0].json["certificate_chain"] == "0\x82\x01\xff"


def test_an_update_goes_to_the_only_certificate_or_the_named_one(tmp_path, hostd, files):
    hostd.on(f"GET {ENDPOINTS}", (200, [endpoint()]), (200, [endpoint(), endpoint("other-1111")]))
    hostd.on(f"GET {ENDPOINTS}/other-1111", (200, endpoint("other-1111")))
    for name in ("gentle-mesa-5445", "other-1111"):
        hostd.on(f"PATCH {ENDPOINTS}/id-of-{name}", (200, endpoint(name)))
    done = hostctl(tmp_path, "certs:update", "server.crt", "-a", "hello")
    assert "Updating SSL certificate gentle-mesa-5445 of hello... done" in done.err
    assert "private_key" not in hostd.requests[-1].json
    which = hostctl(tmp_path, "certs:update", "server.crt", "-a", "hello")
    assert which.status == 2 and "gentle-mesa-5445, other-1111" in which.err
    assert hostctl(
        tmp_path, "certs:update", "server.crt", "server.key", "--name", "other-1111", "-a", "hello"
    ).status == 0
    assert hostd.requests[-1].json["private_key"] == KEY.strip()


def test_a_certificate_is_removed_when_the_app_is_named(tmp_path, hostd):
    hostd.on(f"GET {ENDPOINTS}/gentle-mesa-5445", (200, endpoint()))
    hostd.on(f"DELETE {ENDPOINTS}/id-of-gentle-mesa-5445", (200, endpoint()))
    unasked = hostctl(tmp_path, "certs:remove", "gentle-mesa-5445", "-a", "hello")
    assert unasked.status == 1 and "--confirm hello" in unasked.err and "www.example.com" in unasked.err
    wrong = hostctl(tmp_path, "certs:remove", "gentle-mesa-5445", "-a", "hello", "--confirm", "other")
    assert wrong.status == 1
    done = hostctl(tmp_path, "certs:remove", "gentle-mesa-5445", "-a", "hello", "--confirm", "hello")
    assert done.err == "Removing SSL certificate gentle-mesa-5445 from hello... done\n"


def test_a_domain_is_given_another_certificate(tmp_path, hostd):
    hostd.on("PATCH /apps/hello/domains/www.example.com", (200, {}))
    words = ("domains:update", "www.example.com", "-a", "hello")
    assert hostctl(tmp_path, *words).status == 2
    done = hostctl(tmp_path, *words, "--cert", "gentle-mesa-5445")
    assert done.err == "Serving www.example.com of hello with gentle-mesa-5445... done\n"
    assert [request.json for request in hostd.requests] == [{"sni_endpoint": "gentle-mesa-5445"}]


# certs:generate


def openssl(*words: str) -> str:
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True).stdout


def test_a_key_and_a_request_for_a_certificate(tmp_path, files):
    done = hostctl(
        tmp_path, "certs:generate", "*.example.com", "Example.com", "--owner", "Ex Ltd", "--country", "GB"
    )
    assert done.status == 0 and done.out == ""
    assert "hostctl certs:add CERTFILE wildcard.example.com.key -a APP" in done.err
    key, request = files / "wildcard.example.com.key", files / "wildcard.example.com.csr"
    assert key.stat().st_mode & 0o777 == 0o600
    shown = openssl("req", "-in", str(request), "-noout", "-text", "-verify")
    assert "DNS:*.example.com, DNS:example.com" in shown
    assert "C = GB" in shown and "O = Ex Ltd" in shown and "CN = *.example.com" in shown
    assert openssl("pkey", "-in", str(key), "-pubout") == openssl("req", "-in", str(request), "-noout", "-pubkey")


def test_a_certificate_that_signs_itself(tmp_path, files):
    done = hostctl(
        tmp_path, "certs:generate", "www.example.com", "--selfsigned", "--keysize", "2048", "--days", "10"
    )
    assert "hostctl certs:add www.example.com.crt www.example.com.key -a APP" in done.err
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "www.example.com.crt", files / "www.example.com.key")
    assert "2048 bit" in openssl("x509", "-in", str(files / "www.example.com.crt"), "-noout", "-text")


def test_over_ssh_both_are_printed_and_nothing_is_written(tmp_path, files):
    before = sorted(files.iterdir())
    done = hostctl(tmp_path, "certs:generate", "www.example.com", "--selfsigned", user="kate@example.com")
    assert done.out.count("-----BEGIN") == 2
    assert done.out.startswith("-----BEGIN PRIVATE KEY-----")
    assert sorted(files.iterdir()) == before


def test_no_key_is_written_over(tmp_path, files):
    (files / "www.example.com.key").write_text("my only copy")
    refused = hostctl(tmp_path, "certs:generate", "www.example.com")
    assert refused.status == 1 and "there already" in refused.err
    assert (files / "www.example.com.key").read_text() == "my only copy"


@pytest.mark.parametrize("words", [
    ("https://www.example.com",), ("www.example.com", "--keysize", "1024"), ("www.example.com", "--country", "GBR"),
    ("www.example.com", "--days", "0"), ("192.0.2.1",), (),
])  # fmt: skip
def test_what_cannot_be_generated(tmp_path, files, words):
    before = sorted(files.iterdir())
    assert hostctl(tmp_path, "certs:generate", *words).status == 2
    assert sorted(files.iterdir()) == before


# https


HTTPS = "/hostd/apps/hello/https"


@pytest.mark.parametrize(("found", "said"), [
    ({"redirect": False, "hsts": None}, ["Redirect: off", "HSTS:     off"]),
    (
        {"redirect": True, "hsts": {"max_age": 60, "include_subdomains": True, "preload": False}},
        ["Redirect: on", "HSTS:     on, for 60 s, subdomains"],
    ),
    (
        {"redirect": True, "hsts": {"max_age": 0, "include_subdomains": False, "preload": False}},
        ["Redirect: on", "HSTS:     off (browsers are told to forget it)"],
    ),
])  # fmt: skip
def test_what_is_said_of_https(tmp_path, hostd, found, said):
    hostd.on(f"GET {HTTPS}", (200, found))
    assert hostctl(tmp_path, "https", "-a", "hello").out.splitlines() == said
    assert json.loads(hostctl(tmp_path, "https", "--json", "-a", "hello").out) == found


def test_https_is_switched(tmp_path, hostd):
    hostd.on(f"PATCH {HTTPS}", (200, {"redirect": True, "hsts": {"max_age": 0}}))
    assert hostctl(tmp_path, "https:redirect", "on", "-a", "hello").err == (
        "Sending http requests of hello to https... done\n"
    )
    assert hostctl(tmp_path, "https:redirect", "OFF", "-a", "hello").status == 0
    assert hostctl(tmp_path, "https:hsts", "on", "--max-age", "60", "-a", "hello").status == 0
    assert hostctl(tmp_path, "https:hsts", "off", "-a", "hello").status == 0
    assert [request.json for request in hostd.requests] == [
        {"redirect": True},
        {"redirect": False},
        {"hsts": {"max_age": 60, "include_subdomains": False, "preload": False}},
        {"hsts": {"max_age": 0}},
    ]
    for words in (("https:redirect", "maybe"), ("https:redirect",), ("https:hsts", "on", "--max-age", "long")):
        assert hostctl(tmp_path, *words, "-a", "hello").status == 2
