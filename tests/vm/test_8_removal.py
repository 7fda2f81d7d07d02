"""`install.sh --uninstall` leaves nothing but Debian's packages."""

from __future__ import annotations

from tests.support.server import Server

PLACES = ("/etc", "/opt", "/run", "/usr/local", "/var/lib", "/var/log/journal")


def test_nothing_is_left(platform: Server) -> None:
    before = platform.run(["systemctl", "list-units", "--plain", "--no-legend", "hostd*"]).stdout
    assert "hostd.service" in before
    said = platform.install("--uninstall", "--data").stderr
    assert "=====> hostd is removed; Debian's packages stay" in said
    found = platform.run(["find", *PLACES, "-iname", "*hostd*"]).stdout
    assert found == ""
    for listing in (
        ["systemctl", "list-units", "--all", "--plain", "--no-legend", "*hostd*"],
        ["systemctl", "list-unit-files", "--no-legend", "*hostd*"],
        ["nft", "list", "tables"],
        ["ip", "-oneline", "link", "show", "type", "veth"],
        ["losetup", "--noheadings"],
        ["pgrep", "--list-full", "hostd"],
    ):
        assert "hostd" not in platform.run(listing, check=False).stdout, listing
    accounts = platform.run(["getent", "passwd"]).stdout + platform.run(["getent", "group"]).stdout
    assert [line for line in accounts.splitlines() if line.startswith(("hostd", "git:"))] == []
    assert platform.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"
