"""PyPI's heroku3, unmodified, from an app's beginning to its end."""

from __future__ import annotations

import json
import uuid

import pytest
from heroku3 import rendezvous
from heroku3.api import Heroku

from tests.compat.heroku_cli.apps import PYTHON


@pytest.fixture(scope="module")
def heroku(platform, tmp_path_factory):
    """As someone would set it up: the API's address, a token, and the authority of this server."""
    setup = json.loads(platform.ssh("heroku:setup").stdout)
    authority = tmp_path_factory.mktemp("heroku3") / "authority.pem"
    authority.write_text(setup["authority"])
    begin = rendezvous.Rendezvous.__init__

    def trusting(self, *words, **more):
        begin(self, *words, **more)
        # It brings the certificates of public authorities, and takes no others.
        self.cert = str(authority)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rendezvous.Rendezvous, "__init__", trusting)
        heroku = Heroku()
        heroku._heroku_url = f"http://localhost:{setup['api_port']}"
        assert heroku.authenticate(setup["token"])
        yield heroku


@pytest.fixture(scope="module")
def app(heroku, platform, tmp_path_factory):
    name = f"h{uuid.uuid4().hex[:8]}"
    made = heroku.create_app(name=name, stack_id_or_name=None, region_id_or_name=None)
    assert made.name == name
    platform.push(platform.commit(PYTHON, tmp_path_factory.mktemp("app") / "app"), name)
    yield heroku.app(name)
    platform.hostctl("apps:destroy", "-a", name, "--confirm", name, check=False)


def test_config_vars_and_releases(app):
    app.config()["GREETING"] = "hello"
    assert app.config().to_dict()["GREETING"] == "hello"
    newest = app.releases(order_by="version", sort="desc", limit=1)[0]
    assert newest.description == "Set GREETING config vars"
    app.rollback(newest.version - 1)
    assert app.releases(order_by="version", sort="desc", limit=1)[0].description.startswith("Rollback to v")
    assert "GREETING" not in app.config().to_dict()


def test_a_command_in_a_dyno_of_its_own_is_heard(app):
    output, dyno = app.run_command("echo out; echo err >&2", printout=False)
    assert output.splitlines() == ["out", "err"]
    assert dyno.name.startswith("run.")
    detached = app.run_command_detached("echo said detached")
    assert detached.name.startswith("run.")


def test_the_log_once_and_as_it_comes(app, wait_until):
    wait_until(lambda: "said detached" in app.get_log(lines=500), seconds=60)
    for line in app.stream_log(lines=1, timeout=60):
        assert b"[" in line
        break


def test_the_formation(app, wait_until):
    assert [(each.type, each.quantity) for each in app.process_formation()] == [("web", 1)]
    app.scale_formation_process("web", 2)
    app.batch_scale_formation_processes({"web": 1})
    assert app.process_formation()["web"].quantity == 1
    # It restarts one dyno after the other, of those that it saw.
    wait_until(lambda: [dyno.name for dyno in app.dynos() if dyno.type == "web"] == ["web.1"], seconds=60)
    assert app.restart()


def test_names_drains_people_features(heroku, app):
    name = f"www.{app.name}.example.com"
    app.add_domain(name, None)
    assert name in [domain.hostname for domain in app.domains()]
    app.remove_domain(name)
    app.create_logdrain("syslog+tls://logs.example.com:6514")
    (drain,) = app.logdrains()
    assert drain.url == "syslog+tls://logs.example.com:6514"
    # Not by its address, which heroku3 does not encode.
    app.remove_logdrain(drain.id)
    assert [each.user.email for each in app.collaborators()] == [heroku.account().email]
    assert "session-affinity" in [feature.name for feature in app.features()]
    assert len(heroku.keys()) >= 1
    app.enable_maintenance_mode()
    assert heroku.app(app.name).maintenance
    # Its disable_maintenance_mode() sends 0 for false, which is refused here.
    app.update(maintenance=False)
    assert not heroku.app(app.name).maintenance


def test_the_end(heroku, app):
    app.delete()
    assert app.name not in [each.name for each in heroku.apps()]
