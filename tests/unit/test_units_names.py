from hypothesis import given
from hypothesis import strategies as st

from units.names import escape, object_path, slice_of, unit_at


def test_slices_nest_by_dashes_so_those_of_a_name_are_escaped():
    assert slice_of("hostd", "apps", "my-app") == r"hostd-apps-my\x2dapp.slice"
    assert slice_of("hostd", "apps") == "hostd-apps.slice"


def test_escape_as_systemd_escape_does():
    assert escape("web_1:2.x") == "web_1:2.x"
    assert escape(".hidden") == r"\x2ehidden"
    assert escape("a/b") == "a-b"
    assert escape("å b") == r"\xc3\xa5\x20b"


def test_object_paths_as_systemd_encodes_them():
    assert object_path("hostd-a-web.1-v2.service") == (
        "/org/freedesktop/systemd1/unit/hostd_2da_2dweb_2e1_2dv2_2eservice"
    )
    assert object_path("1a").endswith("/unit/_31a")
    assert object_path("").endswith("/unit/_")


def test_paths_that_are_not_units():
    assert unit_at("/org/freedesktop/systemd1/job/12") is None
    assert unit_at("/org/freedesktop/systemd1/unit/a_2eservice") == "a.service"


@given(st.text(min_size=1))
def test_object_paths_decode_to_the_name(name):
    assert unit_at(object_path(name)) == name
