"""Where domains lead: what is asked of a real server of the DNS on loopback, and what is made of its answers."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest

from hostd.dns import Check, Dns, DomainChecks, Found, Leads, Record, judged, own_addresses, wanted

TARGET = "hello.apps.example.com"
OURS = Found(("192.0.2.1", "2001:db8::1"))
HOME = Found(("127.0.0.1", "::1", "192.0.2.1"), trouble="names below localhost lead everybody to themselves")
AT = datetime(2026, 1, 27, 10, 48, 8, tzinfo=UTC)


class FakeServer(asyncio.DatagramProtocol):
    """A server of the DNS that has these records: name and type to values. `ZONE` has the others' SOA."""

    ZONE = "shop.de"

    def __init__(self, records, rcode=dns.rcode.NOERROR):
        self.records, self.rcode, self.asked = records, rcode, []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        question = dns.message.from_wire(data)
        (asked,) = question.question
        self.asked.append(str(asked.name).rstrip("."))
        if self.rcode is not None:
            self.transport.sendto(self._answer(question, asked).to_wire(), address)

    def _answer(self, question, asked):
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        name, kind = str(asked.name).rstrip("."), dns.rdatatype.to_text(asked.rdtype)
        answer.set_rcode(self.rcode)
        known = {known for known, _ in self.records}
        if self.rcode == dns.rcode.NOERROR and name not in known and f"*.{name.partition('.')[2]}" not in known:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        while alias := self.records.get((name, "CNAME")):
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{alias}."))
            name = alias
        for owner in (name, f"*.{name.partition('.')[2]}"):
            if values := self.records.get((owner, kind)):
                answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *values))
                break
        return answer


@asynccontextmanager
async def serving(records, rcode=dns.rcode.NOERROR, patience=5.0):
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: FakeServer(records, rcode), local_addr=("127.0.0.1", 0)
    )

    def resolver():
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
        return made

    try:
        yield Dns(resolver, patience), server
    finally:
        transport.close()


SOA = "ns.shop.de. you.shop.de. 1 7200 900 1209600 300"


async def test_addresses_aliases_and_zones_are_found():
    records = {
        ("shop.de", "SOA"): [SOA],
        ("shop.de", "A"): ["192.0.2.7"],
        ("www.shop.de", "CNAME"): "shop.de",
        ("v6.shop.de", "AAAA"): ["2001:db8::7"],
        ("gone.shop.de", "CNAME"): "nowhere.shop.de",
    }
    async with serving(records) as (names, _):
        assert await names.look("shop.de") == Found(("192.0.2.7",), (), True)
        assert await names.look("www.shop.de") == Found(("192.0.2.7",), ("shop.de",), False)
        assert await names.look("v6.shop.de") == Found(("2001:db8::7",), (), False)
        assert await names.look("gone.shop.de") == Found((), ("nowhere.shop.de",), False)
        assert await names.look("other.shop.de") == Found((), (), False)


async def test_a_server_that_fails_is_no_answer():
    async with serving({}, dns.rcode.SERVFAIL) as (names, _):
        found = await names.look("shop.de")
    assert found.addresses == () and found.apex is None
    assert found.trouble is not None and "SERVFAIL" in found.trouble


async def test_a_server_that_is_silent_is_no_answer():
    async with serving({}, None, patience=0.1) as (names, _):
        found = await names.look("shop.de")
    assert found.trouble == "127.0.0.1 did not answer within 0.1 seconds"


async def test_without_a_server_nothing_can_be_asked():
    def none_there():
        raise dns.resolver.NoResolverConfiguration("no nameservers")

    found = await Dns(none_there).look("shop.de")
    assert found.trouble == "/etc/resolv.conf names no server: no nameservers"


async def test_a_wildcard_is_tried_with_a_name_below_it_that_nobody_asked_for():
    records = {("*.shop.de", "A"): ["192.0.2.1"], (TARGET, "A"): ["192.0.2.1"]}
    async with serving(records) as (names, server):
        checks = DomainChecks(names, "apps.example.com", list, lambda: AT)
        first = await checks.check("*.shop.de", TARGET)
        await checks.check("*.shop.de", TARGET)
    assert first.leads is Leads.HERE
    tried = {name for name in server.asked if name.endswith(".shop.de")}
    assert len(tried) == 2 and "*.shop.de" not in tried


