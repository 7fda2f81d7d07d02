"""Drains to real receivers: the scenarios run inside the box and print what they found."""

from pathlib import Path

import pytest

from tests.support.scenarios import with_kit

SCENARIOS = with_kit("tests.box.drain_receivers", Path(__file__).with_name("drains_scenarios.py"))
WELL = {"missing": 0, "in order": True}


@pytest.fixture(scope="module", autouse=True)
def drains_inside(platform):
    """Drains may lead to the box itself."""
    assert platform.python(SCENARIOS, "allow")
    yield
    assert platform.python(SCENARIOS, "restore")


def test_rsyslog_gets_every_line_in_order_and_in_form(scenario):
    found = scenario("syslog")
    assert found["heads"] == ["TOKEN app web.1 -"]
    assert found["priorities"] == ["190"]
    assert found["first"] == "caf\u00e9 \u65e5\u672c"
    assert found["lengths"] == [10_000, 10_000]
    assert found["numbers"]


def test_tls_is_verified_and_a_bad_certificate_is_told(scenario):
    found = scenario("tls")
    assert found["error"] == (
        "the certificate of localhost:PORT is refused: unable to get local issuer certificate"
    )
    assert found["told"] and found["before"] == []
    assert found["numbers"] and found["wrong name"]


def test_whatever_an_endpoint_answers_each_line_comes_once_under_one_id(scenario):
    assert scenario("answers") == {
        "ids of the first three": [1, 1, 1],
        "ids": True,
        "in order, once": [True, True, True],
        "counts": True,
        "tokens": True,
        "types": ["application/logplex-1"],
        "authorization": "kate:pa55w0rd",
        "lost": [0, 0, 0],
    }


def test_a_final_refusal_is_told_with_the_next_frame(scenario):
    found = scenario("final")
    assert found["told"] == [found["expected"]]
    assert found["adds up"] and found["in the log"]


def test_kill_9_of_logplex_hostd_and_receiver_loses_nothing(scenario):
    by_kind = scenario("killed")
    assert by_kind.keys() == {"http", "syslog"}
    for kind, found in by_kind.items():
        assert found["missing"] == found["dropped"] == 0, (kind, found)
        assert found["in order"], (kind, found)
        # Three kills that can leave a frame in doubt, of at most half a buffer each.
        assert found["twice"] <= 3 * 1024, (kind, found)


def test_a_dead_drain_loses_an_exact_number_and_holds_up_nobody(scenario):
    found = scenario("dead")
    assert found["the other"] == WELL | {"twice": 0, "dropped": 0}
    assert (found["waiting"], found["state"]) == (1024, "retrying")
    assert found["adds up"] and found["without a gap"], found
    assert 0 < found["dropped"] == found["lost"] <= 6000 - 100 - 1024


def test_a_slow_https_endpoint_gets_everything_and_holds_up_nobody(scenario):
    assert scenario("https") == {"the other was ahead": True, "in order, once": True, "lost": 0}


def test_files_can_be_moved_away(scenario):
    found = scenario("file")
    assert found["form"].startswith("app[web.1]: line ") and found["numbers"]
    assert (found["mode"], found["owner"]) == ("0o600", "hostd-logplex")


def test_journal_remote_gets_entries(scenario):
    assert scenario("journal") == {"numbers": True, "app": True, "process": ["web.1"]}


def test_secrets_of_drains_are_found_nowhere(scenario):
    found = scenario("secrets")
    assert found["seen"] == [] and found["empty"] == []
    assert found["files"] == ["/run/hostd/logplex/drains.json"] and found["mode"] == "0o640"
    assert not found["ledger"]
    assert found["status of the bad ones"] == [1, 1]


def test_internal_addresses_are_refused(scenario):
    inside = "refused: it leads to an internal address. An operator can allow it with the setting drain_networks."
    own = "refused: it leads to this server itself. An operator can allow it with the setting drain_networks."
    assert scenario("refused") == [inside, inside, own, own, own, inside]
