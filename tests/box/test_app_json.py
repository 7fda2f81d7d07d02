"""app.json: what an app's first deploy makes of it, and apps that are set up from an archive at one go."""

from __future__ import annotations

import io
import json
import re
import ssl
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import Finished, Platform
from tests.support.settings import settings
from tests.support.waiting import wait_until
from tests.unit.tls_kit import make

MANIFEST: dict[str, Any] = {
    "env": {
        "SECRET_KEY": {"generator": "secret"},
        "COLOUR": {"value": "blue"},
        "MAIL": {"description": "Who is written to."},
        "PERHAPS": {"required": False},
    },
    "formation": {"web": {"quantity": 2}, "worker": {"quantity": 1, "size": "standard-2x"}, "clock": {"quantity": 1}},
    "addons": ["heroku-postgresql"],
    "stack": "heroku-24",
    "scripts": {"postdeploy": "echo seeding in $COLOUR"},
    "success_url": "/welcome",
}
FILES = {
    "Procfile": "web: python3 -m http.server $PORT\nworker: sleep 1000\n",
    ".buildpacks": "heroku/procfile\n",
}
AUTHORITY = "/usr/local/share/ca-certificates/test-of-setups.crt"


def with_manifest(manifest: Any, **files: str) -> dict[str, str]:
    content = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return {**FILES, "app.json": content, **files}


