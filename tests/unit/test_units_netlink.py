"""What the kernel's messages about interfaces say."""

from __future__ import annotations

import pytest
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK
from pyroute2.netlink.rtnl.ifinfmsg import IFF_UP, ifinfmsg

from units.namespaces import works
from units.netlink import LinkChange, link_changes, of_one_that_is_up


def message(kind: int, name: str, flags: int) -> bytes:
    made = ifinfmsg()
    made["header"]["type"] = kind
    made["flags"] = flags
    made["attrs"] = [("IFLA_IFNAME", name), ("IFLA_IFALIAS", "hostd-hello-web.1-v3")]
    made.encode()
    return bytes(made.data)


@pytest.mark.parametrize(
    ("kind", "flags", "change"),
    [
        (RTM_NEWLINK, IFF_UP, LinkChange("b5-2", True, True)),
        (RTM_NEWLINK, 0, LinkChange("b5-2", True, False)),
        (RTM_DELLINK, 0, LinkChange("b5-2", False, False)),
    ],
)
def test_an_interface_is_there_and_up_or_not(kind: int, flags: int, change: LinkChange) -> None:
    assert list(link_changes(message(kind, "b5-2", flags))) == [change]


def test_what_says_that_one_interface_is_up_is_known_at_a_glance_and_nothing_else_is_taken_for_it() -> None:
    up, down = message(RTM_NEWLINK, "b5-2", IFF_UP), message(RTM_NEWLINK, "b5-3", 0)
    assert of_one_that_is_up(up)
    others = [message(RTM_DELLINK, "b5-2", IFF_UP), message(RTM_NEWADDR, "b5-2", IFF_UP), b"", up[:9]]
    for other in (down, up + down, *others):
        assert not of_one_that_is_up(other)


def test_several_messages_come_as_one_and_others_say_nothing() -> None:
    data = message(RTM_NEWLINK, "b5-2", IFF_UP) + message(RTM_NEWADDR, "b5-3", 0) + message(RTM_DELLINK, "b5-10", 0)
    assert [change.name for change in link_changes(data)] == ["b5-2", "b5-10"]


def test_an_interface_that_is_not_there_does_not_work() -> None:
    assert works("lo")
    assert not works("nowhere-0")
