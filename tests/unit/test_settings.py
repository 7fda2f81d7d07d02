import dataclasses
from pathlib import Path

import pytest

from hostd import settings
from hostd.errors import Invalid, Unavailable
from hostd.settings import Settings, from_values, load
from hostd.settings_page import to_markdown

ROOT = Path(__file__).parents[2]


def test_without_a_file_everything_has_its_default(tmp_path):
    assert load(environ={}) == Settings() or settings.DEFAULT_PATH.exists()
    assert from_values({}) == Settings()


def test_a_file_sets_what_it_names(tmp_path):
    path = tmp_path / "hostd.toml"
    path.write_text('domain = "apps.example.com"\ndyno_port = 21000\ndata_dir = "/srv/hostd"\n')
    loaded = load(path, {})
    assert (loaded.domain, loaded.dyno_port) == ("apps.example.com", 21000)
    assert loaded.pool_dir == Path("/srv/hostd/pool")
    assert loaded.http_port == 80


def test_settings_of_earlier_versions_are_left_out():
    assert from_values({"dyno_address": "127.0.0.1", "dyno_ports": [20000, 29999]}) == Settings()


def test_the_environment_names_another_file_and_run_directory(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text("http_port = 8080\n")
    loaded = load(environ={"HOSTD_CONFIG": str(path), "HOSTD_RUN_DIR": "/tmp/run"})
    assert loaded.http_port == 8080
    assert loaded.api_socket == Path("/tmp/run/hostd.sock")


def test_a_written_file_is_read_back(tmp_path):
    wanted = Settings(domain="example.org", http_port=8080, cool_off=(0, 5), data_dir=Path("/srv/x"))
    path = tmp_path / "hostd.toml"
    path.write_text(wanted.to_toml())
    assert load(path, {}) == wanted


def test_every_path_lies_below_the_two_directories():
    paths = Settings(data_dir=Path("/d"), run_dir=Path("/r"))
    assert paths.master_dir == Path("/d/master")
    assert paths.repository("1f") == Path("/d/master/repos/1f.git")
    assert paths.routes_file == Path("/d/routes/routes.json")
    assert paths.git_home == Path("/d/git-home")
    assert (paths.ssh_dir, paths.tls_dir) == (Path("/d/master/ssh"), Path("/d/master/tls"))
    assert paths.attach_socket == Path("/r/attach.sock")
    assert paths.logplex_socket == Path("/r/logplex.sock")
    assert paths.env_file("hostd-a-web.1-v2") == Path("/r/env/hostd-a-web.1-v2.env")
    assert paths.router_socket(2) == Path("/r/router/2.sock")


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(Unavailable, match=r"no settings file .*gone\.toml"):
        load(tmp_path / "gone.toml", {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('dmain = "x"', r"hostd\.toml: there is no setting dmain\. Did you mean domain\?"),
        ("zzz = 1", "The settings are: domain, http_port"),
        ('http_port = "80"', "http_port must be of type: number"),
        ("http_port = true", "http_port must be of type: number"),
        ("domain = 3", "domain must be of type: text"),
        ("cool_off = [1, 'a']", "cool_off must be of type: list of numbers"),
        ("http_port =", "is not a TOML file"),
        ("\x00", "is not a TOML file"),
    ],
)
def test_mistakes_in_the_file_are_named_with_the_file(tmp_path, text, reason):
    path = tmp_path / "hostd.toml"
    path.write_text(text)
    with pytest.raises(Invalid, match=reason):
        load(path, {})


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "hostd.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="is not a TOML file"):
        load(path, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"http_port": 0},
        {"http_port": 443},
        {"api_port": 80},
        {"api_port": -1},
        {"ssh_port": 70000},
        {"domain": "Example.com"},
        {"domain": "-x"},
        {"domain": "x" * 201},
        {"data_dir": "var"},
        {"data_dir": "/var/lib/../hostd"},
        {"run_dir": "/run/ho std"},
        {"dyno_port": 80},
        {"dyno_port": 65536},
        {"network_name": "Hostd"},
        {"network_name": "hostd-box"},
        {"network_name": "ninechars"},
        {"network_prefix": "10.83.0.0"},
        {"network_prefix": "10.83.0.1/16"},
        {"network_prefix": "8.8.0.0/16"},
        {"network_prefix": "10.0.0.0/8"},
        {"network_prefix": "fd00::/64"},
        {"uid_base": 1000},
        {"router_workers": 0},
        {"boot_timeout": 0},
        {"kept_slugs": 0},
        {"cool_off": []},
        {"cool_off": [-1]},
        {"alerts_per_app": 0},
        {"alert_programs": "alerts.d"},
        {"alert_networks": "10.0.0.1/8"},
        {"alert_networks": "everything"},
        {"webhook_networks": "everything"},
        {"source_networks": "everything"},
        {"mail_server": "smtp.example.com"},
        {"mail_server": "smtp.example.com:smtp"},
        {"mail_security": "ssl"},
        {"mail_login_file": "login"},
        {"mail_from": "hostd"},
    ],
)
def test_values_that_cannot_work_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(Invalid, match=name):
        from_values(wrong)


def test_every_setting_is_explained_in_the_documentation():
    assert all(field.metadata["help"].endswith(".") for field in dataclasses.fields(Settings))
    assert (ROOT / "docs" / "settings.md").read_text() == to_markdown()
