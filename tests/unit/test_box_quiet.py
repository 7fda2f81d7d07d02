from hostd.box.quiet import UNWANTED, mask, unneeded_units


def link(root, path):
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to("/lib/systemd/system/x")


def test_what_would_start_by_itself_and_is_not_needed(tmp_path):
    for path in (
        "etc/systemd/system/multi-user.target.wants/nginx.service",
        "etc/systemd/system/multi-user.target.wants/hostd.service",
        "etc/systemd/system/multi-user.target.wants/remote-fs.target",
        "etc/systemd/system/timers.target.wants/apt-daily.timer",
        "etc/systemd/system/sockets.target.wants/docker.socket",
        "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service",
        "usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service",
        "usr/lib/systemd/system/sockets.target.wants/dbus.socket",
        "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
        "usr/lib/systemd/system/timers.target.wants/systemd-tmpfiles-clean.timer",
        "etc/rc3.d/S01cron",
        "etc/rc3.d/K01cups",
    ):
        link(tmp_path, path)
    found = set(unneeded_units(tmp_path)) - set(UNWANTED)
    assert found == {"nginx.service", "apt-daily.timer", "docker.socket", "cron.service"}


def test_a_mask_is_a_link_to_nothing(tmp_path):
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/own.service").write_text("[Unit]\n")
    mask(tmp_path, ["own.service", "ssh.service"])
    for name in ("own.service", "ssh.service"):
        assert str((tmp_path / "etc/systemd/system" / name).readlink()) == "/dev/null"
