import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd import names
from hostd.errors import HostdError, Invalid


@pytest.mark.parametrize("name", ["abc", "hello", "a1b", "gentle-mesa-5445", "a" + "b" * 29, "a--b"])
def test_app_names_that_can_be_used(name):
    assert names.app_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 31,
        "..",
        "-a",
        "a-",
        "1ab",
        "Hello",
        "bl\u00fcte",
        "hel lo",
        "a/b",
        "a.b",
        "abc\n",
        "hello\x00",
        "a_b",
    ],
)
def test_app_names_that_cannot_be_used_are_refused_with_the_rule(name):
    with pytest.raises(Invalid, match=r"empty|3 to 30 characters"):
        names.app_name(name)


@pytest.mark.parametrize("name", sorted(names.RESERVED_APP_NAMES))
def test_names_of_the_platform_are_reserved(name):
    with pytest.raises(Invalid, match="reserved"):
        names.app_name(name)


@given(st.text(max_size=40))
def test_an_accepted_app_name_is_safe_in_host_names_units_and_paths(text):
    try:
        name = names.app_name(text)
    except Invalid as error:
        assert len(error.message) < 400
    else:
        assert re.fullmatch(r"[a-z0-9-]{3,30}", name)
        assert not name.startswith("-")


def test_generated_names_are_valid_and_free():
    seen: set[str] = set()
    for _ in range(200):
        name = names.generated_app_name(lambda name: name in seen)
        assert names.app_name(name) == name
        assert re.fullmatch(r"[a-z]+-[a-z]+-[1-9][0-9]{3}", name)
        assert name not in seen
        seen.add(name)


def test_a_taken_generated_name_is_not_used():
    taken = [True, True, False]
    assert names.generated_app_name(lambda _: taken.pop(0), choose=lambda options: options[0])
    assert taken == []


@pytest.mark.parametrize("text", ["Kate@Example.com", "a.b+c@x-y.example"])
def test_addresses(text):
    assert names.email(text) == text.lower()


@pytest.mark.parametrize(
    "text", ["", "kate", "@x", "a@", "a b@x.de", "a@x..de", "a@-x", "a@x\n", "a'b@x", "x" * 250 + "@y.de"]
)
def test_bad_addresses(text):
    with pytest.raises(Invalid, match="e-mail"):
        names.email(text)


@pytest.mark.parametrize("key", ["A", "_x", "DATABASE_URL", "a1", "HOMEPAGE"])
def test_config_keys(key):
    assert names.config_key(key) == key


@pytest.mark.parametrize("key", ["", "1A", "A B", "A-B", "A=B", "\u00c4", "A\n", "A" * 257])
def test_bad_config_keys(key):
    with pytest.raises(Invalid, match="config var's name"):
        names.config_key(key)


@pytest.mark.parametrize("key", ["PORT", "DYNO", "PS", "HOME", "HOSTD_APP"])
def test_config_keys_of_the_platform_are_refused_with_the_reason(key):
    with pytest.raises(Invalid, match=f"{key} cannot be set: the platform sets it"):
        names.config_key(key)


def test_config_values_may_hold_any_text_but_nul_and_never_show_in_errors():
    assert names.config_value("A", "l1\nl2\t\u20ac") == "l1\nl2\t\u20ac"
    for value in ("hunter2\0", "hunter2\udc80"):
        with pytest.raises(Invalid, match="A") as caught:
            names.config_value("A", value)
        assert "hunter2" not in caught.value.message


def test_the_limit_counts_bytes_of_keys_and_values_and_is_named():
    assert names.config_size({"AB": "x" * (names.CONFIG_LIMIT - 2)}) == names.CONFIG_LIMIT
    with pytest.raises(Invalid, match=r"16385 bytes.*limit is 16384"):
        names.config_size({"AB": "x" * (names.CONFIG_LIMIT - 1)})
    assert names.config_size({"A": "\u20ac"}) == 4


def test_changes_set_replace_and_remove():
    assert names.config_changes({"A": "1", "B": "2"}, {"B": "3", "A": None, "C": "", "D": None}) == {"B": "3", "C": ""}


def test_what_the_platform_has_set_stays():
    assert names.config_changes({"HOME": "/app"}, {"A": "1"}) == {"HOME": "/app", "A": "1"}


@pytest.mark.parametrize("changes", [{"1": "x"}, {"A": "\0"}, {"A": "x" * 20000}])
def test_a_bad_change_changes_nothing(changes):
    config = {"B": "2"}
    with pytest.raises(Invalid):
        names.config_changes(config, changes)
    assert config == {"B": "2"}