async def test_what_was_found_is_known_until_the_domain_is_forgotten():
    async with serving({("shop.de", "A"): ["192.0.2.1"]}) as (names, _):
        checks = DomainChecks(names, "apps.example.com", lambda: ["192.0.2.1"], lambda: AT)
        assert checks.known("shop.de", TARGET) is None
        await checks.check_all(["shop.de", "other.de"], TARGET)
    shop, other = checks.known("shop.de", TARGET), checks.known("other.de", TARGET)
    assert isinstance(shop, Check) and isinstance(other, Check)
    assert (shop.leads, shop.at, other.leads) == (Leads.HERE, AT, Leads.NOWHERE)
    assert checks.known("shop.de", "another.apps.example.com") is None
    checks.forget("shop.de")
    assert checks.known("shop.de", TARGET) is None


async def test_a_list_is_checked_as_far_as_time_allows():
    async with serving({}, None, patience=30.0) as (names, _):
        checks = DomainChecks(names, "localhost", list, lambda: AT)
        await checks.check_all(["shop.de"], "hello.localhost", seconds=0.05)
        assert checks.known("shop.de", "hello.localhost") is None


@pytest.mark.parametrize(
    ("found", "leads", "said"),
    [
        (Found(("192.0.2.1",)), Leads.HERE, "bücher.de leads here."),
        (Found(("192.0.2.1", "2001:db8::1")), Leads.HERE, "bücher.de leads here."),
        (Found(("192.0.2.9",), (TARGET,)), Leads.HERE, "bücher.de leads here."),
        (Found(("192.0.2.9",)), Leads.ELSEWHERE, "bücher.de leads to 192.0.2.9, which is not this server."),
        (
            Found(("192.0.2.1", "2001:db8::9")),
            Leads.ELSEWHERE,
            "bücher.de leads to 2001:db8::9, which is not this server, and here too.",
        ),
        (Found(), Leads.NOWHERE, "bücher.de has no address in the DNS yet."),
        (Found((), ("old.de",)), Leads.NOWHERE, "bücher.de is an alias of old.de, which has no address."),
        (Found(trouble="timed out"), Leads.UNANSWERED, "Where bücher.de leads could not be asked: timed out."),
        (Found(("192.0.2.9",), trouble="timed out"), Leads.ELSEWHERE, "which is not this server"),
    ],
)
def test_it_is_judged_where_a_domain_leads(found, leads, said):
    check = judged("xn--bcher-kva.de", TARGET, found, OURS, AT)
    assert check.leads is leads and said in check.message


def test_it_is_said_that_no_record_can_name_the_target():
    check = judged("shop.de", TARGET, Found(), Found(trouble="it has no address in the DNS"), AT)
    assert check.message.endswith(f"No record can name {TARGET}: it has no address in the DNS.")
    assert "No record" not in judged("shop.de", "hello.localhost", Found(), HOME, AT).message


@pytest.mark.parametrize(
    ("hostname", "apex", "ours", "records"),
    [
        ("www.shop.de", False, OURS, [Record("CNAME", "www.shop.de", TARGET)]),
        ("www.shop.de", None, OURS, [Record("CNAME", "www.shop.de", TARGET)]),
        ("*.shop.de", None, OURS, [Record("CNAME", "*.shop.de", TARGET)]),
        (
            "shop.de",
            None,
            OURS,
            [
                Record("ALIAS", "shop.de", TARGET),
                Record("A", "shop.de", "192.0.2.1"),
                Record("AAAA", "shop.de", "2001:db8::1"),
            ],
        ),
        (
            "shop.co.uk",
            True,
            Found(("192.0.2.1",)),
            [Record("ALIAS", "shop.co.uk", TARGET), Record("A", "shop.co.uk", "192.0.2.1")],
        ),
        (
            "www.shop.de",
            False,
            HOME,
            [Record("A", "www.shop.de", "192.0.2.1")],
        ),
        (
            "www.shop.de",
            False,
            Found(("10.0.0.1", "1.1.1.1", "1.0.0.1"), trouble="x"),
            [Record("A", "www.shop.de", "1.1.1.1"), Record("A", "www.shop.de", "1.0.0.1")],
        ),
        ("shop.de", True, Found(("127.0.0.1",), trouble="x"), [Record("A", "shop.de", "127.0.0.1")]),
        (
            "www.shop.de",
            False,
            Found(("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2", "::1"), trouble="x"),
            [Record("A", "www.shop.de", "10.0.0.1"), Record("AAAA", "www.shop.de", "fd00::1")],
        ),
        ("www.shop.de", False, Found(trouble="it has no address in the DNS"), []),
    ],
)
def test_the_records_to_make(hostname, apex, ours, records):
    assert list(wanted(hostname, TARGET, apex, ours)) == records


def test_own_addresses_are_those_that_others_may_reach():
    assert not {"127.0.0.1", "::1"} & set(own_addresses("10.83.0.0/16"))
