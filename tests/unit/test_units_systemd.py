import pytest

from units.systemd import Systemd, SystemdUnavailable, UnitFailed


def test_without_systemd_every_call_says_so(tmp_path):
    systemd = Systemd(f"unix:path={tmp_path}/nobody")
    with pytest.raises(SystemdUnavailable, match="no systemd at"):
        systemd.info("x.service")


async def test_a_start_without_systemd_fails_at_once(tmp_path):
    with pytest.raises(SystemdUnavailable, match="no systemd at"):
        await Systemd(f"unix:path={tmp_path}/nobody").start("x.service", {})


def test_a_failed_unit_says_how():
    assert str(UnitFailed("x.service", "exit-code", 226)) == "x.service failed: exit-code, status 226"
    assert str(UnitFailed("x.service", "canceled")) == "x.service failed: canceled"