@pytest.mark.parametrize("text", ["web", "Worker_2", "my-worker", "x" * 63])
def test_process_types(text):
    assert names.process_type(text) == text


@pytest.mark.parametrize("text", ["", "x" * 64, "a b", "a.b", "a/b", "\u00e4"])
def test_bad_process_types(text):
    with pytest.raises(Invalid, match="process type"):
        names.process_type(text)


def test_an_unknown_type_is_refused_with_those_there_are():
    assert names.known_type("web", ["web"]) == "web"
    with pytest.raises(Invalid, match=r"'wrker' in hello\. It has: web, worker\. Did you mean worker\?"):
        names.known_type("wrker", ["worker", "web"], "hello")
    with pytest.raises(Invalid, match="Deploy it first"):
        names.known_type("web", [])


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("web=2", names.ScaleChange("web", quantity=2)),
        ("web=0", names.ScaleChange("web", quantity=0)),
        ("worker+1", names.ScaleChange("worker", delta=1)),
        ("web-1", names.ScaleChange("web", delta=-1)),
        ("web=2:Standard-2X", names.ScaleChange("web", quantity=2, size="standard-2x")),
        ("my-worker-3", names.ScaleChange("my-worker", delta=-3)),
        ("web=007", names.ScaleChange("web", quantity=7)),
    ],
)
def test_scale_expressions(text, change):
    assert names.scale(text) == change


def test_the_release_command_has_a_size_and_no_number():
    resized = names.ScaleChange("release", delta=0, size="standard-2x")
    assert names.scale_update("release", None, "Standard-2X") == resized
    assert names.scale("release=0:basic") == names.ScaleChange("release", quantity=0, size="basic")
    with pytest.raises(Invalid, match="release cannot be scaled"):
        names.scale_update("release", 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a scale expression"),
        ("web", "not a scale expression"),
        ("web=", "not a scale expression"),
        ("web=2.5", "not a scale expression"),
        ("web=\u0663", "not a scale expression"),
        ("web = 2", "not a scale expression"),
        ("web=2:", "not a scale expression"),
        ("web+-1", "not a scale expression"),
        ("web=--1", "not a scale expression"),
        ("web=-1", "below 0.*0 to 100"),
        ("web=101", "0 to 100"),
        ("web=1000000", "web=1000000 is too much.*0 to 100"),
        ("web+" + "9" * 5000, "0 to 100"),
        ("web=1:giant", "no dyno size 'giant'"),
        ("run=1", "run cannot be scaled"),
        ("release=1", "release cannot be scaled"),
        ("w" * 64 + "=1", "process type"),
    ],
)
def test_bad_scale_expressions_say_why(text, reason):
    with pytest.raises(Invalid, match=reason):
        names.scale(text)


@given(st.text(max_size=30) | st.from_regex(r"[a-z]{1,5}[=+-]-?[0-9]{1,8}(:[a-z0-9-]{1,12})?", fullmatch=True))
def test_a_scale_expression_is_refused_or_leads_within_the_bounds(text):
    try:
        change = names.scale(text)
    except HostdError:
        return
    for current in (0, 1, 50, names.MOST_DYNOS):
        try:
            assert 0 <= change.target(current) <= names.MOST_DYNOS
        except Invalid as error:
            assert "0 to 100" in error.message


def test_relative_changes_stop_at_the_bounds():
    assert names.scale("web+1").target(1) == 2
    with pytest.raises(Invalid, match="web=-1 is below 0"):
        names.scale("web-2").target(1)
    with pytest.raises(Invalid, match="0 to 100"):
        names.scale("web+1").target(100)


@pytest.mark.parametrize(
    ("quantity", "change"),
    [
        (2, names.ScaleChange("web", quantity=2)),
        ("2", names.ScaleChange("web", quantity=2)),
        ("+1", names.ScaleChange("web", delta=1)),
        ("-1", names.ScaleChange("web", delta=-1)),
        (None, names.ScaleChange("web")),
    ],
)
def test_updates_of_the_api(quantity, change):
    assert names.scale_update("web", quantity) == change


def test_an_update_of_the_size_alone_keeps_the_number():
    change = names.scale_update("web", size="eco")
    assert (change.target(3), change.size) == (3, "eco")


@pytest.mark.parametrize("quantity", [-1, 101, 10**30, "", "two", "++1", "1.0"])
def test_bad_updates(quantity):
    with pytest.raises(Invalid):
        names.scale_update("web", quantity)
