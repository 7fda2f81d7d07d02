"""Where the figures of alerts come from: the ring in a file, and the store of metrics."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

from metrics_kit import NOON, crash, traffic, used

from hostd.alerts.assembling import mail_server
from hostd.alerts.evaluating import MINUTE, fold
from hostd.alerts.metrics import ByType
from hostd.alerts.notify.mail import MailServer
from hostd.alerts.readings import Readings
from hostd.alerts.ring import PLACES, Ring
from hostd.alerts.rules import parse
from hostd.metrics.points import Points
from hostd.metrics.store import Store
from hostd.settings import Settings, from_values
from hostd.settings_rules import networks


def test_where_mail_and_alerts_may_go_is_read_from_the_settings():
    values = {"mail_server": "[::1]:465", "mail_security": "tls", "mail_login_file": "/etc/hostd/mail-login"}
    assert mail_server(from_values(values)) == MailServer("::1", 465, "tls", Path("/etc/hostd/mail-login"))
    assert mail_server(from_values({"mail_server": "smtp.example.com:587"})) == MailServer(
        "smtp.example.com", 587, "starttls", None
    )
    assert mail_server(Settings()) is None
    assert networks("10.1.2.0/24, ::1/128 192.0.2.1") == [
        ip_network("10.1.2.0/24"), ip_network("::1/128"), ip_network("192.0.2.1/32"),
    ]  # fmt: skip


def test_a_ring_remembers_a_week_and_never_grows(tmp_path):
    ring = Ring(tmp_path / "alerts/disk")
    assert ring.minutes(0, NOON) == {}
    for count in range(PLACES + 3):
        if count % 1000 == 0 or count > PLACES - 3:
            ring.put(NOON + count * MINUTE, float(count))
    size = (tmp_path / "alerts/disk").stat().st_size
    assert size <= PLACES * 16
    assert ring.minutes(NOON, NOON + 1500 * MINUTE) == {NOON + 1000 * MINUTE: 1000.0}, "the first was written over"
    end = NOON + (PLACES + 2) * MINUTE
    assert ring.minutes(end - MINUTE, end) == {end - MINUTE: PLACES + 1.0}
    assert Ring(tmp_path / "alerts/disk").minutes(end, end + 1) == {end: PLACES + 2.0}


def test_a_ring_that_is_damaged_or_cannot_be_written_knows_less(tmp_path):
    ring = Ring(tmp_path / "disk")
    ring.put(NOON, 5.0)
    whole = (tmp_path / "disk").read_bytes()
    (tmp_path / "disk").write_bytes(os.urandom(16) + whole[16:] + b"half")
    assert ring.minutes(NOON - 60, NOON + 60) == {NOON: 5.0}
    (tmp_path / "disk").unlink()
    (tmp_path / "disk").mkdir()
    ring.put(NOON, 6.0)
    assert ring.minutes(NOON, NOON + 60) == {}


def stored(tmp_path, points, minutes=10):
    store = Store(tmp_path / "metrics.db", 1 << 30)
    points.steps |= {NOON + minute * MINUTE for minute in range(minutes)}
    store.write(points, NOON + minutes * MINUTE)
    return store


def episodes(store, condition, minutes=10):
    rule, until = parse(condition), NOON + minutes * MINUTE
    readings = Readings(ByType(store), Ring("/nonexistent"), lambda _: [])
    return [
        ((each.began - NOON) // MINUTE, each.low, each.high)
        for each in fold(rule, readings.read(rule, "app", NOON, until), NOON, until).episodes
    ]


def test_figures_are_those_of_the_metrics(tmp_path):
    at = [NOON + minute * MINUTE for minute in range(10)]
    store = stored(
        tmp_path,
        Points(
            used=[each for second in at for each in (
                used(second, dyno="web.1", megabytes=100, cpu=30_000), used(second, dyno="worker.1", megabytes=500)
            )],
            traffic=[traffic(second, good=18, bad=2) for second in at[2:]],
            counts=[crash(at[3], times=3), crash(at[4], dyno="worker.1", times=2), crash(at[5], what="R14")],
        ),
    )  # fmt: skip
    try:
        assert episodes(store, "errors>5% for 2m") == [(2, 10.0, 10.0)]
        assert episodes(store, "errors>1/min for 2m") == [(2, 2.0, 2.0)]
        assert episodes(store, "requests>10/min for 2m") == [(2, 20.0, 20.0)]
        assert episodes(store, "requests<1/min for 2m") == [(0, 0.0, 0.0)]
        assert episodes(store, "p95>1ms for 8m")[0][0] == 2
        assert episodes(store, "p95>1ms for 9m") == []
        assert episodes(store, "memory>450MB for 2m") == [(0, 500.0, 500.0)]
        assert episodes(store, "worker memory>90% for 2m")[0][0] == 0
        assert episodes(store, "web memory>90% for 2m") == []
        assert episodes(store, "web memory>0.05GB for 2m")[0][0] == 0
        assert episodes(store, "web cpu>40% for 2m") == [(0, 50.0, 50.0)]
        assert episodes(store, "crashes>4 for 5m") == [(4, 5.0, 5.0)]
        assert episodes(store, "web crashes>3 for 5m") == []
        assert episodes(store, "worker crashes>1 for 5m") == [(4, 2.0, 2.0)]
        assert episodes(store, "R14>0 for 2m") == [(5, 1.0, 1.0)]
        assert episodes(store, "web R14>0 for 2m") == [(5, 1.0, 1.0)]
        assert episodes(store, "H12>0") == []
        assert episodes(store, "drain-loss>0") == []
    finally:
        store.close()


def test_a_store_that_cannot_be_read_fires_nothing(tmp_path):
    (tmp_path / "metrics.db").mkdir()
    store = Store(tmp_path / "metrics.db", 1 << 30)
    assert episodes(store, "worker crashes>0") == episodes(store, "requests<1/min") == []
