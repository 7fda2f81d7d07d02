import re
from pathlib import Path

import pytest

from hostd.errors import Invalid
from hostd.install.apply import parse_changes, wished_settings
from hostd.install.errors import InstallError
from hostd.install.managed import (
    SSHD_CONFIG,
    SSHD_MATCH,
    TEMPLATES,
    ManagedFile,
    managed_files,
    mount_unit,
    remove_retired,
    write_all,
)
from hostd.install.pool import GIB, usual_size
from hostd.install.services import instances
from hostd.settings import Settings

SETTINGS = Settings(http_port=8081, https_port=8444, ssh_port=2223, data_dir=Path("/srv/hostd"))


def texts(**options):
    wanted = {"own_sshd": True, "pool_image": None, **options}
    return {file.path: file.text for file in managed_files(SETTINGS, **wanted)}


def test_every_file_is_filled_in():
    for image in (None, Path("/srv/hostd/pool.img")):
        for own_sshd in (True, False):
            for path, text in texts(own_sshd=own_sshd, pool_image=image).items():
                assert not re.search(r"@[A-Z_]+@", text), path


def test_every_template_is_used():
    used = {path.name for path in texts(pool_image=Path("/x"))} | {path.name for path in texts(own_sshd=False)}
    renamed = {"sysusers.conf", "tmpfiles.conf", "pool.mount", "sshd_match.conf", "sysctl.conf"}
    assert {path.name for path in TEMPLATES.iterdir()} - renamed <= used


def test_every_apps_slice_ends_with_its_last_dyno():
    text = texts()[Path("/etc/systemd/system/hostd-apps-.slice.d/hostd-apps-.slice.conf")]
    assert "StopWhenUnneeded=yes\n" in text


def test_settings_reach_units_and_sshd():
    found = texts()
    assert "ListenStream=8081\n" in found[Path("/etc/systemd/system/hostd-router@.socket")]
    assert "ListenStream=8444\n" in found[Path("/etc/systemd/system/hostd-router-tls@.socket")]
    assert "Port 2223\n" in found[SSHD_CONFIG]
    assert "HostKey /srv/hostd/master/ssh/ssh_host_ed25519_key\n" in found[SSHD_CONFIG]
    assert 'data_dir = "/srv/hostd"\n' in found[Path("/etc/hostd/hostd.toml")]


def test_one_ssh_server_or_the_other():
    assert SSHD_MATCH not in texts()
    other = texts(own_sshd=False)
    assert SSHD_CONFIG not in other
    assert Path("/etc/systemd/system/hostd-sshd.service") not in other
    assert other[SSHD_MATCH].rstrip().endswith("Match all")


def test_nobody_gets_a_password_or_a_tunnel_but_to_the_api_and_the_rendezvous():
    closed = ("PasswordAuthentication no", "PermitTunnel no", "PermitListen none", "AllowStreamLocalForwarding no")
    for text in (texts()[SSHD_CONFIG], texts(own_sshd=False)[SSHD_MATCH]):
        for line in (*closed, "AuthorizedKeysFile none", "PermitOpen 127.0.0.1:7070 127.0.0.1:7071"):
            assert line in text
    none = managed_files(Settings(api_port=0, rendezvous_port=0), own_sshd=True, pool_image=None)
    assert "PermitOpen none" in next(file.text for file in none if file.path == SSHD_CONFIG)


def test_services_share_no_user_with_each_other_or_with_anybody_else():
    made = re.findall(r"^u (\S+)", texts()[Path("/etc/sysusers.d/hostd.conf")], re.MULTILINE)
    services = [text for path, text in texts().items() if path.suffix == ".service"]
    users = [user for text in services for user in re.findall(r"^User=(.*)$", text, re.MULTILINE)]
    assert users == sorted(set(users), key=users.index)
    assert set(users) <= set(made)


def test_at_a_shutdown_the_keeper_of_networks_outlives_hostd():
    assert "After=hostd-networks.service\n" in texts()[Path("/etc/systemd/system/hostd.service")]


def test_our_services_are_restarted_for_ever():
    for path, text in texts().items():
        if path.suffix == ".service" and "Type=oneshot\n" not in text:
            assert "StartLimitIntervalSec=0\n" in text, path
            # The rendezvous ends by itself when nobody comes; its socket starts it for the next.
            wanted = "on-failure" if path.name == "hostd-rendezvous.service" else "always"
            assert f"Restart={wanted}\n" in text, path
            assert "RestartSec=100ms\n" in text, path


def test_a_file_is_written_once(tmp_path):
    file = ManagedFile(tmp_path / "etc/x", "text\n")
    assert write_all([file]) == {file.path}
    assert write_all([file]) == set()
    assert [path.name for path in file.path.parent.iterdir()] == ["x"]
    assert file.path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/var/lib/hostd/pool", "var-lib-hostd-pool.mount"),
        ("/srv/my-data/pool", "srv-my\\x2ddata-pool.mount"),
        ("/a/b_c.d/é", "a-b_c.d-\\xc3\\xa9.mount"),
    ],
)
def test_names_of_mount_units(path, unit):
    assert mount_unit(Path(path)) == unit


def test_changes_of_settings():
    words = ["http_port=8080", "domain=example.com", "cool_off=[0, 10]", "data_dir=/srv/x"]
    assert parse_changes(words) == {
        "http_port": 8080,
        "domain": "example.com",
        "cool_off": [0, 10],
        "data_dir": "/srv/x",
    }
    with pytest.raises(InstallError, match="NAME=VALUE"):
        parse_changes(["http_port"])


def test_an_upgrade_keeps_what_was_set(tmp_path):
    file = tmp_path / "hostd.toml"
    file.write_text('http_port = 8080\ndomain = "example.com"\n')
    settings = wished_settings(file, {"domain": "example.org"})
    assert (settings.http_port, settings.domain) == (8080, "example.org")
    assert wished_settings(tmp_path / "none", {}) == Settings()
    with pytest.raises(Invalid, match="there is no setting nonsense"):
        wished_settings(file, {"nonsense": 1})
    file.write_text("= nothing")
    with pytest.raises(InstallError, match="not a TOML file"):
        wished_settings(file, {})


def test_what_earlier_versions_wrote_is_removed(tmp_path):
    old, shared = tmp_path / "old.service.d" / "x.conf", tmp_path / "shared.service.d" / "x.conf"
    for file in (old, shared, shared.with_name("the operator's.conf")):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert remove_retired([old, shared, tmp_path / "never"]) == {old, shared}
    assert [path.name for path in tmp_path.iterdir()] == ["shared.service.d"]
    assert remove_retired([old, shared]) == set()


def test_the_pool_leaves_some_disk():
    assert usual_size(80 * GIB) == 50 * GIB
    assert usual_size(20 * GIB) == 15 * GIB
    with pytest.raises(InstallError, match="too little disk"):
        usual_size(2 * GIB)


def test_router_workers():
    assert instances(Settings(router_workers=2)) == ["hostd-router@1", "hostd-router@2"]