def archive(files: Mapping[str, str]) -> bytes:
    """As code hosts send them: everything in one folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"guestbook-1.2/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


@dataclass
class Host:
    """An https server with archives. A path in `held` is answered when the event is set."""

    port: int
    archives: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def has(self, manifest: Any, **files: str) -> str:
        """The address of a new archive."""
        path = f"/{uuid.uuid4().hex}.tar.gz"
        self.archives[path] = archive(with_manifest(manifest, **files))
        return f"https://localhost:{self.port}{path}"


@pytest.fixture(scope="module")
def host(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that the platform trusts and may ask."""
    made = make("localhost", starts=datetime(2020, 1, 1, tzinfo=UTC), ends=datetime(2120, 1, 1, tzinfo=UTC))
    pem = tmp_path_factory.mktemp("host") / "pem"
    pem.write_text(made.pem + made.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            if gate := known.held.get(self.path):
                gate.wait(120)
            content = known.archives.get(self.path)
            with suppress(ConnectionError):
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    known = Host(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    platform.run(["tee", AUTHORITY], input=made.pem)
    platform.run(["update-ca-certificates"])
    try:
        with settings(platform, source_networks="127.0.0.0/8, ::1/128"):
            yield known
    finally:
        platform.run(["rm", AUTHORITY])
        platform.run(["update-ca-certificates", "--fresh"])
        for gate in known.held.values():
            gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def name(platform: Platform) -> Iterator[str]:
    """A name for an app, which is destroyed after the test if it was made."""
    chosen = f"s-{uuid.uuid4().hex[:10]}"
    yield chosen
    platform.hostctl("apps:destroy", "-a", chosen, "--confirm", chosen, check=False)


def config(platform: Platform, app: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(platform.hostctl("config", "--json", "-a", app).stdout)
    return found


def formation(platform: Platform, app: str) -> dict[str, tuple[int, str]]:
    found = json.loads(platform.hostctl("ps:scale", "--json", "-a", app).stdout)
    return {each["type"]: (each["quantity"], each["size"].lower()) for each in found}


def names(platform: Platform) -> list[str]:
    return [app["name"] for app in json.loads(platform.hostctl("apps", "--all", "--json").stdout)]


def test_the_first_push_takes_what_app_json_says_and_later_ones_do_not(
    platform: Platform, app: str, repository: Callable[..., Path]
) -> None:
    tree = repository(with_manifest(MANIFEST))
    refused = platform.push(tree, app, check=False)
    assert refused.returncode != 0
    assert f"app.json: env: MAIL needs a value. Set it, then push again: hostctl config:set MAIL=... -a {app}" in (
        refused.stderr
    )
    assert config(platform, app) == {} and "nothing has changed" in refused.stderr
    platform.hostctl("config:set", "MAIL=kate@example.com", "COLOUR=red", "-a", app)
    pushed = platform.push(tree, app).stderr
    for said in (
        "Config vars that are set with this release: SECRET_KEY",
        "there are no add-ons here yet, so these are not made: heroku-postgresql",
        "there is no stack 'heroku-24' here",
        "formation.clock is passed over",
        "scripts.postdeploy is run by apps:setup only",
    ):
        assert said in pushed
    first = config(platform, app)
    assert len(first.pop("SECRET_KEY")) == 64 and first == {"MAIL": "kate@example.com", "COLOUR": "red"}
    assert formation(platform, app) == {"web": (2, "standard-1x"), "worker": (1, "standard-2x")}
    releases = json.loads(platform.hostctl("releases", "--json", "-a", app).stdout)
    assert [each["version"] for each in releases] == [3, 2, 1] and releases[0]["description"].startswith("Deploy")
    platform.hostctl("config:unset", "SECRET_KEY", "-a", app)
    platform.hostctl("ps:scale", "web=1", "-a", app)
    changed = {**MANIFEST, "env": {**MANIFEST["env"], "LATER": "x", "NEEDED": {}}}
    again = platform.push(repository(with_manifest(changed), tree), app).stderr
    assert "Reading app.json" not in again
    assert config(platform, app) == {"MAIL": "kate@example.com", "COLOUR": "red"}
    assert formation(platform, app)["web"][0] == 1


def test_the_build_and_the_release_command_have_what_was_set(
    platform: Platform, app: str, repository: Callable[..., Path]
) -> None:
    """A buildpack sees config vars in ENV; this app's own command sees them too, before the release is made."""
    manifest = {"env": {"COLOUR": "blue", "SECRET_KEY": {"generator": "secret"}}}
    procfile = 'release: echo "$COLOUR with ${#SECRET_KEY} digits"\nweb: python3 -m http.server $PORT\n'
    pushed = platform.push(repository(with_manifest(manifest, Procfile=procfile)), app)
    assert "blue with 64 digits" in pushed.stderr
    assert config(platform, app)["COLOUR"] == "blue"


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ('{"env": }', "app.json: it is no JSON: line 1, column 9"),
        ({"env": {"A": 5}, "formation": {"web": 2}}, "app.json: formation.web must be an object"),
        ({"buildpacks": [{"url": "heroku/none"}]}, 'There is no buildpack "heroku/none"'),
    ],
)
def test_a_wrong_app_json_stops_the_first_push_and_changes_nothing(
    platform: Platform, app: str, repository: Callable[..., Path], manifest: Any, said: str
) -> None:
    files = with_manifest(manifest)
    del files[".buildpacks"]
    pushed = platform.push(repository(files), app, check=False)
    assert pushed.returncode != 0 and said in pushed.stderr
    assert config(platform, app) == {}


def setup(platform: Platform, url: str, name: str, *words: str) -> Finished:
    return platform.hostctl("apps:setup", url, "--name", name, *words, check=False)


def test_an_app_is_set_up_from_an_archive_at_one_go(platform: Platform, host: Host, name: str) -> None:
    url = host.has(MANIFEST)
    made = setup(platform, url, name, "--env", "MAIL=kate@example.com", "--env", "MORE=1", "--wait")
    assert made.returncode == 0, made.stderr
    assert "       seeding in blue\n-----> Setup done\n" in made.stdout
    assert made.stdout.splitlines()[-1].endswith("/welcome")
    found = config(platform, name)
    assert len(found.pop("SECRET_KEY")) == 64
    assert found == {"COLOUR": "blue", "MAIL": "kate@example.com", "MORE": "1"}
    assert formation(platform, name) == {"web": (2, "standard-1x"), "worker": (1, "standard-2x")}
    assert platform.http_get(name).status == 200
    assert "app[postdeploy." in platform.hostctl("logs", "-a", name, "-n", "200").stdout
    taken = setup(platform, url, name)
    assert taken.returncode == 1 and "taken" in taken.stderr
    assert platform.http_get(name).status == 200


def test_what_fails_before_its_release_leaves_no_app(platform: Platform, host: Host, name: str) -> None:
    for url, said in (
        (host.has(MANIFEST), "env: MAIL needs a value: set up with --env MAIL=..."),
        (host.has({"env": []}), "app.json: env must be an object"),
        (f"https://localhost:{host.port}/missing.tgz", "status 404"),
        (f"https://localhost:{platform.https_port}/a.tgz", "cannot be downloaded"),
        ("https://10.1.2.3/a.tgz", "internal address"),
        ("https://169.254.169.254/latest", "internal address"),
        (host.has({}, Procfile="release: exit 3\nweb: true\n"), "exit status 3"),
    ):
        failed = setup(platform, url, name, "--json")
        assert failed.returncode == 1 and said in failed.stderr, failed.stderr
        told = json.loads(failed.stdout)
        assert (told["status"], said in told["failure_message"]) == ("failed", True)
        assert name not in names(platform)
        output = platform.hostctl("apps:setup:info", told["id"]).stdout
        assert "failed" in output
    assert platform.run(["ls", "/var/lib/hostd/uploads"]).stdout == ""


def test_a_first_command_that_fails_leaves_the_app(platform: Platform, host: Host, name: str) -> None:
    failed = setup(platform, host.has({"scripts": {"postdeploy": "echo no; exit 3"}}), name, "--json")
    told = json.loads(failed.stdout)
    assert failed.returncode == 1 and told["postdeploy"] == {"exit_code": 3, "output": "no\n"}
    assert told["build"]["status"] == "succeeded" and name in names(platform)


@pytest.mark.parametrize("during", ["download", "postdeploy"])
def test_a_killed_hostd_leaves_no_setup_pending(platform: Platform, host: Host, name: str, during: str) -> None:
    url = host.has({"scripts": {"postdeploy": "echo begun; sleep 600"}})
    path = url.partition(f":{host.port}")[2]
    if during == "download":
        host.held[path] = threading.Event()
    id = platform.hostctl("apps:setup", url, "--name", name, "--no-wait").stdout.strip()
    if during == "download":
        wait_until(lambda: path in host.asked, 30)
    else:
        wait_until(lambda: "app[postdeploy." in platform.hostctl("logs", "-a", name).stdout, 90)
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
    ended = wait_until(lambda: _ended(platform, id), 90)
    assert ended["status"] == "failed" and "hostd was restarted during the setup" in ended["failure_message"]
    if during == "download":
        assert name not in names(platform)
        return
    assert name in names(platform)
    said = re.search(r"app\[(postdeploy\.\d+)\]", platform.hostctl("logs", "-a", name).stdout)
    assert said is not None and f"{said[1]}: complete" in platform.hostctl("ps", said[1], "-a", name).stdout


def _ended(platform: Platform, id: str) -> dict[str, Any] | None:
    asked = platform.hostctl("apps:setup:info", id, "--json", check=False)
    found: dict[str, Any] = json.loads(asked.stdout) if asked.returncode == 0 else {"status": "pending"}
    return None if found["status"] == "pending" else found
