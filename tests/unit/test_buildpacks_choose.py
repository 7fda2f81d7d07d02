"""Which buildpacks build an app, and what a reference to one means."""

from __future__ import annotations

import pytest

from buildpacks.runner.addresses import join, parse
from buildpacks.runner.choose import Choice, Reference, choose
from buildpacks.runner.choose import parse as parse_reference
from buildpacks.runner.trouble import Trouble

KNOWN = ("apt", "nodejs", "procfile", "python")
GIT = "https://example.com/user/pack"


def chosen(
    owner: list[str] | None = None, url: str = "", dotfile: str | None = None, app_json: str | None = None
) -> Choice:
    return choose(owner=owner or [], config_url=url, dotfile=dotfile, app_json=app_json, known=KNOWN)


def names(choice: Choice) -> list[str]:
    return [reference.shown for reference in choice.references]


def test_order_of_choice() -> None:
    app_json = '{"buildpacks": [{"url": "heroku/nodejs"}, {"url": "heroku/python"}]}'
    everything = (["apt"], "procfile", "python\n", app_json)
    assert (chosen(*everything).chosen_by, names(chosen(*everything))) == ("buildpacks:set", ["heroku/apt"])
    assert names(chosen([], *everything[1:])) == ["heroku/procfile"]
    assert names(chosen([], " ", *everything[2:])) == ["heroku/python"]
    assert names(chosen([], "", "\n# nothing\n", app_json)) == ["heroku/nodejs", "heroku/python"]
    assert chosen() == Choice()
    assert chosen(app_json='{"name": "app"}') == chosen(app_json="[]") == Choice()


@pytest.mark.parametrize("buildpacks", ["?", '"python"', "[{}]", "[1]", '[{"url": 1}]'])
def test_app_json_that_cannot_be_read_is_passed_over_with_a_warning(buildpacks: str) -> None:
    choice = chosen(app_json=f'{{"buildpacks": {buildpacks}}}')
    assert choice.references == ()
    assert choice.warning.startswith("app.json cannot be read")


@pytest.mark.parametrize("text", ["python", "heroku/python", "heroku-community/python", "urn:buildpack:heroku/python"])
def test_names_of_bundled_buildpacks(text: str) -> None:
    assert parse_reference(f" {text}\n", KNOWN) == Reference("heroku/python", "python")


def test_unknown_name_says_which_there_are() -> None:
    with pytest.raises(Trouble, match=r'no buildpack "heroku/perl"\. Bundled are apt, nodejs, procfile, python;'):
        parse_reference("heroku/perl", KNOWN)
    for text in ("../python", "", "heroku/", "/etc", "python/"):
        with pytest.raises(Trouble, match="There is no buildpack"):
            parse_reference(text, KNOWN)
    with pytest.raises(Trouble, match='leave out "#v1"'):
        parse_reference("python#v1", KNOWN)


@pytest.mark.parametrize(
    ("text", "tarball", "ref"),
    [
        (GIT, False, ""),
        (f"{GIT}.git#v1.2.0", False, "v1.2.0"),
        (f"{GIT}#feature/x", False, "feature/x"),
        (f"{GIT}.tgz", True, ""),
        (f"{GIT}/archive/main.tar.gz#abcdef0", True, "abcdef0"),
        (f"{GIT}.TAR.XZ?token=1", True, ""),
        (f"{GIT}/tarball/main", True, ""),
    ],
)
def test_addresses_of_buildpacks(text: str, tarball: bool, ref: str) -> None:
    reference = parse_reference(text, KNOWN)
    assert (reference.tarball, reference.ref, reference.name) == (tarball, ref, "")


@pytest.mark.parametrize("ref", ["--upload-pack=x", "a b", "a\x1bb"])
def test_ref_that_git_would_take_for_an_option_is_refused(ref: str) -> None:
    with pytest.raises(Trouble, match="is not a branch, tag or commit"):
        parse_reference(f"{GIT}#{ref}", KNOWN)


def test_credentials_are_taken_out_of_addresses_and_masked() -> None:
    address = parse("https://us%40er:t0k%2Fen@Example.com:8443/x.git?key=s3cret")
    assert (address.username, address.password) == ("us@er", "t0k/en")
    assert address.url == "https://example.com:8443/x.git?key=s3cret"
    assert address.shown == "https://***@example.com:8443/x.git?***"
    assert address.origin == "https://example.com:8443"
    assert "t0k" not in repr(address)
    assert "s3cret" not in repr(address)
    assert parse("https://token@host/x").shown == "https://***@host/x"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("git@github.com:user/pack.git", "needs an ssh key"),
        ("ssh://git:s3cret@host/x", "needs an ssh key"),
        ("file:///etc/passwd", "not an address that a build can use"),
        ("ext::sh -c s3cret@x", "not an address"),
        ("https://", "not an address"),
        ("https://user:s3cret@host:port/x", "not an address"),
        ("https://us\ner:s3cret@host/x", "not an address"),
        ("https://a%0Ab:s3cret@host/x", "line break"),
    ],
)
def test_addresses_that_are_of_no_use(text: str, reason: str) -> None:
    with pytest.raises(Trouble, match=reason) as caught:
        parse(text)
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("relative", "url"),
    [
        ("../lib.git", "https://host/user/lib.git"),
        ("./lib", "https://host/user/app.git/lib"),
        ("../../other/lib", "https://host/other/lib"),
    ],
)
def test_relative_addresses_of_submodules(relative: str, url: str) -> None:
    joined = join(parse("https://me:pw@host/user/app.git"), relative)
    assert (joined.url, joined.username, joined.password) == (url, "me", "pw")


def test_relative_address_cannot_leave_its_host() -> None:
    with pytest.raises(Trouble, match=r"leads out of https://host/a"):
        join(parse("https://host/a"), "../../x")
