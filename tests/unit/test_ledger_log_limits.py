import pytest
from ledger_kit import open_ledger

from hostd.errors import NotFound
from hostd.ledger.log_limits import LogLimits


def test_limits_of_logs_are_kept_for_each_app(tmp_path):
    ledger = open_ledger(tmp_path)
    kate = ledger.users.add("kate@example.com")
    app, other = (ledger.apps.create(name, kate.id) for name in ("hello", "other"))
    assert ledger.log_limits.get(app.id) == LogLimits()
    ledger.log_limits.set(app.id, LogLimits(size_mb=64))
    ledger.log_limits.set(app.id, LogLimits(size_mb=128, retention_days=7))
    ledger.log_limits.set(other.id, LogLimits(retention_days=30))
    assert ledger.log_limits.get(app.id) == LogLimits(128, 7)
    assert ledger.log_limits.get(other.id) == LogLimits(None, 30)
    ledger.log_limits.set(app.id, LogLimits())
    assert ledger.log_limits.get(app.id) == LogLimits()
    assert ledger.log_limits.get(other.id) == LogLimits(None, 30)
    with pytest.raises(NotFound):
        ledger.log_limits.set("nobody", LogLimits(64))
