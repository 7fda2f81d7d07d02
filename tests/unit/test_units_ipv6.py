"""Whether dynos can have IPv6."""

from pathlib import Path

import pytest

from units.ipv6 import unused, way_out

DEFAULT = f"{'0' * 32} 00 {'0' * 32} 00 fd{'0' * 29}1 00000400 00000003 00000000 00000003     eth0\n"
NOWHERE = f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo\n"
NETWORK = f"fd{'0' * 30} 40 {'0' * 32} 00 {'0' * 32} 00000100 00000001 00000000 00000001     eth0\n"


@pytest.mark.parametrize(
    ("forwarding", "routes", "expected"),
    [
        ("1", NETWORK + DEFAULT + NOWHERE, (True, False)),
        ("0", NETWORK + DEFAULT + NOWHERE, (False, True)),
        ("1", NETWORK + NOWHERE, (False, False)),
        ("1", "", (False, False)),
    ],
)
def test_a_way_out_is_a_default_route_and_forwarding(tmp_path, forwarding, routes, expected):
    there, listed = tmp_path / "forwarding", tmp_path / "routes"
    there.write_text(f"{forwarding}\n")
    listed.write_text(routes)
    assert (way_out(there, listed), unused(there, listed)) == expected


def test_a_kernel_without_ipv6_has_none():
    nothing = Path("/proc/nothing")
    assert (way_out(nothing, nothing), unused(nothing, nothing)) == (False, False)
